/**
 * Ending an instance for good.
 *
 * [DELETION-7] Everything that is stored of a wiped instance is gone, its keys too, and all its pages are told that it is over. Whoever opens it again
 *              gets a new device with nothing on it.
 */
import type { Instance } from "../engine/instance.ts";
import type { Clock } from "../ports/clock.ts";
import type { WorkerEvent } from "./api.ts";

/** For the answer of the call that failed to reach its page first: after the word that it is over nothing is heard there. A guess. */
const answerMs = 100;

export interface WipeOptions {
  readonly instance: Pick<Instance, "handOver">;
  readonly clock: Clock;
  /** Resolves when nothing is stored. */
  readonly deleteStored: () => Promise<void>;
  /** Posts to every page that this worker serves. */
  readonly tell: (event: WorkerEvent) => void;
}

/**
 * To be called while the lock of the instance is held, and that let go afterwards: else another tab would begin to write what is being deleted. Rejects with
 * a STORAGE_ code; the instance is over all the same.
 */
export async function wipe({ instance, clock, deleteStored, tell }: WipeOptions): Promise<void> {
  try {
    await instance.handOver();
    await deleteStored();
  } catch (error) {
    clock.after(answerMs, () => tell({ type: "wiped" }));
    throw error;
  }
  tell({ type: "wiped" });
}
