import { expect, test } from "vitest";
import { docChangesMax } from "../limits.ts";
import type { ChangeHash } from "./change-bytes.ts";
import { changeKey, splitKey, WaitingChanges } from "./waiting-changes.ts";

test("[DOC-12] what waits for a change is handed out once, and keeps no bytes but its own", () => {
  const waiting = new WaitingChanges();
  const dep = "d".repeat(64) as ChangeHash;
  const entry = new Uint8Array(100);
  const sent = { entry: 1, index: 2, actor: new Uint8Array(16), tail: entry.subarray(3, 5), ops: 1, deps: [dep] };
  const change = waiting.add(sent, 0, dep);
  expect(change.tail.buffer.byteLength).toBe(2);
  expect([waiting.takeFor(dep), waiting.takeFor(dep)]).toEqual([[change], []]);
});

test("[DOC-21] all that wait for a change are handed out, with what stands behind them, and wait until they are taken away", () => {
  const waiting = new WaitingChanges();
  const dep = "d".repeat(64) as ChangeHash;
  const sent = { actor: new Uint8Array(16), tail: new Uint8Array(1), ops: 1 };
  const add = (entry: number) => waiting.add({ ...sent, entry, index: 0, deps: [dep] }, 0, dep);
  const [one, other] = [add(1), add(2)];
  const behind = waiting.add({ ...sent, entry: 2, index: 1, deps: undefined }, 0, other);
  expect(waiting.takeFor(dep)).toEqual([one, other]);
  expect([one.next, other.next]).toEqual([undefined, behind]);
  expect([waiting.size, waiting.get(2, 1)]).toEqual([3, behind]);
  waiting.delete(behind);
  expect([waiting.size, waiting.get(2, 1), waiting.get(2, 0)]).toEqual([2, undefined, other]);
});

test("[DOC-10] every change that an entry may hold has a key of its own", () => {
  for (const place of [
    { entry: 0, index: 0 },
    { entry: 7, index: docChangesMax - 1 },
    { entry: 2 ** 24, index: docChangesMax - 1 },
  ])
    expect(splitKey(changeKey(place.entry, place.index))).toEqual(place);
});
