/**
 * Differences of blocks: maps that stand in a text as one letter each, of which rich text makes its paragraphs and headings.
 *
 * No path of a draft leads into a block, because a draft shows the text alone: a block is read and written as a whole. Automerge puts a new one in its place
 * then, so the differences of one block that follow each other are written together. Between their making and their contents others may come: blocks are
 * made empty.
 */
import type { Automerge, RawDoc } from "./automerge.ts";
import type { DocPatch, DocPath } from "./patches.ts";

type Key = string | number;

/** Makes blocks where the patch inserts them; false, and nothing is done, when it does not. */
export function insertBlocks(automerge: Automerge, draft: RawDoc, patch: DocPatch): boolean {
  if (patch.action !== "insert") return false;
  const text = patch.path.slice(0, -1);
  if (typeof valueIn(draft, text) !== "string") return false;
  const index = patch.path.at(-1) as number;
  for (const at of patch.values.keys()) automerge.splitBlock(draft, text, index + at, {});
  return true;
}

/** A block that is being altered. */
export class BlockEdit {
  readonly #place: DocPath;
  readonly #block: Record<string, unknown>;
  readonly #write: (block: Record<string, unknown>) => void;

  /** `depth`: how many keys of the path lead to the text. Throws RangeError where no block is. */
  private constructor(automerge: Automerge, draft: RawDoc, path: DocPath, depth: number) {
    const text = path.slice(0, depth);
    const index = path[depth] as number;
    const block = automerge.block(draft, text, index);
    if (block === null) throw new RangeError(`no block at ${index} of ${text.join("/")}`);
    this.#place = path.slice(0, depth + 1);
    this.#block = block;
    this.#write = (next) => automerge.updateBlock(draft, text, index, next);
  }

  /** Undefined when the patch is about no block. */
  static begin(automerge: Automerge, draft: RawDoc, { path }: DocPatch): BlockEdit | undefined {
    const depth = textDepth(draft, path);
    return depth === undefined ? undefined : new BlockEdit(automerge, draft, path, depth);
  }

  /** False, and nothing is done, when it is about something else. */
  take({ path, ...patch }: DocPatch): boolean {
    const within = path.slice(this.#place.length);
    if (within.length === 0 || this.#place.some((key, at) => key !== path[at])) return false;
    alter(this.#block, { ...patch, path: within } as DocPatch);
    return true;
  }

  write(): void {
    this.#write(this.#block);
  }
}

/** Of a text on the way, in which more than a place is named. */
function textDepth(draft: RawDoc, path: DocPath): number | undefined {
  let object: unknown = draft;
  for (const [depth, key] of path.slice(0, -2).entries()) {
    object = (object as RawDoc)[key];
    if (typeof object === "string") return depth + 1;
  }
  return undefined;
}

function valueIn(object: unknown, path: DocPath): unknown {
  return path.reduce<unknown>((value, key) => (value as Record<Key, unknown>)[key], object);
}

/** Marks are left out: in a text of a block there are none. */
function alter(block: Record<Key, unknown>, patch: DocPatch): void {
  const place = patch.path.slice(0, -1);
  const key = patch.path.at(-1) as Key;
  const object = valueIn(block, place);
  if (typeof object === "string") {
    const value = spliced(object, key as number, patch);
    return alter(block, { action: "put", path: place, value });
  }
  const map = object as Record<Key, unknown>;
  if (patch.action === "put") map[key] = ownCopy(patch.value);
  if (patch.action === "inc") (map[key] as { value: number }).value += patch.value;
  if (patch.action === "insert") (object as unknown[]).splice(key as number, 0, ...patch.values.map(ownCopy));
  if (patch.action !== "del") return;
  if (Array.isArray(object)) object.splice(key as number, patch.length ?? 1);
  else delete map[key];
}

function spliced(text: string, index: number, patch: DocPatch): string {
  if (patch.action === "splice") return text.slice(0, index) + patch.value + text.slice(index);
  if (patch.action === "del") return text.slice(0, index) + text.slice(index + (patch.length ?? 1));
  return text;
}

/** What comes empty is filled by the next patches, and is not to be filled in these. */
function ownCopy(value: unknown): unknown {
  if (Array.isArray(value)) return [...value];
  const isMap = typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
  return isMap ? { ...value } : value;
}
