import { expect, test } from "vitest";
import { Incoming } from "./incoming.ts";

/** Changes are numbers here; each takes a tenth of a millisecond, and each call five. */
function setUp(turnMs = 25) {
  const turns: (() => void)[] = [];
  const applied: number[][] = [];
  const rested: number[] = [];
  let nowMs = 0;
  const incoming = new Incoming({
    ...{ turnMs, now: () => nowMs, schedule: (run) => void turns.push(run) },
    after: (ms, run) => {
      rested.push(ms);
      turns.push(run);
    },
    apply: (changes) => {
      applied.push(changes.map(([low = 0, high = 0]) => low + 256 * high));
      nowMs += 5 + changes.length / 10;
    },
  });
  const run = (): void => {
    for (let turn = turns.shift(); turn !== undefined; turn = turns.shift()) turn();
  };
  const wait = (ms: number): void => {
    nowMs += ms;
  };
  return { incoming, applied, rested, run, wait };
}

function changes(from: number, to: number): readonly Uint8Array[] {
  return Array.from({ length: to - from }, (_, at) => Uint8Array.of((from + at) % 256, (from + at) >> 8));
}

test("[DOC-62] changes are applied in the order in which they came, in slices that a turn has time for", () => {
  const { incoming, applied, run } = setUp();
  const reached: number[] = [];
  incoming.push(changes(0, 900), () => reached.push(applied.flat().length));
  incoming.push(changes(900, 2_000), () => reached.push(applied.flat().length));
  run();
  expect(applied.flat()).toEqual(changes(0, 2_000).map((_, at) => at));
  const sizes = applied.map(({ length }) => length);
  expect(sizes.slice(0, 3)).toEqual([256, 128, 128]);
  expect(Math.max(...sizes.slice(1))).toBeLessThanOrEqual(200);
  expect(reached[0]).toBeGreaterThanOrEqual(900);
  expect(reached[1]).toBe(2_000);
  incoming.push(changes(2_000, 2_600), () => reached.push(applied.flat().length));
  run();
  expect(reached[2]).toBe(2_600);
});

test("[DOC-62] between two turns the page has half as long for itself as the first one took", () => {
  const { incoming, rested, run, wait } = setUp();
  incoming.push(changes(0, 10));
  run();
  expect(rested).toEqual([]);
  wait(2);
  incoming.push(changes(10, 20));
  incoming.push(changes(20, 30));
  expect(rested).toEqual([1]);
  run();
  wait(3.5);
  incoming.push(changes(30, 40));
  run();
  expect(rested).toEqual([1]);
});

test("[DOC-62] slices grow while turns are short", () => {
  const { incoming, applied, run } = setUp(1_000);
  incoming.push(changes(0, 2_000));
  run();
  expect(applied.map(({ length }) => length)).toEqual([256, 512, 1_024, 208]);
});

test("[DOC-62] nothing is applied in the turn in which it comes, and nothing after the end", () => {
  const { incoming, applied, run } = setUp();
  incoming.push(changes(0, 300), () => expect.fail("it was closed"));
  expect(applied).toEqual([]);
  incoming.close();
  incoming.push(changes(300, 400));
  run();
  expect(applied).toEqual([]);
});

test("[DOC-62] an event without changes is a turn too: what it says is said after what came before", () => {
  const { incoming, applied, run } = setUp();
  const order: string[] = [];
  incoming.push(changes(0, 1), () => order.push(`one: ${applied.length}`));
  incoming.push([], () => order.push(`two: ${applied.length}`));
  run();
  expect(order).toEqual(["one: 1", "two: 1"]);
});
