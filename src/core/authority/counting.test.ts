/**
 * Random databases, of honest and cheating keys in partitions, held against the model: what every replica accepts and what counts there after
 * every single step, in whatever order entries come.
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { describe, expect, test } from "vitest";
import { type Attempt, AuthorityTrial, isCounting, piecesOf, shuffled } from "../../testing/authority-trial.ts";
import { SeededRandom } from "../../testing/random.ts";
import { keyOf, startMs, Writer } from "../../testing/writers.ts";
import type { VouchedEntry } from "../entry.ts";
import { encodeFrontier, type Frontier } from "../frontier.ts";
import { type EntryId, encodeHex, type PublicKey } from "../ids.ts";
import { decodeParts, settingsIn } from "../judgement.ts";
import { LogIndex } from "../log-index.ts";
import { Replica, type ReplicaEffect } from "../replica.ts";
import { WRITE } from "../store/power.ts";

const lateMs = startMs + 1_000_000;

interface Seen {
  readonly counts: readonly string[];
  readonly good: readonly string[];
  readonly effective: readonly string[];
  readonly tips: readonly string[];
  readonly frontier: string;
  readonly powers: readonly number[];
}

function sorted(ids: Iterable<string>): readonly string[] {
  return [...ids].sort();
}

function hexOf(frontier: Frontier): string {
  return encodeHex(encodeFrontier(frontier));
}

/** What the model says of these entries. */
function modelled({ model, writers }: AuthorityTrial, entries: readonly VouchedEntry[]): Seen {
  const known = new Set<string>(entries.map(({ id }) => id));
  const { counts, effective } = model.counting(known);
  const counting = entries.filter(({ id }) => counts.has(id));
  const continued = new Set(counting.map(({ prev }) => prev));
  const frontier = new Map<PublicKey, { readonly seq: number; readonly id: EntryId }[]>();
  for (const { author, seq, id } of counting)
    if (!continued.has(id)) frontier.set(author, [...(frontier.get(author) ?? []), { seq, id }]);
  for (const heads of frontier.values()) heads.sort((a, b) => (a.id < b.id ? -1 : 1));
  return {
    counts: sorted(counts),
    good: sorted(model.good(known)),
    effective: sorted(effective),
    tips: sorted(model.tips(counts)),
    frontier: hexOf(frontier),
    powers: model.powers(
      writers.map(({ key }) => key),
      known,
    ),
  };
}

/** What a replica says. */
function found({ writers }: AuthorityTrial, { graph, authority }: Replica): Seen {
  const nodes = Array.from({ length: graph.size }, (_, position) => graph.at(position));
  const counting = nodes.filter((node) => graph.counts(node));
  expect(graph.voidCount).toBe(nodes.length - counting.length);
  expect(graph.voidBytes).toBe(nodes.reduce((sum, node) => sum + (graph.counts(node) ? 0 : node.size), 0));
  return {
    counts: sorted(counting.map(({ id }) => id)),
    good: sorted(nodes.filter((node) => graph.isGood(node)).map(({ id }) => id)),
    effective: sorted(authority.effective().map(({ id }) => id)),
    tips: graph.tips().map(({ id }) => id),
    frontier: hexOf(graph.frontier()),
    powers: writers.map(({ key }) => authority.power(key)),
  };
}

function restored(trial: AuthorityTrial, entries: readonly VouchedEntry[]): Replica {
  const replica = new Replica(trial.database, sha256);
  const index = entries.map((entry) => {
    return { ...entry, size: entry.bytes.length, settings: entry.stores.some(({ name }) => name === "_settings") };
  });
  const opsOf = (id: EntryId): ReturnType<typeof settingsIn> => {
    const parts = decodeParts(entries.find((entry) => entry.id === id) as VouchedEntry);
    return parts.ok ? settingsIn(parts.value) : [];
  };
  const result = replica.restore(LogIndex.of(index), replica.state, (id) => ({ ok: true, value: opsOf(id) }));
  expect(result.ok).toBe(true);
  return replica;
}

function checkAttempts(attempts: readonly Attempt[], seed: number): void {
  for (const { refused, isAcceptable } of attempts)
    expect([seed, refused]).toEqual([seed, isAcceptable ? undefined : expect.anything()]);
}

function run(seed: number, isWhole: boolean, isEveryStep: boolean): AuthorityTrial {
  const trial = new AuthorityTrial({ seed, isWhole, sha256 });
  for (let i = 0; i < 45; i++) {
    const { replica, entries } = trial.step();
    if (isEveryStep) expect([seed, i, found(trial, replica)]).toEqual([seed, i, modelled(trial, entries)]);
  }
  return trial;
}

/** What a replica counts, as its effects tell it. */
class Told {
  readonly counts = new Set<string>();
  recounts = 0;

  take(effects: readonly ReplicaEffect[], { graph }: Replica): void {
    for (const [i, effect] of effects.entries()) {
      if (effect.type === "recounted") {
        expect([i, effect.voided.length + effect.revived.length > 0, effect.because.length > 0]).toEqual([
          0,
          true,
          true,
        ]);
        for (const { id } of effect.voided) expect(this.counts.delete(id)).toBe(true);
        for (const { id } of effect.revived) expect(this.counts.has(id)).toBe(false);
        for (const { id } of effect.revived) this.counts.add(id);
        this.recounts += 1;
      }
      if (effect.type !== "store") continue;
      for (const node of effect.nodes) if (graph.counts(node)) this.counts.add(node.id);
    }
  }
}

