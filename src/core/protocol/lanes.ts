/**
 * The lanes of one session, and what they share: the window, and whose turn it is.
 *
 * [LANE-6] Databases take turns: each sends one batch, then the next.
 */
import type { Node } from "../graph.ts";
import type { DatabaseId } from "../ids.ts";
import { Lane } from "./lane.ts";
import { Window } from "./window.ts";

export interface Batch {
  readonly lane: Lane;
  readonly number: number;
  readonly nodes: readonly Node[];
}

export class Lanes {
  /** Whose turn it is comes first. */
  readonly #lanes = new Map<DatabaseId, Lane>();
  readonly #window = new Window();

  get size(): number {
    return this.#lanes.size;
  }

  get(database: DatabaseId): Lane | undefined {
    return this.#lanes.get(database);
  }

  open(database: DatabaseId): Lane {
    const lane = this.#lanes.get(database) ?? new Lane(database);
    this.#lanes.set(database, lane);
    return lane;
  }

  /** Takes the next batch of the lanes that may send, or undefined when there is none or the window is full. */
  nextBatch(maySend: (database: DatabaseId) => boolean): Batch | undefined {
    for (const [database, lane] of this.#lanes) {
      if (lane.queued === 0 || !maySend(database)) continue;
      const batch = lane.nextBatch(this.#window);
      if (batch === undefined) return undefined;
      this.#lanes.delete(database);
      this.#lanes.set(database, lane);
      return { lane, ...batch };
    }
    return undefined;
  }

  /** False when the peer confirms what was never sent. */
  confirm(lane: Lane, number: number): boolean {
    return lane.confirm(number, this.#window);
  }
}
