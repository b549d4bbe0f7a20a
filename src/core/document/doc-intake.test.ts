/** What waits, what is left out with what, and which entry a change counts as of: by DocState, which has an intake. */
import { expect, test } from "vitest";
import { type DocEntry, docEntry, docWriter, noLabel } from "../../testing/document-entries.ts";
import { encodeTail, opOf, tailOfMany } from "../../testing/document-tail.ts";
import { stateContext } from "../../testing/states.ts";
import type { ChangeHash } from "./change-bytes.ts";
import type { SentChange } from "./doc-payload.ts";
import { DocState } from "./doc-state.ts";

const [ann, ben, cleo] = [docWriter(1), docWriter(2), docWriter(3)];
const unsound = encodeTail({ time: 0, message: "", others: [], ops: [opOf({ obj: { counter: 99, actor: 0 } })] });

function sent(tail: Uint8Array, deps?: readonly ChangeHash[]): SentChange {
  return { tail, deps, label: noLabel };
}

function fold(entries: readonly DocEntry[]): DocState {
  const state = new DocState(stateContext);
  for (const { payload, origin } of entries) state.merge(payload, origin);
  return state;
}

const start = docEntry(ann, [sent(tailOfMany(1), [])], 1);
const [root] = fold([start]).heads() as [ChangeHash];

test("[DOC-21] when it comes what an entry waits for, its changes up to a fault are applied, what follows those too, and none waits any more", () => {
  const next = sent(tailOfMany(2), [root]);
  const [head] = fold([start, docEntry(ben, [next], 2)]).heads() as [ChangeHash];
  const run = docEntry(ben, [next, sent(unsound), sent(tailOfMany(3)), sent(tailOfMany(4))], 2);
  const after = docEntry(cleo, [sent(tailOfMany(5), [head])], 3);
  const state = fold([after, run]);
  expect([state.size, state.waiting]).toEqual([0, 5]);
  state.merge(start.payload, start.origin);
  expect([state.size, state.waiting]).toEqual([3, 0]);
  expect(state.faults()).toMatchObject([{ entry: run.origin.id, reason: "object" }]);
  expect(state.heads()).toEqual(fold([start, run, after]).heads());
});

test("[DOC-17] [DOC-22] a change that an entry has twice counts as of its first place, whatever came first", () => {
  const [one, twin] = [sent(tailOfMany(2), [root]), sent(tailOfMany(3), [root])];
  for (const changes of [
    [one, twin, one],
    [twin, one, twin],
  ]) {
    const entry = docEntry(ben, changes, 2);
    const alone = docEntry(ben, changes.slice(0, 1), 2);
    for (const entries of [
      [start, entry],
      [entry, start],
    ])
      expect(fold(entries).heads()).toEqual(fold([start, alone]).heads());
  }
});

test("[STORE-3] [DOC-22] a change that turns out to stand in an earlier entry is saved again, and in a later one is not", () => {
  const [early, late, later] = [1, 2, 3].map((time) => docEntry(ann, [sent(tailOfMany(1), [])], time)) as [
    ...[DocEntry, DocEntry, DocEntry],
  ];
  const state = fold([late]);
  expect(state.checkpoint(0, 1)).toBeDefined();
  state.merge(later.payload, later.origin);
  expect(state.sizeSince(1)).toBe(0);
  state.merge(early.payload, early.origin);
  expect(state.sizeSince(1)).toBe(1);
});
