/** Folding anew on a log whose owner says what counts: the rule itself is in core/authority. */
import { sha256 } from "@noble/hashes/sha2.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TidemarkError } from "../core/errors.ts";
import type { Node } from "../core/graph.ts";
import type { OpenedParts } from "../core/opened.ts";
import type { DatabaseState } from "../core/store/state.ts";
import type { CheckpointPart, Storage } from "../ports/storage.ts";
import { createMemoryStorage, MemoryDisk } from "../storage/memory.ts";
import { SeededRandom } from "../testing/random.ts";
import { newState } from "../testing/states.ts";
import { turn } from "../testing/turn.ts";
import { keyOf, rowParts, sealRoot, startMs, Writer } from "../testing/writers.ts";
import { Checkpoints, tailMax } from "./checkpoints.ts";
import { agreeingParts, type FoldedLog, foldRange, mergeEntry, restoreParts, voidBetween } from "./folding.ts";
import { storedEntry } from "./journal.ts";
import { type Refolded, Refolding, type RefoldingOptions } from "./refolding.ts";
import { Unopened } from "./unopened.ts";

const noParts: OpenedParts = new Map();
const root = sealRoot(keyOf(0), sha256, rowParts("root"));

/** A log in which the test decides what is void, what is stored, and when a read is done. */
class Log implements FoldedLog {
  readonly sha256 = sha256;
  readonly database = root.id;
  /** Nothing is encrypted. */
  readonly encryption = { open: async () => noParts, openParts: async (parts: readonly CheckpointPart[]) => parts };
  readonly voids = new Set<number>();
  readonly storage: Storage;
  readonly writer = new Writer(keyOf(0), root.id, sha256);
  readonly reads: (readonly [from: number, to: number])[] = [];
  stored = 0;
  /** Before anything is read. */
  beforeRead: () => Promise<void> = async () => {};
  readonly graph = {
    counts: ({ position }: Node) => !this.voids.has(position),
    at: (position: number) => this.writer.replica.graph.at(position),
    size: 0,
    voidCount: 0,
  };

  constructor() {
    const storage = createMemoryStorage(new MemoryDisk());
    const { read } = storage;
    storage.read = async (database, from, to) => {
      this.reads.push([from, to]);
      await this.beforeRead();
      return await read.call(storage, database, from, to);
    };
    this.storage = storage;
    Object.defineProperty(this.graph, "size", { get: () => this.writer.entries.length });
    Object.defineProperty(this.graph, "voidCount", { get: () => this.voids.size });
    this.writer.receive([root]);
  }

  static async create(entries: number): Promise<Log> {
    const log = new Log();
    await log.storage.putDatabase({ id: root.id, name: "", relays: [] });
    log.write(entries - 1);
    await log.store();
    return log;
  }

  write(count: number): void {
    for (let i = 0; i < count; i++) this.writer.write(rowParts(`r${this.graph.size}`), startMs);
  }

  async store(): Promise<void> {
    const entries = this.writer.entries.slice(this.stored).map((entry) => storedEntry(entry, false));
    await this.storage.commit({ database: root.id, position: this.stored, entries });
    this.stored += entries.length;
  }

  /** What the state has to be. */
  state(): DatabaseState {
    const target = { state: newState(), unopened: new Unopened() };
    for (const [position, entry] of this.writer.entries.entries())
      if (!this.voids.has(position)) mergeEntry(target, { position, entry }, noParts);
    return target.state;
  }

  /** As the engine takes it, though it be much too early. */
  async checkpoint(through: number): Promise<void> {
    const parts = await this.storage.checkpoints(root.id);
    const target = restoreParts(parts, this);
    await foldRange(this, target, parts.at(-1)?.through ?? 0, through, false);
    const number = (parts.at(-1)?.number ?? 0) + 1;
    const left = voidBetween(this.graph, parts.at(-1)?.through ?? 0, through);
    const stores = target.state.checkpoint(number - 1, number);
    await this.storage.putCheckpoint(root.id, { number, through, void: left, stores }, number);
    this.reads.length = 0;
  }

  refolding(told: Partial<Pick<RefoldingOptions, "checkpointed" | "done" | "failed">>, keeps = 0): Refolding {
    return new Refolding({
      storage: this.storage,
      sha256,
      database: root.id,
      graph: this.graph,
      encryption: this.encryption,
      stored: () => this.stored,
      checkpointed: async () => {},
      recall: (position) => (position >= this.stored - keeps ? this.writer.entries[position] : undefined),
      mayLack: false,
      done: () => {},
      failed: () => {},
      ...told,
    });
  }
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 10_000 && !condition(); i++) await turn();
  expect(condition()).toBe(true);
}

