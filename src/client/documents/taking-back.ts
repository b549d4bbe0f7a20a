/**
 * What some changes did, taken back as far as nobody has written over it.
 *
 * It is undone where it was made: in a fork of the document as it was right after those changes, under an actor that wins over nobody. Where that is
 * merged with what is there now, positions are those of now, and what others wrote elsewhere stays.
 *
 * [DOC-70] Of values that is not enough: of two ops at once the one with the higher counter wins, and those of a fork may have higher ones than what others
 * wrote right after. So a value is left alone where those changes' own is not shown any more; where it is, and others' are beneath it, it is deleted.
 * Not here: marks; and items of a list of more than `comparedItemsMax`, as there is no name by which to find one. There the counter decides.
 */
import { comparedItemsMax } from "../../core/limits.ts";
import type { Automerge, RawDoc, RawHandle } from "./automerge.ts";
import type { OwnRange } from "./copy.ts";
import { exactDiff } from "./exact-diff.ts";
import { applyPatches, type DocPatch, type DocPath } from "./patches.ts";

/** Of what is taken back, and of copies in which that is tried. Sorts before any other. */
export const scratchActor: string = "00".repeat(16);

/**
 * Puts into `stage` what takes back what was made in these ranges, the first first: where one is taken back, those before are already, so a value that was
 * written in two of them is as it was before the first. What `stage` shows is as it was: its heads are not.
 */
export function takeBack(automerge: Automerge, stage: RawDoc, ranges: readonly OwnRange[]): void {
  const handle = automerge.getBackend(stage);
  const writers = new Writers(handle, automerge.getHeads(stage));
  let taken: readonly string[] = [];
  for (const [number, { before, after }] of ranges.entries()) {
    const from = [...after, ...taken];
    let fork = automerge.clone(automerge.view(stage, from), { actor: scratchActor });
    try {
      const inverse = exactDiff(automerge, fork, from, [...before, ...taken]);
      if (inverse.length === 0) continue;
      const later = ranges.slice(number + 1);
      const becameOf: BecameOf = (place, ops) => writers.becameOf(place, ops, later);
      const inverting = new Inverting(automerge, automerge.getBackend(fork), becameOf);
      fork = automerge.change(fork, { time: 0 }, (draft) => inverting.apply(draft, inverse));
      handle.merge(automerge.getBackend(fork));
      taken = automerge.getHeads(fork);
    } finally {
      automerge.free(fork);
    }
  }
}

/** A key of a map, or an index of a list. */
interface Place {
  readonly object: string;
  readonly key: string | number;
}

/** Of what a range left somewhere: nobody else wrote there; others' is beneath it; it is not shown. */
type Became = "alone" | "above" | "covered";
type BecameOf = (place: Place, ops: readonly string[]) => Became;

/** What is to be taken back of an inverse. */
class Inverting {
  readonly #automerge: Automerge;
  readonly #handle: RawHandle;
  readonly #becameOf: BecameOf;
  /** Keys, and ops of items, that stay as they are, with all that is in them. */
  readonly #left = new Set<string>();
  /** What is to be deleted, by the op that is there. */
  readonly #cleared = new Map<string, Place>();

  constructor(automerge: Automerge, handle: RawHandle, becameOf: BecameOf) {
    this.#automerge = automerge;
    this.#handle = handle;
    this.#becameOf = becameOf;
  }

