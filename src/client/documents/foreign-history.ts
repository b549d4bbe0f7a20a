/**
 * The changes of a document that was made elsewhere, as its importer signs them.
 *
 * [DOC-50] Actors keep their order: those of a document are numbered in the order of their bytes, and each becomes the importer's own with its number
 *          behind, in one width. So Automerge decides as it did; times, messages and ops stay byte for byte, and only hashes are others.
 * [DOC-51] The nonce follows from the heads of the document where it was, so the same import by the same key gives the same changes.
 *
 * Not here: whether they stand on each other as they should (doc-import.ts).
 */
import { compareBytes, concatBytes } from "../../core/bytes.ts";
import { actorOf } from "../../core/document/actor.ts";
import { buildChange, type ChangeHash, type SplitChange, splitChange } from "../../core/document/change-bytes.ts";
import { docNonceBytes, type SentChange } from "../../core/document/doc-payload.ts";
import { LebReader, uintLength, writeUint } from "../../core/document/leb128.ts";
import { decodeTail } from "../../core/document/tail.ts";
import { domainTags } from "../../core/domain-tags.ts";
import { TidemarkError, toError } from "../../core/errors.ts";
import { type DatabaseId, decodeHex, encodeHex, type PublicKey } from "../../core/ids.ts";
import { changeActorsMax } from "../../core/limits.ts";
import { encodeUtf8 } from "../../core/utf8.ts";
import { plainSha256 } from "../../crypto/plain-sha256.ts";
import { hashOf } from "./outgoing.ts";

export interface ForeignHistory {
  /** Whole changes, each behind those that it follows. */
  readonly changes: readonly Uint8Array[];
  /** Of the document that they make. */
  readonly heads: readonly string[];
}

/** Who imports it, and into which database. */
export interface Importer {
  readonly database: DatabaseId;
  readonly author: PublicKey;
}

/** A change as it is imported. */
export interface ImportedChange extends SentChange {
  /** The hash that it had. */
  readonly original: string;
  readonly hash: ChangeHash;
  readonly deps: readonly ChangeHash[];
  readonly ops: number;
}

/** An actor as the importer writes it. */
interface Renamed {
  readonly actor: Uint8Array;
  readonly label: Uint8Array;
}

const tag = encodeUtf8(domainTags.docImport);

/** The same for the same document, wherever it was saved. */
export function importNonce({ heads }: ForeignHistory): Uint8Array {
  return plainSha256(concatBytes(tag, ...[...heads].sort().map(decodeHex))).slice(0, docNonceBytes);
}

/** One after the other, each when it is asked for. Throws DOC_CHANGE at one that no document here may hold. */
export function* renameHistory(history: ForeignHistory, importer: Importer): Generator<ImportedChange, void> {
  const splits = history.changes.map(split);
  const actors = renameActors(splits, importer, importNonce(history));
  const hashes = new Map<string, ChangeHash>();
  for (const { original, change } of splits) {
    const renamed = within(original, () => renameChange({ original, change }, actors, hashes));
    hashes.set(original, renamed.hash);
    yield renamed;
  }
}

interface Original {
  /** As the document has it. */
  readonly original: string;
  readonly change: SplitChange;
}

function split(bytes: Uint8Array): Original {
  const original = hashOf(bytes);
  return { original, change: within(original, () => splitChange(bytes)) };
}

/** By the hex of what they were. */
function renameActors(
  splits: readonly Original[],
  { database, author }: Importer,
  nonce: Uint8Array,
): ReadonlyMap<string, Renamed> {
  const actors = new Map<string, Uint8Array>();
  for (const { change } of splits) actors.set(encodeHex(change.actor), change.actor);
  const own = actorOf(database, author, nonce, new Uint8Array(), plainSha256);
  const width = labelBytes(actors.size - 1);
  const sorted = [...actors].sort(([, a], [, b]) => compareBytes(a, b));
  return new Map(
    sorted.map(([name], number) => {
      const label = bigEndian(number, width);
      return [name, { actor: concatBytes(own, label), label }];
    }),
  );
}

/** How many the greatest number takes: one at least, because an empty label is none. */
function labelBytes(greatest: number): number {
  return greatest < 0x100 ? 1 : 1 + labelBytes(Math.floor(greatest / 0x100));
}

function bigEndian(value: number, width: number): Uint8Array {
  const bytes = new Uint8Array(width);
  for (let rest = value, at = width - 1; at >= 0; rest = Math.floor(rest / 0x100), at--) bytes[at] = rest % 0x100;
  return bytes;
}

function renameChange(
  { original, change: { actor, seq, startOp, deps, tail } }: Original,
  actors: ReadonlyMap<string, Renamed>,
  hashes: ReadonlyMap<string, ChangeHash>,
): ImportedChange {
  const renamed = renamedOf(actors, actor);
  const sent = renameOthers(tail, actors);
  const decoded = decodeTail("", sent);
  if (!decoded.ok) throw toError(decoded.failure);
  const header = { deps: deps.map((dep) => depOf(hashes, dep)).sort(), actor: renamed.actor, seq, startOp };
  const { hash } = buildChange(header, sent, plainSha256);
  return { original, hash, deps: header.deps, tail: sent, label: renamed.label, ops: decoded.value.ops.length };
}

/** Of a tail all but the table of other actors stays: they are named by their place in it. */
function renameOthers(tail: Uint8Array, actors: ReadonlyMap<string, Renamed>): Uint8Array {
  const reader = new LebReader(tail, refuse);
  reader.int();
  reader.skip(reader.uint());
  const front = tail.subarray(0, reader.at);
  const count = reader.uint(changeActorsMax);
  const table = [lengthOf(count)];
  for (let left = count; left > 0; left--) {
    const { actor } = renamedOf(actors, reader.take(reader.uint()));
    table.push(lengthOf(actor.length), actor);
  }
  return concatBytes(front, ...table, tail.subarray(reader.at));
}

function lengthOf(value: number): Uint8Array {
  const bytes = new Uint8Array(uintLength(value));
  writeUint(value, bytes, 0);
  return bytes;
}

function renamedOf(actors: ReadonlyMap<string, Renamed>, actor: Uint8Array): Renamed {
  const renamed = actors.get(encodeHex(actor));
  if (renamed === undefined) throw refuse("an actor that wrote nothing", "one with changes");
  return renamed;
}

function depOf(hashes: ReadonlyMap<string, ChangeHash>, dep: ChangeHash): ChangeHash {
  const hash = hashes.get(dep);
  if (hash === undefined) throw refuse("a change before those that it follows", "one behind them");
  return hash;
}

function refuse(got: string, expected: string, cause?: unknown): TidemarkError {
  return new TidemarkError("DOC_CHANGE", { got, expected }, { cause });
}

/** Says of which change an error is. */
function within<T>(hash: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof TidemarkError && "got" in error.details && "expected" in error.details)) throw error;
    const { got, expected } = error.details;
    throw refuse(`${got} in change ${hash}`, `${expected}`, error);
  }
}
