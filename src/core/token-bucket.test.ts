import fc from "fast-check";
import { expect, test } from "vitest";
import { TokenBucket } from "./token-bucket.ts";

test("[RELAY-7] however it is asked, a rate gives out no more than its burst and what time has brought", () => {
  const step = fc.record({ ms: fc.integer({ min: -500, max: 2_000 }), count: fc.integer({ min: 1, max: 30 }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
      const bucket = new TokenBucket(10, 30, 0);
      let [now, forwardMs, taken] = [0, 0, 0];
      for (const { ms, count } of steps) {
        now += ms;
        forwardMs += Math.max(0, ms);
        if (bucket.take(count, now)) taken += count;
        expect(taken).toBeLessThanOrEqual(30 + (forwardMs / 1_000) * 10 + 1e-6);
      }
    }),
  );
});

test("[INTRODUCER-8] after the time it says to wait, the count can be taken, and not a while earlier", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 30 }), (first, count) => {
      const bucket = new TokenBucket(10, 30, 0);
      expect(bucket.take(first, 0)).toBe(true);
      const waitMs = bucket.waitMs(count, 0);
      if (waitMs > 1) expect(bucket.take(count, waitMs - 1)).toBe(false);
      expect(bucket.take(count, waitMs)).toBe(true);
    }),
  );
});

test("[BANDWIDTH-3] more than the burst is given when the bucket is full, and paid for before anything else", () => {
  fc.assert(
    fc.property(fc.integer({ min: 31, max: 10_000 }), fc.integer({ min: 1, max: 10_000 }), (large, next) => {
      const bucket = new TokenBucket(10, 30, 0);
      expect(bucket.take(1, 0)).toBe(true);
      expect(bucket.take(large, 99)).toBe(false);
      expect(bucket.take(large, 100)).toBe(true);
      const paidMs = 100 + (Math.min(30, next) + large - 30) * 100;
      expect(bucket.waitMs(next, 100)).toBe(paidMs - 100);
      expect(bucket.take(next, paidMs - 1)).toBe(false);
      expect(bucket.take(next, paidMs)).toBe(true);
    }),
  );
});

test("[BANDWIDTH-5] a rate that changes counts from then on, keeps a debt, and gives nothing away", () => {
  const bucket = new TokenBucket(10, 30, 0);
  bucket.take(130, 0);
  bucket.change(100, 300, 5_000);
  expect(bucket.waitMs(1, 5_000)).toBe(510);
  bucket.change(10, 30, 60_000);
  expect(bucket.take(30, 60_000)).toBe(true);
  expect(bucket.take(1, 60_000)).toBe(false);
});
