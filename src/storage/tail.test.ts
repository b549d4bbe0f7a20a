import fc from "fast-check";
import { expect, test } from "vitest";
import type { SegmentExtent } from "./pack.ts";
import { Tail } from "./tail.ts";

/** A disk whose segments are merged whenever the tail asks for it. */
class Disk {
  readonly tail = new Tail();
  segments: readonly SegmentExtent[] = [];
  mergedBytes = 0;

  commit(entries: number, size: number): void {
    const first = this.segments.at(-1)?.end ?? 0;
    const segment = { first, end: first + entries, size };
    this.segments = [...this.segments, segment];
    const run = this.tail.append(segment);
    if (run === undefined) return;
    const inRun = this.segments.filter((each) => each.first >= run.first && each.end <= run.end);
    expect([inRun[0]?.first, inRun.at(-1)?.end]).toEqual([run.first, run.end]);
    expect(inRun.length).toBeGreaterThan(1);
    const merged = { ...run, size: inRun.reduce((sum, each) => sum + each.size, 0) };
    expect([merged.size, merged.end - merged.first].map(Math.log2).every((bits) => bits <= 22)).toBe(true);
    this.mergedBytes += merged.size;
    this.segments = [...this.segments, merged]
      .filter((each) => !inRun.includes(each))
      .sort((a, b) => a.first - b.first);
  }
}

const small = fc.record({ entries: fc.integer({ min: 1, max: 5 }), size: fc.nat(3_000) });
const any = fc.record({ entries: fc.integer({ min: 1, max: 4_096 }), size: fc.nat(1 << 20) });

test("[STORAGE-14] whatever is committed, runs are whole segments, and few small ones are left", () => {
  const commits = fc.array(fc.oneof({ weight: 50, arbitrary: small }, any), { minLength: 100, maxLength: 600 });
  fc.assert(
    fc.property(commits, (list) => {
      const disk = new Disk();
      for (const { entries, size } of list) disk.commit(entries, size);
      const large = list.filter(({ entries, size }) => entries >= 256 || size >= 65_536).length;
      const entries = list.reduce((sum, each) => sum + each.entries, 0) / 256;
      const bytes = list.reduce((sum, each) => sum + each.size, 0) / 65_536;
      expect(disk.segments.length).toBeLessThanOrEqual(64 + 2 * large + entries + bytes);
      expect(disk.segments.at(-1)?.end).toBe(entries * 256);
    }),
  );
});

test("[STORAGE-14] merging commits of one entry writes each of them again less than four times", () => {
  const disk = new Disk();
  for (let i = 0; i < 20_000; i++) disk.commit(1, 300);
  expect(disk.mergedBytes).toBeLessThan(4 * 20_000 * 300);
  expect(disk.segments.length).toBeLessThan(64 + 20_000 / 218 + 1);
});

test("[STORAGE-14] segments of a database that was made anew are not merged with those before", () => {
  const tail = new Tail();
  for (let at = 0; at < 40; at++) tail.append({ first: at, end: at + 1, size: 1 });
  const runs = Array.from({ length: 64 }, (_, at) => tail.append({ first: at, end: at + 1, size: 1 }));
  expect(runs.filter((run) => run !== undefined)).toEqual([{ first: 0, end: 64 }]);
});
