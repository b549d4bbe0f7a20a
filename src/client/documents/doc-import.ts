/**
 * Takes over a document that was made elsewhere with Automerge, with its history.
 *
 * [DOC-52] All of it is judged before any of it is written, as the engine will judge it: what cannot be in a document here refuses the whole.
 * [DOC-53] It goes into a document that holds nothing, or the beginning of this same import; in parts, of which each is durable before the next is written. So
 *          whoever is interrupted calls again, and goes on.
 *
 * Not here: how changes are renamed (foreign-history.ts), and what a file may cost (file-weight.ts).
 */
import type { ChangeHash } from "../../core/document/change-bytes.ts";
import { encodeDocPayload, type SentChange } from "../../core/document/doc-payload.ts";
import { DocState } from "../../core/document/doc-state.ts";
import { TidemarkError } from "../../core/errors.ts";
import type { EntryId } from "../../core/ids.ts";
import { docChangesMax, docOpsMax, docTailsBytesMax, docTurnMs } from "../../core/limits.ts";
import { invalid } from "../../core/store/values.ts";
import { plainSha256 } from "../../crypto/plain-sha256.ts";
import type { StoreWrites } from "../../worker/api.ts";
import type { Line } from "../line.ts";
import { callSafely } from "../listeners.ts";
import type { Automerge } from "./automerge.ts";
import { weighFile } from "./file-weight.ts";
import { type ForeignHistory, type ImportedChange, importNonce, renameHistory } from "./foreign-history.ts";
import type { Replica } from "./replica.ts";

/** How far an import is. */
export interface DocImportProgress {
  /** Changes that are durable. */
  readonly written: number;
  readonly total: number;
}

export interface DocImportOptions {
  /** Ends it: rejects with ABORTED at once. What was written stays, and calling again goes on. */
  readonly signal?: AbortSignal;
  /** Called when a part is durable. */
  readonly onProgress?: (progress: DocImportProgress) => void;
}

export interface DocImportHome {
  readonly line: Line;
  /** Of the document that it goes into. */
  readonly replica: Replica;
  /** Resolves in a turn of its own. */
  readonly turn: () => Promise<void>;
  /** In milliseconds. */
  readonly now: () => number;
}

export interface PartLimits {
  readonly changesMax: number;
  /** Of tails, and of hashes that they follow. */
  readonly bytesMax: number;
  readonly opsMax: number;
}

const entryLimits: PartLimits = { changesMax: docChangesMax, bytesMax: docTailsBytesMax, opsMax: docOpsMax };

/** What goes into one entry. */
interface Part {
  readonly hashes: readonly ChangeHash[];
  readonly write: StoreWrites;
}

/** Where a document is checked: what takes some 100 µs a change is looked at so many at a time. */
const checkedAtOnce = 64;
const hashBytes = 32;

/** Resolves when all of it is durable, and in the replica. Rejects as `Database.importDoc` does. */
export async function importInto(
  home: DocImportHome,
  bytes: Uint8Array,
  options: DocImportOptions,
  limits: PartLimits = entryLimits,
): Promise<void> {
  const { replica } = home;
  const { signal } = options;
  await weighFile(bytes);
  if (signal?.aborted) throw aborted();
  const history = readHistory(replica.automerge, bytes);
  const changes = await prepare(home, history, signal);
  const [first] = changes;
  const hasOther = replica.heads.length > 0 && !(first !== undefined && replica.hasHeads([first.hash]));
  if (hasOther) throw new TidemarkError("DOC_NOT_EMPTY", { store: replica.store });
  const parts = partsOf(changes, limits, (part) => toWrite(part, importNonce(history), replica.store));
  await writeAll(home, parts, changes.length, options);
  await replica.shows(headsOf(changes));
}

/** Throws INPUT_INVALID for what Automerge cannot read, or not whole. */
function readHistory(automerge: Automerge, bytes: Uint8Array): ForeignHistory {
  const doc = load(automerge, bytes);
  try {
    const changes = automerge.getChangesSince(doc, []);
    if (changes.length === 0) throw invalid("bytes", "a document without changes", "one with a history");
    if (automerge.getMissingDeps(doc, []).length > 0)
      throw invalid("bytes", "changes that follow others which are not in it", "a whole document");
    return { changes, heads: automerge.getHeads(doc) };
  } finally {
    automerge.free(doc);
  }
}

function load(automerge: Automerge, bytes: Uint8Array): ReturnType<Automerge["load"]> {
  try {
    return automerge.load(bytes, { actor: "00" });
  } catch (error) {
    throw invalid("bytes", String(error), "what save() of Automerge gives");
  }
}

