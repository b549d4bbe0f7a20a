import { expect, test } from "vitest";
import type { Entry } from "../core/entry.ts";
import { RecentEntries } from "./recent.ts";

function entryOf(bytes: Uint8Array): Entry {
  return { bytes } as Entry;
}

test("[ENGINE-18] the latest entries are kept, within their number and their bytes", () => {
  const recent = new RecentEntries();
  for (let i = 0; i < 5_000; i++) recent.add(i, entryOf(new Uint8Array(10)));
  expect([recent.get(0), recent.get(4_999 - 4_096)]).toEqual([undefined, undefined]);
  expect([recent.get(4_999), recent.get(5_000 - 4_096)].map((entry) => entry?.bytes.length)).toEqual([10, 10]);
  for (let i = 0; i < 9; i++) recent.add(10_000 + i, entryOf(new Uint8Array(1024 * 1024)));
  expect([recent.get(10_000), recent.get(10_001)?.bytes.length]).toEqual([undefined, 1024 * 1024]);
});

test("[ENGINE-18] a few bytes of a large message are not kept: they would keep all of it", () => {
  const recent = new RecentEntries();
  const large = new Uint8Array(4 * 1024 * 1024);
  recent.add(1, entryOf(large.subarray(0, 100)));
  recent.add(2, entryOf(large));
  recent.add(3, entryOf(new Uint8Array(256 * 1024).subarray(0, 100)));
  expect([recent.get(1), recent.get(2)?.bytes.length, recent.get(3)?.bytes.length]).toEqual([
    undefined,
    large.length,
    100,
  ]);
});
