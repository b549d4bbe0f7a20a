import fc from "fast-check";
import { expect, test } from "vitest";
import { usageSamplesMax } from "../core/limits.ts";
import { addSample, daysUntilFull, growthPerDay, type UsageSample } from "./usage.ts";

const dayMs = 86_400_000;
const startMs = 20_000 * dayMs;

function sampleAt(day: number, usedBytes = 0): UsageSample {
  return { atMs: startMs + day * dayMs, usedBytes };
}

test("[CLIENT-42] one sample a day is kept, the first, and at most thirty of them", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 2 * dayMs }), { maxLength: 100 }), (steps) => {
      let samples: readonly UsageSample[] = [];
      let atMs = startMs;
      for (const step of steps) {
        atMs += step;
        samples = addSample(samples, { atMs, usedBytes: 1 });
        expect(samples.length).toBeLessThanOrEqual(usageSamplesMax);
        const days = samples.map((sample) => Math.floor(sample.atMs / dayMs));
        expect(days).toEqual([...new Set(days)].sort((a, b) => a - b));
        expect(days.at(-1)).toBe(Math.floor(atMs / dayMs));
      }
    }),
  );
});

test("[CLIENT-42] after a month the oldest sample goes with each new one", () => {
  let samples: readonly UsageSample[] = [];
  for (let day = 0; day < 40; day++) samples = addSample(samples, sampleAt(day));
  expect([samples[0], samples.at(-1)]).toEqual([sampleAt(10), sampleAt(39)]);
});

test("[CLIENT-42] a clock that was set back begins anew", () => {
  expect(addSample([sampleAt(5), sampleAt(6)], sampleAt(2))).toEqual([sampleAt(2)]);
});

test("[CLIENT-42] growth is told after a day, per day, and in which time it fills what is free", () => {
  expect(growthPerDay([], sampleAt(9))).toBeUndefined();
  expect(growthPerDay([sampleAt(0)], sampleAt(0.99, 500))).toBeUndefined();
  expect(growthPerDay([sampleAt(0, 1_000), sampleAt(1, 9_000)], sampleAt(4, 5_000))).toBe(1_000);
  expect(growthPerDay([sampleAt(0, 5_000)], sampleAt(2, 1_000))).toBe(-2_000);
  expect(daysUntilFull(5_000, 1_000)).toBe(5);
  expect(daysUntilFull(5_000, 0)).toBeUndefined();
  expect(daysUntilFull(5_000, -1)).toBeUndefined();
  expect(daysUntilFull(5_000, undefined)).toBeUndefined();
});
