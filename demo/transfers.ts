/** What comes in bulk to a board: initial sync and catching up, as long as there is something to see or to decide. */
import type { Database, Job, JobInfo, Stop } from "tidemark";
import type { Announcer } from "./announcer.ts";
import { element } from "./element.ts";
import { TransferRow, type TransferRowOwner } from "./transfer-row.ts";

export interface TransfersOptions {
  readonly nameOf: (key: string) => string;
  readonly announcer: Announcer;
  readonly report: (error: unknown) => void;
}

/** Each is a question of its own, and those that are over for long are of no interest. */
const readMax = 20;

export class Transfers {
  readonly element: HTMLElement;
  readonly #list = element("ul", { role: "list" });
  readonly #database: Database;
  readonly #options: TransfersOptions;
  readonly #rows = new Map<string, TransferRow>();
  readonly #stop: Stop;

  constructor(database: Database, options: TransfersOptions) {
    this.#database = database;
    this.#options = options;
    this.element = element("section", { class: "transfers", "aria-label": "Transfers", hidden: true }, this.#list);
    this.#stop = database.sync.on("job", (job) => this.#take(job));
    void this.#readAll();
  }

  /** Nothing moves until somebody wants it to. */
  get isOnHold(): boolean {
    const rows = [...this.#rows.values()];
    return rows.length > 0 && rows.every(({ job }) => ["paused", "cancelled", "failed"].includes(job.state));
  }

  close(): void {
    this.#stop();
    for (const row of this.#rows.values()) row.close();
  }

  async #readAll(): Promise<void> {
    try {
      const jobs = await this.#database.sync.jobs();
      const infos = await Promise.all(jobs.slice(-readMax).map((job) => job.info().catch(() => undefined)));
      // What was told meanwhile is newer.
      for (const info of infos) if (info !== undefined && !this.#rows.has(info.id)) this.#take(info);
    } catch {
      // Closed: there is nothing to show any more.
    }
  }

  #take(job: JobInfo): void {
    const isOver = job.state === "done" || (job.state === "failed" && !this.#rows.has(job.id));
    const row = this.#rows.get(job.id);
    if (isOver) this.#drop(job.id);
    else if (row === undefined) this.#add(job);
    row?.take(job);
    this.element.hidden = this.#rows.size === 0;
  }

  #add(job: JobInfo): void {
    // One that ended gives way to the next with that device.
    for (const [id, row] of this.#rows) if (row.job.peer === job.peer) this.#drop(id);
    const row = new TransferRow(job, this.#owner());
    this.#rows.set(job.id, row);
    this.#list.append(row.element);
  }

  #drop(id: string): void {
    const row = this.#rows.get(id);
    row?.close();
    row?.element.remove();
    this.#rows.delete(id);
    this.element.hidden = this.#rows.size === 0;
  }

  #owner(): TransferRowOwner {
    const { nameOf, announcer, report } = this.#options;
    const steer =
      (step: (job: Job) => Promise<unknown>) =>
      async ({ id }: JobInfo): Promise<void> => {
        try {
          const job = (await this.#database.sync.jobs()).find((one) => one.id === id);
          if (job !== undefined) await step(job);
        } catch (error) {
          report(error);
        }
      };
    return {
      nameOf,
      announce: (text) => announcer.announce(text),
      pause: steer((job) => job.pause()),
      resume: steer((job) => job.resume()),
      cancel: steer((job) => job.cancel()),
      restart: ({ peer }) => this.#database.sync.start({ peer }).catch(report),
    };
  }
}
