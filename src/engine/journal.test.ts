import { sha256 } from "@noble/hashes/sha2.js";
import { describe, expect, test } from "vitest";
import type { VouchedEntry } from "../core/entry.ts";
import { TidemarkError } from "../core/errors.ts";
import type { Node } from "../core/graph.ts";
import type { CheckpointPart, Commit } from "../ports/storage.ts";
import { createMemoryStorage } from "../storage/memory.ts";
import { SimulatedClock } from "../testing/clock.ts";
import { SlowStorage } from "../testing/slow-storage.ts";
import { turn } from "../testing/turn.ts";
import { keyOf, rowParts, sealRoot, Writer } from "../testing/writers.ts";
import { Journal, type JournalOptions } from "./journal.ts";

const root = sealRoot(keyOf(0), sha256, rowParts("r"));

/** A storage whose commits are seen and take 10 ms, and a journal on it. */
async function setUp(checkpoint: JournalOptions["checkpoint"] = () => undefined): Promise<{
  readonly clock: SimulatedClock;
  readonly storage: SlowStorage;
  readonly journal: Journal;
  readonly log: string[];
  readonly commits: Commit[];
}> {
  const clock = new SimulatedClock();
  const inner = createMemoryStorage();
  await inner.putDatabase({ id: root.id, name: "", relays: [] });
  const commits: Commit[] = [];
  const log: string[] = [];
  const commit = inner.commit.bind(inner);
  inner.commit = (one) => {
    commits.push(one);
    return commit(one);
  };
  const putCheckpoint = inner.putCheckpoint.bind(inner);
  inner.putCheckpoint = (database, part, replaces) => {
    log.push(`checkpoint ${part.through}`);
    return putCheckpoint(database, part, replaces);
  };
  const storage = new SlowStorage(inner, { clock, writeMs: () => 10 });
  const journal = new Journal({
    database: root.id,
    storage,
    position: 0,
    stored: (through) => log.push(`stored ${through}`),
    checkpoint,
    failed: (error) => log.push(`failed ${error instanceof TidemarkError ? error.code : error}`),
  });
  return { clock, storage, journal, log, commits };
}

function entries(count: number): { readonly all: readonly VouchedEntry[]; readonly nodes: readonly Node[] } {
  const writer = new Writer(keyOf(0), root.id, sha256);
  writer.receive([root]);
  while (writer.entries.length < count) writer.write(rowParts(`r${writer.entries.length}`));
  return { all: writer.entries, nodes: writer.entries.map((_entry, i) => writer.replica.graph.at(i)) };
}

async function pass(clock: SimulatedClock, ms: number): Promise<void> {
  await turn();
  clock.advance(ms);
  await turn();
}

test("[ENGINE-1] a promise resolves when its entry is durable, and not before; then it is announced already", async () => {
  const { clock, journal, log } = await setUp();
  const { all, nodes } = entries(2);
  journal.append(all, nodes);
  const resolved = [1, 2].map((through) => journal.durable(through).then(() => log.push(`resolved ${through}`)));
  await pass(clock, 9);
  expect(log).toEqual([]);
  await pass(clock, 1);
  expect(log).toEqual(["stored 2", "resolved 1", "resolved 2"]);
  await Promise.all([...resolved, journal.durable(2)]);
});

test("[ENGINE-2] what is accepted while a commit is under way goes out together in the next one", async () => {
  const { clock, journal, commits } = await setUp();
  const { all, nodes } = entries(10);
  for (let i = 0; i < 10; i++) {
    journal.append(all.slice(i, i + 1), nodes.slice(i, i + 1));
    await pass(clock, 1);
  }
  await pass(clock, 100);
  await pass(clock, 100);
  await journal.settled();
  const sizes = commits.map((commit) => commit.entries.length);
  expect([sizes.length, sizes.reduce((a, b) => a + b)]).toEqual([2, 10]);
  expect(commits.map(({ position }) => position)).toEqual([0, sizes[0]]);
});

test("[ENGINE-3] a checkpoint that cannot be written ends the journal, after the commit that is under way", async () => {
  const { clock, storage, journal, log } = await setUp((through) => ({
    part: { number: through, through, void: [], stores: [] },
    replaces: 1,
  }));
  const { all, nodes } = entries(3);
  const lost = new TidemarkError("STORAGE_QUOTA", { reason: "full" });
  storage.putCheckpoint = () => new Promise((_resolve, reject) => clock.after(5, () => reject(lost)));
  journal.append(all.slice(0, 1), nodes.slice(0, 1));
  await pass(clock, 10);
  journal.append(all.slice(1, 2), nodes.slice(1, 2));
  const waiting = journal.durable(2);
  await pass(clock, 6);
  journal.append(all.slice(2), nodes.slice(2));
  const last = journal.durable(3).catch((error: unknown) => error);
  await pass(clock, 10);
  await pass(clock, 10);
  await waiting;
  expect([log, await last]).toEqual([["stored 1", "stored 2", "failed STORAGE_QUOTA"], lost]);
});

