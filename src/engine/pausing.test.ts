/** A job that is paused wherever it can be, while this and that happens: resumed it goes on, and what is shown of it never goes back. */
import { expect, test } from "vitest";
import type { DatabaseId } from "../core/ids.ts";
import { Cluster, type RestartOptions } from "../testing/cluster.ts";
import type { Device } from "../testing/device.ts";
import type { JobInfo } from "./sync-info.ts";

const never: AbortSignal = new AbortController().signal;
/** More than may be under way at once, in batches of one. */
const entries = 8;
/** Who lost a peer tries again within seconds. */
const soonMs = 20_000;

/** What happens between pause and resume. */
const meanwhiles: readonly ((pair: Pair) => Promise<unknown>)[] = [
  // The pause is neither durable nor known to the peer.
  async () => {},
  (pair) => pair.cluster.pass(pair.cluster.random.int(100)),
  (pair) => pair.cluster.pass(3_000),
  (pair) => pair.write(1),
  (pair) => pair.lose(),
  (pair) => pair.restart(),
];

/** Somebody who goes on writing while the other is away. */
class Pair {
  readonly cluster: Cluster = new Cluster(1);
  readonly #options: RestartOptions = {
    ports: (ports) => ({ ...ports, settings: { batchEntries: 1 } }),
    writeMs: () => this.cluster.random.int(30),
  };
  #ann!: Device;
  #ben!: Device;
  #id!: DatabaseId;
  #rows = 0;
  #shown: JobInfo | undefined;

  static async open(): Promise<Pair> {
    const pair = new Pair();
    const { id, devices } = await pair.cluster.addGroup(2, pair.#options);
    [pair.#id, pair.#ann, pair.#ben] = [id, ...(devices as [Device, Device])];
    await pair.#converge();
    pair.cluster.afterStep = () => pair.#look();
    return pair;
  }

  /** Undefined when everything came before so many things had happened. */
  async beginJob(pausedAt: number): Promise<JobInfo | undefined> {
    this.#ben.instance.setOnline(false);
    await this.write(entries);
    this.#ben.instance.setOnline(true);
    let left = pausedAt;
    const isThen = (): boolean => (this.#job === undefined ? this.#hasAll : left-- === 0);
    await this.cluster.until(isThen, soonMs);
    return this.#job;
  }

  async write(count: number): Promise<void> {
    const one = (): Promise<void> => this.#ann.write(this.#id, `r${this.#rows++}`, {});
    await this.cluster.settle(Promise.all(Array.from({ length: count }, one)));
  }

  async lose(): Promise<void> {
    this.cluster.network.drop(this.#ann.key, this.#ben.key);
    await this.cluster.pass(this.cluster.random.int(4_000));
  }

  async restart(): Promise<void> {
    this.#ben = await this.cluster.restart(this.#ben, this.#options);
    await this.cluster.pass(this.cluster.random.int(4_000));
  }

  /** The answer may be lost in a restart, or be that it is over: only what becomes of the job counts. */
  async steer(command: "pauseJob" | "resumeJob", job: string): Promise<void> {
    await this.#ben.instance.sync.execute(command, { job }, never).catch(() => {});
  }

  /** Resolves when it is over, with what became of it. */
  async ended(job: string): Promise<JobInfo | undefined> {
    await this.#converge();
    await this.cluster.until(() => this.#job === undefined, soonMs);
    const all = await this.#ben.instance.sync.execute("jobs", { database: this.#id }, never);
    return all.find(({ id }) => id === job);
  }

  get #job(): JobInfo | undefined {
    return this.#ben.instance.status(this.#id).jobs[0];
  }

  get #hasAll(): boolean {
    return this.#ben.rows(this.#id).size === this.#rows;
  }

  #converge(): Promise<void> {
    return this.cluster.converge(this.#id, [this.#ann, this.#ben], soonMs);
  }

  #look(): void {
    const job = this.#ben.instance.find(this.#id) === undefined ? undefined : this.#job;
    const before = job !== undefined && job.id === this.#shown?.id ? this.#shown : undefined;
    this.#shown = job;
    for (const what of ["receivedEntries", "receivedBytes", "totalEntries", "totalBytes"] as const)
      expect(job?.[what] ?? 0).toBeGreaterThanOrEqual(before?.[what] ?? 0);
  }
}

test("[JOB-8] paused at any moment, and resumed at once or after something happened, a job ends with all that is missing", async () => {
  const pair = await Pair.open();
  for (let at = 0; ; at++) {
    const job = await pair.beginJob(at);
    if (job === undefined) {
      expect(at).toBeGreaterThan(entries);
      return;
    }
    const paused = pair.steer("pauseJob", job.id);
    await meanwhiles[at % meanwhiles.length]?.(pair);
    const resumed = pair.steer("resumeJob", job.id);
    await pair.cluster.settle(Promise.all([paused, resumed]));
    expect((await pair.ended(job.id))?.state).toBe("done");
  }
});
