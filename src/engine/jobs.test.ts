import fc from "fast-check";
import { expect, test } from "vitest";
import { TidemarkError } from "../core/errors.ts";
import { type DatabaseId, entryIdFromDigest, type PublicKey } from "../core/ids.ts";
import { createMemoryStorage } from "../storage/memory.ts";
import { SimulatedClock } from "../testing/clock.ts";
import { SeededRandom } from "../testing/random.ts";
import { keyOf } from "../testing/writers.ts";
import type { RoundProgress } from "./job-progress.ts";
import { isLive, type JobAction, nextState, transitions } from "./job-state.ts";
import { endedJobsMax, Jobs } from "./jobs.ts";
import { LocalStore } from "./local-store.ts";
import type { JobRecord, JobState } from "./records.ts";

const [b, c] = [keyOf(1), keyOf(2)];
const board = databaseOf(1);

function databaseOf(number: number): DatabaseId {
  return entryIdFromDigest(new Uint8Array(32).fill(number));
}

interface Setup {
  readonly jobs: Jobs;
  readonly store: LocalStore;
  readonly clock: SimulatedClock;
  /** What peers were told and asked, in order. */
  readonly said: string[];
  readonly changed: JobRecord[];
  restart(): Jobs;
}

async function setup(): Promise<Setup> {
  const [clock, random] = [new SimulatedClock(), new SeededRandom(1)];
  const failed = (error: unknown): void => expect.fail(String(error));
  const store = await LocalStore.open({ storage: createMemoryStorage(), clock, failed });
  const [said, changed]: [string[], JobRecord[]] = [[], []];
  const start = (): Jobs =>
    new Jobs({
      store,
      clock,
      random,
      settings: () => ({ batchEntries: 1_000, batchBytes: 262_144 }),
      flow: (peer, _database, paused) => void said.push(`${paused ? "hold" : "go"} ${nameOf(peer)}`),
      ask: (_database, peer) => void said.push(`ask ${nameOf(peer)}`),
      changed: (job) => void changed.push(job),
    });
  return { jobs: start(), store, clock, said, changed, restart: start };
}

function nameOf(peer: PublicKey): string {
  return peer === b ? "b" : "c";
}

/** A round of entries of 100 bytes. */
function round(receivedEntries: number, totalEntries: number): RoundProgress {
  return { receivedEntries, totalEntries, receivedBytes: receivedEntries * 100, totalBytes: totalEntries * 100 };
}

function numbers(job: JobRecord | undefined): readonly unknown[] {
  return [job?.state, job?.receivedEntries, job?.totalEntries, job?.batches];
}

function codeOf(call: () => unknown): string {
  try {
    call();
    return "returned";
  } catch (error) {
    return error instanceof TidemarkError ? error.code : String(error);
  }
}

test("[JOB-1] obtaining a database is a job however small; otherwise what is above one batch is, in entries or in bytes", async () => {
  const { jobs } = await setup();
  jobs.connected(b);
  jobs.progressed(b, databaseOf(1), round(0, 3), false);
  jobs.progressed(b, databaseOf(2), round(0, 1_000), true);
  jobs.progressed(b, databaseOf(3), round(0, 1_001), true);
  jobs.progressed(b, databaseOf(4), { ...round(0, 3), totalBytes: 262_144 }, true);
  jobs.progressed(b, databaseOf(5), { ...round(0, 3), totalBytes: 262_145 }, true);
  expect(jobs.all().map(({ type, database, state }) => [type, database, state])).toEqual([
    ["bootstrap", databaseOf(1), "running"],
    ["backfill", databaseOf(3), "running"],
    ["backfill", databaseOf(5), "running"],
  ]);
});

test("[JOB-1] there is one live job per database and peer, and the next once that is over", async () => {
  const { jobs, clock } = await setup();
  for (const peer of [b, c]) {
    jobs.connected(peer);
    for (let i = 0; i < 3; i++) jobs.progressed(peer, board, round(i, 2_000), true);
  }
  expect(jobs.live(board).map(({ peer }) => peer)).toEqual([b, c]);
  jobs.caughtUp(b, board);
  clock.advance(1);
  jobs.progressed(b, board, round(0, 5), true);
  expect(jobs.live().map(({ peer }) => peer)).toEqual([c]);
  jobs.progressed(b, board, round(0, 5_000), true);
  expect(jobs.all(board).map(({ peer, state }) => [peer, state])).toEqual([
    [b, "done"],
    [c, "running"],
    [b, "running"],
  ]);
  expect(jobs.all(databaseOf(9))).toEqual([]);
});

