import { sha256 } from "@noble/hashes/sha2.js";
import fc from "fast-check";
import { expect, test } from "vitest";
import { keyOf, rowParts, seal, sealRoot, settingsParts } from "../testing/writers.ts";
import type { EntryBody, VouchedEntry } from "./entry.ts";
import type { EntryId } from "./ids.ts";
import { pendingBytesMax, pendingEntriesMax } from "./limits.ts";
import { Pending } from "./pending.ts";

const root = sealRoot(keyOf(0), sha256, settingsParts({ type: "name", name: "x" }));

/** An entry that follows the given ones. */
function entryOn(parents: readonly EntryId[], changes: Partial<EntryBody> = {}): VouchedEntry {
  const body: EntryBody = {
    database: root.id,
    author: keyOf(1),
    seq: 0,
    prev: undefined,
    parents: [...parents].sort(),
    height: 1,
    time: 1,
    stores: rowParts("r"),
    ...changes,
  };
  return seal(body, sha256);
}

/** Entries in a line, each on the one before. */
function line(length: number, from: EntryId = root.id): readonly VouchedEntry[] {
  const entries: VouchedEntry[] = [];
  for (let i = 0; i < length; i++) entries.push(entryOn([entries.at(-1)?.id ?? from], { time: i }));
  return entries;
}

function waitFor(pending: Pending, entry: VouchedEntry, isKnown = true): boolean {
  return pending.wait(entry, entry.parents, isKnown);
}

test("[PENDING-1] at most pendingEntriesMax entries wait, and room that was left is given again", () => {
  const pending = new Pending();
  let kept = 0;
  const entries = Array.from({ length: pendingEntriesMax + 5 }, (_, i) => entryOn([root.id], { time: i }));
  for (const entry of entries) kept += waitFor(pending, entry) ? 1 : 0;
  expect([kept, pending.size]).toEqual([pendingEntriesMax, pendingEntriesMax]);
  expect(pending.holdBack(entryOn([root.id], { time: -1 >>> 0 }))).toBe(false);
  expect(pending.takeReady(root.id)).toHaveLength(pendingEntriesMax);
  expect([pending.size, pending.bytes]).toEqual([0, 0]);
  expect(waitFor(pending, entries[0] as VouchedEntry)).toBe(true);
});

test("[PENDING-1] at most pendingBytesMax bytes of memory wait, payloads counted", () => {
  const pending = new Pending();
  const text = "x".repeat(1024 * 1024);
  let kept = 0;
  for (let i = 0; i < 40; i++)
    kept += waitFor(pending, entryOn([root.id], { stores: rowParts("r", { text, i }) })) ? 1 : 0;
  expect(kept).toBe(7); // Entry and payload are 2 MiB and a little; 8 of them do not fit into 16 MiB.
  expect(pending.bytes).toBeLessThanOrEqual(pendingBytesMax);
});

test("[PENDING-1] what waits does not keep the batch that it came in", () => {
  const batch = new Uint8Array(1_000_000);
  const loose = entryOn([root.id]);
  batch.set(loose.bytes, 5);
  const view = batch.subarray(5, 5 + loose.bytes.length);
  const stores = [{ name: "rows", type: "table", payload: batch.subarray(500_000, 500_010) }];
  const pending = new Pending();
  waitFor(pending, { ...loose, bytes: view, stores });
  const [entry] = pending.takeReady(root.id);
  expect(entry?.bytes).toEqual(loose.bytes);
  expect(entry?.bytes.buffer.byteLength).toBe(loose.bytes.length);
  expect(entry?.stores[0]?.payload.buffer.byteLength).toBe(10);
});

test("[PENDING-2] an entry leaves exactly when the last one it waits for is accepted", () => {
  fc.assert(
    fc.property(fc.shuffledSubarray([...Array(12).keys()], { minLength: 1 }), (order) => {
      const parents = Array.from({ length: 12 }, (_, i) => entryOn([root.id], { time: 100 + i }).id);
      const wanted = order.map((i) => parents[i] as EntryId);
      const entry = entryOn(wanted);
      const pending = new Pending();
      pending.wait(entry, wanted, true);
      for (const [i, id] of wanted.entries()) {
        expect(pending.has(entry.id)).toBe(true);
        expect(pending.takeReady(id).map((each) => each.id)).toEqual(i === wanted.length - 1 ? [entry.id] : []);
      }
      expect([pending.has(entry.id), pending.size, pending.bytes]).toEqual([false, 0, 0]);
    }),
  );
});

