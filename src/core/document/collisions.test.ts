/** Two changes of one actor with one number, which only a cheat signs. */
import * as A from "@automerge/automerge";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type DocEntry,
  type DocWriter,
  docEntry,
  docWriter,
  loadedHeads,
  sentChanges,
} from "../../testing/document-entries.ts";
import { stateContext } from "../../testing/states.ts";
import { unwrap } from "../errors.ts";
import { encodeHex } from "../ids.ts";
import type { ChangeHash } from "./change-bytes.ts";
import { DocState } from "./doc-state.ts";

type Board = Record<string, unknown>;
type Doc = A.Doc<Board>;

function fold(entries: readonly DocEntry[]): DocState {
  const state = new DocState(stateContext);
  for (const { payload, origin } of entries) state.merge(payload, origin);
  return state;
}

function seen(state: DocState): unknown {
  return [state.size, state.heads(), state.faults(), encodeHex(state.encode())];
}

function put(doc: Doc, key: string): Doc {
  return A.change(doc, { time: 0 }, (board) => {
    board[key] = key;
  });
}

function newest(doc: Doc): Uint8Array {
  return A.getLastLocalChange(doc) as Uint8Array;
}

function entry(writer: DocWriter, bytes: Uint8Array, time: number): DocEntry {
  return docEntry(writer, sentChanges([bytes]), time);
}

function hash(bytes: Uint8Array): ChangeHash {
  return A.decodeChange(bytes).hash as ChangeHash;
}

/** Writers that all may cheat: a step forks, or writes on what the writer has, or takes over what another has. */
interface Step {
  readonly writer: number;
  readonly act: "write" | "fork" | "take";
  readonly from: number;
}

const step: fc.Arbitrary<Step> = fc.record({
  writer: fc.nat(2),
  act: fc.constantFrom("write", "write", "fork", "take", "take"),
  from: fc.nat(50),
});

/** Each writer has several states of the document that it goes on with: those of a cheat are made with one nonce. */
function play(steps: readonly Step[]): readonly DocEntry[] {
  const writers = [1, 2, 3].map((author) => docWriter(author));
  const docs: { doc: Doc; writer: number }[] = [0, 1, 2, 0, 1].map((writer) => ({
    doc: A.init<Board>({ actor: (writers[writer] as DocWriter).actor }),
    writer,
  }));
  const entries: DocEntry[] = [];
  for (const [i, { writer, act, from }] of steps.entries()) {
    const own = docs.filter((each) => each.writer === writer);
    const mine = own[from % own.length];
    const other = docs[from % docs.length];
    if (mine === undefined || other === undefined) continue;
    if (act === "fork") docs.push({ writer, doc: A.clone(mine.doc, { actor: A.getActorId(mine.doc) }) });
    else if (act === "take") takeOver(mine, other.doc);
    else {
      mine.doc = put(mine.doc, `k${i}`);
      const id = `${i}`.padStart(64, "0");
      entries.push(docEntry(writers[writer] as DocWriter, sentChanges([newest(mine.doc)]), 1 + (from % 3), id));
    }
  }
  return entries;
}

/** Automerge takes no two of one number: then nothing is taken over. */
function takeOver(mine: { doc: Doc }, other: Doc): void {
  try {
    mine.doc = A.applyChanges(A.clone(mine.doc, { actor: A.getActorId(mine.doc) }), A.getAllChanges(other))[0];
  } catch {
    return;
  }
}

