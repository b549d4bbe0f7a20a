/**
 * Initial syncs and backfills as things that can be seen, paused and cancelled: what a lot of missing entries becomes.
 *
 * [JOB-1] Obtaining a database we hold nothing of is a job, and so is every round whose total is above one batch; there is one live job per database and
 *         peer.
 * [JOB-2] A job is remembered after every durable batch. After a restart one that ran waits for its peer, a paused one stays paused.
 * [JOB-4] While a job is paused, and after it was cancelled until one is started, the peer is told to hold back, at every connection anew.
 * [JOB-5] A job goes from state to state as job-state.ts says and in no other way.
 * [JOB-6] The last 100 jobs that are done or failed are kept; a cancelled one gives way to the next of its database and peer.
 * [JOB-7] The rate is that of the last five seconds, and nothing while the job does not run.
 *
 * Deliberately not here: which entries are missing, and getting them (core/protocol). A job that is lost costs nothing but its numbers.
 */
import { TidemarkError } from "../core/errors.ts";
import { type DatabaseId, encodeHex, type PublicKey } from "../core/ids.ts";
import type { Clock } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";
import { JobProgress, type RoundProgress } from "./job-progress.ts";
import { isLive, type JobAction, nextState, requireNextState } from "./job-state.ts";
import type { LocalStore } from "./local-store.ts";
import { Rate, type TransferRate } from "./rate.ts";
import type { ErrorNote, JobRecord } from "./records.ts";
import type { SyncSettings } from "./settings.ts";

export interface JobsOptions {
  readonly store: LocalStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly settings: () => Pick<SyncSettings, "batchEntries" | "batchBytes">;
  /** Tells a connected peer to hold back with a database, or to go on. */
  readonly flow: (peer: PublicKey, database: DatabaseId, paused: boolean) => void;
  /** Compares with a peer now, after connecting to it if it is not there. */
  readonly ask: (database: DatabaseId, peer: PublicKey) => void;
  /** `isNewState`: else only its numbers. */
  readonly changed: (job: JobRecord, isNewState: boolean) => void;
}

/** Which jobs: of a peer, of a database, or of both. */
export interface JobScope {
  readonly peer?: PublicKey;
  readonly database?: DatabaseId;
}

export const endedJobsMax = 100;

interface Job {
  record: JobRecord;
  readonly progress: JobProgress;
  readonly rate: Rate;
}

export class Jobs {
  readonly #options: JobsOptions;
  /** Live ones, by peer and database. */
  readonly #live = new Map<string, Job>();
  /** In the order in which they ended. */
  #ended: readonly JobRecord[];
  readonly #connected = new Set<PublicKey>();

  constructor(options: JobsOptions) {
    this.#options = options;
    const records = [...options.store.all("job")].sort((a, b) => a.startedMs - b.startedMs);
    for (const record of records)
      if (isLive(record.state)) this.#adopt({ ...record, state: nextState(record.state, "interrupt") ?? record.state });
    const ended = records.filter(({ state }) => !isLive(state));
    this.#ended = ended.sort((a, b) => (a.endedMs ?? 0) - (b.endedMs ?? 0));
  }

