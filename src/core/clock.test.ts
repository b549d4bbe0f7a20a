import fc from "fast-check";
import { expect, test } from "vitest";
import { aheadMs, hybridTimeMax, nextTime, ticksPerMs } from "./clock.ts";

const nowMs = fc.nat(4_000_000_000_000);
const time = fc.nat(4_000_000_000_000 * ticksPerMs);

test("[CLOCK-1] the next time is greater than every time followed, whatever the clock says", () => {
  fc.assert(fc.property(nowMs, time, (now, latest) => nextTime(now, latest) > latest));
});

test("[CLOCK-2] the next time is the clock's, unless what is followed is later: then it is the one after that", () => {
  fc.assert(
    fc.property(nowMs, time, (now, latest) => {
      const next = nextTime(now, latest);
      if (latest < now * ticksPerMs) expect(next).toBe(now * ticksPerMs);
      else expect(next).toBe(latest + 1);
    }),
  );
});

test("[CLOCK-2] what is written in one millisecond keeps its order, also when the counter overflows", () => {
  let latest = 0;
  for (let i = 0; i < 3 * ticksPerMs; i++) {
    const next = nextTime(1_000, latest);
    expect(next).toBeGreaterThan(latest);
    latest = next;
  }
  expect(aheadMs(latest, 1_000)).toBe(2);
});

test("[CLOCK-2] a fraction of a millisecond on the clock does not get into the time", () => {
  expect(nextTime(12.75, 0)).toBe(12 * ticksPerMs);
});

test("[CLOCK-3] a time is ahead by the whole milliseconds between it and the clock, and behind by a negative number", () => {
  expect(aheadMs(5 * ticksPerMs + 1_023, 3)).toBe(2);
  expect(aheadMs(5 * ticksPerMs, 9)).toBe(-4);
  expect(aheadMs(hybridTimeMax, 0)).toBeGreaterThan(8_000_000_000_000);
});
