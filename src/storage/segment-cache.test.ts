import { expect, test } from "vitest";
import { SegmentCache } from "./segment-cache.ts";
import { encodeSegment, Segment } from "./segment-record.ts";

const mib = 1 << 20;

function segmentOf(first: number, size: number): Segment {
  return new Segment(encodeSegment(first, [new Uint8Array(size)]));
}

test("[STORAGE-18] the segments used last are kept, up to 8 MiB", () => {
  const cache = new SegmentCache();
  const owner = {};
  for (let first = 0; first < 7; first++) cache.add(owner, segmentOf(first, mib));
  expect(cache.find(owner, 0)?.first).toBe(0);
  for (let first = 7; first < 10; first++) cache.add(owner, segmentOf(first, mib));
  const kept = Array.from({ length: 10 }, (_, position) => position).filter((position) => cache.find(owner, position));
  expect(kept).toEqual([0, 4, 5, 6, 7, 8, 9]);
});

test("[STORAGE-18] a segment above that displaces nothing", () => {
  const cache = new SegmentCache();
  const owner = {};
  cache.add(owner, segmentOf(0, mib));
  cache.add(owner, segmentOf(1, 9 * mib));
  expect([0, 1].map((position) => cache.find(owner, position)?.first)).toEqual([0, undefined]);
});

test("[STORAGE-18] what is dropped makes room, and owners do not mix", () => {
  const cache = new SegmentCache();
  const [one, other] = [{}, {}];
  for (let first = 0; first < 3; first++) cache.add(one, segmentOf(first, 2 * mib));
  cache.add(other, segmentOf(0, mib));
  cache.drop(one);
  expect([cache.find(one, 0), cache.find(other, 0)?.first]).toEqual([undefined, 0]);
  for (let first = 1; first < 4; first++) cache.add(other, segmentOf(first, 2 * mib));
  expect(cache.find(other, 0)?.first).toBe(0);
});