describe("[ENGINE-23] a checkpoint part", () => {
  test("is used only if it and every one before it left out exactly what is void now", async () => {
    const log = await Log.create(100);
    const { graph } = log;
    const part = (number: number, through: number, left: readonly number[]): CheckpointPart => {
      return { number, through, void: left, stores: [] };
    };
    const parts = [part(1, 10, []), part(2, 40, [20, 30]), part(5, 90, [])];
    const used = (...voids: readonly number[]): readonly number[] => {
      log.voids.clear();
      for (const each of voids) log.voids.add(each);
      return agreeingParts(parts, graph).map(({ number }) => number);
    };
    expect([used(), used(20, 30), used(20), used(20, 30, 95)]).toEqual([[1], [1, 2, 5], [1], [1, 2, 5]]);
    expect([used(5, 20, 30), used(20, 30, 40), used(20, 30, 89), used(10, 20, 30)]).toEqual([[], [1, 2], [1, 2], [1]]);
    expect(agreeingParts([part(1, 101, [20, 30])], graph)).toEqual([]);
  });

  test("names what it leaves out since the part that is kept before it, however many it replaces", async () => {
    const log = await Log.create(4);
    const [state, unopened] = [log.state(), new Unopened()];
    const checkpoints = new Checkpoints([], state);
    const asked: (readonly number[])[] = [];
    const left = (from: number, to: number): readonly number[] => {
      asked.push([from, to]);
      return [from];
    };
    const first = checkpoints.take(state, tailMax, false, left);
    // Nothing changed since: the first one stays.
    const second = checkpoints.take(state, 2 * tailMax, false, left);
    expect([first?.part.void, second?.part.void]).toEqual([[0], [tailMax]]);
    log.write(4);
    for (const entry of log.writer.entries.slice(4)) mergeEntry({ state, unopened }, { position: 4, entry }, noParts);
    const third = checkpoints.take(state, 3 * tailMax, false, left);
    expect([third?.replaces, third?.part.void]).toEqual([1, [0]]);
    expect(asked).toEqual([
      [0, tailMax],
      [tailMax, 2 * tailMax],
      [0, 3 * tailMax],
    ]);
  });

  test("that does not agree is replaced by the next one, whatever its number", async () => {
    const log = await Log.create(30);
    for (const through of [10, 20, 30]) await log.checkpoint(through);
    log.voids.add(15);
    const parts = agreeingParts(await log.storage.checkpoints(root.id), log.graph);
    const { state, unopened } = restoreParts(parts, log);
    await foldRange(log, { state, unopened }, 10, 30, false);
    const due = new Checkpoints(parts, state, 3).take(state, 30 + tailMax, false, () => []);
    expect([due?.part.number, due?.replaces]).toEqual([4, 1]);
  });
});

