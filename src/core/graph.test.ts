import { sha256 } from "@noble/hashes/sha2.js";
import fc from "fast-check";
import { expect, test } from "vitest";
import { arbitraryWorld } from "../testing/world.ts";
import type { Entry } from "./entry.ts";
import { attempt } from "./errors.ts";
import { type EntryIndex, Graph, type Node } from "./graph.ts";
import type { EntryId } from "./ids.ts";
import { LogIndex } from "./log-index.ts";
import { settingsStoreName } from "./store/settings.ts";

function indexOf(entry: Entry): EntryIndex {
  const { id, author, seq, prev, parents, height, time, bytes, stores } = entry;
  const settings = stores.some(({ name }) => name === settingsStoreName);
  return { id, author, seq, prev, parents, height, time, size: bytes.length, settings };
}

function graphOf(entries: readonly Entry[]): Graph {
  const graph = new Graph();
  for (const entry of entries) graph.add(indexOf(entry));
  return graph;
}

/** The same entries in another order in which everything comes after what it follows; `picks` chooses among what may come next. */
function reorder(entries: readonly Entry[], picks: readonly number[]): readonly Entry[] {
  const left = [...entries];
  const done = new Set<EntryId>();
  const order: Entry[] = [];
  while (left.length > 0) {
    const ready = left.filter(({ prev, parents }) =>
      [prev, ...parents].every((id) => id === undefined || done.has(id)),
    );
    const next = ready[(picks[order.length % picks.length] ?? 0) % ready.length] as Entry;
    left.splice(left.indexOf(next), 1);
    done.add(next.id);
    order.push(next);
  }
  return order;
}

const world = arbitraryWorld(sha256, { sets: true });
const picks = fc.array(fc.nat(100), { minLength: 1 });

function pastOf(id: EntryId, entries: readonly Entry[]): ReadonlySet<EntryId> {
  const byId = new Map(entries.map((entry) => [entry.id, entry]));
  const past = new Set<EntryId>();
  const waiting: (EntryId | undefined)[] = [id];
  for (let next = waiting.pop(); next !== undefined || waiting.length > 0; next = waiting.pop()) {
    const entry = next === undefined ? undefined : byId.get(next);
    for (const before of [entry?.prev, ...(entry?.parents ?? [])]) {
      if (before === undefined || past.has(before)) continue;
      past.add(before);
      waiting.push(before);
    }
  }
  return past;
}

test("[GRAPH-1] an entry cannot be added before what it follows, nor twice", () => {
  fc.assert(
    fc.property(world, fc.nat(40), ({ entries }, held) => {
      const graph = graphOf(entries.slice(0, 1 + held));
      const last = entries.at(-1) as Entry;
      const isReady = [last.prev, ...last.parents].every((id) => id === undefined || graph.has(id));
      const isNew = !graph.has(last.id);
      if (isReady && isNew) expect(graph.add(indexOf(last)).id).toBe(last.id);
      else expect(() => graph.add(indexOf(last))).toThrow("bug");
    }),
  );
});

test("[GRAPH-2] tips are exactly the entries that nothing follows, in the order of their ids", () => {
  fc.assert(
    fc.property(world, ({ entries }) => {
      const followed = new Set(entries.flatMap(({ prev, parents }) => [prev, ...parents]));
      const expected = entries.map(({ id }) => id).filter((id) => !followed.has(id));
      expect(
        graphOf(entries)
          .tips()
          .map(({ id }) => id),
      ).toEqual(expected.sort());
    }),
  );
});

test("[GRAPH-3] heads of an author are its entries that none of its own entries continues", () => {
  let forks = 0;
  fc.assert(
    fc.property(world, ({ entries, keys }) => {
      const graph = graphOf(entries);
      const continued = new Set(entries.map(({ prev }) => prev));
      for (const key of keys) {
        const heads = entries.filter(({ id, author }) => author === key && !continued.has(id)).map(({ id }) => id);
        expect(new Set(graph.heads(key).map(({ id }) => id))).toEqual(new Set(heads));
        expect(graph.countHeads(key)).toBe(heads.length);
        forks += heads.length > 1 ? 1 : 0;
      }
    }),
  );
  expect(forks).toBeGreaterThan(0);
});

test("[GRAPH-4] the order of adding makes no difference to tips, frontier and settings", () => {
  fc.assert(
    fc.property(world, picks, ({ entries }, order) => {
      const [one, other] = [graphOf(entries), graphOf(reorder(entries, order))];
      const seen = (graph: Graph): unknown => [
        graph.tips().map(({ id }) => id),
        new Map([...graph.frontier()].sort(([a], [b]) => (a < b ? -1 : 1))),
        graph
          .settings()
          .map(({ id }) => id)
          .sort(),
      ];
      expect(seen(other)).toEqual(seen(one));
    }),
  );
});

test("[GRAPH-4] the frontier of the first positions is that of a graph of these entries alone", () => {
  fc.assert(
    fc.property(world, fc.nat(40), ({ entries }, number) => {
      const through = Math.min(number, entries.length);
      const whole = graphOf(entries).frontier(through);
      expect(whole).toEqual(graphOf(entries.slice(0, through)).frontier());
    }),
  );
});

