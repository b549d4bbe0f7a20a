/**
 * One document as whoever leads tells of it: opened with each leader, and what it says in the order in which it is to be taken.
 *
 * Events may overtake the answer to `openDoc`: they are kept until it is there. Each leader is given another number, so that nothing of
 * one that ended is taken for the next one's.
 */
import type { DatabaseId } from "../../core/ids.ts";
import type { DocChanges, DocOpened, DocOptions } from "../../worker/api.ts";
import { isInterruption, type Leader, type Line } from "../line.ts";
import type { Stop } from "../listeners.ts";

export interface FeedTaker {
  /** What is to be asked for. */
  asked(): DocOptions;
  /** The answer of a leader: before its first event. */
  opened(answer: DocOpened): void;
  take(changes: DocChanges): void;
  /** A leader refused, for another reason than that it ends. */
  failed(error: unknown): void;
}

/** All feeds of a page, by the number that the worker's events carry. */
export class Feeds {
  readonly #takers = new Map<number, (changes: DocChanges) => void>();
  #next = 1;

  add(take: (changes: DocChanges) => void): number {
    const number = this.#next++;
    this.#takers.set(number, take);
    return number;
  }

  delete(number: number): void {
    this.#takers.delete(number);
  }

  take(changes: DocChanges): void {
    this.#takers.get(changes.watch)?.(changes);
  }
}

export class Feed {
  readonly #line: Line;
  readonly #feeds: Feeds;
  readonly #database: DatabaseId;
  readonly #store: string;
  readonly #taker: FeedTaker;
  #number = 0;
  #stop: Stop = () => {};

  /** Begins when `open` is called. */
  constructor(line: Line, feeds: Feeds, database: DatabaseId, store: string, taker: FeedTaker) {
    this.#line = line;
    this.#feeds = feeds;
    this.#database = database;
    this.#store = store;
    this.#taker = taker;
  }

  open(): void {
    this.#stop = this.#line.stand((leader) => void this.#begin(leader));
  }

  close(): void {
    this.#stop();
    const number = this.#number;
    // What is under way is over, too.
    this.#number = 0;
    this.#feeds.delete(number);
    this.#line.send((api) => api.closeDoc(number));
  }

  async #begin(leader: Leader): Promise<void> {
    let early: DocChanges[] | undefined = [];
    this.#feeds.delete(this.#number);
    const number = this.#feeds.add((changes) =>
      early === undefined ? this.#taker.take(changes) : early.push(changes),
    );
    this.#number = number;
    const isOver = (): boolean => this.#number !== number;
    try {
      const answer = await leader.api.openDoc(number, this.#database, this.#store, this.#taker.asked());
      if (isOver()) return;
      this.#taker.opened(answer);
      const waiting = early;
      early = undefined;
      for (const changes of waiting) if (!isOver()) this.#taker.take(changes);
    } catch (error) {
      // The next leader is asked.
      if (!isOver() && !isInterruption(error)) this.#taker.failed(error);
    }
  }
}
