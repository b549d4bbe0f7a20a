import fc from "fast-check";
import { expect, test } from "vitest";
import { backOffMs } from "./back-off.ts";

const twoBytes = fc.uint8Array({ minLength: 2, maxLength: 2 });

test("[INTRODUCER-6][PEER-7] failures in a row wait 2^n s less up to half, at most 64 s", () => {
  fc.assert(
    fc.property(fc.nat(2_000), twoBytes, (failures, bytes) => {
      const fullMs = Math.min(64_000, 2 ** failures * 1_000);
      const waitMs = backOffMs(failures, bytes);
      expect(waitMs).toBeGreaterThanOrEqual(fullMs / 2);
      expect(waitMs).toBeLessThanOrEqual(fullMs);
    }),
  );
});

test("[INTRODUCER-6][PEER-7] the random part reaches from nothing to half", () => {
  expect(backOffMs(3, Uint8Array.of(0, 0))).toBe(8_000);
  expect(backOffMs(3, Uint8Array.of(0x80, 0))).toBe(6_000);
  expect(backOffMs(3, Uint8Array.of(0xff, 0xff))).toBe(4_000);
  expect([0, 1, 2, 3, 4, 5, 6, 7].map((n) => backOffMs(n, Uint8Array.of(0, 0)) / 1_000)).toEqual([
    1, 2, 4, 8, 16, 32, 64, 64,
  ]);
});
