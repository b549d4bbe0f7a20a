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