describe("[ENGINE-24] after a recount", () => {
  test("folding begins at the newest checkpoint that agrees, and reads at most 1,000 entries at a time", async () => {
    const log = await Log.create(4_000);
    for (const through of [500, 1_500, 3_000]) await log.checkpoint(through);
    log.voids.add(2_000);
    const done: Refolded[] = [];
    log.refolding({ done: (each) => done.push(each) }).begin();
    await until(() => done.length > 0);
    expect(log.reads).toEqual([
      [1_500, 2_500],
      [2_500, 3_500],
      [3_500, 4_000],
    ]);
    expect(done[0]?.entries).toBe(2_499);
    // Storage may still have the part that does not agree: the next one comes after it.
    expect(done[0]?.checkpoints.take(newState(), 4_000 + tailMax, false, () => [])?.part.number).toBe(4);
    expect(done[0]?.state.encode()).toEqual(log.state().encode());
    log.voids.clear();
    log.reads.length = 0;
    log.refolding({ done: (each) => done.push(each) }).begin();
    await until(() => done.length > 1);
    // The last part is right again.
    expect([log.reads, done[1]?.entries]).toEqual([[[3_000, 4_000]], 1_000]);
    expect(done[1]?.state.encode()).toEqual(log.state().encode());
  });

  test("a stretch of void entries is not read", async () => {
    const log = await Log.create(3_000);
    for (let position = 500; position < 2_500; position++) log.voids.add(position);
    const done: Refolded[] = [];
    log.refolding({ done: (each) => done.push(each) }).begin();
    await until(() => done.length > 0);
    expect(log.reads).toEqual([
      [0, 1_000],
      [2_000, 3_000],
    ]);
    expect(done[0]?.state.encode()).toEqual(log.state().encode());
  });

  test("a recount meanwhile begins it again, also in the very turn in which it was done", async () => {
    const log = await Log.create(2_500);
    const done: Refolded[] = [];
    const refolding = log.refolding({ done: (each) => done.push(each) });
    log.beforeRead = async () => {
      if (log.reads.length !== 2) return;
      log.voids.add(7);
      refolding.begin();
    };
    log.voids.add(3);
    refolding.begin();
    await until(() => done.length > 0);
    expect([done.length, log.reads.length]).toEqual([1, 5]);
    expect(done[0]?.state.encode()).toEqual(log.state().encode());
    const other: Refolding = log.refolding({
      done: (each) => {
        done.push(each);
        if (done.length > 2) return;
        log.voids.add(9);
        other.begin();
      },
    });
    other.begin();
    await until(() => done.length > 2);
    expect(done[2]?.state.encode()).toEqual(log.state().encode());
  });

  test("a damaged part costs folding from the start, and nothing else", async () => {
    const log = await Log.create(300);
    await log.checkpoint(200);
    const [part] = await log.storage.checkpoints(root.id);
    const stores = part?.stores.map((store) => ({ ...store, bytes: Uint8Array.of(1, 2, 3) })) ?? [];
    if (part !== undefined) await log.storage.putCheckpoint(root.id, { ...part, stores }, 1);
    const done: Refolded[] = [];
    log.refolding({ done: (each) => done.push(each) }).begin();
    await until(() => done.length > 0);
    expect(done[0]?.entries).toBe(300);
    expect(done[0]?.state.encode()).toEqual(log.state().encode());
  });

  test("nothing is read while a checkpoint is on its way to storage", async () => {
    const log = await Log.create(10);
    const done: Refolded[] = [];
    let [asked, go] = [0, (): void => {}];
    const { checkpoints } = log.storage;
    log.storage.checkpoints = (database) => {
      asked += 1;
      return checkpoints.call(log.storage, database);
    };
    const checkpointed = (): Promise<void> => new Promise((resolve) => (go = resolve));
    log.refolding({ checkpointed, done: (each) => done.push(each) }).begin();
    for (let i = 0; i < 5; i++) await turn();
    expect([asked, done.length]).toEqual([0, 0]);
    go();
    await until(() => done.length > 0);
    expect(asked).toBe(1);
  });

  test("nothing is told once it is stopped, which waits for what is being read", async () => {
    const log = await Log.create(3_000);
    const [done, failed]: [Refolded[], unknown[]] = [[], []];
    const refolding = log.refolding({ done: (each) => done.push(each), failed: (error) => failed.push(error) });
    let [isReading, go] = [false, (): void => {}];
    log.beforeRead = () => {
      isReading = true;
      return new Promise((resolve) => (go = resolve));
    };
    refolding.begin();
    await until(() => isReading);
    let isStopped = false;
    void refolding.stop().then(() => (isStopped = true));
    for (let i = 0; i < 5; i++) await turn();
    expect(isStopped).toBe(false);
    go();
    await until(() => isStopped);
    refolding.begin();
    for (let i = 0; i < 5; i++) await turn();
    expect([done, failed, log.reads.length]).toEqual([[], [], 1]);
  });

  test("a storage that fails is told once", async () => {
    const log = await Log.create(3_000);
    const [done, failed]: [Refolded[], unknown[]] = [[], []];
    const error = new TidemarkError("STORAGE_UNAVAILABLE", { reason: "gone" });
    log.beforeRead = () => Promise.reject(error);
    log.refolding({ done: (each) => done.push(each), failed: (error) => failed.push(error) }).begin();
    await until(() => failed.length > 0);
    expect([done, failed]).toEqual([[], [error]]);
  });

  test("whatever is written, stored and recounted meanwhile, the state is that of what counts in the turn in which it is told", async () => {
    let [begun, chased] = [0, 0];
    await fc.assert(
      fc.asyncProperty(fc.integer(), fc.nat(300), async (seed, keeps) => {
        const random = new SeededRandom(seed);
        const log = await Log.create(1_500);
        for (const through of [400, 900].filter(() => random.int(2) === 0)) await log.checkpoint(through);
        let isRight = true;
        const done = ({ state }: Refolded): void => {
          isRight &&= sha256(state.encode()).join() === sha256(log.state().encode()).join();
          told += 1;
        };
        let told = 0;
        const refolding = log.refolding({ done }, keeps);
        log.beforeRead = async () => {
          if (random.int(3) > 0) log.write(random.int(300));
          if (random.int(3) > 0) await log.store();
          if (random.int(4) === 0 && log.graph.size < 4_000) {
            log.voids.add(random.int(log.graph.size));
            log.voids.add(log.graph.size - 1 - random.int(100));
            refolding.begin();
            begun += 1;
          }
          if (log.graph.size > 4_000) await log.store();
        };
        log.voids.add(random.int(1_500));
        refolding.begin();
        await until(() => told > 0);
        await refolding.stop();
        chased += log.graph.size > 1_500 ? 1 : 0;
        expect(isRight).toBe(true);
      }),
      { numRuns: 25 },
    );
    expect([begun > 5, chased > 5]).toEqual([true, true]);
  });
});
