import { expect, test } from "vitest";
import type { EntryId } from "../core/ids.ts";
import { wantsMax } from "../core/limits.ts";
import { SimulatedClock } from "../testing/clock.ts";
import { Repair } from "./repair.ts";

class World {
  readonly clock = new SimulatedClock(0);
  /** When, the first id, and how many. */
  readonly asked: (readonly [seconds: number, first: string, count: number])[] = [];
  ids: readonly EntryId[];
  readonly repair = new Repair({
    clock: this.clock,
    missing: (from, max) => this.ids.slice(from, from + max),
    want: (ids) => this.asked.push([this.clock.now() / 1_000, ids[0] ?? "", ids.length]),
  });

  constructor(count: number) {
    this.ids = Array.from({ length: count }, (_, i) => `${i}` as EntryId);
  }
}

test("[ENGINE-20] what is missing is asked for again after 5, 10, 20 … seconds, and at last every hour", () => {
  const { clock, repair, asked } = new World(1);
  repair.check();
  repair.check();
  clock.advance(40_000);
  expect(asked.map(([at]) => at)).toEqual([5, 15, 35]);
  clock.advance(20 * 3_600_000);
  const last = asked.slice(-3).map(([at]) => at) as [number, number, number];
  expect([last[1] - last[0], last[2] - last[1]]).toEqual([3_600, 3_600]);
});

test("[ENGINE-20] nothing is asked for when nothing is missing any more, and the next hole is asked for soon", () => {
  const all = new World(1);
  all.repair.check();
  all.clock.advance(40_000);
  const before = all.asked.length;
  const ids = all.ids;
  all.ids = [];
  all.repair.check();
  all.clock.advance(1_000_000);
  expect(all.asked).toHaveLength(before);
  all.ids = ids;
  const start = all.clock.now() / 1_000;
  all.repair.check();
  all.clock.advance(5_000);
  expect(all.asked.at(-1)?.[0]).toBe(start + 5);
});

test("[ENGINE-20] a new hole is asked for soon, however long old ones have not come, and holes without end delay nothing", () => {
  const { clock, repair, asked } = new World(1);
  repair.check();
  clock.advance(3 * 3_600_000);
  const before = asked.length;
  repair.found();
  clock.advance(5_000);
  expect(asked).toHaveLength(before + 1);
  for (let i = 0; i < 10; i++) {
    repair.found();
    clock.advance(1_000);
  }
  expect(asked).toHaveLength(before + 3);
});

test("[ENGINE-20] more than can be asked for at once has its turn", () => {
  const { clock, repair, asked } = new World(2 * wantsMax + 1);
  repair.check();
  clock.advance(80_000);
  expect(asked.map(([, first, count]) => [first, count])).toEqual([
    ["0", wantsMax],
    [`${wantsMax}`, wantsMax],
    [`${2 * wantsMax}`, 1],
    ["0", wantsMax],
  ]);
});

test("[ENGINE-20] after stop nothing is asked for", () => {
  const { clock, repair, asked } = new World(1);
  repair.check();
  repair.stop();
  clock.advance(1_000_000);
  expect(asked).toEqual([]);
});
