import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeHex, type PublicKey, publicKeyFromHex } from "../core/ids.ts";
import { SeededRandom } from "../testing/random.ts";
import { type AttemptAnswer, Attempts, isPermanent } from "./attempts.ts";

const nowMs = 1_700_000_000_000;

function keyOf(n: number): PublicKey {
  return publicKeyFromHex(encodeHex(Uint8Array.from({ length: 32 }, (_, i) => (i < 4 ? n >>> (8 * i) : 0) & 0xff)));
}

const anybody = (): boolean => true;
const [a, b, c] = [keyOf(1), keyOf(2), keyOf(3)];

function attemptsOf(attemptsMax = 100, seed = 1): Attempts {
  return new Attempts({ random: new SeededRandom(seed), attemptsMax: () => attemptsMax });
}

function waitMs(answer: AttemptAnswer, sinceMs: number): number {
  return answer.type === "waits" ? answer.dueAtMs - sinceMs : Number.NaN;
}

test("[PEER-7] each failure in a row waits twice as long, at most 64 s, less up to half, whatever the seed", () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1, max: 30 }), (seed, failures) => {
      const attempts = attemptsOf(100, seed);
      let atMs = nowMs;
      for (let n = 0; n < failures; n++) {
        const fullMs = Math.min(64_000, 1_000 * 2 ** n);
        const ms = waitMs(attempts.failed(a, atMs, false), atMs);
        expect(ms).toBeGreaterThanOrEqual(fullMs / 2);
        expect(ms).toBeLessThanOrEqual(fullMs);
        expect([attempts.dueAt(a), attempts.nextAt(anybody)]).toEqual([atMs + ms, atMs + ms]);
        atMs += ms;
      }
    }),
  );
});

test("[PEER-7] those who fail together do not come back together", () => {
  const attempts = attemptsOf();
  const waits = Array.from({ length: 50 }, (_, n) => waitMs(attempts.failed(keyOf(n), nowMs, false), nowMs));
  expect(new Set(waits).size).toBeGreaterThan(25);
});

test("[PEER-7] a peer is due when its time has come and not before, the longest due first, and not while it is tried", () => {
  const attempts = attemptsOf();
  for (let n = 0; n < 4; n++) attempts.failed(b, nowMs, false);
  attempts.failed(a, nowMs, false);
  const dueAt = (key: PublicKey) => attempts.dueAt(key) as number;
  expect(attempts.nextAt(anybody)).toBe(dueAt(a));
  expect(attempts.due(dueAt(a) - 1)).toEqual([]);
  expect(attempts.due(dueAt(a))).toEqual([a]);
  expect(attempts.due(dueAt(b))).toEqual([a, b]);
  attempts.began(a);
  attempts.began(c);
  expect(attempts.due(nowMs + 1e9)).toEqual([b]);
  expect(attempts.nextAt(anybody)).toBe(dueAt(b));
  expect(attempts.dueAt(c)).toBeUndefined();
  const waitedMs = waitMs(attempts.failed(a, nowMs, false), nowMs);
  expect(waitedMs).toBeGreaterThan(999);
});

test("[PEER-7] an error that does not pass by itself parks the peer until it is reset", () => {
  const codes = ["ADDRESS_INVALID", "CONNECT_REFUSED", "HANDSHAKE_VERSION", "HANDSHAKE_PEER", "PEER_BLOCKED"];
  expect([...codes, "PEER_INACTIVE"].filter((code) => !isPermanent(code))).toEqual([]);
  expect(["CONNECT_FAILED", "CHANNEL_CLOSED", "HANDSHAKE_TIMEOUT", ""].filter(isPermanent)).toEqual([]);
  const attempts = attemptsOf();
  expect(attempts.failed(a, nowMs, true)).toEqual({ type: "parked" });
  expect([attempts.nextAt(anybody), attempts.due(nowMs + 1e12), attempts.dueAt(a)]).toEqual([undefined, [], Infinity]);
  attempts.reset(a);
  expect(attempts.dueAt(a)).toBeUndefined();
});

test("[PEER-8] a peer is given up after the settings' number of failures in a row, and the next one is told again", () => {
  const attempts = attemptsOf(3);
  const answers = [1, 2, 3, 4].map(() => attempts.failed(a, nowMs, false));
  expect(answers.map(({ type }) => type)).toEqual(["waits", "waits", "givenUp", "givenUp"]);
  expect(answers[2]).toEqual({ type: "givenUp", attempts: 3 });
  expect([attempts.nextAt(anybody), attempts.due(nowMs + 1e12)]).toEqual([undefined, []]);
});

test("[PEER-8] a reset forgets the failures of one peer, or of all, at once", () => {
  const attempts = attemptsOf(3);
  for (const key of [a, a, b, b, c]) attempts.failed(key, nowMs, key === c);
  attempts.reset(a);
  expect([attempts.dueAt(a), attempts.dueAt(b) === undefined]).toEqual([undefined, false]);
  expect(waitMs(attempts.failed(a, nowMs, false), nowMs)).toBeLessThanOrEqual(1_000);
  expect(attempts.failed(b, nowMs, false).type).toBe("givenUp");
  attempts.resetAll();
  expect([a, b, c].map((key) => attempts.dueAt(key))).toEqual([undefined, undefined, undefined]);
  expect(attempts.nextAt(anybody)).toBeUndefined();
});

test("[PEER-8] the failures of at most 4,096 peers are remembered, parked ones before others", () => {
  const attempts = attemptsOf();
  attempts.failed(keyOf(0), nowMs, true);
  for (let n = 1; n <= 4_096; n++) attempts.failed(keyOf(n), nowMs, false);
  expect(attempts.due(nowMs + 64_000)).toHaveLength(4_095);
  expect([0, 1, 2].map((n) => attempts.dueAt(keyOf(n)) !== undefined)).toEqual([true, false, true]);
  for (let n = 5_000; n < 10_000; n++) attempts.failed(keyOf(n), nowMs, true);
  expect(attempts.due(nowMs + 64_000)).toEqual([]);
  const remembered = Array.from({ length: 10_000 }, (_, n) => attempts.dueAt(keyOf(n))).filter(
    (at) => at !== undefined,
  );
  expect(remembered).toHaveLength(4_096);
});
