import { sha256 } from "@noble/hashes/sha2.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { applyDamage, arbitraryDamage, arbitraryEntryId, arbitraryPublicKey } from "../testing/arbitrary.ts";
import { arbitraryWorld, type World } from "../testing/world.ts";
import { keyOf } from "../testing/writers.ts";
import {
  chainsAbove,
  cutFrontier,
  decodeFrontier,
  differenceTo,
  digestFrontier,
  encodeFrontier,
  type Frontier,
} from "./frontier.ts";
import { Graph, type Node } from "./graph.ts";
import type { EntryId } from "./ids.ts";
import { headsPerAuthorMax, headsPerFrontierMax } from "./limits.ts";

const arbitraryFrontier: fc.Arbitrary<Frontier> = fc
  .dictionary(
    arbitraryPublicKey().map(String),
    fc.uniqueArray(fc.record({ seq: fc.maxSafeNat(), id: arbitraryEntryId() }), {
      minLength: 1,
      maxLength: 4,
      selector: ({ id }) => id,
    }),
  )
  .map((heads) => new Map(Object.entries(heads)) as unknown as Frontier)
  .map(
    (frontier) =>
      new Map([...frontier].map(([key, heads]) => [key, [...heads].sort((a, b) => (a.id < b.id ? -1 : 1))])),
  );

/** A replica for every writer of a world that keeps what it held, and all of it. */
const world = arbitraryWorld(sha256, { writers: 3, stepsMax: 40 });

function idsOf(graph: Graph, through: number = graph.size): readonly EntryId[] {
  return Array.from({ length: through }, (_, position) => graph.at(position).id);
}

test("[FRONTIER-1] two replicas hold the same entries exactly when their frontiers are equal", () => {
  const seen = { equal: 0, different: 0 };
  fc.assert(
    fc.property(world, ({ writers }) => {
      for (const one of writers) {
        for (const other of writers) {
          const same = new Set([...one.entries, ...other.entries].map(({ id }) => id)).size;
          const isEqual = same === one.entries.length && same === other.entries.length;
          const digests = [one, other].map(({ replica }) => digestFrontier(replica.graph.frontier(), sha256));
          expect(digests[0] === digests[1]).toBe(isEqual);
          seen[isEqual ? "equal" : "different"] += 1;
        }
      }
    }),
  );
  expect(Math.min(seen.equal, seen.different)).toBeGreaterThan(100);
});

test("[FRONTIER-2] a frontier comes back from its bytes, whatever the order in which it was made", () => {
  fc.assert(
    fc.property(arbitraryFrontier, (frontier) => {
      const bytes = encodeFrontier(frontier);
      expect(decodeFrontier(bytes)).toEqual({ ok: true, value: frontier });
      expect(encodeFrontier(new Map([...frontier].reverse()))).toEqual(bytes);
    }),
  );
});

test("[FRONTIER-2] damaged bytes are refused with a code, or are the bytes of what is read", () => {
  fc.assert(
    fc.property(arbitraryFrontier, arbitraryDamage(), (frontier, damage) => {
      const bytes = applyDamage(encodeFrontier(frontier), damage);
      const read = decodeFrontier(bytes);
      if (read.ok) expect(encodeFrontier(read.value)).toEqual(bytes);
      else expect(read.failure.code).toMatch(/^(CBOR_|MESSAGE_MALFORMED$)/);
    }),
    { numRuns: 500 },
  );
});

