/** The end of a call's time, by its caller's signal or by the clock, also while no leader is there to watch it. */

export class Deadline {
  readonly #controller = new AbortController();
  readonly #callers: AbortSignal | undefined;
  readonly #endsAt: number | undefined;
  readonly #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #abort = (): void => this.#controller.abort();

  constructor(timeoutMs: number | undefined, callers: AbortSignal | undefined) {
    this.#callers = callers;
    if (callers?.aborted) this.#abort();
    callers?.addEventListener("abort", this.#abort);
    if (timeoutMs === undefined) return;
    this.#endsAt = performance.now() + timeoutMs;
    this.#timer = setTimeout(this.#abort, timeoutMs);
  }

  /** Aborted by whichever comes first. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The clock was first. */
  get isOver(): boolean {
    return this.signal.aborted && !this.#callers?.aborted;
  }

  /** At least 1: what is sent then is answered with TIMEOUT at once. */
  get leftMs(): number | undefined {
    return this.#endsAt === undefined ? undefined : Math.max(1, Math.ceil(this.#endsAt - performance.now()));
  }

  /** The call has ended. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#callers?.removeEventListener("abort", this.#abort);
  }
}
