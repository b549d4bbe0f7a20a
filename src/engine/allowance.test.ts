import { expect, test } from "vitest";
import {
  badSignaturesMax,
  peerChecksBurst,
  peerChecksPerSecond,
  peerMessagesBurst,
  peerMessagesPerSecond,
  strangerBytesBurst,
  strangerBytesPerSecond,
  strangerMessagesBurst,
  strangerMessagesPerSecond,
} from "../core/limits.ts";
import { SimulatedClock } from "../testing/clock.ts";
import { turn } from "../testing/turn.ts";
import { Allowance } from "./allowance.ts";

/** Takes messages of this size as fast as it may; gives how many it took in so long. */
async function taken(allowance: Allowance, clock: SimulatedClock, bytes: number, ms: number): Promise<number> {
  const end = clock.now() + ms;
  for (let count = 0; ; count++) {
    const waits = allowance.taking(bytes);
    if (waits === undefined) continue;
    while (clock.now() < end && (await Promise.race([waits.then(() => false), turn().then(() => true)])))
      clock.runNext();
    if (clock.now() >= end) return count;
  }
}

test("[HOSTILE-6] of a stranger as many messages and bytes are taken as the limits say, of others as many messages", async () => {
  const clock = new SimulatedClock();
  const stranger = new Allowance(clock);
  const small = await taken(stranger, clock, 10, 2_000);
  expect(Math.abs(small - strangerMessagesBurst - 2 * strangerMessagesPerSecond)).toBeLessThanOrEqual(1);
  const other = new Allowance(clock);
  const size = 32 * 1024;
  const large = await taken(other, clock, size, 2_000);
  expect(Math.abs(large * size - strangerBytesBurst - 2 * strangerBytesPerSecond)).toBeLessThanOrEqual(size);
  const known = new Allowance(clock);
  known.trust();
  clock.advance(10_000);
  const all = await taken(known, clock, size, 1_000);
  expect(Math.abs(all - peerMessagesBurst - peerMessagesPerSecond)).toBeLessThanOrEqual(10);
});

test("[HOSTILE-7] signatures that were checked are paid for before the next message is taken", async () => {
  const clock = new SimulatedClock();
  const allowance = new Allowance(clock);
  expect(allowance.checked(peerChecksBurst, 0)).toBe(true);
  expect(allowance.taking(10)).toBeUndefined();
  expect(allowance.checked(2 * peerChecksPerSecond, 0)).toBe(true);
  const before = clock.now();
  const waits = allowance.taking(10);
  while (waits !== undefined && (await Promise.race([waits.then(() => false), turn().then(() => true)])))
    clock.runNext();
  expect(clock.now() - before).toBe(2_000);
});

test("[HOSTILE-7] after a hundred bad signatures the peer is to be cut off", () => {
  const allowance = new Allowance(new SimulatedClock());
  expect(allowance.checked(1_000, badSignaturesMax)).toBe(true);
  expect(allowance.checked(1, 1)).toBe(false);
});

test("[HOSTILE-6] nothing waits once it is closed", async () => {
  const clock = new SimulatedClock();
  const closing = new Allowance(clock);
  for (let i = 0; i < 4; i++) expect(closing.taking(strangerBytesBurst / 4)).toBeUndefined();
  const waits = closing.taking(1);
  closing.close();
  await waits;
  expect(closing.taking(1)).toBeUndefined();
});
