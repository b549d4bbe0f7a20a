/** Entries of a document: what Automerge wrote under actors of ours, as parts. */
import * as A from "@automerge/automerge";
import { actorOf } from "../core/document/actor.ts";
import { splitChange } from "../core/document/change-bytes.ts";
import { type DocPayload, decodeDocPayload, encodeDocPayload, type SentChange } from "../core/document/doc-payload.ts";
import { unwrap } from "../core/errors.ts";
import { encodeHex, type PublicKey } from "../core/ids.ts";
import type { Origin } from "../core/store/kind.ts";
import { originAt, stateContext } from "./states.ts";

export const noLabel: Uint8Array = new Uint8Array(0);

export interface DocWriter {
  readonly key: PublicKey;
  readonly nonce: Uint8Array;
  /** Hex. */
  readonly actor: string;
}

/** A page of the author with this number, whose nonce is another number. */
export function docWriter(author: number, page: number = author, label: Uint8Array = noLabel): DocWriter {
  const key = author.toString(16).padStart(64, "0") as PublicKey;
  const nonce = Uint8Array.from({ length: 16 }, (_, i) => (i === 0 ? page : 7));
  const { database, sha256 } = stateContext;
  return { key, nonce, actor: encodeHex(actorOf(database, key, nonce, label, sha256)) };
}

export interface DocEntry {
  readonly payload: DocPayload;
  readonly origin: Origin;
  readonly bytes: Uint8Array;
}

export function docEntry(writer: DocWriter, changes: readonly SentChange[], time: number, id?: string): DocEntry {
  const bytes = encodeDocPayload(writer.nonce, changes);
  return { bytes, payload: unwrap(decodeDocPayload("page", bytes)), origin: originAt(time, id, writer.key) };
}

/** Changes one after the other, without the deps that go without saying. */
export function sentChanges(changes: readonly Uint8Array[]): readonly SentChange[] {
  let before: string | undefined;
  return changes.map((bytes) => {
    const { deps, tail } = splitChange(bytes);
    const isNext = deps.length === 1 && deps[0] === before;
    before = A.decodeChange(bytes).hash ?? undefined;
    return { tail, deps: isNext ? undefined : deps, label: noLabel };
  });
}

/** The changes of each writer in entries of as many as `sizes` says, again and again. */
export function entriesOf(
  changes: readonly Uint8Array[],
  writers: readonly DocWriter[],
  sizes: readonly number[] = [1],
): readonly DocEntry[] {
  const entries: DocEntry[] = [];
  for (const writer of writers) {
    const own = changes.filter((bytes) => A.decodeChange(bytes).actor === writer.actor);
    for (let from = 0; from < own.length; ) {
      const to = from + (sizes[entries.length % sizes.length] ?? 1);
      entries.push(docEntry(writer, sentChanges(own.slice(from, to)), entries.length + 1));
      from = to;
    }
  }
  return entries;
}

/** All changes that any of them has, each once. */
export function changesOf<T>(docs: readonly A.Doc<T>[]): readonly Uint8Array[] {
  const changes = new Map<string, Uint8Array>();
  for (const doc of docs)
    for (const bytes of A.getAllChanges(doc)) changes.set(A.decodeChange(bytes).hash ?? "", bytes);
  return [...changes.values()];
}

/** What Automerge makes of them, having saved and loaded it. Throws if it cannot, but for the marks of [DOC-44]. */
export function loadedHeads(changes: readonly Uint8Array[]): readonly string[] {
  const [doc] = A.applyChanges(A.init(), [...changes]);
  const loaded = loadUnlessMarked(A.save(doc)) ?? doc;
  const [before, after] = [doc, loaded].map((each) => [...A.getHeads(each)].sort());
  if (String(before) !== String(after)) throw new Error(`heads ${before} became ${after}`);
  return after ?? [];
}

function loadUnlessMarked(bytes: Uint8Array): A.Doc<unknown> | undefined {
  try {
    return A.load(bytes);
  } catch (error) {
    if (String(error).includes("invalid mark operation order")) return undefined;
    throw error;
  }
}