/** All of them, in turns that the page can bear; at each it is looked whether it is still wanted. They are put into a document of their own, so what the engine would leave out is found here. */
async function prepare(
  { replica, turn, now }: DocImportHome,
  history: ForeignHistory,
  signal: AbortSignal | undefined,
): Promise<readonly ImportedChange[]> {
  const { database, author } = replica;
  const trial = new Trial(history, replica);
  const changes: ImportedChange[] = [];
  let begunMs = now();
  for (const change of renameHistory(history, { database, author })) {
    changes.push(change);
    if (changes.length % checkedAtOnce !== 0) continue;
    trial.take(changes.slice(-checkedAtOnce));
    if (now() - begunMs < docTurnMs) continue;
    await turn();
    if (signal?.aborted) throw aborted();
    begunMs = now();
  }
  trial.take(changes.slice(changes.length - (changes.length % checkedAtOnce)));
  return changes;
}

/** The document as the engine will have it. */
class Trial {
  readonly #state: DocState;
  readonly #nonce: Uint8Array;
  readonly #author: Replica["author"];
  #taken = 0;

  constructor(history: ForeignHistory, { database, author }: Replica) {
    this.#state = new DocState({ database, sha256: plainSha256 });
    this.#nonce = importNonce(history);
    this.#author = author;
  }

  /** Throws DOC_CHANGE at what would be left out. */
  take(changes: readonly ImportedChange[]): void {
    const time = ++this.#taken;
    const id = time.toString(16).padStart(2 * hashBytes, "0") as EntryId;
    this.#state.merge({ nonce: this.#nonce, changes }, { time, id, author: this.#author });
    const bad = changes.find(({ hash }) => !this.#state.isApplied(hash));
    if (bad === undefined) return;
    const reason = this.#state.faults()[0]?.reason ?? "number";
    const got = `what does not stand on the changes before it (${reason}) in change ${bad.original}`;
    throw new TidemarkError("DOC_CHANGE", { got, expected: "a history that Automerge wrote" });
  }
}

function* partsOf(
  changes: readonly ImportedChange[],
  limits: PartLimits,
  write: (part: readonly ImportedChange[]) => StoreWrites,
): Generator<Part, void> {
  for (let from = 0; from < changes.length; ) {
    const part = changes.slice(from, from + fitting(changes, from, limits));
    from += part.length;
    yield { hashes: part.map(({ hash }) => hash), write: write(part) };
  }
}

/** How many from there on fit into one entry: one at least. */
function fitting(changes: readonly ImportedChange[], from: number, limits: PartLimits): number {
  let [bytes, ops] = [0, 0];
  for (let at = from; at < changes.length && at < from + limits.changesMax; at++) {
    const { tail, deps, ops: count } = changes[at] as ImportedChange;
    bytes += tail.length + hashBytes * deps.length;
    ops += count;
    if (at > from && (bytes > limits.bytesMax || ops > limits.opsMax)) return at - from;
  }
  return Math.min(limits.changesMax, changes.length - from);
}

function toWrite(part: readonly ImportedChange[], nonce: Uint8Array, store: string): StoreWrites {
  const last = part.at(-1)?.hash;
  if (last === undefined) throw new Error("Tidemark bug: a part of nothing");
  return { type: "doc", store, payload: encodeDocPayload(nonce, part.map(shortened)), updatedRows: [], last };
}

/** That it follows the one before it in the part is not said. */
function shortened(change: ImportedChange, at: number, part: readonly ImportedChange[]): SentChange {
  const isNext = change.deps.length === 1 && change.deps[0] === part[at - 1]?.hash;
  return isNext ? { ...change, deps: undefined } : change;
}

async function writeAll(
  { line, replica }: DocImportHome,
  parts: Iterable<Part>,
  total: number,
  { signal, onProgress }: DocImportOptions,
): Promise<void> {
  const { database } = replica;
  let written = 0;
  for (const { hashes, write } of parts) {
    const stores = [write];
    // Written by a call before this one, which was interrupted.
    if (!replica.hasHeads(hashes)) {
      const edit = { database, stores };
      await line.write("importDoc", (api, id) => api.commit(database, stores, id), { edit, signal });
    }
    written += hashes.length;
    if (onProgress !== undefined) callSafely(onProgress, { written, total });
  }
}

function headsOf(changes: readonly ImportedChange[]): readonly ChangeHash[] {
  const followed = new Set(changes.flatMap(({ deps }) => deps));
  return changes.map(({ hash }) => hash).filter((hash) => !followed.has(hash));
}

function aborted(): TidemarkError {
  return new TidemarkError("ABORTED", { call: "importDoc" });
}