  /** Entries of a round came, or more were announced. `hasRoot`: the database had arrived before. */
  progressed(peer: PublicKey, database: DatabaseId, round: RoundProgress, hasRoot: boolean): void {
    const pair = pairOf({ peer, database });
    if (!this.#live.has(pair)) {
      if (this.#cancelled({ peer, database }).length > 0 || (hasRoot && !this.#isLarge(round))) return;
      this.#create(peer, database, hasRoot);
    }
    const job = this.#live.get(pair) as Job;
    const gain = job.progress.advance(round);
    job.rate.add(gain.entries, gain.bytes);
    this.#show(job);
  }

  /** One more batch is durable: a restart goes on from here. */
  durable(peer: PublicKey, database: DatabaseId): void {
    const job = this.#live.get(pairOf({ peer, database }));
    if (job === undefined) return;
    job.progress.store();
    job.record = { ...job.record, batches: job.record.batches + 1 };
    this.#put(job);
    this.#show(job);
  }

  /** Whether the peer is to hold back with the database. */
  holdsBack(peer: PublicKey, database: DatabaseId): boolean {
    const scope = { peer, database };
    return this.#of(scope).some(({ record }) => isHeldBack(record.state)) || this.#cancelled(scope).length > 0;
  }

  /** Nothing that the peer has is missing here any more. */
  caughtUp(peer: PublicKey, database: DatabaseId): void {
    const job = this.#live.get(pairOf({ peer, database }));
    if (job === undefined) return;
    job.progress.finish();
    this.#step(job, "finish");
  }

  /** A session with the peer begins, perhaps in place of another one. */
  connected(peer: PublicKey): void {
    this.#connected.add(peer);
    for (const job of this.#of({ peer })) {
      job.progress.endRound();
      if (job.record.state === "waiting") this.#step(job, "begin");
      if (job.record.state === "paused") this.#options.flow(peer, job.record.database, true);
    }
    for (const { database } of this.#cancelled({ peer })) this.#options.flow(peer, database, true);
  }

  /** The session with the peer ended, with `error` if because of one: its running jobs wait for the next. */
  ended(peer: PublicKey, error?: ErrorNote): void {
    this.#connected.delete(peer);
    for (const job of this.#of({ peer })) if (job.record.state === "running") this.#step(job, "interrupt", error);
  }

  /** Trying again does not help: the peer was blocked, the relation taken away, the database is gone. */
  fail(scope: JobScope, error: ErrorNote): void {
    for (const job of this.#of(scope)) this.#step(job, "fail", error);
  }

  /** Nothing is remembered any more of the jobs of a peer or database that is removed. */
  forget(scope: JobScope): void {
    for (const { record } of this.#of(scope)) {
      this.#live.delete(pairOf(record));
      this.#options.store.delete("job", record.id);
    }
    this.#drop(this.#ended.filter((record) => isWithin(record, scope)));
  }

  /** Asks a peer for everything that is missing. One that is live already goes on, also when it was paused. */
  start(database: DatabaseId, peer: PublicKey, hasRoot: boolean): JobRecord {
    const known = this.#live.get(pairOf({ peer, database }));
    if (known?.record.state === "paused") return this.resume(known.record.id);
    const job = known ?? this.#create(peer, database, hasRoot);
    this.#options.ask(database, peer);
    return job.record;
  }

  /** Fails with JOB_UNKNOWN, or with JOB_STATE for one that is paused or over. */
  pause(id: string): JobRecord {
    return this.#command(id, "pause").record;
  }

  /** Fails with JOB_UNKNOWN, or with JOB_STATE for one that is not paused. */
  resume(id: string): JobRecord {
    const job = this.#command(id, "resume");
    if (this.#connected.has(job.record.peer)) this.#step(job, "begin");
    this.#options.ask(job.record.database, job.record.peer);
    return job.record;
  }

  /** What came stays; the peer holds back with this database until a job is started. Fails with JOB_UNKNOWN, or with JOB_STATE for one that is over. */
  cancel(id: string): JobRecord {
    return this.#command(id, "cancel").record;
  }

  /** Live and ended ones, in the order in which they were started. */
  all(database?: DatabaseId): readonly JobRecord[] {
    return [...this.#ended, ...this.live(database)]
      .filter((record) => database === undefined || record.database === database)
      .sort((a, b) => a.startedMs - b.startedMs);
  }

  live(database?: DatabaseId): readonly JobRecord[] {
    return this.#of(database === undefined ? {} : { database }).map(({ record }) => record);
  }

  /** Cancelled, and none of their database and peer was started since: each makes its peer hold back. */
  cancelled(database: DatabaseId): readonly JobRecord[] {
    return this.#cancelled({ database });
  }

  /** Over the last five seconds; nothing while it does not run. Fails with JOB_UNKNOWN. */
  rateOf(id: string): TransferRate {
    const { record, rate } = this.#find(id);
    const isRunning = record.state === "running" && rate !== undefined;
    return isRunning ? rate.read() : { entriesPerSecond: 0, bytesPerSecond: 0 };
  }

  #isLarge({ totalEntries, totalBytes }: RoundProgress): boolean {
    const { batchEntries, batchBytes } = this.#options.settings();
    return totalEntries > batchEntries || totalBytes > batchBytes;
  }

  #create(peer: PublicKey, database: DatabaseId, hasRoot: boolean): Job {
    const { clock, random } = this.#options;
    const isConnected = this.#connected.has(peer);
    const job = this.#adopt({
      id: encodeHex(random.bytes(8)),
      type: hasRoot ? "backfill" : "bootstrap",
      database,
      peer,
      state: isConnected ? "running" : "waiting",
      startedMs: clock.now(),
      endedMs: undefined,
      receivedEntries: 0,
      receivedBytes: 0,
      totalEntries: 0,
      totalBytes: 0,
      batches: 0,
      error: undefined,
    });
    this.#put(job);
    const replaced = this.#cancelled({ peer, database });
    this.#drop(replaced);
    if (replaced.length > 0 && isConnected) this.#options.flow(peer, database, false);
    this.#options.changed(job.record, true);
    return job;
  }

  #adopt(record: JobRecord): Job {
    const job = { record, progress: new JobProgress(record), rate: new Rate(this.#options.clock) };
    this.#live.set(pairOf(record), job);
    return job;
  }

  #command(id: string, action: JobAction): Job {
    const found = this.#find(id);
    requireNextState(id, found.record.state, action);
    const job = this.#live.get(pairOf(found.record)) as Job;
    this.#step(job, action);
    return job;
  }

  /** Throws JOB_UNKNOWN. */
  #find(id: string): { readonly record: JobRecord; readonly rate?: Rate } {
    const job = [...this.#live.values()].find(({ record }) => record.id === id);
    const record = job?.record ?? this.#ended.find((each) => each.id === id);
    if (record === undefined) throw new TidemarkError("JOB_UNKNOWN", { job: id });
    return job ?? { record };
  }

  /** Takes a way that is there, remembers it, and tells the peer whether to hold back when that differs now. */
  #step(job: Job, action: JobAction, error?: ErrorNote): void {
    const before = job.record.state;
    const state = requireNextState(job.record.id, before, action);
    const endedMs = isLive(state) ? undefined : this.#options.clock.now();
    job.record = {
      ...job.record,
      state,
      endedMs,
      error: action === "finish" ? undefined : (error ?? job.record.error),
    };
    if (state === "running") job.rate.restart();
    this.#put(job);
    if (endedMs !== undefined) this.#end(job);
    const { peer, database } = job.record;
    if (isHeldBack(before) !== isHeldBack(state) && this.#connected.has(peer))
      this.#options.flow(peer, database, isHeldBack(state));
    this.#show(job, true);
  }

  #end(job: Job): void {
    job.record = { ...job.record, ...job.progress.shown() };
    this.#live.delete(pairOf(job.record));
    this.#ended = [...this.#ended, job.record];
    const free = this.#ended.filter(({ state }) => state !== "cancelled");
    this.#drop(free.slice(0, Math.max(0, free.length - endedJobsMax)));
  }

  #drop(ended: readonly JobRecord[]): void {
    for (const { id } of ended) this.#options.store.delete("job", id);
    this.#ended = this.#ended.filter((record) => !ended.includes(record));
  }

  /** Each makes its peer hold back. */
  #cancelled(scope: JobScope): readonly JobRecord[] {
    return this.#ended.filter((record) => record.state === "cancelled" && isWithin(record, scope));
  }

  #put(job: Job): void {
    this.#options.store.put("job", job.record.id, { ...job.record, ...job.progress.stored() });
  }

  #show(job: Job, isNewState = false): void {
    job.record = { ...job.record, ...job.progress.shown() };
    this.#options.changed(job.record, isNewState);
  }

  #of(scope: JobScope): readonly Job[] {
    return [...this.#live.values()].filter(({ record }) => isWithin(record, scope));
  }
}

function isHeldBack(state: JobRecord["state"]): boolean {
  return state === "paused" || state === "cancelled";
}

function isWithin(record: JobRecord, { peer, database }: JobScope): boolean {
  return (peer === undefined || record.peer === peer) && (database === undefined || record.database === database);
}

function pairOf({ peer, database }: { readonly peer: PublicKey; readonly database: DatabaseId }): string {
  return `${database}/${peer}`;
}
