/**
 * The digest messages that were sent and have no answer yet. Both sides count them; the answer says which it is to.
 *
 * A digest in which nothing is the same has no answer: it would say no more than silence does. So silence tells nobody whether a
 * database exists here.
 */
import type { DatabaseId } from "../ids.ts";
import type { Cursor } from "./cursor.ts";

/** What was said of one database. */
export interface Question extends Cursor {
  readonly database: DatabaseId;
  /** Of its lane, when it was said. */
  readonly recounts: number;
}

/** With 1,000 databases each. What is answered later than that is compared again some time. A guess. */
const questionsMax = 64;

export class Questions {
  readonly #open = new Map<number, readonly Question[]>();
  #asked = 0;
  #answered = 0;

  ask(items: readonly Question[]): void {
    this.#asked += 1;
    this.#open.set(this.#asked, items);
    for (const oldest of this.#open.keys()) {
      if (this.#open.size <= questionsMax) break;
      this.#open.delete(oldest);
    }
  }

  /** What was asked; empty when that is forgotten; undefined when it was not asked, or is answered already, or there are more answers than questions. */
  answer(number: number, count: number): readonly Question[] | undefined {
    if (number <= this.#answered || number > this.#asked) return undefined;
    for (let each = this.#answered + 1; each < number; each++) this.#open.delete(each);
    this.#answered = number;
    const items = this.#open.get(number);
    this.#open.delete(number);
    return items === undefined || items.length === count ? (items ?? []) : undefined;
  }
}
