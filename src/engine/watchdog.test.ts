import fc from "fast-check";
import { expect, test } from "vitest";
import type { Clock } from "../ports/clock.ts";
import { SimulatedClock } from "../testing/clock.ts";
import { Watchdog } from "./watchdog.ts";

const timeoutMs = 1_000;

class Kennel {
  readonly clock = new SimulatedClock(0);
  /** What the device's clock says beside the time that passes. */
  jumpedMs = 0;
  timeoutMs = timeoutMs;
  readonly stalled: (readonly [key: string, atMs: number])[] = [];
  /** Runs when something is called stalled. */
  react: (key: string) => void = () => {};
  readonly watchdog: Watchdog;

  constructor() {
    const clock: Clock = {
      now: () => this.clock.now() + this.jumpedMs,
      after: (ms, action) => this.clock.after(ms, action),
    };
    this.watchdog = new Watchdog({
      clock,
      stallTimeoutMs: () => this.timeoutMs,
      stalled: (key) => {
        this.stalled.push([key, this.clock.now()]);
        expect(this.stalled.length).toBeLessThan(1_000);
        this.react(key);
      },
    });
  }
}

const keys = ["a", "b", "c", "d"] as const;
const step = fc.record({
  ms: fc.integer({ min: 0, max: 700 }),
  key: fc.constantFrom(...keys),
  what: fc.constantFrom("expect", "expect", "progress", "done"),
});

test("[WATCHDOG-1] [WATCHDOG-2] exactly those without progress for the time-out are called stalled, at that moment, once", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { clock, watchdog, stalled } = new Kennel();
      const dueByKey = new Map<string, number>();
      const expected: [string, number][] = [];
      const pass = (untilMs: number): void => {
        const due = [...dueByKey].filter(([, at]) => at <= untilMs).sort((a, b) => a[1] - b[1]);
        for (const [key] of due) dueByKey.delete(key);
        expected.push(...due);
      };
      for (const { ms, key, what } of steps) {
        pass(clock.now() + ms);
        clock.advance(ms);
        if (what === "done") {
          watchdog.done(key);
          dueByKey.delete(key);
        } else if (what === "progress") {
          watchdog.progress(key);
          if (dueByKey.delete(key)) dueByKey.set(key, clock.now() + timeoutMs);
        } else {
          watchdog.expect(key);
          if (!dueByKey.has(key)) dueByKey.set(key, clock.now() + timeoutMs);
        }
      }
      pass(Number.POSITIVE_INFINITY);
      clock.advance(10 * timeoutMs);
      expect(stalled).toEqual(expected);
      expect(clock.nextAt).toBeUndefined();
    }),
  );
});

test("[WATCHDOG-1] one timer serves all, and none is set when nothing is expected", () => {
  const { clock, watchdog } = new Kennel();
  expect(clock.nextAt).toBeUndefined();
  for (let n = 0; n < 100; n++) watchdog.expect(`${n}`);
  let timers = 0;
  for (let n = 0; n < 10_000; n++) {
    watchdog.progress(`${n % 100}`);
    if (n % 100 === 0) clock.advance(100);
  }
  for (let n = 0; n < 100; n++) watchdog.done(`${n}`);
  expect(clock.nextAt).toBeUndefined();
  watchdog.expect("a");
  while (clock.runNext()) timers += 1;
  expect(timers).toBe(1);
});

test("[WATCHDOG-1] with a time-out of 0 nothing is ever stalled; it may be turned on and off, and changed", () => {
  const kennel = new Kennel();
  const { clock, watchdog, stalled } = kennel;
  kennel.timeoutMs = 0;
  watchdog.expect("a");
  clock.advance(1e9);
  expect(clock.nextAt).toBeUndefined();
  kennel.timeoutMs = 5_000;
  watchdog.changed();
  clock.advance(4_999);
  expect(stalled).toEqual([]);
  kennel.timeoutMs = 60_000;
  watchdog.changed();
  clock.advance(50_000);
  expect(stalled).toEqual([]);
  kennel.timeoutMs = 0;
  clock.advance(1e9);
  watchdog.changed();
  clock.advance(1e9);
  expect(stalled).toEqual([]);
  kennel.timeoutMs = 100;
  watchdog.changed();
  clock.advance(100);
  expect(stalled.map(([key]) => key)).toEqual(["a"]);
});

test("[WATCHDOG-1] whoever hears of a stall may expect, end or close at once", () => {
  const kennel = new Kennel();
  const { clock, watchdog, stalled } = kennel;
  kennel.react = (key) => {
    if (key === "a") watchdog.done("b");
    if (key === "c") watchdog.expect("c");
    if (stalled.length === 4) watchdog.close();
  };
  for (const key of ["a", "b", "c"]) watchdog.expect(key);
  clock.advance(20 * timeoutMs);
  expect(stalled).toEqual([
    ["a", 1_000],
    ["c", 1_000],
    ["c", 2_000],
    ["c", 3_000],
  ]);
  expect(clock.nextAt).toBeUndefined();
});

test("[WATCHDOG-3] after a sleep everybody has the whole time-out again, and who is still silent then is stalled", () => {
  const kennel = new Kennel();
  const { clock, watchdog, stalled } = kennel;
  watchdog.expect("a");
  watchdog.expect("b");
  clock.advance(990);
  kennel.jumpedMs += 3_600_000;
  clock.advance(10);
  expect(stalled).toEqual([]);
  clock.advance(500);
  watchdog.progress("b");
  clock.advance(500);
  expect(stalled).toEqual([["a", 2_000]]);
  clock.advance(500);
  expect(stalled).toEqual([
    ["a", 2_000],
    ["b", 2_500],
  ]);
});

test("[WATCHDOG-3] it makes no difference whether a message or the timer is noticed first after a sleep", () => {
  const kennel = new Kennel();
  const { clock, watchdog, stalled } = kennel;
  watchdog.expect("a");
  watchdog.expect("b");
  clock.advance(900);
  kennel.jumpedMs += 3_600_000;
  watchdog.progress("b");
  clock.advance(999);
  expect(stalled).toEqual([]);
  clock.advance(1);
  expect(stalled.map(([key]) => key)).toEqual(["a", "b"]);
});

test("[WATCHDOG-3] a shorter jump ahead counts as time, and a jump back as none", () => {
  const kennel = new Kennel();
  const { clock, watchdog, stalled } = kennel;
  watchdog.expect("a");
  clock.advance(10);
  kennel.jumpedMs += 900;
  clock.advance(990);
  expect(stalled).toEqual([["a", 1_000]]);
  watchdog.expect("b");
  clock.advance(500);
  watchdog.progress("b");
  kennel.jumpedMs -= 3_600_000;
  clock.advance(3 * timeoutMs);
  expect(stalled.map(([key]) => key)).toEqual(["a", "b"]);
  expect(stalled[1]?.[1]).toBeLessThanOrEqual(1_500 + 2 * timeoutMs);
});
