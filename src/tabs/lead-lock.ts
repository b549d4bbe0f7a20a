/**
 * How a candidate gets the leader's lock: by waiting for it, by taking it from a leader that is silent, or from one that gives it.
 *
 * [TABS-6] The tab that has waited longest leads next, unless the leader gives the lock to another one.
 * [TABS-7] One tab at a time robs a silent leader, and looks again before it does.
 */
import { asTidemarkError, TidemarkError } from "../core/errors.ts";
import type { Locks } from "../ports/tabs.ts";
import { leaderLockName, stealLockName } from "./names.ts";

export interface LeadLockOptions {
  readonly name: string;
  readonly locks: Locks;
  /** Nobody can be heard: then nobody is waited for either. */
  readonly isAlone: boolean;
  /** Nothing was heard of a leader for long. */
  readonly isStalled: () => boolean;
  /** Somebody else robs it: give that one time. */
  readonly listenAnew: () => void;
  readonly got: (hold: LeadHold) => void;
  /** It is not asked for any more. */
  readonly failed: (error: TidemarkError) => void;
}

export class LeadLock {
  readonly #options: LeadLockOptions;
  #asking: AbortController | undefined;
  #isRobbing = false;
  /** How often somebody else was robbing, since a leader was heard. */
  #refusals = 0;

  constructor(options: LeadLockOptions) {
    this.#options = options;
  }

  /** Idempotent, until it is got, failed or `stop`. */
  ask(): void {
    if (this.#asking === undefined) void this.#wait();
  }

  stop(): void {
    this.#asking?.abort();
    this.#asking = undefined;
  }

  /** Somebody leads. */
  led(): void {
    this.#refusals = 0;
  }

  /** The leader keeps it for us. */
  async inherit(): Promise<void> {
    if (this.#asking !== undefined) await this.#steal(this.#asking, new LeadHold());
  }

  /** Takes the lock, unless it is not asked for, or somebody else is about to. Does not reject. */
  async rob(): Promise<void> {
    if (this.#asking === undefined || this.#isRobbing) return;
    this.#isRobbing = true;
    try {
      await this.#rob(this.#asking);
    } catch (error) {
      this.#options.failed(asTidemarkError(error));
    } finally {
      this.#isRobbing = false;
    }
  }

  async #wait(): Promise<void> {
    const { name, locks, isAlone, got, failed } = this.#options;
    const asking = new AbortController();
    this.#asking = asking;
    const hold = new LeadHold();
    const how = isAlone ? { ifAvailable: true } : { signal: asking.signal };
    try {
      const release = await locks.request(leaderLockName(name), { ...how, lost: () => hold.lose() });
      if (release === undefined) throw new TidemarkError("INSTANCE_IN_USE", { name });
      hold.give(release);
    } catch (error) {
      if (asking.signal.aborted) return;
      this.#asking = undefined;
      return failed(asTidemarkError(error));
    }
    if (asking.signal.aborted) return hold.release();
    this.#asking = undefined;
    got(hold);
  }

  async #rob(asking: AbortController): Promise<void> {
    const { name, locks, isStalled, listenAnew } = this.#options;
    // Whoever was robbing before was not heard since: it is frozen itself, or as good as dead.
    const how = this.#refusals > 0 ? { steal: true } : { ifAvailable: true };
    const done = await locks.request(stealLockName(name), how);
    if (done === undefined) {
      this.#refusals++;
      return listenAnew();
    }
    if (this.#asking !== asking || !isStalled()) return done();
    await this.#steal(asking, new LeadHold(done));
  }

  async #steal(asking: AbortController, hold: LeadHold): Promise<void> {
    const { name, locks, got, failed } = this.#options;
    asking.abort();
    const stealing = new AbortController();
    this.#asking = stealing;
    try {
      const release = await locks.request(leaderLockName(name), { steal: true, lost: () => hold.lose() });
      hold.give(release ?? (() => {}));
    } catch (error) {
      hold.release();
      if (this.#asking === stealing) this.#asking = undefined;
      return failed(asTidemarkError(error));
    }
    if (stealing.signal.aborted) return hold.release();
    this.#asking = undefined;
    got(hold);
  }
}

/** The leader's lock while we have it, and the lock of robbers if it was robbed. */
export class LeadHold {
  readonly #begun: () => void;
  #release: (() => void) | undefined;
  #isLost = false;
  #whenLost: (() => void) | undefined;

  constructor(begun: () => void = () => {}) {
    this.#begun = begun;
  }

  give(release: () => void): void {
    this.#release = release;
  }

  lose(): void {
    this.#isLost = true;
    this.#whenLost?.();
  }

  /** Called once, also if that was before. */
  whenLost(lost: () => void): void {
    this.#whenLost = lost;
    if (this.#isLost) lost();
  }

  /** Others may rob again: we lead and are heard. */
  begun(): void {
    this.#begun();
  }

  /** Idempotent. */
  release(): void {
    this.#begun();
    this.#release?.();
  }
}
