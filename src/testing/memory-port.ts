/** Message ports in memory, which deliver when a simulated clock says so. */
import type { Clock } from "../ports/clock.ts";

class MemoryPort {
  onmessage: ((event: MessageEvent) => void) | null = null;
  readonly #clock: Clock;
  other: MemoryPort | undefined;
  #closed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  postMessage(message: unknown): void {
    if (this.#closed) return;
    this.#clock.after(0, () => this.other?.onmessage?.(new MessageEvent("message", { data: message })));
  }

  close(): void {
    this.#closed = true;
    if (this.other !== undefined) this.other.#closed = true;
  }

  addEventListener(): void {}
}

/** Two ends. Nothing is cloned or transferred: do not alter what was posted. */
export function createPortPair(clock: Clock): [MessagePort, MessagePort] {
  const [one, other] = [new MemoryPort(clock), new MemoryPort(clock)];
  one.other = other;
  other.other = one;
  return [one, other] as unknown as [MessagePort, MessagePort];
}
