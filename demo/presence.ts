/** Announces who comes and goes. A short absence, as of a page that is loaded again, is not worth a word. */
import type { DatabaseStatus } from "tidemark";
import type { Announcer } from "./announcer.ts";

const absenceMs = 5_000;

export class Presence {
  readonly #announcer: Announcer;
  readonly #nameOf: (key: string) => string;
  readonly #leaving = new Map<string, ReturnType<typeof setTimeout>>();
  #here: ReadonlySet<string> | undefined;

  constructor(announcer: Announcer, nameOf: (key: string) => string) {
    this.#announcer = announcer;
    this.#nameOf = nameOf;
  }

  show({ peers, online }: DatabaseStatus): void {
    const here = new Set<string>(peers.map(({ key }) => key));
    for (const key of here) if (this.#here?.has(key) === false) this.#came(key);
    // Whoever goes offline loses everyone and knows it.
    for (const key of this.#here ?? []) if (!here.has(key) && online) this.#went(key);
    this.#here = here;
  }

  #came(key: string): void {
    const timer = this.#leaving.get(key);
    clearTimeout(timer);
    this.#leaving.delete(key);
    if (timer === undefined) this.#announcer.announce(`${this.#nameOf(key)} connected`);
  }

  #went(key: string): void {
    const timer = setTimeout(() => {
      this.#leaving.delete(key);
      this.#announcer.announce(`${this.#nameOf(key)} left`);
    }, absenceMs);
    this.#leaving.set(key, timer);
  }
}
