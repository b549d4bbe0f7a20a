/** Locks that are given, refused and stolen when the test says so. */
import type { LockOptions, Locks } from "../ports/tabs.ts";
import { turn } from "./turn.ts";

export interface AskedLock {
  readonly name: string;
  readonly options: LockOptions;
  /** It was given, and let go. */
  readonly isReleased: boolean;
  give(): Promise<void>;
  refuse(): Promise<void>;
  fail(error: unknown): Promise<void>;
}

export class LocksByHand implements Locks {
  /** Everything that was asked for, in order. Given up when its signal is aborted: then the test may give it all the same, as it may come too late. */
  readonly asked: AskedLock[] = [];

  request(name: string, options: LockOptions = {}): Promise<(() => void) | undefined> {
    return new Promise((resolve, reject) => {
      let isReleased = false;
      const release = (): void => {
        isReleased = true;
      };
      const then = (settle: () => void): Promise<void> => {
        settle();
        return turn();
      };
      this.asked.push({
        name,
        options,
        get isReleased() {
          return isReleased;
        },
        give: () => then(() => resolve(release)),
        refuse: () => then(() => resolve(undefined)),
        fail: (error) => then(() => reject(error)),
      });
    });
  }

  /** Throws when that was not asked for. */
  at(index: number): AskedLock {
    const asked = this.asked.at(index);
    if (asked === undefined) throw new Error(`nothing was asked for at ${index}`);
    return asked;
  }
}
