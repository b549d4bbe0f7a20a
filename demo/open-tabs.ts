/** How many tabs of this browser have these boards open: each holds a lock that any number may hold, and they are counted. */
import type { Stop } from "tidemark";

/** Tabs that come and go tell nobody. */
const countEveryMs = 2_000;

export class OpenTabs {
  readonly #name: string;
  readonly #listeners = new Set<(count: number) => void>();
  #release: () => void = () => {};
  #count = 1;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(instance: string) {
    this.#name = `tidemark-board/${instance}`;
    this.#hold();
    // A page that holds a lock is not kept for going back to.
    addEventListener("pagehide", () => this.#release());
    addEventListener("pageshow", ({ persisted }) => persisted && this.#hold());
  }

  /** This one included. */
  get count(): number {
    return this.#count;
  }

  subscribe(listener: (count: number) => void): Stop {
    this.#listeners.add(listener);
    listener(this.#count);
    this.#timer ??= setInterval(() => void this.#read(), countEveryMs);
    void this.#read();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      clearInterval(this.#timer);
      this.#timer = undefined;
    };
  }

  #hold(): void {
    const held = new Promise<void>((resolve) => {
      this.#release = resolve;
    });
    navigator.locks?.request(this.#name, { mode: "shared" }, () => held).catch(() => {}); // Not counted, then.
  }

  async #read(): Promise<void> {
    const locks = await navigator.locks?.query().catch(() => undefined);
    const count = (locks?.held ?? []).filter(({ name }) => name === this.#name).length;
    if (count === 0 || count === this.#count) return;
    this.#count = count;
    for (const listener of this.#listeners) listener(count);
  }
}