test("[GRAPH-4] restoring entries makes the same graph as adding them one by one, and refuses any of them that comes twice or too early", () => {
  const shapeOf = (graph: Graph): unknown => [
    graph.tips().map(({ id }) => id),
    [...graph.frontier()].sort(),
    graph.settings().map(({ id }) => id),
    Array.from({ length: graph.size }, (_, position) => {
      const { id, followers, coversAll, prev, parents, settings } = graph.at(position);
      return [id, followers, coversAll, prev?.id, parents.map((node) => node.id), settings.map((node) => node.id)];
    }),
  ];
  fc.assert(
    fc.property(world, picks, fc.nat(), (made, order, pick) => {
      const index = reorder(made.entries, order).map(indexOf);
      const [added, restored] = [new Graph(), new Graph()];
      for (const entry of index) added.add(entry);
      const settings: Node[] = [];
      restored.restore(LogIndex.of(index), (node) => settings.push(node));
      expect(shapeOf(restored)).toEqual(shapeOf(added));
      expect(settings.map(({ id }) => id)).toEqual(index.filter((entry) => entry.settings).map(({ id }) => id));
      expect(index.every(({ id }, position) => restored.get(id)?.position === position)).toBe(true);
      const at = pick % index.length;
      const isTaken = (entries: readonly EntryIndex[]): boolean => attempt(() => LogIndex.of(entries)).ok;
      expect(isTaken([...index, index[at] as EntryIndex])).toBe(false);
      const isFollowed = index.some(({ prev, parents }) => [prev, ...parents].includes((index[at] as EntryIndex).id));
      expect(isTaken(index.filter((_, position) => position !== at))).toBe(!isFollowed);
    }),
  );
});

test("[GRAPH-5] the latest settings of every entry are those of its past that no other of its past follows", () => {
  let several = 0;
  fc.assert(
    fc.property(world, ({ entries }) => {
      const graph = graphOf(entries);
      const settings = new Set(entries.filter((entry) => indexOf(entry).settings).map(({ id }) => id));
      const pasts = new Map(entries.map(({ id }) => [id, pastOf(id, entries)]));
      const ids = (nodes: readonly Node[]): unknown => nodes.map(({ id }) => id).sort();
      for (const { id } of entries) {
        const node = graph.get(id) as Node;
        const known = [...(pasts.get(id) ?? [])].filter((each) => settings.has(each));
        const latest = known.filter((each) => !known.some((other) => pasts.get(other)?.has(each)));
        expect(ids(node.settingsBefore)).toEqual(latest.sort());
        expect(ids(node.settings)).toEqual(settings.has(id) ? [id] : latest.sort());
        several += latest.length > 1 ? 1 : 0;
      }
    }),
  );
  expect(several).toBeGreaterThan(0);
});

test("[GRAPH-5] entries that know the same settings share one list of them", () => {
  const entries = fc
    .sample(arbitraryWorld(sha256, { forks: false }), { numRuns: 20, seed: 7 })
    .flatMap((one) => [one.entries]);
  for (const each of entries) {
    const graph = graphOf(each);
    expect(new Set(each.map(({ id }) => graph.get(id)?.settings)).size).toBe(1);
  }
});

test("[GRAPH-6] whatever becomes good or bad, in whatever order, the graph is that of what counts then", () => {
  const changes = fc.array(fc.array(fc.tuple(fc.nat(40), fc.boolean()), { maxLength: 5 }), { maxLength: 8 });
  let voids = 0;
  fc.assert(
    fc.property(world, changes, ({ entries, keys }, steps) => {
      const graph = graphOf(entries);
      const counted = new Set(entries.map(({ id }) => id));
      for (const step of steps) {
        const { revived, voided } = graph.regard(
          new Map(step.map(([pick, isGood]) => [graph.at(pick % graph.size), isGood])),
        );
        for (const { id } of voided) expect(counted.delete(id)).toBe(true);
        for (const { id } of revived) expect(counted.has(id)).toBe(false);
        for (const { id } of revived) counted.add(id);
        const good = entries.filter(({ id }) => graph.isGood(graph.get(id) as Node));
        const counting = new Set(good.flatMap(({ id }) => [id, ...pastOf(id, entries)]));
        expect(counted).toEqual(counting);
        voids += entries.length - counting.size;
        const alone = graphOf(entries.filter(({ id }) => counting.has(id)));
        expect(ids(graph.tips())).toEqual(ids(alone.tips()));
        expect(graph.voidCount).toBe(entries.length - counting.size);
        for (const key of keys) {
          expect(new Set(ids(graph.heads(key)))).toEqual(new Set(ids(alone.heads(key))));
          const below = new Set(graph.allHeads(key).flatMap(({ id }) => [id, ...pastOf(id, entries)]));
          for (const { id, author } of entries) if (author === key) expect(below.has(id)).toBe(true);
        }
        expect(sortedFrontier(graph)).toEqual(sortedFrontier(alone));
      }
    }),
  );
  expect(voids).toBeGreaterThan(0);
});

function ids(nodes: readonly Node[]): readonly EntryId[] {
  return nodes.map(({ id }) => id);
}

function sortedFrontier(graph: Graph): unknown {
  return [...graph.frontier()].sort(([a], [b]) => (a < b ? -1 : 1));
}