test("[ENGINE-3] a checkpoint is taken with everything accepted, and written after it is durable", async () => {
  const part: CheckpointPart = { number: 1, through: 3, void: [], stores: [] };
  const asked: number[] = [];
  const { clock, journal, log } = await setUp((through) => {
    asked.push(through);
    return { part: { ...part, through }, replaces: 1 };
  });
  const { all, nodes } = entries(3);
  journal.append(all, nodes);
  await pass(clock, 10);
  expect([asked, log]).toEqual([[3], ["stored 3"]]);
  await pass(clock, 10);
  expect(log).toEqual(["stored 3", "checkpoint 3"]);
});

describe("[ENGINE-21] when storage fails", () => {
  const quota = new TidemarkError("STORAGE_QUOTA", { reason: "full" });

  test("everybody who waits is told, and nothing more is written", async () => {
    const { clock, storage, journal, log, commits } = await setUp();
    const { all, nodes } = entries(3);
    journal.append(all.slice(0, 1), nodes.slice(0, 1));
    await pass(clock, 10);
    storage.failNext(quota);
    journal.append(all.slice(1, 2), nodes.slice(1, 2));
    const waiting = [journal.durable(2), journal.durable(3)].map((promise) => promise.catch((error: unknown) => error));
    await pass(clock, 10);
    expect(await Promise.all(waiting)).toEqual([quota, quota]);
    expect(log).toEqual(["stored 1", "failed STORAGE_QUOTA"]);
    journal.append(all.slice(2), nodes.slice(2));
    await pass(clock, 100);
    expect(commits).toHaveLength(1);
    await expect(journal.durable(3)).rejects.toBe(quota);
    await expect(journal.durable(1)).resolves.toBeUndefined();
    await journal.settled();
  });
});

describe("[ENGINE-26] what has to be durable before", () => {
  test("is waited for by everything that is appended afterwards", async () => {
    const { clock, journal, log, commits } = await setUp();
    const { all, nodes } = entries(3);
    let ready: (() => void)[] = [];
    const promised = (): Promise<void> => new Promise((resolve) => ready.push(resolve));
    journal.append(all.slice(0, 1), nodes.slice(0, 1));
    await pass(clock, 1);
    for (let i = 0; i < 2; i++) journal.storeAfter(promised());
    journal.append(all.slice(1, 2), nodes.slice(1, 2));
    await pass(clock, 20);
    expect([log, commits.length]).toEqual([["stored 1"], 1]);
    journal.append(all.slice(2), nodes.slice(2));
    ready[1]?.();
    await pass(clock, 20);
    expect(commits.length).toBe(1);
    // Another one comes just when the first are done.
    ready[0]?.();
    ready = [];
    journal.storeAfter(promised());
    await pass(clock, 20);
    expect(commits.length).toBe(1);
    ready[0]?.();
    await pass(clock, 0);
    await pass(clock, 20);
    expect([log, commits.map(({ entries: each }) => each.length)]).toEqual([
      ["stored 1", "stored 3"],
      [1, 2],
    ]);
  });

  test("and is not, ends the journal with why", async () => {
    const { clock, journal, log, commits } = await setUp();
    const { all, nodes } = entries(1);
    journal.storeAfter(Promise.reject(new TidemarkError("STORAGE_QUOTA", { reason: "full" })));
    journal.append(all, nodes);
    await pass(clock, 20);
    expect([log, commits.length]).toEqual([["failed STORAGE_QUOTA"], 0]);
    await expect(journal.durable(1)).rejects.toMatchObject({ code: "STORAGE_QUOTA" });
  });
});

test("[ENGINE-24] what is not durable can be asked for, before and while it is stored", async () => {
  const { clock, journal } = await setUp();
  const { all, nodes } = entries(3);
  const pending = (): readonly unknown[] => [0, 1, 2, 3].map((position) => journal.pending(position)?.id);
  journal.append(all.slice(0, 2), nodes.slice(0, 2));
  expect(pending()).toEqual([all[0]?.id, all[1]?.id, undefined, undefined]);
  await pass(clock, 5);
  journal.append(all.slice(2), nodes.slice(2));
  expect(pending()).toEqual([...all.map(({ id }) => id), undefined]);
  await pass(clock, 5);
  expect(pending()).toEqual([undefined, undefined, all[2]?.id, undefined]);
  await pass(clock, 20);
  expect(pending()).toEqual([undefined, undefined, undefined, undefined]);
});

test("[ENGINE-24] a part that is on its way is waited for from the moment at which it was taken, and one that is due is written at once", async () => {
  let isDue = true;
  const { clock, journal, log } = await setUp((through) => {
    const due = { part: { number: through, through, void: [], stores: [] }, replaces: 1 };
    const given = isDue ? due : undefined;
    isDue = false;
    return given;
  });
  const { all, nodes } = entries(2);
  journal.append(all.slice(0, 1), nodes.slice(0, 1));
  await pass(clock, 5);
  void journal.checkpointed().then(() => log.push("no part is on its way"));
  await pass(clock, 5);
  await pass(clock, 10);
  expect(log).toEqual(["stored 1", "checkpoint 1", "no part is on its way"]);
  journal.append(all.slice(1), nodes.slice(1));
  await pass(clock, 5);
  isDue = true;
  journal.writeCheckpoint();
  await pass(clock, 5);
  expect([isDue, log.length]).toEqual([true, 4]);
  journal.writeCheckpoint();
  await pass(clock, 10);
  expect([isDue, log.slice(3)]).toEqual([false, ["stored 2", "checkpoint 2"]]);
});
