/**
 * Storage for an app's `Repo` on IndexedDB that notices damage, and loses nothing by it that could be read.
 *
 * automerge-repo puts what is stored of a document together and loads it in one go, without an error when a byte of it is wrong: everything after
 * the first piece is gone from the document, and soon from the disk, as compaction removes whatever it was given. So it is given only what is sound,
 * and only that can be removed:
 *
 * [REPO-2] A damaged value is left out and told; its sound pieces, and all other values, are given.
 * [REPO-3] Removing one value, as compaction does, leaves a damaged one where it is. Removing a range, as deleting a document does, takes all that
 *          certainly belongs to it.
 *
 * Deliberately not here: what the values mean.
 */
import type { Chunk, StorageAdapterInterface, StorageKey } from "@automerge/automerge-repo/slim";
import { callSafely } from "../client/listeners.ts";
import { TidemarkError } from "../core/errors.ts";
import { invalid } from "../core/store/values.ts";
import { plainSha256 } from "../crypto/plain-sha256.ts";
import { Connection, type Values } from "./connection.ts";
import { salvage } from "./salvage.ts";
import { isKey, type Opened, openStored, sealStored } from "./stored-value.ts";

/** A stored value that is not what was stored. */
export interface DamagedValue {
  /** For `discard`. */
  readonly id: number;
  /** Undefined when its key is damaged as well: nobody knows which document it belonged to. */
  readonly key: StorageKey | undefined;
  /** How many bytes are left, sound or not. */
  readonly bytes: number;
  /** How many pieces of Automerge data in it are sound: `loadRange` gives these. */
  readonly soundPieces: number;
}

export interface TidemarkStorageOptions {
  /** The name of the database in IndexedDB. Default: "tidemark-automerge-repo". */
  readonly database?: string;
  /** Called once for each damaged value that is met. What it throws reaches the page as an uncaught error. */
  readonly onDamaged?: (damaged: DamagedValue) => void;
}

interface Found {
  readonly id: number;
  /** Undefined: the browser cannot read it. */
  readonly stored: unknown;
}

/**
 * `new Repo({ storage: new TidemarkStorageAdapter() })`. All methods reject with STORAGE_UNAVAILABLE, STORAGE_QUOTA (nothing of what was to be written
 * is there then), STORAGE_CLOSED (after `close`, or when the stored data was deleted), and INPUT_INVALID for a key that is no list of texts.
 */
export class TidemarkStorageAdapter implements StorageAdapterInterface {
  readonly #connection: Connection;
  readonly #onDamaged: (damaged: DamagedValue) => void;
  readonly #told = new Set<number>();

  constructor({ database = "tidemark-automerge-repo", onDamaged = () => {} }: TidemarkStorageOptions = {}) {
    this.#connection = new Connection(database);
    this.#onDamaged = onDamaged;
  }

  /** Undefined as well for a value that is damaged. */
  async load(key: StorageKey): Promise<Uint8Array | undefined> {
    const [found] = await this.#read(IDBKeyRange.only(checked(key)));
    if (found === undefined) return undefined;
    const opened = openStored(found.stored);
    if (opened.type === "sound") return opened.data;
    this.#tell(found.id, opened);
    return undefined;
  }