describe("[FRONTIER-2] what is out of order or too much is refused:", () => {
  const [a, b] = [keyOf(1), keyOf(2)];
  const [low, high] = ["11", "22"].map((byte) => byte.repeat(32) as EntryId) as [EntryId, EntryId];
  const write = (frontier: readonly (readonly [string, readonly { seq: number; id: EntryId }[]])[]): Uint8Array =>
    encodeFrontier(new Map(frontier) as unknown as Frontier);
  const unsorted = write([
    [a, [{ seq: 0, id: low }]],
    [b, [{ seq: 0, id: low }]],
  ]).slice();
  unsorted[4] = 0xff; // The first byte of the first author: now it is the greater one.
  const many = (count: number): readonly { seq: number; id: EntryId }[] =>
    Array.from({ length: count }, (_, i) => ({ seq: 1, id: i.toString(16).padStart(64, "0") as EntryId }));

  test.each([
    [
      "heads that are not sorted",
      write([
        [
          a,
          [
            { seq: 0, id: high },
            { seq: 0, id: low },
          ],
        ],
      ]),
    ],
    [
      "a head twice",
      write([
        [
          a,
          [
            { seq: 0, id: low },
            { seq: 0, id: low },
          ],
        ],
      ]),
    ],
    ["an author without heads", write([[a, []]])],
    ["authors that are not sorted", unsorted],
    ["too many heads of an author", write([[a, many(headsPerAuthorMax + 1)]])],
    [
      "too many heads",
      write(
        Array.from({ length: headsPerFrontierMax / 50 + 1 }, (_, i) => [i.toString(16).padStart(64, "0"), many(50)]),
      ),
    ],
  ])("%s", (_name, bytes) => {
    expect(decodeFrontier(bytes)).toMatchObject({ ok: false });
  });
});

/** What the owner of a set of entries misses of the first `through` of a graph. */
function missedBy(held: ReadonlySet<EntryId>, graph: Graph, through: number): readonly EntryId[] {
  return idsOf(graph, through).filter((id) => !held.has(id));
}

test("[FRONTIER-3] the difference is exactly what is missed, in order, author by author unless a chain forked", () => {
  const seen = { exact: 0, forked: 0, unseen: 0 };
  fc.assert(
    fc.property(world, fc.nat(60), fc.nat(60), ({ writers }: World, cutOurs, cutTheirs) => {
      for (const { replica: ours } of writers) {
        for (const { replica: theirs } of writers) {
          const through = cutOurs % (ours.graph.size + 1);
          const held = new Set(idsOf(theirs.graph, cutTheirs % (theirs.graph.size + 1)));
          const frontier = theirs.graph.frontier(held.size);
          const { extra, forked } = differenceTo(ours.graph, frontier, through);
          const newest = new Map(
            [...ours.graph.frontier(through)].map(([key, heads]) => [key, Math.max(...heads.map((head) => head.seq))]),
          );
          const isForked = (author: string): boolean => forked.some((key) => key === author);
          const isUnseen = (node: Node): boolean =>
            (frontier.get(node.author) ?? []).some(
              (head) => !ours.graph.has(head.id) && head.seq > (newest.get(node.author) ?? 0),
            );
          const missed = missedBy(held, ours.graph, through).map((id) => ours.graph.get(id) as Node);
          const expected = missed.filter((node) => !isForked(node.author) && !isUnseen(node));
          expect(extra.map(({ id }) => id)).toEqual(expected.map(({ id }) => id));
          seen.exact += expected.length;
          seen.forked += forked.length;
          seen.unseen += missed.length - expected.length;
        }
      }
    }),
    { numRuns: 600 },
  );
  expect(Math.min(seen.exact, seen.forked, seen.unseen)).toBeGreaterThan(0);
});

test("[FRONTIER-3] whatever one misses of the other is either in the difference, or a fork is found by one of the two", () => {
  fc.assert(
    fc.property(world, ({ writers }) => {
      for (const { replica: one } of writers) {
        for (const { replica: other } of writers) {
          const there = differenceTo(one.graph, other.graph.frontier(), one.graph.size);
          const back = differenceTo(other.graph, one.graph.frontier(), other.graph.size);
          const sent = new Set(there.extra.map(({ id }) => id));
          for (const id of missedBy(new Set(idsOf(other.graph)), one.graph, one.graph.size)) {
            const { author } = one.graph.get(id) as Node;
            expect(sent.has(id) || there.forked.includes(author) || back.forked.includes(author)).toBe(true);
          }
        }
      }
    }),
  );
});

