import * as A from "@automerge/automerge";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { arbitraryEdits, type Edit, playEdits } from "../../testing/automerge-edits.ts";
import {
  changesOf,
  type DocEntry,
  type DocWriter,
  docEntry,
  docWriter,
  entriesOf,
  loadedHeads,
  noLabel,
  sentChanges,
} from "../../testing/document-entries.ts";
import { encodeTail, opOf } from "../../testing/document-tail.ts";
import { stateContext } from "../../testing/states.ts";
import { unwrap } from "../errors.ts";
import { encodeHex, type Sha256 } from "../ids.ts";
import { type ChangeHash, splitChange } from "./change-bytes.ts";
import { DocCaches } from "./doc-caches.ts";
import type { SentChange } from "./doc-payload.ts";
import { DocState } from "./doc-state.ts";
import type { Op } from "./op.ts";

const writers = [1, 2, 3].map((author) => docWriter(author));
const actors = writers.map(({ actor }) => actor);

interface Written {
  readonly changes: readonly Uint8Array[];
  readonly entries: readonly DocEntry[];
}

function write(edits: readonly Edit[], sizes: readonly number[]): Written {
  const changes = changesOf(playEdits(edits, actors));
  return { changes, entries: entriesOf(changes, writers, sizes) };
}

const sizes = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 });
const written = fc.tuple(arbitraryEdits, sizes).map(([edits, each]) => write(edits, each));

/** Changes as they came, each behind those that it follows: what a writer wrote in one go is one entry. */
function entriesAsTheyCame(changes: readonly Uint8Array[]): readonly DocEntry[] {
  const runs: Uint8Array[][] = [];
  let before: string | undefined;
  for (const bytes of changes) {
    const { actor } = A.decodeChange(bytes);
    if (actor === before) runs.at(-1)?.push(bytes);
    else runs.push([bytes]);
    before = actor;
  }
  return runs.map((run, i) => {
    const { actor } = A.decodeChange(run[0] as Uint8Array);
    const writer = writers.find((one) => one.actor === actor) as DocWriter;
    return docEntry(writer, sentChanges(run), i + 1);
  });
}

function fold(entries: readonly DocEntry[], state: DocState = new DocState(stateContext)): DocState {
  for (const { payload, origin } of entries) state.merge(payload, origin);
  return state;
}

/** What a reader can see of it, and its digest. */
function seen(state: DocState): unknown {
  return [state.size, state.heads(), [...(state.since([]) ?? [])].sort(), state.faults(), encodeHex(state.encode())];
}

function headsOf(changes: readonly Uint8Array[]): readonly string[] {
  return [...A.getHeads(A.applyChanges(A.init(), [...changes])[0])].sort();
}

