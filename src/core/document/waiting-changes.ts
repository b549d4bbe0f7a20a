/** Changes that follow others which are not here. They may come: entries that are sealed are opened late. */
import type { ChangeHash } from "./change-bytes.ts";
import type { Judged } from "./judging.ts";
import type { ChangeTail } from "./tail.ts";

/** A change as its entry has it, with its actor. */
export interface SentAs {
  /** The place of its entry, and its own in that. */
  readonly entry: number;
  readonly index: number;
  readonly actor: Uint8Array;
  readonly tail: Uint8Array;
  readonly ops: number;
  /** Undefined: the one before it in its entry. */
  readonly deps: readonly ChangeHash[] | undefined;
  /** The tail as it was read already. */
  readonly decoded?: ChangeTail | undefined;
  /** What was found of it in the document as it is now. */
  readonly judged?: Judged | undefined;
}

export interface WaitingChange extends SentAs {
  /** The one behind it in its entry, which follows it and nothing else. */
  next: WaitingChange | undefined;
  /** The checkpoint part that holds it. */
  part: number;
}

/** More than there are changes in a payload. */
const indexes = 2 ** 20;

/** One number for a change of an entry. */
export function changeKey(entry: number, index: number): number {
  return entry * indexes + index;
}

export function splitKey(key: number): { readonly entry: number; readonly index: number } {
  return { entry: Math.floor(key / indexes), index: key % indexes };
}

export class WaitingChanges {
  readonly #byKey = new Map<number, WaitingChange>();
  /** By one of the deps that are missing. */
  readonly #byDep = new Map<ChangeHash, WaitingChange[]>();

  get size(): number {
    return this.#byKey.size;
  }

  all(): Iterable<WaitingChange> {
    return this.#byKey.values();
  }

  get(entry: number, index: number): WaitingChange | undefined {
    return this.#byKey.get(changeKey(entry, index));
  }

  /** `on`: a change that is not here, or the one before it, which waits as well. */
  add(sent: SentAs, part: number, on: ChangeHash | WaitingChange): WaitingChange {
    const { entry, index, actor, tail, ops, deps } = sent;
    const change: WaitingChange = { entry, index, actor, tail: tail.slice(), ops, deps, next: undefined, part };
    this.#byKey.set(changeKey(change.entry, change.index), change);
    if (typeof on === "string") this.waitFor(change, on);
    else on.next = change;
    return change;
  }

  waitFor(change: WaitingChange, dep: ChangeHash): void {
    const others = this.#byDep.get(dep);
    if (others === undefined) this.#byDep.set(dep, [change]);
    else others.push(change);
  }

  /** Those that wait for a change, which is here now. */
  takeFor(dep: ChangeHash): readonly WaitingChange[] {
    const changes = this.#byDep.get(dep) ?? [];
    this.#byDep.delete(dep);
    return changes;
  }

  delete({ entry, index }: WaitingChange): void {
    this.#byKey.delete(changeKey(entry, index));
  }
}