test("[JOB-2] after a restart a job shows what was durable, waits for its peer, and ends as if nothing had happened", async () => {
  const { jobs, restart } = await setup();
  jobs.connected(b);
  jobs.progressed(b, board, round(1_000, 5_000), false);
  jobs.progressed(b, board, round(2_000, 5_000), false);
  jobs.durable(b, board);
  jobs.progressed(b, board, round(3_000, 5_000), false);
  expect(numbers(jobs.all()[0])).toEqual(["running", 3_000, 5_000, 1]);
  const later = restart();
  expect(numbers(later.all()[0])).toEqual(["waiting", 1_000, 5_000, 1]);
  later.connected(b);
  later.progressed(b, board, round(1_000, 4_000), true);
  expect(numbers(later.all()[0])).toEqual(["running", 2_000, 5_000, 1]);
  later.progressed(b, board, round(4_000, 4_000), true);
  later.durable(b, board);
  later.caughtUp(b, board);
  expect(numbers(later.all()[0])).toEqual(["done", 5_000, 5_000, 2]);
  expect(restart().all()).toEqual(later.all());
});

test("[JOB-2] when the last checkpoint was lost in the crash, what the peer need not send again counts as received", async () => {
  const { jobs, store, restart } = await setup();
  jobs.connected(b);
  jobs.progressed(b, board, round(1_000, 5_000), true);
  const before = store.all("job")[0] as JobRecord;
  jobs.durable(b, board);
  store.put("job", before.id, { ...before, totalEntries: 5_000, totalBytes: 500_000 });
  const later = restart();
  later.connected(b);
  later.progressed(b, board, round(0, 4_000), true);
  expect(numbers(later.all()[0])).toEqual(["running", 1_000, 5_000, 0]);
});

test("[JOB-2] a session that ends makes its running jobs wait, with what ended it; the others go on", async () => {
  const { jobs, clock } = await setup();
  for (const peer of [b, c]) {
    jobs.connected(peer);
    jobs.progressed(peer, board, round(1, 2_000), true);
  }
  const error = { code: "CHANNEL_CLOSED", atMs: clock.now() };
  jobs.ended(b, error);
  expect(jobs.all().map(({ state, error: why }) => [state, why])).toEqual([
    ["waiting", error],
    ["running", undefined],
  ]);
  jobs.connected(b);
  expect(jobs.all().map(({ state }) => state)).toEqual(["running", "running"]);
});

test("[JOB-3] a round that grows makes the total grow; entries that were not durable and come again count once", async () => {
  const { jobs } = await setup();
  jobs.connected(b);
  jobs.progressed(b, board, round(1_000, 3_000), true);
  jobs.durable(b, board);
  jobs.progressed(b, board, round(2_000, 3_500), true);
  expect(numbers(jobs.all()[0])).toEqual(["running", 2_000, 3_500, 1]);
  jobs.ended(b);
  jobs.connected(b);
  jobs.progressed(b, board, round(500, 2_500), true);
  expect(numbers(jobs.all()[0])).toEqual(["running", 2_000, 3_500, 1]);
  jobs.progressed(b, board, round(1_500, 2_600), true);
  expect(numbers(jobs.all()[0])).toEqual(["running", 2_500, 3_600, 1]);
});

test("[JOB-3] a session that takes the place of another begins a round of its own, however much comes with it at once", async () => {
  const { jobs } = await setup();
  jobs.connected(b);
  jobs.progressed(b, board, round(100, 5_000), true);
  jobs.durable(b, board);
  jobs.connected(b);
  jobs.progressed(b, board, round(1_000, 4_900), true);
  expect(numbers(jobs.all()[0])).toEqual(["running", 1_100, 5_000, 1]);
});

const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ type: fc.constant("round" as const), received: fc.nat(50), left: fc.nat(50) }) },
  fc.record({
    type: fc.constantFrom("durable" as const, "ended" as const, "connected" as const, "paused" as const),
    received: fc.constant(0),
    left: fc.constant(0),
  }),
);

