/** Says things to those who do not see the screen: politely, and gathered, so that a busy board does not chatter. */
const gatherMs = 1_000;

export class Announcer {
  readonly #region: HTMLElement;
  #waiting: string[] = [];

  constructor(region: HTMLElement) {
    this.#region = region;
  }

  announce(text: string): void {
    if (this.#waiting.includes(text)) return;
    this.#waiting.push(text);
    if (this.#waiting.length === 1) setTimeout(() => this.#speak(), gatherMs);
  }

  #speak(): void {
    // A region that says the same twice is read once: each announcement is a node of its own.
    this.#region.replaceChildren(document.createTextNode(this.#waiting.join(". ")));
    this.#waiting = [];
  }
}
