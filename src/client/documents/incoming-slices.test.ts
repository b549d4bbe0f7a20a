import { expect, test } from "vitest";
import { Incoming } from "./incoming.ts";

const turnMs = 24;

/** How many changes went into each call, where calls take as long as is said. */
function setUp(tookMs: (count: number) => number, turn = turnMs) {
  const turns: (() => void)[] = [];
  const sizes: number[] = [];
  let nowMs = 0;
  const incoming = new Incoming({
    ...{
      turnMs: turn,
      now: () => nowMs,
      schedule: (run) => void turns.push(run),
      after: (_ms, run) => void turns.push(run),
    },
    apply: ({ length }) => {
      sizes.push(length);
      nowMs += tookMs(length);
    },
  });
  const push = (count: number, reached?: () => void): void =>
    incoming.push(new Array<Uint8Array>(count).fill(new Uint8Array()), reached);
  const run = (): readonly number[] => {
    for (let next = turns.shift(); next !== undefined; next = turns.shift()) next();
    return sizes.splice(0);
  };
  return { push, run, turns };
}

test("[DOC-62] a slice is halved while its turn takes too long, down to one change", () => {
  const { push, run } = setUp(() => turnMs + 1);
  push(515);
  expect(run()).toEqual([256, 128, 64, 32, 16, 8, 4, 2, 1, 1, 1, 1, 1]);
});

test("[DOC-62] a slice is doubled when it was full and took less than half a turn, and not else", () => {
  const { push, run } = setUp((count) => (count === 256 ? turnMs / 2 : 1));
  for (const count of [255, 256, 257]) push(count);
  expect(run()).toEqual([256, 256, 256]);
  const quick = setUp(() => turnMs / 2 - 1);
  quick.push(255);
  expect(quick.run()).toEqual([255]);
  quick.push(1_000);
  expect(quick.run()).toEqual([256, 512, 232]);
  const slow = setUp(() => turnMs);
  slow.push(600);
  expect(slow.run()).toEqual([256, 256, 88]);
});

test("[DOC-62] what comes before a turn goes into it, and asks for no other", () => {
  const { push, run, turns } = setUp(() => 1);
  let reached = 0;
  for (const count of [1, 2]) push(count, () => void reached++);
  expect(turns).toHaveLength(1);
  turns.shift()?.();
  expect([reached, turns.length, run()]).toEqual([2, 0, [3]]);
  const all = setUp(() => 1_000, Number.POSITIVE_INFINITY);
  all.push(5_000);
  expect(all.run()).toEqual([5_000]);
});
