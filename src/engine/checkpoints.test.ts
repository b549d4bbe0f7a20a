import * as A from "@automerge/automerge";
import { sha256 } from "@noble/hashes/sha2.js";
import fc from "fast-check";
import { expect, test } from "vitest";
import { unwrap } from "../core/errors.ts";
import { type DecodedPart, decodePart } from "../core/store/kinds.ts";
import type { DatabaseState } from "../core/store/state.ts";
import type { CheckpointPart } from "../ports/storage.ts";
import { docEntry, docWriter, sentChanges } from "../testing/document-entries.ts";
import { newState, originAt } from "../testing/states.ts";
import { rowParts } from "../testing/writers.ts";
import { Checkpoints, tailMax } from "./checkpoints.ts";

const writer = docWriter(1);
const nothing = (): readonly number[] => [];

function write(state: DatabaseState, time: number, row: number): void {
  const parts = rowParts(`r${row}`, { time }).map((part): DecodedPart => unwrap(decodePart(part)));
  state.merge(parts, originAt(time));
}

/** What storage keeps, and how many rows were written to it in all. */
class Disk {
  parts: readonly CheckpointPart[] = [];
  written = 0;
  most = 0;

  take(checkpoints: Checkpoints, state: DatabaseState, through: number): void {
    const due = checkpoints.take(state, through, false, nothing);
    if (due === undefined) return;
    this.parts = [...this.parts.filter(({ number }) => number < due.replaces), due.part];
    this.written += state.sizeSince(due.replaces - 1) - state.sizeSince(due.part.number);
    this.most = Math.max(this.most, this.parts.length);
  }

  load(): { readonly state: DatabaseState; readonly checkpoints: Checkpoints } {
    const state = newState();
    for (const part of this.parts) unwrap(state.restore(part));
    return { state, checkpoints: new Checkpoints(this.parts, state) };
  }
}

test("[ENGINE-4] a part is due exactly when tailMax entries came since the last one", () => {
  const state = newState();
  const checkpoints = new Checkpoints([], state);
  write(state, 1, 1);
  expect(checkpoints.take(state, tailMax - 1, false, nothing)).toBeUndefined();
  expect(checkpoints.take(state, tailMax, false, nothing)?.part.through).toBe(tailMax);
  expect(checkpoints.take(state, 2 * tailMax - 1, false, nothing)).toBeUndefined();
  expect(checkpoints.take(state, 2 * tailMax, false, nothing)?.part.number).toBe(2);
});

test("[ENGINE-4] a part is due once tailMax changes of documents came since the last one, however few entries hold them", () => {
  const state = newState();
  const checkpoints = new Checkpoints([], state);
  const doc = A.from({ n: 1 }, { actor: writer.actor });
  const { payload } = docEntry(writer, sentChanges(A.getAllChanges(doc)), 1);
  let time = 0;
  // One change again and again is as much to fold as others are.
  const writeChanges = (count: number): void => {
    const changes = Array.from({ length: count }, () => payload.changes).flat();
    state.merge(
      [{ type: "doc", name: "page", payload: { ...payload, changes } }],
      originAt(++time, undefined, writer.key),
    );
  };
  writeChanges(tailMax - 1);
  expect(checkpoints.take(state, 1, false, nothing)).toBeUndefined();
  writeChanges(1);
  expect(checkpoints.take(state, 2, false, nothing)?.part.through).toBe(2);
  writeChanges(1);
  expect(checkpoints.take(state, 3, false, nothing)).toBeUndefined();
});

test("[ENGINE-4] while more is announced a part is due after ten times as many, and at once when no more is", () => {
  const state = newState();
  const checkpoints = new Checkpoints([], state);
  write(state, 1, 1);
  expect(checkpoints.take(state, 10 * tailMax - 1, true, nothing)).toBeUndefined();
  expect(checkpoints.take(state, 10 * tailMax, true, nothing)?.part.through).toBe(10 * tailMax);
  expect(checkpoints.take(state, 12 * tailMax, true, nothing)).toBeUndefined();
  expect(checkpoints.take(state, 12 * tailMax, false, nothing)?.part.through).toBe(12 * tailMax);
});

test("[ENGINE-5] parts stay few, and no row is written again more than a few times, with restarts in between", () => {
  const disk = new Disk();
  let { state, checkpoints } = disk.load();
  const rounds = 32;
  for (let i = 1; i <= rounds; i++) {
    for (let j = 0; j < 200; j++) write(state, i * 1_000 + j, i * 1_000 + j);
    disk.take(checkpoints, state, i * tailMax);
    if (i % 5 === 0) ({ state, checkpoints } = disk.load());
  }
  expect(disk.most).toBeLessThanOrEqual(1 + Math.log2(rounds));
  expect(disk.written).toBeLessThanOrEqual(rounds * 200 * (1 + Math.log2(rounds)));
});

test("[ENGINE-5] what is loaded from the parts is what was there, whatever was written in whatever order", () => {
  const rows = fc.array(fc.array(fc.nat(30), { maxLength: 12 }), { maxLength: 12 });
  fc.assert(
    fc.property(rows, (batches) => {
      const disk = new Disk();
      let { state, checkpoints } = disk.load();
      const whole = newState();
      for (const [i, batch] of batches.entries()) {
        for (const [j, row] of batch.entries()) for (const each of [state, whole]) write(each, i * 100 + j, row);
        disk.take(checkpoints, state, (i + 1) * tailMax);
        ({ state, checkpoints } = disk.load());
      }
      expect(sha256(state.encode())).toEqual(sha256(whole.encode()));
    }),
  );
});
