import { sha256 } from "@noble/hashes/sha2.js";
import fc from "fast-check";
import { expect, test } from "vitest";
import { AuthorityTrial, shuffled } from "../testing/authority-trial.ts";
import { SeededRandom } from "../testing/random.ts";
import { keyOf, startMs, Writer } from "../testing/writers.ts";
import type { Node } from "./graph.ts";
import { type EntryId, entryIdFromDigest } from "./ids.ts";
import { followedBy } from "./node.ts";
import { TimeOrder } from "./time-order.ts";

/** A stand-in for a graph: nothing but times and ids. */
function graphOf(times: readonly number[]): ConstructorParameters<typeof TimeOrder>[0] {
  const ids = times.map((_, position) => entryIdFromDigest(sha256(Uint8Array.of(position & 255, position >> 8))));
  return {
    timeAt: (position) => times[position] as number,
    at: (position) => ({ position, time: times[position], id: ids[position] }) as Node,
  };
}

test("[HISTORY-1] entries stand by time, then by id, in whatever order and portions they come", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 30 }), { maxLength: 60 }),
      fc.array(fc.nat({ max: 60 }), { maxLength: 5 }),
      (times, portions) => {
        const graph = graphOf(times);
        const order = new TimeOrder(graph);
        for (const through of [...portions, times.length].sort((a, b) => a - b)) {
          const end = Math.min(through, times.length);
          order.extend(end);
          const places = Array.from({ length: end }, (_, place) => order.at(place));
          const sorted = times.slice(0, end).map((_, position) => graph.at(position));
          sorted.sort((a, b) => a.time - b.time || (a.id < b.id ? -1 : 1));
          expect(order).toHaveLength(end);
          expect(places).toEqual(sorted.map(({ position }) => position));
          expect(sorted.map((node) => order.placeOf(node))).toEqual(places.map((_, place) => place));
        }
      },
    ),
  );
});

test("[HISTORY-1] each entry comes after all that it follows, and all replicas have one order", () => {
  for (let seed = 1; seed <= 10; seed++) {
    const trial = new AuthorityTrial({ seed, isWhole: true, sha256 });
    for (let i = 0; i < 45; i++) trial.step();
    const random = new SeededRandom(seed);
    const lists = [1, 2].map((): readonly EntryId[] => {
      const writer = new Writer(keyOf(9), trial.database, sha256);
      writer.receive(shuffled(trial.entries, random), startMs + 1_000_000);
      const { graph } = writer.replica;
      const order = new TimeOrder(graph);
      order.extend(graph.size);
      const nodes = Array.from({ length: graph.size }, (_, place) => graph.at(order.at(place)));
      for (const [place, node] of nodes.entries())
        for (const each of followedBy(node)) expect(order.placeOf(each)).toBeLessThan(place);
      return nodes.map(({ id }) => id);
    });
    expect(lists[0]).toEqual(lists[1]);
    expect(new Set(lists[0]).size).toBe(trial.entries.length);
  }
});