/** The state of a replica that was only ever given these entries. */
function stateOf({ database }: AuthorityTrial, entries: readonly VouchedEntry[]): Writer {
  const writer = new Writer(keyOf(9), database, sha256);
  writer.receive(entries, lateMs);
  return writer;
}

function checkPromises(trial: AuthorityTrial, seed: number): void {
  const { model, entries, honest } = trial;
  const known = new Set<string>(entries.map(({ id }) => id));
  const all = model.counting(known);
  expect([seed, model.counting(all.counts)]).toEqual([seed, all]);
  for (const id of all.effective) expect(all.counts.has(id)).toBe(true);
  const ops = entries.flatMap((entry) => trial.modelEntry(entry).ops.map((op) => ({ op, entry })));
  for (const entry of entries) {
    if (all.counts.has(entry.id) || !honest.has(entry.author) || trial.modelEntry(entry).ops.length > 0) continue;
    const isOthers = ({ op, entry: { id, author } }: (typeof ops)[number]): boolean =>
      op.type === "public" ||
      (op.type === "redeem" && author === entry.author) ||
      (op.type === "set" && op.key === entry.author && op.power > WRITE && all.effective.has(id));
    if (!ops.some(isOthers)) expect([seed, model.power(entry.author, known) > WRITE]).toEqual([seed, true]);
  }
}

/** More, and from another seed on, with these variables, as `npm run soak` does. */
const { AUTHORITY_GRAPHS = "25", AUTHORITY_FROM = "1" } = process.env;
const [many, from] = [Number(AUTHORITY_GRAPHS), Number(AUTHORITY_FROM)];
const timeoutMs = Math.max(60_000, 2_000 * many);

/** Redemptions that have an effect, and that were cut. */
function redemptionsIn(trial: AuthorityTrial, effective: ReadonlySet<string>): readonly [number, number] {
  const redeemed = trial.entries.filter((entry) => trial.modelEntry(entry).ops[0]?.type === "redeem");
  const kept = redeemed.filter(({ id }) => effective.has(id));
  return [kept.length, redeemed.length - kept.length];
}

describe.each([
  ["sets alone", false],
  ["sets, invites and what is open to everybody", true],
] as const)("with %s", { timeout: timeoutMs }, (_, isWhole) => {
  test("[AUTHORITY-8] [GRAPH-4] every verdict, and what counts after every step, are those of the model", () => {
    let voids = 0;
    let [redeemed, cut] = [0, 0];
    for (let seed = from; seed < from + many; seed++) {
      const trial = run(seed, isWhole, true);
      checkAttempts(trial.attempts, seed);
      const all = modelled(trial, trial.entries);
      voids += trial.entries.length - all.counts.length;
      const [kept, lost] = redemptionsIn(trial, new Set(all.effective));
      [redeemed, cut] = [redeemed + kept, cut + lost];
      const random = new SeededRandom(seed);
      for (let order = 0; order < 3; order++) {
        const writer = new Writer(keyOf(9), trial.database, sha256);
        for (const batch of piecesOf(shuffled(trial.entries, random), random)) {
          writer.receive(batch, lateMs);
          expect([seed, order, found(trial, writer.replica)]).toEqual([seed, order, modelled(trial, writer.entries)]);
        }
        expect(writer.entries).toHaveLength(trial.entries.length);
        expect(found(trial, restored(trial, writer.entries))).toEqual(all);
      }
    }
    expect(voids).toBeGreaterThan(many / 2);
    expect([redeemed > many / 2, cut > many / 5]).toEqual([isWhole, isWhole]);
  });

  test("[AUTHORITY-9] [REPLICA-9] void entries influence nothing, and who exchanges only what counts agrees", () => {
    for (let seed = from; seed < from + 3 * many; seed++) {
      const trial = run(seed, isWhole, false);
      checkPromises(trial, seed);
      for (const { refused, isHonest, isEntitled, countsAtOnce, entry } of trial.attempts) {
        if (!isHonest || trial.modelEntry(entry).ops.length > 0) continue;
        expect([seed, refused === undefined, countsAtOnce]).toEqual([seed, isEntitled, isEntitled]);
      }
      const { writers } = trial;
      for (let round = 0; round < writers.length; round++)
        for (const one of writers) for (const other of writers) trial.exchange(one, other, true);
      const digests = new Set(writers.map((writer) => hexOf(writer.replica.graph.frontier())));
      expect([seed, digests.size]).toEqual([seed, 1]);
    }
  });

  test("[REPLICA-5] [REPLICA-12] what is told of what counts is all of it, and the state is that of the counting entries alone", () => {
    let recounts = 0;
    for (let seed = from; seed < from + many; seed++) {
      const trial = run(seed, isWhole, false);
      const random = new SeededRandom(seed);
      const writer = new Writer(keyOf(9), trial.database, sha256);
      const told = new Told();
      for (const batch of piecesOf(shuffled(trial.entries, random), random)) {
        const before = told.recounts;
        told.take(writer.receive(batch, lateMs), writer.replica);
        const counting = writer.entries.filter(({ id }) => isCounting(writer, id));
        expect([seed, sorted(told.counts)]).toEqual([seed, sorted(counting.map(({ id }) => id))]);
        const alone = stateOf(trial, counting).replica;
        if (told.recounts > before) writer.replica.adoptState(stateOf(trial, counting).replica.state);
        expect([seed, encodeHex(writer.replica.encodeState())]).toEqual([seed, encodeHex(alone.encodeState())]);
      }
      recounts += told.recounts;
    }
    expect(recounts).toBeGreaterThan(0);
  });
});