describe("a document", () => {
  test("[DOC-12] [DOC-20] applies every change that Automerge wrote, in whatever order and however often its entries come", () => {
    fc.assert(
      fc.property(written, fc.infiniteStream(fc.nat()), ({ changes, entries }, random) => {
        const inOrder = fold(entries);
        expect(inOrder.faults()).toEqual([]);
        expect(inOrder.size).toBe(changes.length);
        expect(inOrder.heads()).toEqual(headsOf(changes));
        const doubled = [...entries, ...entries.slice(0, 3)];
        const shuffled = doubled
          .map((entry) => ({ entry, at: random.next().value }))
          .sort((a, b) => a.at - b.at)
          .map(({ entry }) => entry);
        expect(seen(fold(shuffled))).toEqual(seen(inOrder));
        const bytes = inOrder.bytesOf(inOrder.since([]) ?? []);
        expect(bytes.map(encodeHex).sort()).toEqual(changes.map(encodeHex).sort());
        expect(loadedHeads(bytes)).toEqual(inOrder.heads());
      }),
      { numRuns: 25 },
    );
  });

  test("[DOC-21] what follows a change that is not here waits, and is applied when that comes", () => {
    fc.assert(
      fc.property(written, fc.infiniteStream(fc.boolean()), ({ changes, entries }, random) => {
        const here = entries.filter(() => random.next().value);
        const missing = entries.filter((entry) => !here.includes(entry));
        const state = fold(here);
        expect(state.faults()).toEqual([]);
        const bytes = state.bytesOf(state.since([]) ?? []);
        expect(headsOf(bytes)).toEqual(state.heads());
        const sent = here.reduce((sum, { payload }) => sum + payload.changes.length, 0);
        expect(state.size + state.waiting).toBe(sent);
        expect(state.since(headsOf(changes) as readonly ChangeHash[]) === undefined).toBe(state.size < changes.length);
        expect(seen(fold(missing, state))).toEqual(seen(fold(entries)));
        expect(state.waiting).toBe(0);
      }),
      { numRuns: 25 },
    );
  });

  test("[DOC-20] since gives what others have beyond any of their states, each behind what it follows", () => {
    fc.assert(
      fc.property(arbitraryEdits, fc.nat(), (edits, at) => {
        const docs = playEdits(edits, actors);
        const state = fold(entriesOf(changesOf(docs), writers));
        const known = docs[at % docs.length] as A.Doc<unknown>;
        const since = state.since(A.getHeads(known) as string[] as ChangeHash[]) ?? [];
        expect(since.length).toBe(state.size - A.getAllChanges(known).length);
        let doc = A.clone(known);
        for (const bytes of state.bytesOf(since)) {
          [doc] = A.applyChanges(doc, [bytes]);
          expect(A.getMissingDeps(doc, [])).toEqual([]);
        }
        expect([...A.getHeads(doc)].sort()).toEqual(state.heads());
      }),
      { numRuns: 30 },
    );
  });

  test("[DOC-24] an entry that would be applied whole is not refused, and asking alters nothing", () => {
    fc.assert(
      fc.property(written, ({ entries }) => {
        const state = new DocState(stateContext);
        for (const { payload, origin } of entries) {
          const last = fold([...entries])
            .records(1e6, 1e6)
            .find(({ entry }) => entry === origin.id)?.hash;
          const refusals = [last ?? ("" as ChangeHash), "0".repeat(64) as ChangeHash].map((hash) => [
            state.refusal(payload, origin.author, hash) ?? "applied",
            state.refusal(payload, origin.author, hash) ?? "applied",
          ]);
          const before = state.size;
          state.merge(payload, origin);
          const isWhole = state.size - before >= payload.changes.length;
          expect(refusals[0]?.map((each) => each === "applied")).toEqual([isWhole, isWhole]);
          expect(refusals[1]).not.toContain("applied");
        }
        expect(seen(state)).toEqual(seen(fold(entries)));
      }),
      { numRuns: 15 },
    );
  });

  test("[DOC-24] whichever entries are asked about before and between others, the document is the same", () => {
    fc.assert(
      fc.property(arbitraryEdits, fc.infiniteStream(fc.nat(3)), (edits, random) => {
        const entries = entriesAsTheyCame(changesOf(playEdits(edits, actors)));
        const whole = fold(entries);
        const records = whole.records(whole.size, whole.size);
        const state = new DocState(stateContext);
        const ask = ({ payload, origin }: DocEntry): string | undefined =>
          state.refusal(payload, origin.author, records.find(({ entry }) => entry === origin.id)?.hash as ChangeHash);
        const left = [...entries];
        // Mostly one of which all is here that it follows.
        const pick = (): DocEntry => left[(random.next().value as number) % left.length] as DocEntry;
        const come = (entry: DocEntry): void => void fold(left.splice(left.indexOf(entry), 1), state);
        while (left.length > 0) {
          const [asked, first] = [pick(), pick()];
          ask(asked);
          come(first);
          if (first !== asked) come(asked);
        }
        expect(seen(state)).toEqual(seen(whole));
        const bytes = (of: DocState) =>
          of
            .bytesOf(of.since([]) ?? [])
            .map(encodeHex)
            .sort();
        expect(bytes(state)).toEqual(bytes(whole));
      }),
      { numRuns: 40 },
    );
  });

  test("[DOC-22] a change in two entries is one, of the earlier", () => {
    const [writer] = writers;
    if (writer === undefined) throw new Error("a writer");
    const doc = A.change(A.init<Record<string, unknown>>({ actor: writer.actor }), (board) => {
      board.x = 1;
    });
    const sent = sentChanges(A.getAllChanges(doc));
    const [early, late] = [docEntry(writer, sent, 1), docEntry(writer, sent, 2)];
    for (const entries of [
      [early, late],
      [late, early],
      [late, early, late],
    ]) {
      const state = fold(entries);
      expect([state.size, state.records(9, 9).map(({ entry }) => entry)]).toEqual([1, [early.origin.id]]);
    }
  });

  test("a record tells who wrote what", () => {
    const changes = changesOf(playEdits([], actors));
    const state = fold(entriesOf(changes, writers));
    const [record] = state.records(1, 1);
    const { actor, seq, hash, message } = A.decodeChange(changes[0] as Uint8Array);
    expect(record).toMatchObject({ position: 0, author: writers[0]?.key, actor, seq, hash, message: message ?? "" });
    expect(state.records(0, 5)).toEqual([]);
  });
});