test("[DOC-17] [DOC-18] replicas that have the same entries apply the same, whatever came first, and Automerge takes it", () => {
  let collided = 0;
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), fc.infiniteStream(fc.nat()), (steps, random) => {
      const entries = play(steps);
      const whole = fold(entries);
      if (whole.faults().length > 0) collided++;
      const inOrder = (): readonly DocEntry[] =>
        entries
          .map((each) => ({ each, at: random.next().value }))
          .sort((a, b) => a.at - b.at)
          .map(({ each }) => each);
      expect(seen(fold(inOrder()))).toEqual(seen(whole));
      expect(seen(fold([...entries].reverse()))).toEqual(seen(whole));
      expect(loadedHeads(whole.bytesOf(whole.since([]) ?? []))).toEqual(whole.heads());
      const restored = new DocState(stateContext);
      const half = inOrder();
      const first = fold(half.slice(0, half.length >> 1));
      const bytes = first.checkpoint(0, 1);
      if (bytes !== undefined) unwrap(restored.restore(bytes, 1));
      expect(seen(restored)).toEqual(seen(first));
      for (const { payload, origin } of half.slice(half.length >> 1)) restored.merge(payload, origin);
      expect(seen(restored)).toEqual(seen(whole));
    }),
    { numRuns: 70 },
  );
  expect(collided).toBeGreaterThan(2);
});

function scene() {
  const [cheat, honest, third] = [docWriter(1), docWriter(2), docWriter(3)];
  const empty: Doc = A.init({ actor: cheat.actor });
  const [one, other] = [put(empty, "one"), put(A.clone(empty, { actor: cheat.actor }), "other")];
  const [onOne] = A.applyChanges(A.init<Board>({ actor: honest.actor }), [newest(one)]);
  const reply = put(onOne, "reply");
  return { cheat, honest, third, one: newest(one), other: newest(other), reply: newest(reply) };
}

test("[DOC-17] the earlier is applied while nobody stands on either, and the one that others stand on then", () => {
  const { cheat, honest, one, other, reply } = scene();
  const state = fold([entry(cheat, one, 5)]);
  const earlier = entry(cheat, other, 4);
  expect(state.merge(earlier.payload, earlier.origin)).toEqual({
    isAnew: true,
    added: [hash(other)],
    faults: [expect.objectContaining({ reason: "repeated" })],
  });
  expect([state.heads(), state.size]).toEqual([[hash(other)], 1]);
  const answer = entry(honest, reply, 6);
  expect(state.merge(answer.payload, answer.origin)).toMatchObject({ isAnew: true, added: [hash(one), hash(reply)] });
  expect(state.heads()).toEqual([hash(reply)]);
  expect(state.isApplied(hash(other))).toBe(false);
  expect(state.faults()).toEqual([{ entry: earlier.origin.id, author: cheat.key, reason: "repeated" }]);
});

test("[DOC-17] what the cheat builds on its own twin does not make that heavier", () => {
  const { cheat, honest, one, other, reply } = scene();
  let own = A.applyChanges(A.init<Board>({ actor: cheat.actor }), [other])[0];
  const more: DocEntry[] = [];
  for (let i = 0; i < 5; i++) {
    own = put(own, `more${i}`);
    more.push(docEntry(cheat, sentChanges([newest(own)]), 1, `${i}`.padStart(64, "a")));
  }
  const [twin, first, answer] = [entry(cheat, other, 1), entry(cheat, one, 7), entry(honest, reply, 8)];
  for (const entries of [
    [twin, ...more, first, answer],
    [twin, first, ...more, answer],
  ]) {
    const state = fold(entries);
    expect([state.heads(), state.size]).toEqual([[hash(reply)], 2]);
  }
});

test("[DOC-13] a change that stands on both is left out, and who writes its own twin is refused", () => {
  const { cheat, honest, third, one, other, reply } = scene();
  const state = fold([entry(cheat, one, 1), entry(honest, reply, 2), entry(cheat, other, 3)]);
  const [sent] = sentChanges([reply]);
  if (sent === undefined) throw new Error("a change");
  const both = docEntry(third, [{ ...sent, deps: [hash(one), hash(other)].sort() }], 4);
  expect(state.merge(both.payload, both.origin)).toMatchObject({ added: [], faults: [{ reason: "history" }] });
  const again = entry(cheat, other, 3);
  const fresh = fold([entry(cheat, one, 1)]);
  expect(fresh.refusal(again.payload, cheat.key, hash(other))).toBe("repeated");
  expect(state.refusal(both.payload, third.key, hash(reply))).toMatch(/not applied/);
});
