/**
 * The changes of a document once more, as the smallest program that says what they are: numbers, first operations and hashes, from whole
 * sets of whole pasts. Whether a change is sound it does not know.
 */
import { actorOf } from "../core/document/actor.ts";
import { buildChange, type ChangeHash } from "../core/document/change-bytes.ts";
import type { DocPayload, DocPayloadChange } from "../core/document/doc-payload.ts";
import { action } from "../core/document/op.ts";
import { decodeTail } from "../core/document/tail.ts";
import type { Entry } from "../core/entry.ts";
import { unwrap } from "../core/errors.ts";
import { type DatabaseId, encodeHex, type Sha256 } from "../core/ids.ts";
import type { DecodedPart } from "../core/store/kinds.ts";

export interface ModelChange {
  readonly hash: ChangeHash;
  /** As Automerge takes it. */
  readonly bytes: Uint8Array;
  readonly deps: readonly ChangeHash[];
  /** It may stand in more than one. */
  readonly entries: Entry[];
  /** Keys of the document itself that it sets. */
  readonly rootKeys: readonly string[];
  readonly actor: string;
  readonly opMax: number;
  /** Itself is none of it. */
  readonly past: ReadonlySet<ChangeHash>;
}

interface Written {
  readonly entry: Entry;
  readonly nonce: Uint8Array;
  readonly change: DocPayloadChange;
  readonly before: Written | undefined;
  hash: ChangeHash | undefined;
}

export interface DocumentModelOptions {
  readonly database: DatabaseId;
  readonly store: string;
  readonly sha256: Sha256;
}

export class DocumentModel {
  readonly #options: DocumentModelOptions;
  readonly #changes = new Map<ChangeHash, ModelChange>();

  constructor(options: DocumentModelOptions) {
    this.#options = options;
  }

  /** Of all entries whose changes stand on nothing unknown, in canonical order: by time and id, but each behind its deps. */
  changesOf(
    entries: readonly { readonly entry: Entry; readonly parts: readonly DecodedPart[] }[],
  ): ReadonlyMap<ChangeHash, ModelChange> {
    const sorted = [...entries].sort((a, b) => a.entry.time - b.entry.time || (a.entry.id < b.entry.id ? -1 : 1));
    let left = sorted.flatMap(({ entry, parts }) =>
      parts.flatMap((part) =>
        part.type === "doc" && part.name === this.#options.store ? writtenIn(entry, part.payload) : [],
      ),
    );
    for (let before = -1; before !== left.length; ) {
      before = left.length;
      left = left.filter((written) => !this.#add(written));
    }
    return this.#changes;
  }

  /** False: it stands on what is not known yet. */
  #add(written: Written): boolean {
    const { entry, nonce, change, before } = written;
    const deps = change.deps ?? (before?.hash === undefined ? undefined : [before.hash]);
    const parents = deps?.map((dep) => this.#changes.get(dep));
    if (deps === undefined || parents === undefined || parents.includes(undefined)) return false;
    const known = parents as readonly ModelChange[];
    const past = new Set(known.flatMap(({ hash, past: before }) => [hash, ...before]));
    const { database, sha256 } = this.#options;
    const actor = actorOf(database, entry.author, nonce, change.label, sha256);
    const name = encodeHex(actor);
    const seq = 1 + [...past].filter((hash) => this.#changes.get(hash)?.actor === name).length;
    const startOp = 1 + Math.max(0, ...known.map(({ opMax }) => opMax));
    const { hash, bytes } = buildChange({ deps, actor, seq, startOp }, change.tail, sha256);
    written.hash = hash;
    const same = this.#changes.get(hash);
    if (same !== undefined) same.entries.push(entry);
    else {
      const opMax = startOp + change.ops - 1;
      const rootKeys = rootKeysOf(change.tail);
      this.#changes.set(hash, { hash, bytes, deps, entries: [entry], rootKeys, actor: name, opMax, past });
    }
    return true;
  }
}

function writtenIn(entry: Entry, { nonce, changes }: DocPayload): readonly Written[] {
  const written: Written[] = [];
  for (const change of changes) written.push({ entry, nonce, change, before: written.at(-1), hash: undefined });
  return written;
}

function rootKeysOf(tail: Uint8Array): readonly string[] {
  const { ops } = unwrap(decodeTail("", tail));
  return ops.flatMap((op) =>
    op.obj === undefined && op.action === action.set && typeof op.key === "string" ? [op.key] : [],
  );
}
