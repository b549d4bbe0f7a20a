import { sha256 } from "@noble/hashes/sha2.js";
import { describe, expect, test } from "vitest";
import { AuthorityTrial, piecesOf, shuffled } from "../testing/authority-trial.ts";
import { SeededRandom } from "../testing/random.ts";
import { keyOf, startMs, Writer } from "../testing/writers.ts";
import type { VouchedEntry } from "./entry.ts";
import { decodeParts, settingsIn } from "./judgement.ts";
import { LogIndex } from "./log-index.ts";
import { Past } from "./past.ts";
import { Replica } from "./replica.ts";

const lateMs = startMs + 1_000_000;

/** At and before some entries. */
function pastOf(trial: AuthorityTrial, tips: readonly VouchedEntry[]): ReadonlySet<string> {
  const entries = new Map<string, VouchedEntry>(trial.entries.map((entry) => [entry.id, entry]));
  const past = new Set<string>(tips.map(({ id }) => id));
  for (const id of past)
    for (const followed of trial.modelEntry(entries.get(id) as VouchedEntry).parents) past.add(followed);
  return past;
}

/** Holds everything, in an order of its own. */
function takeAll(trial: AuthorityTrial, random: SeededRandom): Writer {
  const writer = new Writer(keyOf(9), trial.database, sha256);
  for (const batch of piecesOf(shuffled(trial.entries, random), random)) writer.receive(batch, lateMs);
  return writer;
}

function restored({ replica, entries }: Writer): Replica {
  const again = new Replica(replica.database, sha256);
  const index = entries.map((entry) => {
    return { ...entry, size: entry.bytes.length, settings: entry.stores.some(({ name }) => name === "_settings") };
  });
  const partsOf = (id: string) => decodeParts(entries.find((entry) => entry.id === id) as VouchedEntry);
  const result = again.restore(LogIndex.of(index), replica.state, (id) => {
    const parts = partsOf(id);
    return { ok: true, value: parts.ok ? settingsIn(parts.value) : [] };
  });
  expect(result.ok).toBe(true);
  return again;
}

interface Found {
  readonly held: readonly string[];
  readonly counts: readonly string[];
  readonly tips: readonly string[];
}

function found({ graph, authority }: Replica, tips: readonly VouchedEntry[]): Found {
  const nodes = tips.flatMap(({ id }) => graph.get(id) ?? []);
  const past = new Past(graph, authority, nodes);
  const all = Array.from({ length: graph.size }, (_, position) => graph.at(position));
  const held = all.filter(({ position }) => past.has(position));
  const counts = all.filter(({ position }) => past.counts(position));
  expect([past.size, past.counting]).toEqual([held.length, counts.length]);
  expect(past.end).toBe(1 + Math.max(-1, ...held.map(({ position }) => position)));
  const ids = (of: typeof all): readonly string[] => of.map(({ id }) => id).sort();
  return { held: ids(held), counts: ids(counts), tips: past.tips.map(({ id }) => id) };
}

describe.each([
  ["sets alone", false],
  ["sets, invites and what is open to everybody", true],
] as const)("with %s", (_, isWhole) => {
  test("[HISTORY-6] what counts before any tips is what the model says of these entries, whatever else there is", () => {
    let [cut, revived] = [0, 0];
    for (let seed = 1; seed <= 10; seed++) {
      const trial = new AuthorityTrial({ seed, isWhole, sha256 });
      for (let i = 0; i < 45; i++) trial.step();
      const random = new SeededRandom(seed);
      const writer = takeAll(trial, random);
      const { graph } = writer.replica;
      const again = restored(writer);
      for (let i = 0; i < 10; i++) {
        const tips = Array.from({ length: random.pick([1, 1, 2, 4]) }, () => random.pick(trial.entries));
        const past = pastOf(trial, tips);
        const { counts } = trial.model.counting(past);
        const followed = new Set(
          trial.entries.flatMap((entry) => (past.has(entry.id) ? trial.modelEntry(entry).parents : [])),
        );
        const expected: Found = {
          held: [...past].sort(),
          counts: [...counts].sort(),
          tips: [...new Set(tips.map(({ id }) => id))].filter((id) => !followed.has(id)).sort(),
        };
        expect([seed, i, found(writer.replica, tips)]).toEqual([seed, i, expected]);
        expect([seed, i, found(again, tips)]).toEqual([seed, i, expected]);
        for (const entry of trial.entries) {
          const node = graph.get(entry.id);
          if (node === undefined || !past.has(entry.id)) continue;
          if (graph.counts(node) && !counts.has(entry.id)) revived += 1;
          if (!graph.counts(node) && counts.has(entry.id)) cut += 1;
        }
      }
    }
    // Else it would be enough to ask what counts now.
    expect([cut > 0, revived > 0]).toEqual([true, true]);
  });
});

test("[HISTORY-7] all that counts is what counts at the present tips, and at none there is nothing", () => {
  let voids = 0;
  for (let seed = 1; seed <= 15; seed++) {
    const trial = new AuthorityTrial({ seed, isWhole: true, sha256 });
    for (let i = 0; i < 45; i++) trial.step();
    const { graph, authority } = takeAll(trial, new SeededRandom(seed)).replica;
    const past = new Past(graph, authority, graph.tips());
    voids += graph.voidCount;
    expect([past.size, past.counting]).toEqual([graph.size - graph.voidCount, graph.size - graph.voidCount]);
    expect(past.tips).toEqual(graph.tips());
    expect(new Past(graph, authority, [])).toMatchObject({ size: 0, counting: 0, end: 0, tips: [] });
  }
  expect(voids).toBeGreaterThan(0);
});
