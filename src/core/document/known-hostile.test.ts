/**
 * Inputs that are known to hurt Automerge 3.5. Of each: what it does to Automerge, so that a test fails on the day when it does so no longer; and what
 * becomes of it here, where what honest people write goes on.
 */
import { deflateRawSync, inflateRawSync } from "node:zlib";
import * as A from "@automerge/automerge";
import { describe, expect, test } from "vitest";
import {
  changesOf,
  type DocEntry,
  docEntry,
  docWriter,
  entriesOf,
  loadedHeads,
  noLabel,
} from "../../testing/document-entries.ts";
import {
  type Column,
  columnsOf,
  encodeTail,
  joinTail,
  markOps,
  measured,
  opOf,
  runs,
  sleb,
  tailOfText,
  uleb,
} from "../../testing/document-tail.ts";
import { stateContext } from "../../testing/states.ts";
import { decodeHex, encodeHex } from "../ids.ts";
import { changeTailBytesMax, counterStepMax } from "../limits.ts";
import { buildChange, type ChangeHash, splitChange } from "./change-bytes.ts";
import { decodeDocPayload, encodeDocPayload } from "./doc-payload.ts";
import { DocState } from "./doc-state.ts";
import { LebReader } from "./leb128.ts";
import { action, type Op, valueType } from "./op.ts";
import { decodeTail } from "./tail.ts";

type Board = Record<string, unknown>;

const { sha256 } = stateContext;
const [ann, ben, cheat] = [docWriter(1), docWriter(2), docWriter(3)];

/** Ann's: 1 list, 2 its item, 3 text, 4 to 5 letters, 6 counter; then Ben's. */
const base = A.change(A.init<Board>({ actor: ann.actor }), { time: 0 }, (board) => {
  Object.assign(board, { list: [1], text: "hi", counter: new A.Counter(1) });
});
const bens = A.change(A.clone(base, { actor: ben.actor }), { time: 0 }, (board) => {
  board.ben = "too";
});
const honest = entriesOf(changesOf([bens]), [ann, ben]);
const baseHeads = A.getHeads(base) as string[] as ChangeHash[];
const annsActor = decodeHex(ann.actor);

/** What Automerge makes of changes that come one by one, when it has saved and loaded them. */
function automergeWith(changes: readonly Uint8Array[]): string {
  let doc = A.init<Board>();
  try {
    for (const change of changes) [doc] = A.applyChanges(doc, [change]);
  } catch (error) {
    return error instanceof Error && error.name !== "PanicError" ? error.message : "panic";
  }
  try {
    const loaded = A.load<Board>(A.save(doc));
    return `${Object.keys(loaded).length} keys`;
  } catch {
    return "cannot load what it saved";
  }
}

interface Header {
  readonly deps?: readonly ChangeHash[];
  readonly seq?: number;
  readonly startOp?: number;
}

/** A whole change of the cheat, as Automerge would take it. */
function whole(tail: Uint8Array, { deps = baseHeads, seq = 1, startOp = 7 }: Header = {}): Uint8Array {
  return buildChange({ deps, actor: decodeHex(cheat.actor), seq, startOp }, tail, sha256).bytes;
}

function tailOf(ops: readonly Op[], others: readonly Uint8Array[] = []): Uint8Array {
  return encodeTail({ time: 0, message: "", others, ops });
}

function sent(tail: Uint8Array, deps: readonly ChangeHash[] = baseHeads, time = 5): DocEntry {
  return docEntry(cheat, [{ tail, deps, label: noLabel }], time);
}

function fold(entries: readonly DocEntry[]): DocState {
  const state = new DocState(stateContext);
  for (const { payload, origin } of entries) state.merge(payload, origin);
  return state;
}

/** What all replicas say of these among the honest ones, whatever came first: the reasons of the faults. Everything honest is applied. */
function judged(hostile: readonly DocEntry[]): readonly string[] {
  const replicas = [
    [...hostile, ...honest],
    [...honest, ...hostile],
    [...honest.slice(0, 1), ...hostile, ...honest],
  ];
  const states = replicas.map(fold);
  expect(new Set(states.map((state) => encodeHex(state.encode()))).size).toBe(1);
  const [state] = states as [DocState];
  for (const head of A.getHeads(bens)) expect(state.isApplied(head as ChangeHash)).toBe(true);
  expect(loadedHeads(state.bytesOf(state.since([]) ?? []))).toEqual(state.heads());
  return state.faults().map(({ reason }) => reason);
}

const annsChange = A.getAllChanges(base)[0] as Uint8Array;
const sound = tailOf([opOf()]);

