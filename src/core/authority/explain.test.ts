import { sha256 } from "@noble/hashes/sha2.js";
import { expect, test } from "vitest";
import { AuthorityTrial } from "../../testing/authority-trial.ts";
import { keyOf, startMs, Writer } from "../../testing/writers.ts";
import type { EntryId } from "../ids.ts";
import type { Replica } from "../replica.ts";
import { type EntryExplanation, explainEntry } from "./explain.ts";

const graphs = 60;

/** Everything that a trial wrote, on one replica. */
function replicaOf(seed: number): { readonly trial: AuthorityTrial; readonly replica: Replica } {
  const trial = new AuthorityTrial({ seed, isWhole: seed % 2 === 0, sha256 });
  for (let i = 0; i < 45; i++) trial.step();
  const writer = new Writer(keyOf(9), trial.database, sha256);
  writer.receive(trial.entries, startMs + 1_000_000);
  return { trial, replica: writer.replica };
}

function checkEntry(told: EntryExplanation, id: EntryId, { graph, authority }: Replica): void {
  const effective = new Set(authority.effective().map((node) => node.id));
  const node = graph.get(id);
  const isGood = node !== undefined && graph.isGood(node);
  expect(told.rule === undefined, "only what is not good has a rule").toBe(isGood);
  if (told.by !== undefined) expect(effective).toContain(told.by);
  if (told.revived === undefined) return;
  const { would, by } = told.revived;
  expect([isGood, effective.has(would)]).toEqual([true, false]);
  if (by !== undefined) expect(effective).toContain(by);
}

/** Among the entries of a trial without one of them, and without what stands on it. */
function isGoodWithout(id: EntryId, taken: EntryId, { model, entries }: AuthorityTrial): boolean {
  const known = new Set<string>();
  for (const each of entries) {
    const below = [...each.parents, ...(each.prev === undefined ? [] : [each.prev])];
    if (each.id !== taken && below.every((one) => known.has(one))) known.add(each.id);
  }
  return model.good(known).has(id);
}

test("[AUTHORITY-15] whatever was cut, and came back, goes back to settings that have an effect, and is void without what brought it back", () => {
  let [cut, revived] = [0, 0];
  for (let seed = 1; seed <= graphs; seed++) {
    const { trial, replica } = replicaOf(seed);
    for (const { id } of trial.entries) {
      const told = explainEntry(replica, id);
      checkEntry(told, id, replica);
      if (told.by !== undefined) cut += 1;
      const by = told.revived?.by;
      if (by === undefined) continue;
      revived += 1;
      expect([seed, isGoodWithout(id, by, trial)]).toEqual([seed, false]);
    }
  }
  expect([cut > graphs, revived > graphs / 10]).toEqual([true, true]);
});
