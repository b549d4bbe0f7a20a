/** Work that takes long, as an object: everything that is missing of a database, from a peer. */
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId } from "../core/ids.ts";
import { invalid } from "../core/store/values.ts";
import { assertFunction } from "./input.ts";
import type { Line, Waiting } from "./line.ts";
import type { Stop } from "./listeners.ts";
import { type JobInfo, withCid } from "./sync-info.ts";

export interface JobEvents {
  /** About once per batch, and when the state changes. */
  changed: JobInfo;
}

/** It goes on after a restart, from the last batch that was durable. */
export class Job {
  readonly id: string;
  readonly #database: DatabaseId;
  readonly #line: Line;
  readonly #watch: (listener: (info: JobInfo) => void) => Stop;

  /** For `Sync`; `watch` tells of all jobs of the database. */
  constructor(id: string, database: DatabaseId, line: Line, watch: (listener: (info: JobInfo) => void) => Stop) {
    this.id = id;
    this.#database = database;
    this.#line = line;
    this.#watch = watch;
  }

  /** As it is now. Rejects with JOB_UNKNOWN when it ended so long ago that it is forgotten. */
  async info(): Promise<JobInfo> {
    const jobs = await this.#line.command("jobs", { database: this.#database });
    const found = jobs.find(({ id }) => id === this.id);
    if (found === undefined) throw new TidemarkError("JOB_UNKNOWN", { job: this.id });
    return withCid(found);
  }

  /**
   * Nothing more is asked for until `resume`; what came stays. Rejects with JOB_UNKNOWN, or with JOB_STATE when it is
   * paused or over.
   */
  async pause(): Promise<JobInfo> {
    return withCid(await this.#line.command("pauseJob", { job: this.id }));
  }

  /** Rejects with JOB_UNKNOWN, or with JOB_STATE when it is not paused. */
  async resume(): Promise<JobInfo> {
    return withCid(await this.#line.command("resumeJob", { job: this.id }));
  }

  /**
   * Ends it; what came stays. From then on that peer sends nothing of the database, new changes included, until a job
   * is started; other peers go on. Rejects with JOB_UNKNOWN, or with JOB_STATE when it is over.
   */
  async cancel(): Promise<JobInfo> {
    return withCid(await this.#line.command("cancelJob", { job: this.id }));
  }

  on<E extends keyof JobEvents>(event: E, listener: (data: JobEvents[E]) => void): Stop {
    if (event !== "changed") throw invalid("event", event, "changed");
    assertFunction(listener, "listener");
    return this.#watch((info) => {
      if (info.id === this.id) listener(info);
    });
  }

  /**
   * Resolves when it is done. Rejects with JOB_STATE when it failed or was cancelled, with JOB_UNKNOWN, and with
   * ABORTED.
   */
  async done({ signal }: Pick<Waiting, "signal"> = {}): Promise<JobInfo> {
    if (signal?.aborted) throw new TidemarkError("ABORTED", { call: "done" });
    let stop: Stop = () => {};
    let abort = (): void => {};
    try {
      return await new Promise<JobInfo>((resolve, reject) => {
        const settle = (info: JobInfo): void => {
          if (info.state === "done") resolve(info);
          else if (info.endedMs !== undefined)
            reject(new TidemarkError("JOB_STATE", { job: this.id, got: info.state, expected: "done" }));
        };
        abort = () => reject(new TidemarkError("ABORTED", { call: "done" }));
        signal?.addEventListener("abort", abort);
        // Before the question: what happens between the two is not missed. A new leader is asked too: what happened before it began nobody told.
        const stopHearing = this.on("changed", settle);
        const stopAsking = this.#line.stand(() => void this.info().then(settle, reject));
        stop = () => {
          stopHearing();
          stopAsking();
        };
      });
    } finally {
      stop();
      signal?.removeEventListener("abort", abort);
    }
  }
}