describe("what hurts Automerge", () => {
  test("[DOC-2] [DOC-10] flipped bits: it takes many; here an entry of them is refused, or says something else that all replicas judge alike", () => {
    const change = whole(sound);
    const right = A.getHeads(A.applyChanges(A.clone(base), [change])[0]).join();
    let taken = 0;
    for (let bit = 0; bit < change.length * 8; bit += 5) {
      const flipped = flip(change, bit);
      try {
        const [doc] = A.applyChanges(A.clone(base), [flipped]);
        if (A.getHeads(doc).join() !== right) taken++;
      } catch {
        // Refused, or a panic.
      }
    }
    expect(taken).toBeGreaterThan(10);
    const { bytes, origin } = sent(sound);
    let read = 0;
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const payload = decodeDocPayload("page", flip(bytes, bit));
      if (!payload.ok) continue;
      read++;
      if (read % 20 === 0) judged([{ bytes, payload: payload.value, origin }]);
    }
    expect(read).toBeLessThan(bytes.length * 8);
  });

  test("[DOC-17] one number used twice: whatever has both is refused for ever; here one of them is applied", () => {
    const twins = [sound, tailOf([opOf({ key: "other" })])];
    const [one, other] = twins.map((tail) => whole(tail)) as [Uint8Array, Uint8Array];
    const [next] = A.getChangesSince(bens, [...baseHeads]) as [Uint8Array];
    expect(automergeWith([annsChange, one, other])).toContain("duplicate seq 1");
    const stuck = A.applyChanges(A.clone(base), [one])[0];
    for (let time = 0; time < 2; time++)
      expect(() => A.applyChanges(A.clone(stuck), [next, other])).toThrow("duplicate seq 1");
    expect(judged(twins.map((tail, i) => sent(tail, baseHeads, 5 + i)))).toEqual(["repeated"]);
  });

  test("[DOC-14] [DOC-16] deps that are not declared: it panics or not, as it comes; here they are a fault, as it may come", () => {
    const tail = tailOf([opOf({ obj: { counter: 1, actor: 1 }, key: undefined, insert: true })], [annsActor]);
    const undeclared = whole(tail, { deps: [], startOp: 50 });
    expect([automergeWith([annsChange, undeclared]), automergeWith([undeclared, annsChange])]).toEqual([
      "3 keys",
      "panic",
    ]);
    expect(judged([sent(tail, [])])).toEqual(["actor"]);
    // Its author has written in the past, and made the object later.
    const early = A.change(
      A.init<Board>({ actor: ann.actor }),
      { time: 0 },
      (board) => void Object.assign(board, { x: 1 }),
    );
    const late = A.change(early, { time: 0 }, (board) => void Object.assign(board, { list: [] }));
    const later = tailOf([opOf({ obj: { counter: 2, actor: 1 }, key: undefined, insert: true })], [annsActor]);
    const entries = entriesOf(A.getAllChanges(late), [ann]);
    const forged = docEntry(
      cheat,
      [{ tail: later, deps: A.getHeads(early) as string[] as ChangeHash[], label: noLabel }],
      9,
    );
    for (const all of [
      [forged, ...entries],
      [...entries, forged],
    ])
      expect(
        fold(all)
          .faults()
          .map(({ reason }) => reason),
      ).toEqual(["object"]);
  });

  test("[DOC-8] [DOC-12] a first op of 2^31: it cannot load what it saved; here nobody can say it, as it is derived", () => {
    const late = whole(sound, { startOp: 2 ** 31 });
    expect(automergeWith([annsChange, late])).toBe("cannot load what it saved");
    expect(() => splitChange(late)).toThrow("2147483648");
    expect(judged([sent(sound)])).toEqual([]);
    const state = fold([...honest, sent(sound)]);
    const [bytes] = state.bytesOf(state.heads().filter((head) => state.actorOf(head) === cheat.actor));
    expect(A.decodeChange(bytes as Uint8Array).startOp).toBe(7);
  });

  test("[DOC-8] a compressed change: it takes it, whatever is in it; here none is taken apart", () => {
    const change = whole(tailOfText(changeTailBytesMax + 1));
    const bomb = compressed(change);
    expect(bomb.length).toBeLessThan(1_500);
    expect(automergeWith([annsChange, bomb])).toBe("4 keys");
    expect(() => splitChange(bomb)).toThrow("a compressed change");
  });

  test("[DOC-2] [DOC-4] [DOC-8] [DOC-10] 20 kB that inflate to 20 MB are refused as they are, whole or by column, and so are the 20 MB", () => {
    const letters = 20_000_000;
    const large = tailOfText(letters);
    const bomb = compressed(whole(large));
    expect(bomb.length).toBeLessThan(20_000);
    expect(inflateRawSync(contentsOf(bomb)).length).toBeGreaterThan(letters);
    expect(() => splitChange(bomb)).toThrow("a compressed change");
    for (const tail of [bomb, contentsOf(bomb), tailOfDeflated(letters), large]) {
      const bytes = encodeDocPayload(cheat.nonce, [{ tail, deps: baseHeads, label: noLabel }]);
      expect(decodeDocPayload("page", bytes)).toMatchObject({ ok: false, failure: { code: "ENTRY_PAYLOAD" } });
    }
  });

  test("[DOC-14] an op on an object that nobody made: it panics, and is no document any more; here it is a fault", () => {
    const tail = tailOf([opOf({ obj: { counter: 900, actor: 1 } })], [annsActor]);
    expect(automergeWith([annsChange, whole(tail)])).toBe("panic");
    expect(judged([sent(tail)])).toEqual(["object"]);
  });

  test("[DOC-40] increments that add up to 2^53: it fails for ever; here none is so large", () => {
    const step = (by: number): Uint8Array => {
      const value = { action: action.increment, valueType: valueType.int, value: Uint8Array.from(sleb(by)) };
      return tailOf([opOf({ key: "counter", preds: [{ counter: 6, actor: 1 }], ...value })], [annsActor]);
    };
    const huge = whole(step(Number.MAX_SAFE_INTEGER));
    const [doc] = A.applyChanges(A.clone(base), [huge]);
    expect(typeof (doc.counter as A.Counter).value).toBe("bigint");
    const one = A.change(A.clone(base, { actor: ben.actor }), (board) => (board.counter as A.Counter).increment(1));
    const thrown = thrownBy(() => A.applyChanges(doc, A.getChangesSince(one, [...baseHeads])));
    expect(thrown).toBe("cannot increment a non-numeric value");
    expect(decodeTail("page", step(Number.MAX_SAFE_INTEGER)).ok).toBe(false);
    expect(judged([sent(step(counterStepMax))])).toEqual([]);
  });

  test("[DOC-15] an increment of what shows something else than a counter: it fails on a page that has the document open; here it is a fault", () => {
    const increment = { action: action.increment, valueType: valueType.int, value: Uint8Array.of(7) };
    // Of two that were set at once, the one by the greater actor is shown.
    const [low, high] = [ann.actor, ben.actor].sort() as [string, string];
    const set = (actor: string, both: unknown) =>
      A.change(A.clone(base, { actor }), { time: 0 }, (board) => void Object.assign(board, { both }));
    const [hidden, shown] = [set(low, new A.Counter(1)), set(high, 5)];
    const [both] = A.applyChanges(A.clone(hidden), A.getChangesSince(shown, [...baseHeads]));
    const preds = [1, 2].map((actor) => ({ counter: 7, actor }));
    const tail = tailOf([opOf({ key: "both", preds, ...increment })], [low, high].map(decodeHex));
    const deps = [...A.getHeads(both)].sort() as string[] as ChangeHash[];
    const entries = entriesOf(changesOf([both]), [ann, ben]);
    expect(both.both).toBe(5);
    expect(thrownBy(() => A.applyChanges(both, [whole(tail, { deps, startOp: 8 })]))).toContain(
      "unable to get property",
    );
    const forged = docEntry(cheat, [{ tail, deps, label: noLabel }], 9);
    for (const all of [
      [...entries, forged],
      [forged, ...entries],
    ])
      expect(fold(all).faults()).toMatchObject([{ reason: "increment" }]);
  });

  test("[DOC-44] a mark that ends before it begins: it cannot load what it saved; here it stays, and everything else with it", () => {
    const from = { counter: 5, actor: 1 };
    const to = { counter: 4, actor: 1 };
    const tail = tailOf(markOps({ counter: 3, actor: 1 }, from, to), [annsActor]);
    expect(automergeWith([annsChange, whole(tail)])).toBe("cannot load what it saved");
    expect(judged([sent(tail)])).toEqual([]);
  });
});

function thrownBy(run: () => unknown): unknown {
  try {
    return run();
  } catch (error) {
    return error;
  }
}

function flip(bytes: Uint8Array, bit: number): Uint8Array {
  const flipped = bytes.slice();
  flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
  return flipped;
}

function contentsOf(change: Uint8Array): Uint8Array {
  const reader = new LebReader(change, (got) => new RangeError(got), 9);
  return reader.take(reader.uint());
}

/** The same change as Automerge reads it as well: its checksum stays. */
function compressed(change: Uint8Array): Uint8Array {
  const contents = deflateRawSync(contentsOf(change));
  return Uint8Array.from([...change.subarray(0, 8), 2, ...measured(contents)]);
}

/** Of an op whose value is a text of so many letters: that column alone is compressed. */
function tailOfDeflated(letters: number): Uint8Array {
  const deflated = [...deflateRawSync(new Uint8Array(letters).fill(0x61))];
  const columns = columnsOf([opOf()]).map(([name, bytes]): Column => {
    if (name === 0x57) return [name + 8, deflated];
    return [name, name === 0x56 ? runs([letters * 16 + valueType.text], uleb) : bytes];
  });
  return joinTail({ columns });
}
