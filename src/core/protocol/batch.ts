/**
 * Many entries of one database on the wire, without what the receiver can derive.
 *
 *   batch    [item, …]
 *   item     [chain, parents, height, time, signature, store, payload, store, payload, …]
 *   chain    the number of a chain, which this item continues: author and `prev` are those of the chain's last item and its
 *            `seq` is one more; or [author, seq, prev or null], which starts the next chain
 *   parents  [how many items ago, or a link, …]
 *   height   minus the height of the item before, 0 before the first; `time` likewise
 *   store    the number of a name and type given before; or [name, type], which gets the next number
 *
 * A chain here is a branch: an entry that does not continue a chain of this batch (a fork, an odd order) starts another.
 * What has neither `prev` nor parents is the root.
 *
 * [BATCH-1] Decoding gives back the same bytes and ids in the same order, for valid entries in any order.
 * [BATCH-2] What is left out costs nothing: in one chain an entry takes its payload and at most 90 bytes.
 * [BATCH-3] A batch is taken or refused as a whole, within the limits of entries and bytes.
 * Not here: signatures (chain.ts), and whether the entries fit into a graph.
 */
import { CborReader } from "../cbor-reader.ts";
import { CborWriter } from "../cbor-writer.ts";
import { databaseOf, type Entry, entrySignature, type StorePart, writeEntry } from "../entry.ts";
import { assert, attempt, type Result, TidemarkError } from "../errors.ts";
import type { DatabaseId, EntryId, PublicKey, Sha256 } from "../ids.ts";
import { batchEntriesMax, messageBytesMax, parentsMax, storesMax } from "../limits.ts";

/** What an item holds before its first store. */
const itemFields = 5;
const signatureBytesLength = 64;
/** What decoding adds to an entry that continues a chain, about: two links, a key, two short names. A guess, not a limit. */
const derivedBytes = 144;

/** The entries are of one database and at most `batchEntriesMax`; the receiver names the database. */
export function encodeBatch(entries: readonly Entry[]): Uint8Array {
  assert(entries.length <= batchEntriesMax, "a batch of too many entries");
  const encoder = new BatchEncoder(entries);
  for (const [place, entry] of entries.entries()) encoder.write(entry, place);
  return encoder.finish();
}

/**
 * The inverse. Entries, their bytes and payloads are views into `bytes` and into one buffer that they share. Fails with
 * MESSAGE_TOO_LARGE, MESSAGE_MALFORMED, ENTRY_DATABASE (another database's root), ENTRY_TOO_LARGE, ENTRY_MALFORMED or a
 * CBOR_ code.
 */
export function decodeBatch(bytes: Uint8Array, database: DatabaseId, sha256: Sha256): Result<Entry[]> {
  return attempt(() => {
    if (bytes.length > messageBytesMax) {
      throw new TidemarkError("MESSAGE_TOO_LARGE", { got: bytes.length, max: messageBytesMax });
    }
    const reader = new CborReader(bytes);
    const count = reader.array(batchEntriesMax);
    const decoder = new BatchDecoder(reader, new CborWriter(bytes.length + count * derivedBytes), database, sha256);
    for (let left = count; left > 0; left--) decoder.read();
    reader.end();
    return decoder.entries;
  });
}

class BatchEncoder {
  readonly #entries: readonly Entry[];
  readonly #writer: CborWriter;
  readonly #places = new Map<EntryId, number>();
  /** By the place of an entry: the number of the chain it is the last of so far. */
  readonly #openChains: (number | undefined)[] = [];
  #chainCount = 0;
  readonly #stores = new Map<string, number>();

  constructor(entries: readonly Entry[]) {
    this.#entries = entries;
    this.#writer = new CborWriter(entries.reduce((sum, entry) => sum + entry.bytes.length, 16));
    this.#writer.array(entries.length);
  }

  finish(): Uint8Array {
    return this.#writer.view();
  }

  write(entry: Entry, place: number): void {
    const before = this.#entries[place - 1];
    assert(before === undefined || databaseOf(before) === databaseOf(entry), "a batch of several databases");
    const writer = this.#writer;
    writer.array(itemFields + 2 * entry.stores.length);
    this.#writeChain(entry, place);
    this.#writeParents(entry, place);
    writer.int(entry.height - (before?.height ?? 0));
    writer.int(entry.time - (before?.time ?? 0));
    writer.bytes(entrySignature(entry));
    for (const part of entry.stores) this.#writePart(part);
    this.#places.set(entry.id, place);
  }

  #writeChain(entry: Entry, place: number): void {
    const prevPlace = entry.prev === undefined ? -1 : (this.#places.get(entry.prev) ?? -1);
    const chain = this.#openChains[prevPlace];
    if (chain !== undefined && isNext(this.#entries[prevPlace], entry)) {
      this.#writer.uint(chain);
      this.#openChains[prevPlace] = undefined;
      this.#openChains[place] = chain;
    } else {
      this.#writer.array(3);
      this.#writer.publicKey(entry.author);
      this.#writer.uint(entry.seq);
      this.#writer.linkOrNull(entry.prev);
      this.#openChains[place] = this.#chainCount++;
    }
  }

  #writeParents({ parents }: Entry, place: number): void {
    this.#writer.array(parents.length);
    for (const parent of parents) {
      const parentPlace = this.#places.get(parent);
      if (parentPlace === undefined) this.#writer.link(parent);
      else this.#writer.uint(place - parentPlace);
    }
  }