test("[DOC-25] documents fold alike with the least that can be kept of clocks and ops, and what is kept is bounded", () => {
  fc.assert(
    fc.property(written, ({ entries }) => {
      const [small, large] = [new DocCaches(0), new DocCaches()];
      const [one, other] = [small, large].map((caches) => fold(entries, new DocState(stateContext, caches)));
      expect(one && seen(one)).toEqual(other && seen(other));
      expect([small.clocks.size, small.tables.size].every((size) => size <= 1)).toBe(true);
    }),
    { numRuns: 20 },
  );
  const caches = new DocCaches(1_000);
  for (let key = 0; key < 100; key++) caches.clocks.set(key, new Uint32Array(1), 90);
  expect([caches.clocks.size, caches.clocks.get(0), caches.clocks.get(99)]).toEqual([
    10,
    undefined,
    new Uint32Array(1),
  ]);
  caches.clocks.get(92);
  caches.clocks.set(100, new Uint32Array(1), 900);
  expect([caches.clocks.size, caches.clocks.get(92) !== undefined, caches.clocks.get(98)]).toEqual([
    2,
    true,
    undefined,
  ]);
});

interface Part {
  readonly number: number;
  readonly bytes: Uint8Array;
}

/** Merges some entries, takes a part of what is new, and so on; keeps every part or, when it is told, absorbs all. */
function checkpointed(entries: readonly DocEntry[], cuts: readonly (readonly [number, boolean])[]): readonly Part[] {
  const state = new DocState(stateContext);
  let parts: readonly Part[] = [];
  let from = 0;
  for (const [count, absorbs] of [...cuts, [entries.length, false] as const]) {
    fold(entries.slice(from, from + count), state);
    from += count;
    const kept = absorbs ? [] : parts;
    const number = (parts.at(-1)?.number ?? 0) + 1;
    const since = kept.at(-1)?.number ?? 0;
    const size = state.sizeSince(since);
    const bytes = state.checkpoint(since, number);
    expect(bytes === undefined).toBe(size === 0);
    expect(state.sizeSince(number)).toBe(0);
    if (bytes !== undefined) parts = [...kept, { number, bytes }];
  }
  return parts;
}

