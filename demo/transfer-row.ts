/** One job: how far it is, how fast, and the ways to pause, resume and cancel it. */
import type { JobInfo } from "tidemark";
import { type Action, ActionRow } from "./action-row.ts";
import { bytesWords } from "./amounts.ts";
import { countWords, element, setText } from "./element.ts";
import { explainCode } from "./explain.ts";

export interface TransferRowOwner {
  /** What to call the device that it comes from. */
  nameOf(key: string): string;
  /** To those who do not see it: seldom. */
  announce(text: string): void;
  pause(job: JobInfo): Promise<unknown>;
  resume(job: JobInfo): Promise<unknown>;
  cancel(job: JobInfo): Promise<unknown>;
  /** Begins again where it was left. */
  restart(job: JobInfo): Promise<unknown>;
}

/** Figures that change faster cannot be read. */
const shownEveryMs = 250;

export class TransferRow {
  readonly element: HTMLElement;
  readonly #owner: TransferRowOwner;
  readonly #title = element("p", { class: "transfer-title" });
  readonly #words = element("p", { class: "fine" });
  readonly #bar = element("progress");
  readonly #actions = new ActionRow();
  #job: JobInfo;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #saidQuarter = 0;

  constructor(job: JobInfo, owner: TransferRowOwner) {
    this.#owner = owner;
    this.#job = job;
    this.element = element("li", { class: "transfer" }, this.#title, this.#bar, this.#words, this.#actions.element);
    this.#render();
  }

  get job(): JobInfo {
    return this.#job;
  }

  take(job: JobInfo): void {
    const isNews = job.state !== this.#job.state;
    this.#job = job;
    if (isNews) this.#owner.announce(`${this.#titleWords()}: ${stateWords({ ...job, entriesPerSecond: 0 })}`);
    else this.#announceQuarter();
    if (isNews) this.#render();
    else this.#timer ??= setTimeout(() => this.#render(), shownEveryMs);
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #render(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const job = this.#job;
    const title = this.#titleWords();
    setText(this.#title, title);
    setText(this.#words, stateWords(job));
    this.#bar.setAttribute("aria-label", title);
    if (job.totalEntries === 0) this.#bar.removeAttribute("value");
    else {
      this.#bar.max = job.totalEntries;
      this.#bar.value = job.receivedEntries;
    }
    this.#actions.show(this.#actionsNow());
  }

  #titleWords(): string {
    const from = this.#owner.nameOf(this.#job.peer);
    return this.#job.type === "bootstrap" ? `Receiving the board from ${from}` : `Catching up with ${from}`;
  }

  #announceQuarter(): void {
    const { receivedEntries, totalEntries } = this.#job;
    const quarter = totalEntries === 0 ? 0 : Math.floor((4 * receivedEntries) / totalEntries);
    if (quarter > this.#saidQuarter && quarter < 4) this.#owner.announce(`${25 * quarter} percent received`);
    this.#saidQuarter = quarter;
  }

  #actionsNow(): readonly Action[] {
    const act = (label: string, run: (job: JobInfo) => Promise<unknown>): Action => ({
      label,
      about: this.#titleWords(),
      run: () => run(this.#job),
    });
    const { pause, resume, cancel, restart } = this.#owner;
    switch (this.#job.state) {
      case "running":
      case "waiting":
        return [act("Pause", pause), act("Cancel", cancel)];
      case "paused":
        return [act("Resume", resume), act("Cancel", cancel)];
      case "cancelled":
      case "failed":
        return [act("Receive the rest", restart)];
      case "done":
        return [];
    }
  }
}

function stateWords(job: JobInfo): string {
  switch (job.state) {
    case "running": {
      if (job.totalEntries === 0) return "Asking what is missing…";
      const { entriesPerSecond, bytesPerSecond } = job;
      const speed =
        entriesPerSecond === 0 ? "" : ` · ${Math.round(entriesPerSecond)} per second, ${bytesWords(bytesPerSecond)}/s`;
      return `${amountsWords(job)}${speed}`;
    }
    case "waiting":
      return `Waiting for that device · ${amountsWords(job)}`;
    case "paused":
      return `Paused · ${amountsWords(job)}`;
    case "cancelled":
      return `Cancelled · ${amountsWords(job)}. What came is kept; nothing more comes from that device.`;
    case "failed":
      return `${job.error === undefined ? "Failed" : explainCode(job.error.code).title} · ${amountsWords(job)}`;
    case "done":
      return `${countWords(job.receivedEntries, "change")} received`;
  }
}

function amountsWords({ receivedEntries, totalEntries, receivedBytes, totalBytes }: JobInfo): string {
  const entries = `${receivedEntries.toLocaleString("en")} of ${countWords(totalEntries, "change")}`;
  return `${entries}, ${bytesWords(receivedBytes)} of ${bytesWords(totalBytes)}`;
}