  #writePart({ name, type, payload }: StorePart): void {
    const key = `${type.length} ${type}${name}`;
    const number = this.#stores.get(key);
    if (number !== undefined) {
      this.#writer.uint(number);
    } else {
      this.#stores.set(key, this.#stores.size);
      this.#writer.array(2);
      this.#writer.text(name);
      this.#writer.text(type);
    }
    this.#writer.bytes(payload);
  }
}

function isNext(previous: Entry | undefined, entry: Entry): boolean {
  return previous?.author === entry.author && previous.seq + 1 === entry.seq;
}

/** What the next item of a chain is going to have. */
interface Chain {
  readonly author: PublicKey;
  seq: number;
  prev: EntryId | undefined;
}

class BatchDecoder {
  readonly entries: Entry[] = [];
  readonly #reader: CborReader;
  readonly #writer: CborWriter;
  readonly #database: DatabaseId;
  readonly #sha256: Sha256;
  readonly #chains: Chain[] = [];
  readonly #stores: { readonly name: string; readonly type: string }[] = [];
  #height = 0;
  #time = 0;

  constructor(reader: CborReader, writer: CborWriter, database: DatabaseId, sha256: Sha256) {
    this.#reader = reader;
    this.#writer = writer;
    this.#database = database;
    this.#sha256 = sha256;
  }

  read(): void {
    const length = this.#reader.array(itemFields + 2 * storesMax);
    if (length < itemFields || (length - itemFields) % 2 !== 0)
      throw malformed("item", `array of ${length}`, "pairs of store and payload");
    const chain = this.#readChain();
    const { author, seq, prev } = chain;
    const parents = this.#readParents();
    const isRoot = prev === undefined && parents.length === 0;
    this.#height = this.#readSum("height", this.#height);
    this.#time = this.#readSum("time", this.#time);
    const signature = this.#reader.fixedBytes(signatureBytesLength);
    const stores = this.#readParts((length - itemFields) / 2);
    const database = isRoot ? undefined : this.#database;
    const body = { database, author, seq, prev, parents, height: this.#height, time: this.#time, stores };
    const entry = writeEntry(this.#writer, body, signature, this.#sha256);
    if (isRoot && entry.id !== this.#database) {
      throw new TidemarkError("ENTRY_DATABASE", { got: entry.id, expected: this.#database });
    }
    chain.seq = seq + 1;
    chain.prev = entry.id;
    this.entries.push(entry);
  }

  #readChain(): Chain {
    if (this.#reader.peek() === "uint") {
      const chain = known("chain", this.#chains, this.#reader.uint());
      if (!Number.isSafeInteger(chain.seq)) throw malformed("seq", `${chain.seq}`, "0 to 2^53 − 1");
      return chain;
    }
    this.#expectArray("chain", 3);
    const chain = { author: this.#reader.publicKey(), seq: this.#reader.uint(), prev: this.#reader.linkOrNull() };
    this.#chains.push(chain);
    return chain;
  }

  #readParents(): readonly EntryId[] {
    const parents: EntryId[] = [];
    for (let left = this.#reader.array(parentsMax); left > 0; left--) parents.push(this.#readParent());
    return parents;
  }

  #readParent(): EntryId {
    if (this.#reader.peek() !== "uint") return this.#reader.link();
    return known("parent", this.entries, this.entries.length - this.#reader.uint()).id;
  }

  #readSum(field: string, before: number): number {
    const sum = before + this.#reader.int();
    if (!Number.isSafeInteger(sum) || sum < 0) throw malformed(field, `${sum}`, "0 to 2^53 − 1");
    return sum;
  }

  #readParts(count: number): readonly StorePart[] {
    const parts: StorePart[] = [];
    for (let left = count; left > 0; left--) {
      const { name, type } = this.#readStore();
      parts.push({ name, type, payload: this.#reader.bytes() });
    }
    return parts;
  }

  #readStore(): { readonly name: string; readonly type: string } {
    if (this.#reader.peek() === "uint") return known("store", this.#stores, this.#reader.uint());
    this.#expectArray("store", 2);
    const store = { name: this.#reader.text(), type: this.#reader.text() };
    this.#stores.push(store);
    return store;
  }

  #expectArray(field: string, length: number): void {
    const got = this.#reader.array();
    if (got !== length) throw malformed(field, `array of ${got}`, `array of ${length}`);
  }
}

function known<T>(field: string, list: readonly T[], number: number): T {
  const item = list[number];
  if (item === undefined) throw malformed(field, `number ${number}`, `one of ${list.length} known`);
  return item;
}

function malformed(field: string, got: string, expected: string): TidemarkError {
  return new TidemarkError("MESSAGE_MALFORMED", { field, got, expected });
}
