/** Runs things in turns of their own, as soon as the page gets to them: faster than a timer, and after what the browser has to tell already. */
export class Turns {
  readonly #channel = new MessageChannel();
  readonly #waiting: (() => void)[] = [];

  constructor() {
    this.#channel.port1.onmessage = () => this.#waiting.shift()?.();
  }

  schedule(run: () => void): void {
    this.#waiting.push(run);
    this.#channel.port2.postMessage(undefined);
  }

  /** What waits is not run. */
  close(): void {
    this.#waiting.length = 0;
    this.#channel.port1.close();
  }
}
