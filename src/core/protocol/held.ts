/**
 * How much of our log a peer has confirmed as durable there.
 *
 * [SESSION-15] Never more than the peer holds: what is held reaches to the first entry that it has not confirmed, that it did not
 *              take, or of which nothing is known; when both hold the same it reaches to the end. What is void nobody has to hold:
 *              if it counts again, what is held ends there until that is compared.
 */
import type { Node } from "../graph.ts";

export class Held {
  /** Everything at positions below was compared, sent, or came from the peer. Undefined: nothing was compared yet. */
  #known: number | undefined;
  /** The first position of which we do not know, though it was compared or sent. */
  #doubtful: number = Number.POSITIVE_INFINITY;
  /** Both held the same when we held what is below. */
  #agreed = 0;
  #told = 0;

  /** Frontiers were exchanged: everything below `through` is held but for what is unconfirmed, and from `doubtful` on. */
  compared(through: number, doubtful: number): void {
    this.#known = through;
    this.#doubtful = doubtful;
  }

  /** Both held the same when we held what is below `through`. */
  agreed(through: number): void {
    const known = Math.max(this.#known ?? 0, through);
    // There may be further doubts behind the first one.
    if (this.#doubtful < through) this.#doubtful = through < known ? through : Number.POSITIVE_INFINITY;
    this.#known = known;
    this.#agreed = Math.max(this.#agreed, through);
  }

  /** These became durable, and are queued for the peer or came from it. */
  announced(nodes: readonly Node[]): void {
    for (const { position } of nodes) if (position === this.#known) this.#known += 1;
  }

  /** What lies at positions from `from` on may count again, and the peer need not hold it. */
  recounted(from: number): void {
    this.doubt(from);
    this.#agreed = Math.min(this.#agreed, from);
    this.#told = Math.min(this.#told, from);
  }

  /** The peer did not take something from here on, or it is not going to be sent. */
  doubt(position: number): void {
    this.#doubtful = Math.min(this.#doubtful, position);
  }

  /** Everything below is known to be queued, sent or held. */
  get known(): number {
    return this.#known ?? 0;
  }

  /** What is held now, when it is more than it was the last time; `unconfirmed` is the first position that is. */
  advance(unconfirmed: number): number | undefined {
    const through = Math.max(this.#agreed, Math.min(this.known, this.#doubtful, unconfirmed));
    if (through <= this.#told) return undefined;
    this.#told = through;
    return through;
  }
}
