/**
 * What may wait here of all peers together.
 *
 * [PATH-6] When more than `inboundTotalBytesMax` bytes of messages wait that were not taken yet, the path with most of them is cut off.
 */
export interface InboundHolder {
  /** It holds most, and there is too much. */
  overrun(got: number, max: number): void;
}

export class InboundBudget {
  readonly #max: number;
  readonly #held = new Map<InboundHolder, number>();
  #total = 0;

  constructor(max: number) {
    this.#max = max;
  }

  add(holder: InboundHolder, bytes: number): void {
    this.#total += bytes;
    this.#held.set(holder, (this.#held.get(holder) ?? 0) + bytes);
    if (this.#total <= this.#max) return;
    const got = this.#total;
    this.#greediest()?.overrun(got, this.#max);
  }

  /** Nothing happens to a holder that was released. */
  take(holder: InboundHolder, bytes: number): void {
    const held = this.#held.get(holder);
    if (held === undefined) return;
    this.#total -= bytes;
    this.#held.set(holder, held - bytes);
  }

  /** What it holds is dropped, or kept by nobody. */
  release(holder: InboundHolder): void {
    this.#total -= this.#held.get(holder) ?? 0;
    this.#held.delete(holder);
  }

  #greediest(): InboundHolder | undefined {
    const [most] = [...this.#held].sort(([, a], [, b]) => b - a);
    return most?.[0];
  }
}
