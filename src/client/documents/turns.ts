/** Resolves in the next turn: in one that is soon, also in a tab that nobody sees, where timers wait for a second. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}

/** Runs things in turns of their own, as soon as the page gets to them: faster than a timer, and after what the browser has to tell already. */
export class Turns {
  readonly #channel = new MessageChannel();
  readonly #waiting: (() => void)[] = [];
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();

  constructor() {
    this.#channel.port1.onmessage = () => this.#waiting.shift()?.();
  }

  schedule(run: () => void): void {
    this.#waiting.push(run);
    this.#channel.port2.postMessage(undefined);
  }

  /** After so many milliseconds; in a tab that nobody sees, where timers wait for a second and more, as soon as it gets to it. */
  after(ms: number, run: () => void): void {
    if (globalThis.document?.visibilityState === "hidden") return this.schedule(run);
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      run();
    }, ms);
    this.#timers.add(timer);
  }

  /** What waits is not run. */
  close(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#waiting.length = 0;
    this.#channel.port1.close();
  }
}