  /** Durable when it resolves. Takes the place of a value with the same key, damaged or not. */
  async save(key: StorageKey, data: Uint8Array): Promise<void> {
    const value = sealStored(checked(key), data);
    const id = await this.#connection.run("readwrite", async (values) =>
      values.put(value, await values.index("key").getKey(key)),
    );
    this.#told.delete(id);
  }

  /** A damaged value stays: `discard` removes it. */
  async remove(key: StorageKey): Promise<void> {
    checked(key);
    await this.#change(async (values) => {
      const id = await values.index("key").getKey(key);
      if (id !== undefined && openStored(await values.get(id)).type === "sound") await values.delete(id);
    });
  }

  /** In the order in which the keys were first saved. */
  async loadRange(keyPrefix: StorageKey): Promise<Chunk[]> {
    const found = await this.#read(rangeOf(keyPrefix));
    return found.sort((a, b) => a.id - b.id).flatMap((one) => this.#give(one));
  }

  /** Damaged values as well, except those whose key is damaged: they may belong to something else. */
  async removeRange(keyPrefix: StorageKey): Promise<void> {
    const found = await this.#read(rangeOf(keyPrefix));
    const own = found.filter(({ stored }) => stored === undefined || openStored(stored).key !== undefined);
    await this.#connection.run("readwrite", async (values) => {
      await Promise.all(own.map(({ id }) => values.delete(id)));
    });
  }

  /** Looks at everything that is stored, one value after the other. */
  async findDamaged(): Promise<readonly DamagedValue[]> {
    const damaged: DamagedValue[] = [];
    for (const id of await this.#connection.run("readonly", (values) => values.getAllKeys())) {
      const opened = openStored(await this.#readOne(id));
      if (opened.type === "damaged") damaged.push(describe(id, opened));
    }
    return damaged;
  }

  /** Removes a value that is damaged for good; one that was saved anew meanwhile stays. */
  async discard({ id }: DamagedValue): Promise<void> {
    const isUnreadable = (await this.#readOne(id)) === undefined;
    await this.#connection.run("readwrite", async (values) => {
      if (isUnreadable || openStored(await values.get(id)).type === "damaged") await values.delete(id);
    });
  }

  /** Resolves when what was begun is through. */
  close(): Promise<void> {
    return this.#connection.close();
  }

  #give({ id, stored }: Found): readonly Chunk[] {
    const opened = openStored(stored);
    if (opened.type === "sound") return [{ key: [...opened.key], data: opened.data }];
    this.#tell(id, opened);
    if (opened.key === undefined) return [];
    const { bytes } = salvage(opened.data, plainSha256);
    return bytes.length === 0 ? [] : [{ key: [...opened.key], data: bytes }];
  }

  #tell(id: number, opened: Opened): void {
    if (this.#told.has(id)) return;
    this.#told.add(id);
    callSafely(this.#onDamaged, describe(id, opened));
  }

  async #read(range: IDBKeyRange): Promise<Found[]> {
    try {
      return await this.#connection.run("readonly", async (values) => {
        const index = values.index("key");
        const [ids, stored] = await Promise.all([index.getAllKeys(range), index.getAll(range)]);
        return ids.map((id, i) => ({ id, stored: stored[i] }));
      });
    } catch (error) {
      if (!isCorrupt(error)) throw error;
    }
    // One that the browser cannot read keeps it from reading any of them.
    const ids = await this.#connection.run("readonly", (values) => values.index("key").getAllKeys(range));
    const found: Found[] = [];
    for (const id of ids) found.push({ id, stored: await this.#readOne(id) });
    return found;
  }

  /** What the browser cannot read stays as it is. */
  async #change(work: (values: Values<"readwrite">) => Promise<void>): Promise<void> {
    try {
      await this.#connection.run("readwrite", work);
    } catch (error) {
      if (!isCorrupt(error)) throw error;
    }
  }

  async #readOne(id: number): Promise<unknown> {
    try {
      return await this.#connection.run("readonly", (values) => values.get(id));
    } catch (error) {
      if (isCorrupt(error)) return undefined;
      throw error;
    }
  }
}

function describe(id: number, { key, data }: Opened): DamagedValue {
  const { pieces } = salvage(data, plainSha256);
  return {
    id,
    key: key === undefined ? undefined : [...key],
    bytes: data.length,
    soundPieces: key === undefined ? 0 : pieces,
  };
}

function checked(key: StorageKey): StorageKey {
  if (!isKey(key)) throw invalid("key", key, "a list of texts");
  return key;
}

/** Everything that begins with these, and the key itself: a list comes after any text. */
function rangeOf(prefix: StorageKey): IDBKeyRange {
  return IDBKeyRange.bound(checked(prefix), [...prefix, []]);
}

function isCorrupt(error: unknown): boolean {
  return error instanceof TidemarkError && error.code === "STORAGE_CORRUPT";
}
