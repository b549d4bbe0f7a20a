import * as idbDouble from "fake-indexeddb";
import { openDB } from "idb";
import { afterAll, afterEach, describe, expect, onTestFinished, test, vi } from "vitest";
import type { Clock } from "../ports/clock.ts";
import { SimulatedClock } from "../testing/clock.ts";
import { installIdbDouble } from "../testing/idb-double.ts";
import { turn } from "../testing/turn.ts";
import { requestStoredLock, storedLockName } from "./stored-lock.ts";
import { deleteStored } from "./wipe.ts";

afterAll(installIdbDouble(idbDouble));

afterEach(() => {
  vi.restoreAllMocks();
});

let instances = 0;

/** A browser with neither locks nor channels, in which time passes when something waits for it. */
class Browser {
  readonly clock = new SimulatedClock();
  readonly instance: string = `instance ${instances++}`;
  readonly tabs: Tab[] = [];

  open(): Tab {
    const tab = new Tab(this);
    this.tabs.push(tab);
    return tab;
  }

  async pass(ms: number): Promise<void> {
    const end = this.clock.now() + ms;
    for (await idle(); (this.clock.nextAt ?? Number.POSITIVE_INFINITY) <= end; await idle()) this.clock.runNext();
    this.clock.advance(end - this.clock.now());
    await idle();
  }

  /** What comes of it, and after how many milliseconds. */
  async settle<T>(promise: Promise<T>): Promise<{ readonly value: T; readonly afterMs: number }> {
    const from = this.clock.now();
    let isSettled = false;
    const settled = (): void => {
      isSettled = true;
    };
    promise.then(settled, settled);
    for (await idle(); !isSettled; await idle()) {
      if (!this.clock.runNext()) throw new Error("nothing is waited for any more");
    }
    return { value: await promise, afterMs: this.clock.now() - from };
  }
}

/** Everything that IndexedDB has begun is through. */
async function idle(): Promise<void> {
  for (let i = 0; i < 30; i++) await turn();
}

class Tab {
  isFrozen = false;
  lost = 0;
  readonly #browser: Browser;
  readonly #missed: (() => void)[] = [];
  readonly #clock: Clock;