  apply(draft: RawDoc, inverse: readonly DocPatch[]): void {
    applyPatches(this.#automerge, draft, this.#kept(inverse));
    for (const [op, place] of this.#cleared) this.#clear(op, place);
  }

  /** Each is done when the next is asked for. */
  *#kept(inverse: readonly DocPatch[]): Generator<DocPatch, void> {
    for (const patch of inverse) {
      const place = this.#placeOf(patch.path);
      if (place === "left") continue;
      if (place === "text" || !isOfValue(patch)) yield patch;
      else yield* this.#keptValue(patch, place);
    }
  }

  *#keptValue(patch: DocPatch, place: Place): Generator<DocPatch, void> {
    const ops = opsAt(this.#handle, place);
    const became = this.#becameOf(place, ops.filter(isNoScratch));
    if (became === "covered") return void this.#left.add(nameOf(place, ops));
    yield patch;
    const isCleared = became === "above" || ops.some((op) => this.#cleared.has(op));
    if (patch.action === "put" && isCleared) this.#cleared.set(opsAt(this.#handle, place).join(), place);
  }

  /** "left" for what is in something that stays as it is, "text" for what is in a text. */
  #placeOf(path: DocPath): Place | "left" | "text" {
    let place: Place | undefined;
    for (const key of path) {
      const container = place === undefined ? undefined : this.#handle.getAll(place.object, place.key).at(-1);
      if (container?.[0] === "text") return "text";
      place = { object: String(container?.at(-1) ?? "_root"), key };
      if (this.#left.has(nameOf(place, opsAt(this.#handle, place)))) return "left";
    }
    return place ?? "text";
  }

  #clear(op: string, { object, key }: Place): void {
    // Items may have come before it meanwhile.
    const keys = typeof key === "string" ? [key] : Array(this.#handle.length(object)).keys();
    for (const at of keys)
      if (opsAt(this.#handle, { object, key: at }).includes(op)) return this.#handle.delete(object, at);
  }
}

/** A deleted item is no matter: what another put there stays. */
function isOfValue({ action, path }: DocPatch): boolean {
  return action === "put" || (action === "del" && typeof path.at(-1) === "string");
}

function nameOf({ object, key }: Place, ops: readonly string[]): string {
  return typeof key === "string" ? `${object} ${key}` : (ops.at(-1) ?? "");
}

/** Who wrote what is somewhere, by ops. */
class Writers {
  readonly #handle: RawHandle;
  readonly #now: readonly string[];
  /** Of all items of a list, by list and heads: all ops of one, by the one that is shown. */
  readonly #items = new Map<string, ReadonlyMap<string, string>>();

  constructor(handle: RawHandle, now: readonly string[]) {
    this.#handle = handle;
    this.#now = now;
  }

  /** Up to now, or until one of the later ranges wrote there. `ops`: what the range left. */
  becameOf(place: Place, ops: readonly string[], later: readonly OwnRange[]): Became {
    try {
      const now = this.#at(place, ops, this.#now);
      if (now === "alone") return now;
      for (const { before, after } of later) {
        const became = this.#at(place, ops, before);
        if (became !== "alone") return became;
        if (this.#at(place, ops, after) !== "alone") return "alone";
      }
      return now;
    } catch (error) {
      // It is in something that was made by taking back.
      if (error instanceof RangeError) return "alone";
      throw error;
    }
  }

  #at({ object, key }: Place, ops: readonly string[], heads: readonly string[]): Became {
    const shown = ops.at(-1);
    if (typeof key === "string") {
      const there = opsAt(this.#handle, { object, key }, heads);
      if (there.join() === ops.join()) return "alone";
      return there.at(-1) === shown ? "above" : "covered";
    }
    if (shown === undefined || this.#handle.length(object, [...heads]) > comparedItemsMax) return "alone";
    const there = this.#itemsOf(object, heads).get(shown);
    if (there === undefined) return "covered";
    return there === ops.join() ? "alone" : "above";
  }

  #itemsOf(object: string, heads: readonly string[]): ReadonlyMap<string, string> {
    const name = [object, ...heads].join();
    const known = this.#items.get(name);
    if (known !== undefined) return known;
    const items = new Map<string, string>();
    for (let key = 0; key < this.#handle.length(object, [...heads]); key++) {
      const ops = opsAt(this.#handle, { object, key }, heads);
      items.set(ops.at(-1) ?? "", ops.join());
    }
    this.#items.set(name, items);
    return items;
  }
}

/** By what ops there is something: of several the last is shown. An op that makes an object is its name. */
function opsAt(handle: RawHandle, { object, key }: Place, heads?: readonly string[]): string[] {
  const values = heads === undefined ? handle.getAll(object, key) : handle.getAll(object, key, [...heads]);
  return values.map((value) => String(value.at(-1)));
}

function isNoScratch(op: string): boolean {
  return !op.endsWith(`@${scratchActor}`);
}
