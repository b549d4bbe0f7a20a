/**
 * What is in the past of a change: of each line how far.
 *
 * A line is a run of changes of one actor, each of which follows the one before. There is one for an actor, and one more for each number that it used
 * twice. The past of a change is told by one number for each line. Those numbers are the same for a stretch of a line that takes in nothing of others, but
 * for its own; so they are made where a stretch begins (its origin), kept while they are asked for, and made again from those before when they were let go.
 */
import type { LeastRecent } from "./least-recent.ts";

/** By line: up to which number of its changes. Shorter than there are lines: 0 for the rest. */
export type Clock = Uint32Array;

/** What is known of changes by their place. */
export interface Lineage {
  readonly lineCount: number;
  lineOf(node: number): number;
  seqOf(node: number): number;
  /** Where the stretch begins. */
  originOf(node: number): number;
  depsOf(node: number): ArrayLike<number>;
}

/** The past of one change, or of one that would have these deps. */
export interface Past {
  readonly clock: Clock;
  /** The line on which it goes further than the clock says, and how far. */
  readonly line: number;
  readonly seq: number;
}

const noLine = -1;
/** What an array and its place in a map take beside its contents. */
const clockOverheadBytes = 200;

export class Clocks {
  readonly #lineage: Lineage;
  readonly #kept: LeastRecent<number, Clock>;
  /** Tells the changes of one document from those of others with which it shares what is kept. */
  readonly #firstKey: number;

  constructor(lineage: Lineage, kept: LeastRecent<number, Clock>, firstKey: number) {
    this.#lineage = lineage;
    this.#kept = kept;
    this.#firstKey = firstKey;
  }

  /** Of a change, itself included. */
  upTo(node: number): Past {
    const line = this.#lineage.lineOf(node);
    return { clock: this.#before(this.#lineage.originOf(node)), line, seq: this.#lineage.seqOf(node) };
  }

  /** Of one that has these deps. */
  above(deps: readonly number[]): Past {
    const [only] = deps;
    if (deps.length === 1 && only !== undefined) return this.upTo(only);
    return { clock: this.#union(deps), line: noLine, seq: 0 };
  }

  keep(origin: number, clock: Clock): void {
    this.#kept.set(this.#firstKey + origin, clock, clock.byteLength + clockOverheadBytes);
  }

  forget(origin: number): void {
    this.#kept.delete(this.#firstKey + origin);
  }

  /** What the beginning of a stretch stands on. */
  #before(origin: number): Clock {
    const kept = this.#kept.get(this.#firstKey + origin);
    if (kept !== undefined) return kept;
    const clock = this.#union(this.#lineage.depsOf(origin));
    this.keep(origin, clock);
    return clock;
  }

  /** Walks down to where the past is known: each change is passed once. */
  #union(deps: ArrayLike<number>): Clock {
    const lineage = this.#lineage;
    const clock = new Uint32Array(lineage.lineCount);
    const open = Array.from(deps);
    for (let node = open.pop(); node !== undefined; node = open.pop()) {
      const line = lineage.lineOf(node);
      const seq = lineage.seqOf(node);
      if ((clock[line] as number) >= seq) continue;
      clock[line] = seq;
      const origin = lineage.originOf(node);
      const kept = this.#kept.get(this.#firstKey + origin);
      if (kept !== undefined) raise(clock, kept);
      else for (let below = lineage.depsOf(origin), i = 0; i < below.length; i++) open.push(below[i] as number);
    }
    return clock;
  }
}

function raise(clock: Clock, other: Clock): void {
  for (let line = 0; line < other.length; line++) {
    const seq = other[line] as number;
    if (seq > (clock[line] as number)) clock[line] = seq;
  }
}

/** How far a past goes on a line. */
export function seqOn({ clock, line, seq }: Past, asked: number): number {
  return asked === line ? seq : (clock[asked] ?? 0);
}