test("[PENDING-2] when an entry is refused everything that stands on it leaves, however far above, and nothing else", () => {
  const [lost, ...above] = line(2_000) as [VouchedEntry, ...VouchedEntry[]];
  const other = entryOn([entryOn([root.id], { time: 9_999 }).id]);
  const pending = new Pending();
  for (const entry of [...above, other]) waitFor(pending, entry);
  expect(pending.takeDependents(lost.id)).toHaveLength(above.length);
  expect([pending.size, pending.has(other.id)]).toEqual([1, true]);
  expect(pending.takeReady(lost.id)).toEqual([]);
});

test("[PENDING-2] an entry that waits for two leaves once when one of them is refused", () => {
  const [a, b] = [entryOn([root.id], { time: 1 }), entryOn([root.id], { time: 2 })];
  const both = entryOn([a.id, b.id]);
  const pending = new Pending();
  waitFor(pending, both);
  expect(pending.takeDependents(a.id)).toHaveLength(1);
  expect(pending.takeReady(b.id)).toEqual([]);
  expect([pending.size, pending.bytes]).toEqual([0, 0]);
});

test("[PENDING-3] authors who may not write fill at most a quarter, and keep nobody else out", () => {
  const pending = new Pending();
  let kept = 0;
  for (let i = 0; i < pendingEntriesMax; i++) kept += waitFor(pending, entryOn([root.id], { time: i }), false) ? 1 : 0;
  expect(kept).toBe(pendingEntriesMax / 4);
  expect(waitFor(pending, entryOn([root.id], { author: keyOf(2) }), true)).toBe(true);
  pending.takeReady(root.id);
  expect(waitFor(pending, entryOn([root.id], { time: 1 }), false)).toBe(true);
});

test("[PENDING-4] entries that are held back leave when their time has come, earliest first", () => {
  const times = [500, 100, 300, 200, 400];
  const entries = times.map((time) => entryOn([root.id], { time }));
  const pending = new Pending();
  for (const entry of entries) pending.holdBack(entry);
  expect(pending.earliest).toBe(100);
  expect(pending.takeEarly(99)).toEqual([]);
  expect(pending.takeEarly(300).map((entry) => entry.time)).toEqual([100, 200, 300]);
  expect([pending.earliest, pending.size]).toEqual([400, 2]);
  expect(pending.takeEarly(1_000)).toHaveLength(2);
  expect([pending.earliest, pending.size, pending.bytes]).toEqual([undefined, 0, 0]);
});

test("[PENDING-5] what waits vouches for its own prev, for nothing else, and not for another author's", () => {
  const before = entryOn([root.id]);
  const entry = entryOn([root.id], { prev: before.id, seq: 1 });
  const pending = new Pending();
  pending.wait(entry, [before.id, root.id], true);
  expect(pending.vouchesFor(before.id, entry.author)).toBe(true);
  expect(pending.vouchesFor(before.id, keyOf(7))).toBe(false);
  expect(pending.vouchesFor(root.id, entry.author)).toBe(false);
  expect(pending.dependentsOf(before.id)).toMatchObject([{ id: entry.id }]);
});

test("[PENDING-6] what is waited for by a key that may write is known, however far below", () => {
  const entries = line(5);
  const last = entryOn([entries[4]?.id ?? root.id], { author: keyOf(2) });
  const pending = new Pending();
  for (const entry of [...entries.slice(1), last]) waitFor(pending, entry);
  const [first] = entries as [VouchedEntry];
  expect(pending.isAwaited([first.id], (author) => author === keyOf(2))).toBe(true);
  expect(pending.isAwaited([first.id], () => false)).toBe(false);
  expect(pending.isAwaited([last.id], () => true)).toBe(false);
});
