import fc from "fast-check";
import { expect, test } from "vitest";
import { Metrics } from "./metrics.ts";

const time = fc.oneof(
  fc.double({ min: 0.01, max: 10_000_000, noNaN: true }),
  fc.double({ min: 0.01, max: 50, noNaN: true }),
  fc.integer({ min: 1, max: 100 }),
);

test("[METRICS-1] percentiles of any times are within 5 % of the exact ones, and count and maximum are exact", () => {
  fc.assert(
    fc.property(fc.array(time, { minLength: 1, maxLength: 300 }), (times) => {
      const metrics = new Metrics();
      for (const ms of times) metrics.took("stored", ms);
      const sorted = [...times].sort((a, b) => a - b);
      const summary = metrics.snapshot().latencies.stored;
      expect(summary?.count).toBe(times.length);
      expect(summary?.max).toBe(sorted.at(-1));
      for (const [name, part] of [
        ["p50", 0.5],
        ["p90", 0.9],
        ["p99", 0.99],
      ] as const) {
        const exact = sorted[Math.ceil(part * sorted.length) - 1] as number;
        expect(Math.abs((summary?.[name] ?? 0) / exact - 1)).toBeLessThanOrEqual(0.05);
      }
    }),
  );
});

test("[METRICS-1] times beyond both ends count as the ends", () => {
  const metrics = new Metrics();
  for (const ms of [0, 0.001, -5]) metrics.took("short", ms);
  for (const ms of [1e12, Number.MAX_VALUE]) metrics.took("long", ms);
  const { short, long } = metrics.snapshot().latencies;
  expect(short).toEqual({ count: 3, p50: 0.001, p90: 0.001, p99: 0.001, max: 0.001 });
  expect(long?.max).toBe(Number.MAX_VALUE);
  expect((long?.p50 as number) / 10_000_000).toBeGreaterThan(0.9);
});

test("[METRICS-2] of each kind there are at most 200 names, and what comes under further ones is counted under other", () => {
  const metrics = new Metrics();
  for (let n = 0; n < 1_000; n++) {
    metrics.count(`name ${n}`);
    metrics.gauge(`name ${n}`, n);
    metrics.took(`name ${n}`, n);
  }
  metrics.count("name 0");
  metrics.count("x".repeat(81), 5);
  const { counters, gauges, latencies } = metrics.snapshot();
  for (const kind of [counters, gauges, latencies]) expect(Object.keys(kind)).toHaveLength(200);
  expect(counters["name 0"]).toBe(2);
  expect(counters.other).toBe(801 + 5);
  expect(gauges.other).toBe(999);
  expect(latencies.other?.count).toBe(801);
});

test("[METRICS-2] a long name alone does not show", () => {
  const metrics = new Metrics();
  metrics.count("x".repeat(81));
  expect(metrics.snapshot().counters).toEqual({ other: 1 });
});

test("[METRICS-3] numbers that are none, and counts that go back, change nothing", () => {
  const metrics = new Metrics();
  metrics.count("sent", 3);
  metrics.gauge("waiting", 7);
  metrics.took("stored", 10);
  const before = metrics.snapshot();
  for (const none of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    metrics.count("sent", none);
    metrics.gauge("waiting", none);
    metrics.took("stored", none);
  }
  metrics.count("sent", -1);
  expect(metrics.snapshot()).toEqual(before);
  metrics.count("sent");
  metrics.gauge("waiting", -2);
  expect(metrics.snapshot().counters).toEqual({ sent: 4 });
  expect(metrics.snapshot().gauges).toEqual({ waiting: -2 });
  expect(before.counters).toEqual({ sent: 3 });
});

test("[METRICS-3] names that objects know themselves are names like others", () => {
  const metrics = new Metrics();
  for (const name of ["__proto__", "constructor", "toString"]) metrics.count(name, 2);
  expect(Object.entries(metrics.snapshot().counters)).toEqual([
    ["__proto__", 2],
    ["constructor", 2],
    ["toString", 2],
  ]);
});