  constructor(browser: Browser) {
    const { clock } = browser;
    this.#browser = browser;
    this.#clock = {
      now: () => clock.now(),
      after: (ms, action) => clock.after(ms, () => void (this.isFrozen ? this.#missed.push(action) : action())),
    };
  }

  request(): Promise<(() => void) | undefined> {
    return requestStoredLock(this.#browser.instance, this.#clock, () => this.lost++);
  }

  thaw(): void {
    this.isFrozen = false;
    for (const action of this.#missed.splice(0)) action();
  }
}

/** Writing fails like this until the returned function is called. */
function failWrites(name: string): () => void {
  const { put } = IDBObjectStore.prototype;
  const restore = (): void => {
    IDBObjectStore.prototype.put = put;
  };
  IDBObjectStore.prototype.put = () => {
    throw new DOMException("as it was told", name);
  };
  onTestFinished(restore);
  return restore;
}

describe("[TABS-20] with neither locks nor channels", () => {
  test("a second tab does without as long as the first is there, and has it at once when that lets go", async () => {
    const browser = new Browser();
    const [first, second] = [browser.open(), browser.open()];
    const [opened, closed] = [vi.spyOn(indexedDB, "open"), vi.spyOn(IDBDatabase.prototype, "close")];
    const release = await browser.settle(first.request());
    expect(release.afterMs).toBe(0);
    for (let minute = 0; minute < 3; minute++) {
      const refused = await browser.settle(second.request());
      expect([refused.value, refused.afterMs <= 2_000]).toEqual([undefined, true]);
      await browser.pass(60_000);
    }
    expect(first.lost).toBe(0);
    release.value?.();
    release.value?.();
    const next = await browser.settle(second.request());
    expect([next.value === undefined, next.afterMs]).toEqual([false, 0]);
    next.value?.();
    expect(browser.clock.nextAt).toBeUndefined();
    expect([opened.mock.calls.length, new Set(closed.mock.contexts).size]).toEqual([5, 5]);
  });

  test("who lets go as it renews hears nothing more, whoever has it by then, and renews no more", async () => {
    for (const isFollowed of [false, true]) {
      const browser = new Browser();
      const [first, second] = [browser.open(), browser.open()];
      const { value: release } = await browser.settle(first.request());
      first.isFrozen = true;
      if (isFollowed) await browser.settle(second.request());
      await browser.pass(1_000);
      first.thaw();
      release?.();
      await browser.pass(5_000);
      expect(first.lost).toBe(0);
      second.isFrozen = true;
      await browser.pass(1_000);
      expect(browser.clock.nextAt).toBeUndefined();
    }
  });

  test("one that died is followed after three seconds, and at once when it died before that", async () => {
    for (const agoMs of [0, 500, 1_999, 3_000, 60_000]) {
      const browser = new Browser();
      const [first, second] = [browser.open(), browser.open()];
      await browser.settle(first.request());
      first.isFrozen = true;
      await browser.pass(agoMs);
      const next = await browser.settle(second.request());
      expect(next.value).toBeDefined();
      // It looks once a second.
      expect(next.afterMs).toBe(Math.ceil(Math.max(0, 3_000 - agoMs) / 1_000) * 1_000);
    }
  });

  test("one that wakes up when it was followed is told once, and takes nothing away as it lets go", async () => {
    const browser = new Browser();
    const [first, second] = [browser.open(), browser.open()];
    const release = await browser.settle(first.request());
    first.isFrozen = true;
    const next = await browser.settle(second.request());
    expect(first.lost).toBe(0);
    first.thaw();
    await browser.pass(5_000);
    expect(first.lost).toBe(1);
    release.value?.();
    expect((await browser.settle(first.request())).value).toBeUndefined();
    expect([first.lost, second.lost]).toEqual([1, 0]);
    next.value?.();
    expect((await browser.settle(first.request())).value).toBeDefined();
  });

  test("one that wakes up before anybody asked goes on", async () => {
    const browser = new Browser();
    const [first, second] = [browser.open(), browser.open()];
    await browser.settle(first.request());
    first.isFrozen = true;
    await browser.pass(60_000);
    first.thaw();
    await browser.pass(0);
    expect((await browser.settle(second.request())).value).toBeUndefined();
    expect(first.lost).toBe(0);
  });

  test("of many that ask at the same moment one has it, also after one that died", async () => {
    for (const isLeft of [false, true]) {
      const browser = new Browser();
      if (isLeft) {
        const dead = browser.open();
        await browser.settle(dead.request());
        dead.isFrozen = true;
      }
      const asked = Array.from({ length: 5 }, () => browser.open().request());
      const { value: releases } = await browser.settle(Promise.all(asked));
      expect(releases.filter((release) => release !== undefined)).toHaveLength(1);
      await browser.pass(10_000);
      expect(browser.tabs.map(({ lost }) => lost)).toEqual(browser.tabs.map(() => 0));
    }
  });

  test("nobody waits for a time that only a clock that was set back since can have written", async () => {
    const browser = new Browser();
    const [first, second] = [browser.open(), browser.open()];
    await browser.settle(first.request());
    first.isFrozen = true;
    const db = await openDB(storedLockName(browser.instance));
    const [by] = await db.getAllKeys("holders");
    for (const untilMs of [browser.clock.now() + 3_001, "x", Number.NaN, undefined]) {
      await db.put("holders", { role: "holder", untilMs }, by);
      const next = await browser.settle(second.request());
      expect([next.value === undefined, next.afterMs]).toEqual([false, 0]);
      next.value?.();
    }
    await browser.settle(first.request());
    // Nobody's, and in nobody's way.
    for (const damaged of ["", "~"]) await db.put("holders", null, damaged);
    db.close();
    const followed = await browser.settle(second.request());
    expect([followed.value === undefined, followed.afterMs]).toEqual([false, 3_000]);
  });

  test("a disk without room is told to whoever asks, and is no reason to give up what is held", async () => {
    const browser = new Browser();
    const [first, second] = [browser.open(), browser.open()];
    const full = failWrites("QuotaExceededError");
    const closed = vi.spyOn(IDBDatabase.prototype, "close");
    await expect(browser.settle(first.request())).rejects.toMatchObject({ code: "STORAGE_QUOTA" });
    expect(closed).toHaveBeenCalledOnce();
    full();
    await browser.settle(first.request());
    const fullAgain = failWrites("QuotaExceededError");
    await browser.pass(2_500);
    fullAgain();
    await browser.pass(1_000);
    expect((await browser.settle(second.request())).value).toBeUndefined();
    expect(first.lost).toBe(0);
  });

  test("whoever deletes the instance waits for nobody, and nothing of it comes back", async () => {
    const browser = new Browser();
    const [first, second] = [browser.open(), browser.open()];
    await browser.settle(first.request());
    const asking = second.request();
    await idle();
    await deleteStored(browser.instance);
    (await browser.settle(asking)).value?.();
    await browser.pass(10_000);
    const names = (await indexedDB.databases()).map(({ name }) => name);
    expect([names.includes(storedLockName(browser.instance)), first.lost]).toEqual([false, 0]);
    expect(browser.clock.nextAt).toBeUndefined();
  });

  test("where nothing can be stored everybody has it: nothing is shared there", async () => {
    const browser = new Browser();
    const { indexedDB } = globalThis;
    onTestFinished(() => void Object.assign(globalThis, { indexedDB }));
    Object.assign(globalThis, { indexedDB: undefined });
    for (const tab of [browser.open(), browser.open()]) {
      const { value } = await browser.settle(tab.request());
      value?.();
    }
    expect(browser.clock.nextAt).toBeUndefined();
  });
});