test("[JOB-3] whatever a peer says, received never goes back nor above the total, and the total never shrinks before the end", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 50, size: "max" }), async (steps) => {
      const { jobs, changed, store } = await setup();
      jobs.connected(b);
      for (const { type, received, left } of steps) {
        if (type === "round") jobs.progressed(b, board, round(Math.min(received, left), left), false);
        if (type === "durable") jobs.durable(b, board);
        if (type === "ended") jobs.ended(b);
        if (type === "connected") jobs.connected(b);
        if (type === "paused") for (const { id } of jobs.live()) codeOf(() => jobs.pause(id));
      }
      for (const [i, job] of changed.entries()) {
        const previous = changed[i - 1] ?? job;
        for (const what of ["Entries", "Bytes"] as const) {
          expect(job[`received${what}`]).toBeLessThanOrEqual(job[`total${what}`]);
          expect(job[`received${what}`]).toBeGreaterThanOrEqual(previous[`received${what}`]);
          expect(job[`total${what}`]).toBeGreaterThanOrEqual(previous[`total${what}`]);
        }
      }
      const [shown, stored] = [jobs.all()[0], store.all("job")[0]];
      expect(stored?.receivedEntries ?? 0).toBeLessThanOrEqual(shown?.receivedEntries ?? 0);
      jobs.caughtUp(b, board);
      const ended = jobs.all()[0];
      expect([ended?.receivedEntries, ended?.receivedBytes]).toEqual([ended?.totalEntries, ended?.totalBytes]);
    }),
  );
});

test("[JOB-4] a paused job makes the peer hold back at once, at every connection, and after a restart, until it is resumed", async () => {
  const { jobs, said, restart } = await setup();
  jobs.connected(b);
  jobs.progressed(b, board, round(1, 2_000), true);
  const { id } = jobs.pause(jobs.all()[0]?.id ?? "");
  expect(said).toEqual(["hold b"]);
  jobs.ended(b);
  jobs.connected(b);
  expect(said).toEqual(["hold b", "hold b"]);
  const later = restart();
  expect(later.all()[0]?.state).toBe("paused");
  later.connected(c);
  later.connected(b);
  expect(said).toEqual(["hold b", "hold b", "hold b"]);
  expect(later.resume(id).state).toBe("running");
  expect(said.slice(3)).toEqual(["go b", "ask b"]);
});

test("[JOB-4] resumed without its peer a job waits, and nobody is told to hold back any more", async () => {
  const { jobs, said } = await setup();
  const { id, state } = jobs.start(board, b, true);
  expect([state, jobs.pause(id).state, jobs.resume(id).state]).toEqual(["waiting", "paused", "waiting"]);
  jobs.connected(b);
  expect([jobs.all()[0]?.state, said]).toEqual(["running", ["ask b", "ask b"]]);
});

test("[JOB-4] after cancelling the peer holds back and what still comes is no job, until one is started", async () => {
  const { jobs, said, restart } = await setup();
  jobs.connected(b);
  jobs.progressed(b, board, round(1, 2_000), true);
  jobs.cancel(jobs.all()[0]?.id ?? "");
  jobs.progressed(b, board, round(2, 2_000), true);
  jobs.durable(b, board);
  expect(jobs.all().map(({ state, batches }) => [state, batches])).toEqual([["cancelled", 0]]);
  const later = restart();
  later.connected(b);
  expect(said).toEqual(["hold b", "hold b"]);
  expect(later.start(board, b, true)).toMatchObject({ type: "backfill", state: "running" });
  expect(said.slice(2)).toEqual(["go b", "ask b"]);
  later.caughtUp(b, board);
  const last = restart();
  last.connected(b);
  expect(said).toHaveLength(4);
  expect(last.all().map(({ state }) => state)).toEqual(["done"]);
});

test("[JOB-4] a job that ends while it is paused lets the peer go on", async () => {
  const { jobs, said, clock } = await setup();
  jobs.connected(b);
  for (const database of [databaseOf(1), databaseOf(2)]) jobs.pause(jobs.start(database, b, true).id);
  said.length = 0;
  jobs.caughtUp(b, databaseOf(1));
  jobs.fail({ database: databaseOf(2) }, { code: "DATABASE_UNKNOWN", atMs: clock.now() });
  expect([said, jobs.all().map(({ state }) => state)]).toEqual([
    ["go b", "go b"],
    ["done", "failed"],
  ]);
});

const ways: Readonly<Record<Exclude<JobAction, "begin" | "interrupt">, (jobs: Jobs, id: string) => unknown>> = {
  finish: (jobs) => jobs.caughtUp(b, board),
  pause: (jobs, id) => jobs.pause(id),
  resume: (jobs, id) => jobs.resume(id),
  cancel: (jobs, id) => jobs.cancel(id),
  fail: (jobs) => jobs.fail({ peer: b }, { code: "PEER_BLOCKED", atMs: 0 }),
};

const roads: Readonly<Record<JobState, (jobs: Jobs, id: string) => unknown>> = {
  waiting: () => {},
  running: (jobs) => jobs.connected(b),
  paused: ways.pause,
  done: ways.finish,
  cancelled: ways.cancel,
  failed: ways.fail,
};

