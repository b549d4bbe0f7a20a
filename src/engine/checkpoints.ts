/**
 * When a checkpoint is taken, and which earlier parts it replaces.
 *
 * [ENGINE-4] Opening folds at most `tailMax` entries beyond the last checkpoint, and as many changes of documents, of which one entry can hold many;
 *            plus what arrived since the last commit; while a peer has announced more to come, ten times as many, so that a long catch-up writes
 *            every row about once.
 * [ENGINE-5] Parts grow geometrically: a part is absorbed once what came after it is at least half as large, so every row is
 *            written again at most log2(rows / tailMax) times, and the number of parts stays logarithmic. After the log-structured merge-tree.
 */
import type { DatabaseState } from "../core/store/state.ts";
import type { CheckpointPart, SealedRange } from "../ports/storage.ts";

/** Entries, and changes of documents, folded again at the next opening, at the most: 10,000 of either take about a tenth of a second. */
export const tailMax = 10_000;
/** While more is on its way: a crash in the middle of a catch-up costs a second at the next opening. */
const fillingTailMax: number = 10 * tailMax;

interface Part {
  readonly number: number;
  readonly through: number;
  readonly size: number;
}

export class Checkpoints {
  #parts: readonly Part[];
  #through: number;
  #newest: number;

  /**
   * `state` has the loaded parts merged into it. `newest`: the greatest number in storage, where there are more parts than these: the next
   * one takes their place.
   */
  constructor(loaded: readonly CheckpointPart[], state: DatabaseState, newest: number = loaded.at(-1)?.number ?? 0) {
    this.#parts = loaded.map(({ number, through }, i) => ({
      number,
      through,
      size: state.sizeSince(loaded[i - 1]?.number ?? 0) - state.sizeSince(number),
    }));
    this.#through = loaded.at(-1)?.through ?? 0;
    this.#newest = newest;
  }

  /**
   * A part when one is due: everything that changed since the newest part that is kept. `leftOut`: what is void from one position to another.
   * `unopened`: what could not be merged for want of keys.
   */
  take(
    state: DatabaseState,
    through: number,
    isFilling: boolean,
    leftOut: (from: number, to: number) => readonly number[],
    unopened: () => readonly SealedRange[] = () => [],
  ): { readonly part: CheckpointPart; readonly replaces: number } | undefined {
    const tail = Math.max(through - this.#through, state.unsavedChanges);
    if (tail < (isFilling ? fillingTailMax : tailMax)) return undefined;
    const kept = this.#keptParts(state);
    const { number: since, through: from } = kept.at(-1) ?? { number: 0, through: 0 };
    const number = this.#newest + 1;
    const size = state.sizeSince(since);
    const stores = state.checkpoint(since, number);
    this.#parts = [...kept, { number, through, size }];
    this.#through = through;
    this.#newest = number;
    const sealed = unopened();
    const left = { void: leftOut(from, through), ...(sealed.length > 0 && { sealed }) };
    return { part: { number, through, ...left, stores }, replaces: since + 1 };
  }

  #keptParts(state: DatabaseState): readonly Part[] {
    let kept = this.#parts;
    for (let last = kept.at(-1); last !== undefined; last = kept.at(-1)) {
      if (state.sizeSince(last.number) * 2 < last.size) break;
      kept = kept.slice(0, -1);
    }
    return kept;
  }
}
