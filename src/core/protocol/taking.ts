/** What comes in: batches of entries, to be judged and confirmed in their order. */
import type { DatabaseId, EntryId } from "../ids.ts";
import { batchesInFlightMax } from "../limits.ts";
import { decodeBatch } from "./batch.ts";
import type { Comparing } from "./comparing.ts";
import type { Lane } from "./lane.ts";
import type { EntriesMessage } from "./message.ts";
import type { BatchStored } from "./session-event.ts";
import type { SessionState } from "./session-state.ts";

export class Taking {
  readonly #state: SessionState;
  readonly #comparing: Comparing;
  /** Batches of the peer that are not confirmed yet, of all databases. */
  #unstored = 0;

  constructor(state: SessionState, comparing: Comparing) {
    this.#state = state;
    this.#comparing = comparing;
  }

  takeBatch(message: EntriesMessage): void {
    const { database, number, left, leftBytes, batch } = message;
    if (!this.#state.isWelcome(database)) return this.#dismiss(database);
    const { arrivals, delivery, replica } = this.#state.lane(database);
    const next = arrivals.received + 1;
    if (number !== next) return this.#state.refuse(`batch ${number}`, `batch ${next}`);
    if (this.#unstored >= batchesInFlightMax) return this.#state.refuse("a batch too many", "to wait for stored");
    const entries = decodeBatch(batch, database, this.#state.options.sha256);
    if (!entries.ok) return this.#state.fail(entries.failure);
    this.#unstored += 1;
    arrivals.take(message, entries.value);
    for (const { id } of entries.value) {
      const node = replica.graph.get(id);
      if (node !== undefined) delivery.withdraw(node);
    }
    this.#state.emit({ type: "check", database, number, entries: entries.value, left });
    this.#state.emit({
      type: "progress",
      database,
      receivedEntries: arrivals.entries,
      totalEntries: arrivals.entries + left,
      receivedBytes: arrivals.bytes,
      totalBytes: arrivals.bytes + leftBytes,
    });
  }

  /** Time alone may have ended what let it in. What it sends would never be confirmed, nor be known to have come from it. */
  #dismiss(database: DatabaseId): void {
    if (this.#state.lanes.get(database)?.isShared === true) this.#state.end({ type: "end" });
  }

  confirmBatch(event: BatchStored): void {
    const { database, number, missing } = event;
    const lane = this.#state.lanes.get(database);
    if (lane === undefined) return;
    const { arrivals, delivery } = lane;
    const complete = this.#isComplete(lane, event, arrivals.confirm(number));
    this.#unstored -= 1;
    // What was refused may come from somebody else later: this peer still has it. What is not durable yet is announced later.
    arrivals.forget(event.ids.filter((id) => isDurable(lane, id)));
    // Before the confirmation: so the peer knows that there is more to do when it hears of that.
    if (missing.length > 0) this.#state.send({ type: "want", database, ids: missing });
    const isLast = arrivals.isDone;
    const isQuiet = isLast && delivery.unconfirmed === 0 && lane.phase !== "comparing";
    this.#state.send({ type: "stored", database, number, complete, digest: isQuiet ? this.#state.say(lane) : "" });
    if (isLast) {
      arrivals.endRound();
      if (missing.length === 0 && this.#isSource(database)) this.#state.emit({ type: "caughtUp", database });
    }
    this.#comparing.settle(lane, isQuiet ? "said" : "changed");
  }

  /** Anybody may send what is refused here. */
  #isSource(database: DatabaseId): boolean {
    return this.#state.isReadable(database) || this.#state.joining.has(database);
  }

  #isComplete(lane: Lane, { ids }: BatchStored, count: number): boolean {
    if (ids.length < count) return false;
    return ids.every((id) => isDurable(lane, id));
  }
}

function isDurable({ replica }: Lane, id: EntryId): boolean {
  return (replica.graph.get(id)?.position ?? Number.POSITIVE_INFINITY) < replica.stored;
}
