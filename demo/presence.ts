/** Announces who comes and goes. A short absence, as of a page that is loaded again, is not worth a word. */
import type { Announcer } from "./announcer.ts";

const absenceMs = 5_000;

/** What is said of somebody after their name. */
export interface PresenceWords {
  readonly came: string;
  readonly went: string;
}

export class Presence {
  readonly #announcer: Announcer;
  readonly #nameOf: (key: string) => string;
  readonly #words: PresenceWords;
  readonly #leaving = new Map<string, ReturnType<typeof setTimeout>>();
  #here: ReadonlySet<string> | undefined;

  constructor(announcer: Announcer, nameOf: (key: string) => string, words: PresenceWords) {
    this.#announcer = announcer;
    this.#nameOf = nameOf;
    this.#words = words;
  }

  /** The keys of everybody who is there. */
  show(here: ReadonlySet<string>, isOnline: boolean): void {
    for (const key of here) if (this.#here?.has(key) === false) this.#came(key);
    // Whoever goes offline loses everyone and knows it.
    for (const key of this.#here ?? []) if (!here.has(key) && isOnline) this.#went(key);
    this.#here = here;
  }

  #came(key: string): void {
    const timer = this.#leaving.get(key);
    clearTimeout(timer);
    this.#leaving.delete(key);
    if (timer === undefined) this.#announcer.announce(`${this.#nameOf(key)} ${this.#words.came}`);
  }

  #went(key: string): void {
    const timer = setTimeout(() => {
      this.#leaving.delete(key);
      this.#announcer.announce(`${this.#nameOf(key)} ${this.#words.went}`);
    }, absenceMs);
    this.#leaving.set(key, timer);
  }
}
