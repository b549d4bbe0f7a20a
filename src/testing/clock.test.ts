import fc from "fast-check";
import { expect, test } from "vitest";
import { SimulatedClock } from "./clock.ts";
import { SeededRandom } from "./random.ts";

test("[SIMULATION-1] timers run in the order of their times, equals in the order they were set, cancelled ones never", () => {
  const timer = fc.record({ ms: fc.nat(20), cancelled: fc.boolean() });
  fc.assert(
    fc.property(fc.array(timer, { maxLength: 40 }), (timers) => {
      const clock = new SimulatedClock(1_000);
      const ran: { index: number; at: number }[] = [];
      const cancels = timers.map(({ ms }, index) => clock.after(ms, () => ran.push({ index, at: clock.now() })));
      timers.forEach((one, index) => {
        if (one.cancelled) cancels[index]?.();
      });
      clock.advance(20);
      const expected = timers
        .map(({ ms, cancelled }, index) => ({ index, at: 1_000 + ms, cancelled }))
        .filter((one) => !one.cancelled)
        .sort((a, b) => a.at - b.at || a.index - b.index)
        .map(({ index, at }) => ({ index, at }));
      expect(ran).toEqual(expected);
      expect(clock.now()).toBe(1_020);
    }),
  );
});

test("[SIMULATION-1] advancing also runs what the actions set for within that time, and nothing later", () => {
  const clock = new SimulatedClock(0);
  const ran: number[] = [];
  const tick = () => {
    ran.push(clock.now());
    clock.after(10, tick);
  };
  clock.after(10, tick);
  clock.advance(35);
  expect(ran).toEqual([10, 20, 30]);
  expect(clock.nextAt).toBe(40);
});

test("[SIMULATION-2] the same seed draws the same numbers, another seed draws others, all within their bounds", () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1, max: 1_000 }), (seed, max) => {
      const [one, same, other] = [new SeededRandom(seed), new SeededRandom(seed), new SeededRandom(seed + 1)];
      const bytes = one.bytes(64);
      expect(bytes).toEqual(same.bytes(64));
      expect(bytes).not.toEqual(other.bytes(64));
      const drawn = one.int(max);
      expect(drawn).toBe(same.int(max));
      expect(Number.isInteger(drawn) && drawn >= 0 && drawn < max).toBe(true);
      expect(one.fork().bytes(8)).toEqual(same.fork().bytes(8));
    }),
  );
});

test("[SIMULATION-2] what is drawn is spread evenly", () => {
  const random = new SeededRandom(1);
  const counts = new Array<number>(10).fill(0);
  for (let i = 0; i < 10_000; i++) {
    const drawn = random.int(10);
    counts[drawn] = (counts[drawn] ?? 0) + 1;
  }
  for (const count of counts) expect(Math.abs(count - 1_000)).toBeLessThan(150);
  const hits = Array.from({ length: 1_000 }, () => random.chance(0.25)).filter(Boolean).length;
  expect(Math.abs(hits - 250)).toBeLessThan(70);
});
