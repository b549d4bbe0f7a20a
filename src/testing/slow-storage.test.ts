import { expect, test } from "vitest";
import { TidemarkError } from "../core/errors.ts";
import { createMemoryStorage, MemoryDisk } from "../storage/memory.ts";
import { SimulatedClock } from "./clock.ts";
import { SeededRandom } from "./random.ts";
import { type PowerLoss, SlowStorage } from "./slow-storage.ts";
import { StoredEntries } from "./stored-entries.ts";
import { turn } from "./turn.ts";

class Bench {
  readonly clock = new SimulatedClock();
  readonly disk = new MemoryDisk();
  readonly entries = new StoredEntries(new SeededRandom(1));
  readonly storage = new SlowStorage(createMemoryStorage(this.disk), {
    clock: this.clock,
    writeMs: () => 10,
    disk: this.disk,
  });
  readonly #outcomes: string[] = [];

  get database(): StoredEntries["database"] {
    return this.entries.database;
  }

  commit(position: number): void {
    const { database } = this;
    this.#note(`commit ${position}`, this.storage.commit({ database, position, entries: this.entries.take(1) }));
  }

  record(value: number): void {
    this.#note(`record ${value}`, this.storage.putRecords([{ kind: "peer", key: "k", value }]));
  }

  checkpoint(number: number): void {
    const part = { number, through: 1, void: [], stores: [] };
    this.#note(`checkpoint ${number}`, this.storage.putCheckpoint(this.database, part, number));
  }

  async open(): Promise<void> {
    const { database: id } = this;
    this.#note("record", this.storage.putDatabase({ id, name: "", relays: [] }));
    await this.pass(10);
  }

  /** What was settled meanwhile. */
  async pass(ms: number): Promise<readonly string[]> {
    await turn();
    for (let i = 0; i < ms; i++) {
      this.clock.advance(1);
      await turn();
    }
    return this.#outcomes.splice(0);
  }

  async crash(loss: PowerLoss): Promise<readonly string[]> {
    this.storage.crash(loss);
    await turn();
    return this.#outcomes.splice(0);
  }

  /** Entries, number of the last checkpoint, and the record. */
  get kept(): readonly unknown[] {
    const stored = this.disk.databases.get(this.database);
    return [stored?.index.length, stored?.checkpoints.at(-1)?.number, this.disk.records.get("peer")?.get("k")];
  }

  #note(what: string, call: Promise<void>): void {
    call.then(
      () => this.#outcomes.push(`${what} done`),
      (error: unknown) => this.#outcomes.push(`${what} ${error instanceof TidemarkError ? error.code : error}`),
    );
  }
}

test("[SIMULATION-14] a crash keeps what was done, and of the rest the first so many, of which nobody hears", async () => {
  for (const finishes of [0, 1, 2, 5]) {
    const bench = new Bench();
    await bench.open();
    for (let i = 0; i < 4; i++) bench.commit(i);
    expect(await bench.pass(10)).toEqual(["commit 0 done"]);
    const lost = [1, 2, 3].map((i) => `commit ${i} STORAGE_CLOSED`);
    expect(await bench.crash({ finishes })).toEqual(lost);
    expect(bench.kept[0]).toBe(1 + Math.min(3, finishes));
    expect(bench.storage.leftovers.finished).toBe(Math.min(3, finishes));
  }
});

test("[SIMULATION-14] a crash takes back the last checkpoints and records, and none that entries came after", async () => {
  const bench = new Bench();
  await bench.open();
  bench.commit(0);
  bench.checkpoint(1);
  bench.record(1);
  bench.commit(1);
  bench.checkpoint(2);
  bench.record(2);
  expect(await bench.pass(60)).toHaveLength(6);
  expect(bench.kept).toEqual([2, 2, 2]);
  await bench.crash({ losesRelaxed: 9 });
  expect(bench.kept).toEqual([2, 1, 1]);
  expect(bench.storage.leftovers.lost).toBe(2);
});

test("[SIMULATION-14] a full disk refuses what is written until there is room, and keeps what it has", async () => {
  const bench = new Bench();
  await bench.open();
  bench.storage.fail(new TidemarkError("STORAGE_QUOTA", { reason: "full" }));
  bench.commit(0);
  bench.record(1);
  expect(await bench.pass(20)).toEqual(["commit 0 STORAGE_QUOTA", "record 1 STORAGE_QUOTA"]);
  bench.storage.work();
  bench.commit(0);
  expect(await bench.pass(10)).toEqual(["commit 0 done"]);
  expect(bench.kept).toEqual([1, undefined, undefined]);
});