test("[FRONTIER-5] what is below the doubtful position and not in the difference, the other side holds; what is surely held makes less doubtful", () => {
  const seen = { doubtful: 0, less: 0 };
  fc.assert(
    fc.property(world, fc.nat(60), fc.nat(60), ({ writers }: World, cutTheirs, cutBoth) => {
      for (const { replica: ours } of writers) {
        for (const { replica: theirs } of writers) {
          const held = new Set(idsOf(theirs.graph, cutTheirs % (theirs.graph.size + 1)));
          const frontier = theirs.graph.frontier(held.size);
          // As far as the other side holds everything of ours, it may be known to.
          const common = idsOf(ours.graph).findIndex((id) => !held.has(id));
          const surely = ours.graph.frontier(cutBoth % ((common < 0 ? ours.graph.size : common) + 1));
          const differences = [undefined, surely].map((base) =>
            differenceTo(ours.graph, frontier, ours.graph.size, base),
          );
          for (const { extra, doubtful } of differences) {
            const different = new Set(extra.map(({ id }) => id));
            for (const id of idsOf(ours.graph))
              if (!different.has(id) && (ours.graph.get(id)?.position ?? 0) < doubtful) expect(held.has(id)).toBe(true);
            if (doubtful < ours.graph.size) seen.doubtful += 1;
          }
          const [without, having] = differences.map(({ doubtful }) => doubtful) as [number, number];
          expect(having).toBeGreaterThanOrEqual(without);
          if (having > without) seen.less += 1;
        }
      }
    }),
    { numRuns: 200 },
  );
  expect(Math.min(seen.doubtful, seen.less)).toBeGreaterThan(20);
});

/** A chain of one author as bare nodes, on top of another. */
function chain(length: number, from?: Node): readonly Node[] {
  const graph = new Graph();
  const nodes: Node[] = [];
  for (let i = 0; i < length; i++) {
    const prev: Node | undefined = nodes.at(-1) ?? from;
    const seq = prev === undefined ? 0 : prev.seq + 1;
    const node = { ...graph.settings(), position: i, seq, prev, id: `${length}/${i}` as EntryId } as unknown as Node;
    nodes.push(node);
  }
  return nodes;
}

test("[FRONTIER-3] finding a fork near the end of a long chain walks only the ends", () => {
  const trunk = chain(200_000);
  const joint = trunk.at(-11) as Node;
  let walked = 0;
  const counted = new Proxy(joint, {
    get: (node, name) => {
      if (name === "prev") walked += 1;
      return Reflect.get(node, name);
    },
  });
  const [left, right] = [chain(30, counted), chain(40, counted)];
  expect(chainsAbove([left.at(-1) as Node], [right.at(-1) as Node])).toHaveLength(30);
  expect(walked).toBeLessThanOrEqual(2);
});

test("[FRONTIER-4] what a message cannot hold is cut, and then more is sent, never less", () => {
  const heads = Array.from({ length: headsPerAuthorMax + 10 }, (_, i) => ({
    seq: i,
    id: (i * 7919).toString(16).padStart(64, "0") as EntryId,
  })).sort((a, b) => (a.id < b.id ? -1 : 1));
  const cut = cutFrontier(new Map([[keyOf(1), heads]]));
  expect(decodeFrontier(encodeFrontier(cut))).toEqual({ ok: true, value: cut });
  const kept = cut.get(keyOf(1)) ?? [];
  expect(kept).toHaveLength(headsPerAuthorMax);
  expect(Math.min(...kept.map(({ seq }) => seq))).toBe(10);
});

test("[FRONTIER-4] a difference to a part of a frontier holds all that is missed", () => {
  fc.assert(
    fc.property(world, fc.nat(2), ({ writers }, dropped) => {
      const [one, other] = [writers[0], writers[1]].map((writer) => writer?.replica.graph) as [Graph, Graph];
      const part = new Map([...other.frontier()].filter((_author, i) => i !== dropped));
      const { extra, forked } = differenceTo(one, part, one.size);
      const full = differenceTo(one, other.frontier(), one.size);
      const found = new Set(extra.map(({ id }) => id));
      for (const { id, author } of full.extra) expect(found.has(id) || forked.includes(author)).toBe(true);
    }),
  );
});

test("[FRONTIER-4] more authors than a message holds are cut", () => {
  const all: Frontier = new Map(
    Array.from({ length: headsPerFrontierMax + 5 }, (_, i) => [
      keyOf(i % 256).slice(0, 56) + i.toString(16).padStart(8, "0"),
      [{ seq: 0, id: "00".repeat(32) as EntryId }],
    ]),
  ) as unknown as Frontier;
  expect(cutFrontier(all).size).toBe(headsPerFrontierMax);
});
