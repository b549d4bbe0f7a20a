/** Whatever comes to a document in whatever order: replicas agree, and nobody honest is stranded by what others did. */
import * as A from "@automerge/automerge";
import fc from "fast-check";
import { expect, test } from "vitest";
import { arbitraryEdits, type Edit, listEdits, playEdits } from "../../testing/automerge-edits.ts";
import { changesOf, type DocEntry, docWriter, entriesOf, loadedHeads } from "../../testing/document-entries.ts";
import {
  arbitraryHostility,
  type Hostility,
  hostileEntries,
  listHostilities,
} from "../../testing/hostile-documents.ts";
import { SeededRandom } from "../../testing/random.ts";
import { stateContext } from "../../testing/states.ts";
import { unwrap } from "../errors.ts";
import { encodeHex } from "../ids.ts";
import { DocState } from "./doc-state.ts";

const writers = [1, 2, 3].map((author) => docWriter(author));
const actors = writers.map(({ actor }) => actor);

function fold(entries: readonly DocEntry[]): DocState {
  const state = new DocState(stateContext);
  for (const { payload, origin } of entries) state.merge(payload, origin);
  return state;
}

function shownBy(state: DocState): string {
  return sortedJson(A.applyChanges(A.init<unknown>(), [...state.bytesOf(state.since([]) ?? [])])[0]);
}

/** Keys in order: applying changes in another one puts them in another. */
function sortedJson(doc: A.Doc<unknown>): string {
  return JSON.stringify(A.toJS(doc), (_, value: unknown) => {
    if (typeof value === "bigint") return String(value);
    const isMap = typeof value === "object" && value !== null && !Array.isArray(value);
    return isMap ? Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)) : value;
  });
}

/** As a page has it that shows each change as it comes. */
function shownInSteps(state: DocState): string {
  let doc = A.init<unknown>();
  for (const bytes of state.bytesOf(state.since([]) ?? [])) [doc] = A.applyChanges(doc, [bytes]);
  return sortedJson(doc);
}

function seen(state: DocState): unknown {
  const { size, waiting } = state;
  return { size, waiting, heads: state.heads(), faults: state.faults(), digest: encodeHex(state.encode()) };
}

interface Scene {
  readonly honest: readonly DocEntry[];
  readonly hostile: readonly DocEntry[];
}

function play(edits: readonly Edit[], hostility: readonly Hostility[]): Scene {
  const changes = changesOf(playEdits(edits, actors));
  return { honest: entriesOf(changes, writers, [1, 2]), hostile: hostileEntries(changes, hostility) };
}

function shuffled<Item>(items: readonly Item[], random: SeededRandom): readonly Item[] {
  return items
    .map((item) => ({ item, at: random.fraction() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

/** One that began with a checkpoint. */
function restored(entries: readonly DocEntry[]): DocState {
  const [state, half] = [new DocState(stateContext), entries.length >> 1];
  const bytes = fold(entries.slice(0, half)).checkpoint(0, 1);
  if (bytes !== undefined) unwrap(state.restore(bytes, 1));
  for (const { payload, origin } of entries.slice(half)) state.merge(payload, origin);
  return state;
}

test("[DOC-20] [DOC-21] replicas agree on heads, faults, what waits and values, whatever a cheat sends, in whatever order, however often, and whatever of it was void", () => {
  const kinds = new Map<string, number>();
  const faults = new Set<string>();
  const hostility = fc.array(arbitraryHostility, { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(arbitraryEdits, hostility, fc.nat(), fc.nat(8), (edits, bad, seed, kept) => {
      const random = new SeededRandom(seed);
      const { honest, hostile } = play(edits, bad);
      for (const { kind } of bad) kinds.set(kind, 1 + (kinds.get(kind) ?? 0));
      // The cheat is removed: what of its entries still counts, no replica chose.
      const counting = [...honest, ...hostile.slice(0, kept)];
      const whole = fold(counting);
      for (const { reason } of whole.faults()) faults.add(reason);
      const doubled = (): readonly DocEntry[] => shuffled([...counting, ...counting.slice(-4)], random);
      const replicas = [fold(doubled()), fold([...counting].reverse()), restored(doubled())];
      for (const replica of replicas) expect(seen(replica)).toEqual(seen(whole));
      expect(new Set([...[whole, ...replicas].map(shownBy), shownInSteps(whole)]).size).toBe(1);
      expect(loadedHeads(whole.bytesOf(whole.since([]) ?? []))).toEqual(whole.heads());
      // Of honest people, all that stands on honest changes alone: here that is everything.
      const applied = new Set(whole.records(1e6, 1e6).map(({ author, actor, seq }) => `${author} ${actor} ${seq}`));
      const own = fold(honest);
      expect(own.faults()).toEqual([]);
      for (const { author, actor, seq } of own.records(1e6, 1e6))
        expect(applied).toContain(`${author} ${actor} ${seq}`);
    }),
    { examples: [[listEdits(), [...listHostilities()], 1, 8]], numRuns: Number(process.env.FUZZ_RUNS ?? 15) },
  );
  expect(kinds.size).toBe(6);
  expect([...faults]).toEqual(expect.arrayContaining(["actor", "object", "repeated"]));
}, 3_600_000);
