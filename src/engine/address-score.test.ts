import fc from "fast-check";
import { expect, test } from "vitest";
import { byScore, scoreOf } from "./address-score.ts";
import type { AddressRecord } from "./records.ts";

const nowMs = 1_700_000_000_000;
const yearMs = 31_536_000_000;

const times = fc.integer({ min: nowMs - yearMs, max: nowMs + yearMs });

const records: fc.Arbitrary<AddressRecord> = fc
  .record({
    address: fc.nat(1_000).map((n) => `memory:${n}`),
    successes: fc.nat(1_000_000),
    failures: fc.nat(1_000_000),
    lastOkMs: times,
    errorMs: times,
    inRow: fc.nat(1_000),
  })
  .map(({ address, successes, failures, lastOkMs, errorMs, inRow }) => ({
    address,
    successes,
    failures,
    failuresInRow: successes === 0 ? failures : Math.min(inRow, failures),
    lastOkMs: successes > 0 ? lastOkMs : undefined,
    lastError: failures > 0 ? { code: "CONNECT_FAILED", atMs: errorMs } : undefined,
  }));

/** Many that differ in nothing but their text. */
const fresh = (address: string): AddressRecord => ({
  address,
  successes: 0,
  failures: 0,
  failuresInRow: 0,
  lastOkMs: undefined,
  lastError: undefined,
});
const any = fc.oneof(
  records,
  fc.nat(1_000).map((n) => fresh(`memory:${n}`)),
);

const addressLists = fc.uniqueArray(any, { maxLength: 16, selector: ({ address }) => address });

function classOf({ successes, failures, failuresInRow }: AddressRecord): number {
  if (failuresInRow > 0) return 2;
  return successes + failures === 0 ? 1 : 0;
}

test("[PEER-4] addresses that worked when last tried come first, then those never tried, then those that failed", () => {
  fc.assert(
    fc.property(addressLists, (list) => {
      const classes = byScore(list, nowMs).map(classOf);
      expect(classes).toEqual([...classes].sort());
    }),
  );
});

test("[PEER-4] the order depends on the addresses alone, not on how they are kept", () => {
  const shuffled = addressLists.chain((list) =>
    fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })),
  );
  fc.assert(
    fc.property(shuffled, ([list, other]) => {
      expect(byScore(other, nowMs)).toEqual(byScore(list, nowMs));
    }),
  );
});

const minuteMs = 60_000;
const failed = (ms: number) => ({ code: "CONNECT_FAILED", atMs: ms });
function worked(record: AddressRecord, atMs: number): AddressRecord {
  return { ...record, successes: record.successes + 1, failuresInRow: 0, lastOkMs: atMs };
}

function failedAt(record: AddressRecord, atMs: number): AddressRecord {
  const { failures, failuresInRow } = record;
  return { ...record, failures: failures + 1, failuresInRow: failuresInRow + 1, lastError: failed(atMs) };
}

test("[PEER-4] success counts by its rate and its age, failure likewise", () => {
  const [a, b] = [fresh("memory:a"), fresh("memory:b")];
  const often = worked(worked(a, nowMs), nowMs);
  const seldom = worked(failedAt(b, nowMs), nowMs);
  const longAgo = worked(worked(b, nowMs - 60 * minuteMs), nowMs - 60 * minuteMs);
  expect(scoreOf(often, nowMs)).toBeGreaterThan(scoreOf(seldom, nowMs));
  expect(scoreOf(often, nowMs)).toBeGreaterThan(scoreOf(longAgo, nowMs));
  expect(scoreOf(failedAt(a, nowMs - minuteMs), nowMs)).toBeGreaterThan(scoreOf(failedAt(b, nowMs), nowMs));
  expect(scoreOf(failedAt(often, nowMs), nowMs)).toBeGreaterThan(scoreOf(failedAt(b, nowMs), nowMs));
});

test("[PEER-4] whatever came before, an address that works again is found, though only the first is tried each time", () => {
  const histories = fc.uniqueArray(records, { minLength: 1, maxLength: 16, selector: ({ address }) => address });
  fc.assert(
    fc.property(histories, fc.nat(15), fc.integer({ min: 1_000, max: 64_000 }), (list, which, stepMs) => {
      const alive = list[which % list.length] as AddressRecord;
      const current = new Map(list.map((record) => [record.address, record]));
      let atMs = nowMs;
      for (let tries = 0; ; tries++) {
        const first = byScore([...current.values()], atMs)[0] as AddressRecord;
        if (first.address === alive.address) break;
        expect(tries).toBeLessThan(list.length + (3 * 10 * minuteMs) / 1_000 + 16);
        current.set(first.address, failedAt(first, atMs));
        atMs += stepMs;
      }
    }),
  );
});
