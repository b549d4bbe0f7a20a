/**
 * What both sides of a lane are known to have held at the same time, so that a frontier need only say what changed since.
 *
 * [SESSION-14] A cursor is used only if it is true of what is here: its digest is that of the frontier at its position. It may cease to be, as
 *              entries become void or count again.
 */
import { digestFrontier, type Frontier } from "../frontier.ts";
import type { Sha256 } from "../ids.ts";
import type { Replica } from "../replica.ts";
import type { Cursor } from "./cursor.ts";
import { shortDigest } from "./short-digest.ts";

export class CommonGround {
  /** The cursor, if it is true. */
  readonly #check: (cursor: Cursor | undefined) => Cursor | undefined;
  /** What was remembered from an earlier session, until it is needed. */
  #recall: (() => Cursor | undefined) | undefined;
  /** The newest first: what is agreed on, and what was before; the other side may not know yet of the last agreement. */
  #agreed: readonly Cursor[] = [];
  /** What the peer was last told that we hold: it may agree without a word. */
  #said: Cursor | undefined;
  /** What our question was about, to which the answer refers. */
  #asked: Cursor | undefined;
  #isAskedTrue = true;

  constructor(recall: () => Cursor | undefined, check: (cursor: Cursor | undefined) => Cursor | undefined) {
    this.#recall = recall;
    this.#check = check;
  }

  /** What the next question refers to. */
  get base(): Cursor | undefined {
    const cursor = this.#check(this.#recall?.());
    this.#recall = undefined;
    if (cursor !== undefined) this.#agreed = [cursor];
    return this.#agreed[0];
  }

  /** True when it is news. */
  agree(cursor: Cursor): boolean {
    if (this.base?.digest === cursor.digest) return false;
    this.#agreed = [cursor, ...this.#agreed.slice(0, 1)];
    return true;
  }

  say(cursor: Cursor | undefined): void {
    this.#said = cursor;
  }

  /** What the peer was last told, shortened; empty: nothing, or that we hold nothing. */
  get said(): string {
    return shortDigest(this.#said?.digest ?? "");
  }

  ask(base: Cursor | undefined): void {
    this.#asked = base;
    this.#isAskedTrue = true;
  }

  /** Entries became void or count again. */
  recounted(): void {
    this.#agreed = this.#agreed.filter((cursor) => this.#check(cursor) !== undefined);
    this.#said = this.#check(this.#said);
    this.#isAskedTrue = this.#check(this.#asked) !== undefined;
  }

  get asked(): Cursor | undefined {
    return this.#asked;
  }

  /** What the peer refers to; undefined when we do not know that we held it. */
  find(since: string): Cursor | undefined {
    const known = [this.base, ...this.#agreed, this.#said, this.#isAskedTrue ? this.#asked : undefined];
    return known.find((cursor) => cursor !== undefined && shortDigest(cursor.digest) === since);
  }
}

/** The cursor, if it is true of what is here: costs one frontier and its hash. */
export function checkCursor(
  cursor: Cursor | undefined,
  { graph, stored }: Replica,
  sha256: Sha256,
): Cursor | undefined {
  if (cursor === undefined || cursor.position > stored) return undefined;
  return digestFrontier(graph.frontier(cursor.position), sha256) === cursor.digest ? cursor : undefined;
}

/** The authors of a frontier whose heads are not as in an earlier one. */
export function changesSince(earlier: Frontier, frontier: Frontier): Frontier {
  const changed = [...frontier].filter(([author, heads]) => {
    const before = earlier.get(author);
    return before?.length !== heads.length || heads.some(({ id }, i) => before[i]?.id !== id);
  });
  return new Map(changed);
}

/** The inverse: a whole frontier from an earlier one and what changed since. */
export function applyChanges(earlier: Frontier, changes: Frontier): Frontier {
  return new Map([...earlier, ...changes]);
}
