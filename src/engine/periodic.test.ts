import fc from "fast-check";
import { expect, test } from "vitest";
import { SimulatedClock } from "../testing/clock.ts";
import { SeededRandom } from "../testing/random.ts";
import { every } from "./periodic.ts";

test("[TUNING-4] each pause is drawn anew within its bounds, and they are spread over all of them", () => {
  const drawn = fc.tuple(
    fc.integer(),
    fc.integer({ min: 100, max: 1_000_000 }),
    fc.double({ min: 0.01, max: 0.5, noNaN: true }),
  );
  fc.assert(
    fc.property(drawn, ([seed, ms, jitter]) => {
      const clock = new SimulatedClock(0);
      const times: number[] = [0];
      const stop = every(clock, new SeededRandom(seed), ms, jitter, () => times.push(clock.now()));
      for (let n = 0; n < 100; n++) clock.runNext();
      stop();
      const pauses = times.slice(1).map((at, n) => (at - (times[n] as number)) / ms - 1);
      expect(Math.max(...pauses)).toBeLessThanOrEqual(jitter + 1e-9);
      expect(Math.min(...pauses)).toBeGreaterThanOrEqual(-jitter - 1e-9);
      expect(Math.max(...pauses)).toBeGreaterThan(jitter * 0.7);
      expect(Math.min(...pauses)).toBeLessThan(-jitter * 0.7);
    }),
  );
});

test("[TUNING-4] without jitter it is exact, with 0 nothing ever happens, and no timer is longer than browsers count", () => {
  const clock = new SimulatedClock(0);
  const random = new SeededRandom(1);
  const times: number[] = [];
  const stop = every(clock, random, 250, 0, () => times.push(clock.now()));
  clock.advance(1_000);
  stop();
  expect(times).toEqual([250, 500, 750, 1_000]);
  every(clock, random, 0, 0.1, () => times.push(-1));
  expect(clock.nextAt).toBeUndefined();
  every(clock, random, 1e12, 0.1, () => times.push(-1))();
  every(clock, random, 1e12, 0, () => {});
  expect((clock.nextAt as number) - clock.now()).toBeLessThan(2 ** 31);
});

test("[TUNING-4] an action that throws does not end it; one that stops it does", () => {
  const clock = new SimulatedClock(0);
  let [thrown, stopped] = [0, 0];
  every(clock, new SeededRandom(1), 100, 0.1, () => {
    thrown += 1;
    throw new Error("no");
  });
  const stop = every(clock, new SeededRandom(2), 100, 0.1, () => {
    stopped += 1;
    stop();
  });
  clock.advance(10_000);
  expect(thrown).toBeGreaterThan(80);
  expect(stopped).toBe(1);
});