function shuffled<Item>(items: readonly Item[], random: Iterator<number>): readonly Item[] {
  return items
    .map((item) => ({ item, at: random.next().value as number }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

describe("[DOC-23] a checkpoint of a document", () => {
  const cuts = fc.array(fc.tuple(fc.integer({ min: 1, max: 9 }), fc.boolean()), { maxLength: 4 });

  test("[STORE-3] and later parts in any order give the same as all parts, whatever waited or was left out", () => {
    fc.assert(
      fc.property(written, cuts, fc.infiniteStream(fc.nat()), ({ entries, changes }, cuts, random) => {
        const forged = forgedEntries(changes);
        const all = shuffled([...entries, ...forged], random);
        const [saved, later] = [all.slice(0, all.length >> 1), all.slice(all.length >> 1)];
        const pieces = [
          ...checkpointed(saved, cuts).map(
            (part) => (state: DocState) => unwrap(state.restore(part.bytes, part.number)),
          ),
          ...later.map((entry) => (state: DocState) => void fold([entry], state)),
        ];
        const whole = fold(all);
        for (const order of [pieces, shuffled(pieces, random), [...pieces].reverse()]) {
          const state = new DocState(stateContext);
          for (const merge of order) merge(state);
          expect(seen(state)).toEqual(seen(whole));
        }
      }),
      { numRuns: 40 },
    );
  });

  test("is taken in at once where none of its changes is here, and comes to the same as where some are", () => {
    const read = (state: DocState): unknown => {
      const bytes = state.bytesOf(state.since([]) ?? []).map(encodeHex);
      const records = state.records(state.size, state.size).map(({ position, ...record }) => JSON.stringify(record));
      return [seen(state), bytes.sort(), records.sort()];
    };
    fc.assert(
      fc.property(arbitraryEdits, cuts, (edits, cuts) => {
        const changes = changesOf(playEdits(edits, actors));
        const all = [...entriesAsTheyCame(changes), ...forgedEntries(changes)];
        const [saved, later] = [all.slice(0, -2), all.slice(-2)];
        const states = [new DocState(stateContext), fold(saved.slice(0, 1 + (saved.length >> 2)))];
        for (const { bytes, number } of checkpointed(saved, cuts))
          for (const state of states) unwrap(state.restore(bytes, number));
        for (const state of states) fold(later, state);
        const [atOnce, oneByOne] = states.map(read);
        expect(atOnce).toEqual(oneByOne);
        expect(atOnce).toEqual(read(fold(all)));
      }),
      { numRuns: 20 },
    );
  });

  test("restores without hashing anything or reading a tail", () => {
    const changes = changesOf(playEdits([], actors));
    const whole = fold([...entriesOf(changes, writers)]);
    const bytes = whole.checkpoint(0, 1) as Uint8Array;
    const tail = splitChange(changes[0] as Uint8Array).tail;
    const from = indexOf(bytes, tail);
    expect(from).toBeGreaterThan(0);
    bytes.fill(0xff, from, from + tail.length);
    let hashed = 0;
    const sha256: Sha256 = (input) => {
      hashed++;
      return stateContext.sha256(input);
    };
    const state = new DocState({ ...stateContext, sha256 });
    unwrap(state.restore(bytes, 1));
    expect([state.heads(), state.size, hashed]).toEqual([whole.heads(), whole.size, 0]);
  });

  test("[DOC-19] that was altered is refused with a code, or restored", () => {
    const bytes = checkpointed(forgedEntries(changesOf(playEdits([], actors))), [])[0]?.bytes ?? new Uint8Array();
    const entries = fold(entriesOf(changesOf(playEdits([], actors)), writers)).checkpoint(0, 1) ?? new Uint8Array();
    const outcomes = new Set<string>();
    fc.assert(
      fc.property(fc.constantFrom(bytes, entries), fc.nat(), fc.nat(255), fc.boolean(), (part, at, byte, cuts) => {
        const altered = part.slice(0, cuts ? at % part.length : part.length);
        if (altered.length > 0) altered[at % altered.length] = byte;
        const result = new DocState(stateContext).restore(altered, 1);
        outcomes.add(result.ok ? "restored" : result.failure.code.replace(/^CBOR_.*/, "CBOR"));
      }),
      { numRuns: 1_500 },
    );
    expect([...outcomes].sort()).toEqual(["CBOR", "ENTRY_PAYLOAD", "restored"]);
  });
});

/** Changes that stand on nothing, on what never comes, and on one that is left out. */
function forgedEntries(changes: readonly Uint8Array[]): readonly DocEntry[] {
  const cheat = docWriter(9);
  const heads = headsOf(changes) as readonly ChangeHash[];
  const ops = (obj: number) => [opOf({ obj: { counter: obj, actor: 0 } })];
  const tail = (op: readonly Op[]) => encodeTail({ time: 0, message: "", others: [], ops: op });
  const change = (deps: readonly ChangeHash[] | undefined, of: readonly Op[]): SentChange => ({
    ...{ tail: tail(of), deps, label: noLabel },
  });
  const nowhere = ["f".repeat(64) as ChangeHash];
  return [
    docEntry(cheat, [change(heads, ops(1)), change(undefined, [opOf()])], 50),
    docEntry(cheat, [change(nowhere, [opOf()]), change(undefined, [opOf()])], 51),
    docEntry(docWriter(8), [change(heads, [opOf()]), change(undefined, ops(1)), change(heads, [opOf()])], 52),
  ];
}

function indexOf(bytes: Uint8Array, part: Uint8Array): number {
  for (let at = 0; at + part.length <= bytes.length; at++)
    if (part.every((byte, i) => bytes[at + i] === byte)) return at;
  return -1;
}
