/**
 * What a part of type `doc` holds: changes without what is derived from the rest, in an order in which each follows its deps.
 *
 * ```
 * [nonce, [change, …]]      change = [tail] | [tail, deps] | [tail, deps, label]
 * ```
 * [DOC-10] The nonce has 16 bytes; there are 1 to `docChangesMax` changes, with tails of `docTailsBytesMax` and `docOpsMax` ops in all. Deps are
 *          sorted hashes, each once. None, or null before a label, stand for the change before, which the first does not have.
 * [DOC-11] Each tail is one that `decodeTail` takes.
 * Not here: whose actor it is (actor.ts), and whether the changes follow from the document (doc-state.ts).
 */
import { CborReader } from "../cbor-reader.ts";
import { CborWriter } from "../cbor-writer.ts";
import { attempt, type Result, toError } from "../errors.ts";
import { writeHex } from "../ids.ts";
import { actorLabelBytesMax, changeDepsMax, docChangesMax, docOpsMax, docTailsBytesMax } from "../limits.ts";
import { payloadError } from "../store/payload.ts";
import { type ChangeHash, changeHashFromBytes } from "./change-bytes.ts";
import { type ChangeTail, decodeTail } from "./tail.ts";

export const docType = "doc";
export const docNonceBytes = 16;
const hashBytes = 32;

/** A change as a page hands it in. */
export interface SentChange {
  readonly tail: Uint8Array;
  /** Sorted, each once; undefined: the change before it in the payload. */
  readonly deps: readonly ChangeHash[] | undefined;
  /** Empty but for imports. */
  readonly label: Uint8Array;
}

export interface DocPayloadChange extends SentChange {
  /** How many the tail holds. */
  readonly ops: number;
  /** The tail as it was read, until it is judged; left out where it takes far more memory than the tail. */
  readonly decoded?: ChangeTail;
}

export interface DocPayload {
  readonly nonce: Uint8Array;
  readonly changes: readonly DocPayloadChange[];
}

const noLabel = new Uint8Array(0);

/** The one form of a payload. Nothing is checked: `decodeDocPayload` does that. */
export function encodeDocPayload(nonce: Uint8Array, changes: readonly SentChange[]): Uint8Array {
  const bytes = changes.reduce((sum, { tail, deps }) => sum + tail.length + hashBytes * (deps?.length ?? 0) + 16, 64);
  const writer = new CborWriter(bytes);
  writer.array(2);
  writer.bytes(nonce);
  writer.array(changes.length);
  for (const change of changes) writeChange(writer, change);
  return writer.finish();
}

function writeChange(writer: CborWriter, { tail, deps, label }: SentChange): void {
  const isLabelled = label.length > 0;
  writer.array(isLabelled ? 3 : deps === undefined ? 1 : 2);
  writer.bytes(tail);
  if (deps !== undefined) writeDeps(writer, deps);
  else if (isLabelled) writer.null();
  if (isLabelled) writer.bytes(label);
}

function writeDeps(writer: CborWriter, deps: readonly ChangeHash[]): void {
  const hash = new Uint8Array(hashBytes);
  writer.array(deps.length);
  for (const dep of deps) {
    writeHex(dep, hash, 0);
    writer.bytes(hash);
  }
}

/** Strict: fails with a CBOR_ code or ENTRY_PAYLOAD. The tails are views into `bytes`. */
export function decodeDocPayload(store: string, bytes: Uint8Array): Result<DocPayload> {
  return attempt(() => {
    const reader = new CborReader(bytes);
    if (reader.array(2) !== 2) throw payloadError(store, "another length", "[nonce, changes]");
    const nonce = reader.fixedBytes(docNonceBytes);
    const changes = readChanges(reader, store);
    reader.end();
    return { nonce, changes };
  });
}

function readChanges(reader: CborReader, store: string): readonly DocPayloadChange[] {
  const changes: DocPayloadChange[] = [];
  let bytes = 0;
  let ops = 0;
  for (let left = reader.array(docChangesMax); left > 0; left--) {
    const sent = readChange(reader, store);
    if (sent.deps === undefined && changes.length === 0) throw payloadError(store, "no change before", "deps");
    bytes += sent.tail.length;
    if (bytes > docTailsBytesMax) throw payloadError(store, `tails of ${bytes} bytes`, `at most ${docTailsBytesMax}`);
    const tail = decodeTail(store, sent.tail);
    if (!tail.ok) throw toError(tail.failure);
    const { length } = tail.value.ops;
    ops += length;
    if (ops > docOpsMax) throw payloadError(store, `${ops} ops`, `at most ${docOpsMax}`);
    // A hundred bytes can stand for a hundred thousand ops; an honest op takes a byte at the least.
    if (length > sent.tail.length) changes.push({ ...sent, ops: length });
    else changes.push({ ...sent, ops: length, decoded: tail.value });
  }
  if (changes.length === 0) throw payloadError(store, "no changes", "at least one");
  return changes;
}

function readChange(reader: CborReader, store: string): SentChange {
  const fields = reader.array(3);
  if (fields === 0) throw payloadError(store, "an empty array", "a tail first");
  const tail = reader.bytes();
  if (fields === 1) return { tail, deps: undefined, label: noLabel };
  const deps = fields === 3 && reader.null() ? undefined : readDeps(reader, store);
  return { tail, deps, label: fields === 3 ? readLabel(reader, store) : noLabel };
}

function readDeps(reader: CborReader, store: string): readonly ChangeHash[] {
  const deps: ChangeHash[] = [];
  for (let left = reader.array(changeDepsMax); left > 0; left--) {
    const dep = changeHashFromBytes(reader.fixedBytes(hashBytes));
    const before = deps.at(-1);
    if (before !== undefined && before >= dep) throw payloadError(store, "deps out of order", "sorted and unique ones");
    deps.push(dep);
  }
  return deps;
}

function readLabel(reader: CborReader, store: string): Uint8Array {
  const label = reader.bytes(actorLabelBytesMax);
  if (label.length === 0) throw payloadError(store, "an empty label", "none");
  return label;
}
