/**
 * The lanes of one session, and what they share: the window, and whose turn it is.
 *
 * [LANE-6] Databases take turns: each sends one batch, then the next. One that may not be sent, or is paused, holds up no other.
 * [LANE-9] New entries go before what was missing before; of five batches one is of the latter, when some of it waits.
 */
import type { Node } from "../graph.ts";
import type { DatabaseId } from "../ids.ts";
import type { Lane } from "./lane.ts";
import type { LaneSettings } from "./session-event.ts";
import { type Priority, Window } from "./window.ts";

export interface Batch {
  readonly lane: Lane;
  readonly number: number;
  readonly nodes: readonly Node[];
}

/** So many interactive batches in a row, while others wait. */
const interactiveInRowMax = 4;

export class Lanes {
  /** Whose turn it is comes first. */
  readonly #lanes = new Map<DatabaseId, Lane>();
  readonly #window = new Window();
  #interactiveInRow = 0;

  get size(): number {
    return this.#lanes.size;
  }

  /** Batches that the peer has confirmed so far. */
  get confirmed(): number {
    return this.#window.confirmed;
  }

  get(database: DatabaseId): Lane | undefined {
    return this.#lanes.get(database);
  }

  all(): readonly Lane[] {
    return [...this.#lanes.values()];
  }

  add(lane: Lane): void {
    this.#lanes.set(lane.database, lane);
  }

  /** Takes the next batch of the lanes that may send, or undefined when there is none or the window is full. */
  nextBatch(
    maySend: (database: DatabaseId) => boolean,
    settings: LaneSettings,
    windowBytes: number,
  ): Batch | undefined {
    const first = (priority: Priority): Lane | undefined => {
      for (const lane of this.#lanes.values())
        if (lane.delivery.queued > 0 && lane.delivery.priority === priority)
          if (!lane.delivery.isPaused && maySend(lane.database)) return lane;
      return undefined;
    };
    const [interactive, bulk] = [first("interactive"), first("bulk")];
    // When it is the turn of the others, new entries wait until they had it: else these might never find room.
    const isBulkDue = bulk !== undefined && this.#interactiveInRow >= interactiveInRowMax;
    const lane = isBulkDue ? bulk : (interactive ?? bulk);
    const batch = lane?.delivery.nextBatch(this.#window, settings, windowBytes);
    if (lane === undefined || batch === undefined) return undefined;
    this.#interactiveInRow = lane === bulk || bulk === undefined ? 0 : this.#interactiveInRow + 1;
    this.#lanes.delete(lane.database);
    this.#lanes.set(lane.database, lane);
    return { lane, ...batch };
  }

  /** False when the peer confirms what was never sent. */
  confirm(lane: Lane, number: number, complete: boolean): boolean {
    return lane.delivery.confirm(number, complete, this.#window);
  }
}