test.each(Object.keys(roads) as JobState[])(
  "[JOB-5] what is asked of a job that is %s happens, or is refused with JOB_STATE",
  async (state) => {
    for (const action of ["pause", "resume", "cancel"] as const) {
      const { jobs } = await setup();
      const { id } = jobs.start(board, b, true);
      roads[state](jobs, id);
      expect(jobs.all()[0]?.state).toBe(state);
      const next = nextState(state, action);
      expect(codeOf(() => ways[action](jobs, id))).toBe(next === undefined ? "JOB_STATE" : "returned");
      expect(jobs.all()[0]?.state).toBe(next ?? state);
    }
  },
);

test("[JOB-5] what is over has no way out, and what is not can always be cancelled; an unknown job is JOB_UNKNOWN", async () => {
  for (const state of Object.keys(transitions) as JobState[])
    expect([state, nextState(state, "cancel")]).toEqual([state, isLive(state) ? "cancelled" : undefined]);
  const { jobs } = await setup();
  const calls = [() => jobs.pause("x"), () => jobs.resume("x"), () => jobs.cancel("x"), () => jobs.rateOf("x")];
  expect(calls.map(codeOf)).toEqual(Array(4).fill("JOB_UNKNOWN"));
});

test("[JOB-5] starting makes a job at once; one that is live is the same, and goes on when it was paused", async () => {
  const { jobs, said } = await setup();
  jobs.connected(b);
  const first = jobs.start(board, b, false);
  expect(first).toMatchObject({ type: "bootstrap", state: "running", totalEntries: 0 });
  expect(jobs.start(board, b, false).id).toBe(first.id);
  jobs.pause(first.id);
  expect(jobs.start(board, b, false)).toMatchObject({ id: first.id, state: "running" });
  expect(said).toEqual(["ask b", "ask b", "hold b", "go b", "ask b"]);
  jobs.caughtUp(b, board);
  expect(numbers(jobs.all()[0])).toEqual(["done", 0, 0, 0]);
});

test("[JOB-6] the last 100 jobs that are over are kept, and those because of which a peer holds back", async () => {
  const { jobs, clock, store, said, restart } = await setup();
  jobs.connected(b);
  jobs.cancel(jobs.start(databaseOf(200), b, true).id);
  for (let i = 0; i < endedJobsMax + 20; i++) {
    clock.advance(1);
    jobs.start(board, b, true);
    jobs.caughtUp(b, board);
  }
  expect(jobs.all()).toHaveLength(endedJobsMax + 1);
  expect([store.all("job").length, jobs.all()[0]?.state]).toEqual([endedJobsMax + 1, "cancelled"]);
  expect(jobs.all().at(-1)?.startedMs).toBe(clock.now());
  said.length = 0;
  restart().connected(b);
  expect(said).toEqual(["hold b"]);
});

test("[JOB-6] nothing is kept of the jobs of a peer or a database that is removed", async () => {
  const { jobs, store, said } = await setup();
  jobs.cancel(jobs.start(board, b, true).id);
  jobs.start(board, c, true);
  jobs.start(databaseOf(2), b, true);
  jobs.forget({ peer: b });
  expect([jobs.all().map(({ peer }) => peer), store.all("job").length]).toEqual([[c], 1]);
  said.length = 0;
  jobs.connected(b);
  jobs.forget({ database: board });
  expect([said, jobs.all(), store.all("job").length]).toEqual([[], [], 0]);
});

test("[JOB-7] the rate is that of the last five seconds, and nothing while the job does not run", async () => {
  const { jobs, clock } = await setup();
  jobs.connected(b);
  const { id } = jobs.start(board, b, true);
  jobs.progressed(b, board, round(0, 100_000), true);
  for (let i = 1; i <= 100; i++) {
    clock.advance(100);
    jobs.progressed(b, board, round(10 * i, 100_000), true);
  }
  expect(jobs.rateOf(id)).toEqual({ entriesPerSecond: 100, bytesPerSecond: 10_000 });
  clock.advance(2_500);
  expect(jobs.rateOf(id)).toEqual({ entriesPerSecond: 50, bytesPerSecond: 5_000 });
  jobs.pause(id);
  expect(jobs.rateOf(id)).toEqual({ entriesPerSecond: 0, bytesPerSecond: 0 });
  jobs.resume(id);
  expect(jobs.rateOf(id).entriesPerSecond).toBe(0);
  jobs.progressed(b, board, round(1_100, 100_000), true);
  expect(jobs.rateOf(id).entriesPerSecond).toBe(100);
});
