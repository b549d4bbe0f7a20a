/**
 * What became different in a document, in the words of Automerge, and how a draft is made different in the same way.
 *
 * Not Automerge's own `applyPatches`: that one cannot delete the key of a map.
 */
import type { Automerge, RawDoc } from "./automerge.ts";
import { BlockEdit, insertBlocks } from "./blocks.ts";

/** Where something is: keys of maps and indexes of lists and texts, from the root. */
export type DocPath = readonly (string | number)[];

/** One difference. Its path ends in what differs; a string is put as an empty one, and filled by a splice. */
export type DocPatch =
  | {
      readonly action: "put";
      readonly path: DocPath;
      readonly value: unknown;
      /** There are others beside it. */
      readonly conflict?: boolean;
    }
  | { readonly action: "insert"; readonly path: DocPath; readonly values: readonly unknown[] }
  | { readonly action: "splice"; readonly path: DocPath; readonly value: string; readonly marks?: DocMarkSet }
  | { readonly action: "inc"; readonly path: DocPath; readonly value: number }
  | { readonly action: "del"; readonly path: DocPath; readonly length?: number }
  | { readonly action: "mark"; readonly path: DocPath; readonly marks: readonly DocMark[] }
  | {
      readonly action: "unmark";
      readonly path: DocPath;
      readonly name: string;
      readonly start: number;
      readonly end: number;
    }
  | { readonly action: "conflict"; readonly path: DocPath };

/** By name. */
export type DocMarkSet = Readonly<Record<string, unknown>>;

export interface DocMark {
  readonly name: string;
  readonly value: unknown;
  readonly start: number;
  readonly end: number;
}

interface Incrementable {
  increment(by: number): unknown;
}

/** In a callback of `change`: `draft` is as the patches' first state. */
export function applyPatches(automerge: Automerge, draft: RawDoc, patches: Iterable<DocPatch>): void {
  let block: BlockEdit | undefined;
  for (const patch of patches) {
    if (block?.take(patch)) continue;
    block?.write();
    block = BlockEdit.begin(automerge, draft, patch);
    if (block === undefined) applyPatch(automerge, draft, patch);
    else block.take(patch);
  }
  block?.write();
}

function applyPatch(automerge: Automerge, draft: RawDoc, patch: DocPatch): void {
  const path = [...patch.path];
  const key = path.at(-1) as string | number;
  const place = path.slice(0, -1);
  const within = (): Record<string | number, unknown> => objectAt(draft, place);
  switch (patch.action) {
    case "put":
      within()[key] = patch.value;
      return;
    case "insert":
      if (insertBlocks(automerge, draft, patch)) return;
      (within() as unknown as unknown[]).splice(key as number, 0, ...patch.values);
      return;
    case "splice":
      automerge.splice(draft, place, key as number, 0, patch.value);
      return markAll(automerge, draft, place, key as number, patch.value.length, patch.marks);
    case "inc":
      (within()[key] as Incrementable).increment(patch.value);
      return;
    case "del":
      return remove(automerge, draft, place, key, patch.length ?? 1);
    case "mark":
      for (const mark of patch.marks) setMark(automerge, draft, path, mark);
      return;
    case "unmark":
      return automerge.unmark(draft, path, { start: patch.start, end: patch.end }, patch.name);
    case "conflict":
      return; // It says that a value is not the only one: nothing is to be done to make it so.
  }
}

function objectAt(draft: RawDoc, place: DocPath): Record<string | number, unknown> {
  return place.reduce<unknown>((object, key) => (object as RawDoc)[key], draft) as Record<string | number, unknown>;
}

function remove(
  automerge: Automerge,
  draft: RawDoc,
  place: (string | number)[],
  key: string | number,
  length: number,
): void {
  const object: unknown = objectAt(draft, place);
  if (typeof object === "string") automerge.splice(draft, place, key as number, length);
  else if (Array.isArray(object)) object.splice(key as number, length);
  else delete (object as Record<string, unknown>)[key];
}

/** Text that is put back has the marks that it had. */
function markAll(
  automerge: Automerge,
  draft: RawDoc,
  path: (string | number)[],
  start: number,
  length: number,
  marks: DocMarkSet = {},
): void {
  for (const [name, value] of Object.entries(marks)) {
    if (value !== null) setMark(automerge, draft, path, { name, value, start, end: start + length });
  }
}

function setMark(automerge: Automerge, draft: RawDoc, path: (string | number)[], mark: DocMark): void {
  const { name, value, start, end } = mark;
  if (value === null) automerge.unmark(draft, path, { start, end }, name);
  else automerge.mark(draft, path, { start, end, expand: "none" }, name, value as string);
}
