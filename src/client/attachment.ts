/**
 * Which leadership serves this page: its own worker's, or that of another tab, through a channel between the two.
 *
 * [CLIENT-29] A page is served by its own worker while that leads, else by the leader's; it is the same to the app.
 *
 * Deliberately not here: who leads, and what is asked of it.
 */
import { wrap } from "comlink";
import type { Channels } from "../ports/tabs.ts";
import { pairChannelName } from "../tabs/names.ts";
import { openPair, type Pair } from "../tabs/pair-endpoint.ts";
import type { BootInfo, TabApi, WorkerApi, WorkerEvent } from "../worker/api.ts";
import type { Leader } from "./line.ts";

export interface AttachmentOptions {
  /** Of the instance. */
  readonly name: string;
  readonly tab: string;
  /** Undefined where tabs cannot hear each other. */
  readonly channels: Channels | undefined;
  /** The own worker that runs now. */
  readonly worker: () => TabApi;
  /** From a leader in another tab: the own worker's come another way. */
  readonly event: (event: WorkerEvent) => void;
  /** The page is served, anew if it was by the same lead. */
  readonly attached: (lead: string, leader: Leader, info: BootInfo) => void;
}

interface Attached {
  readonly lead: string;
  /** Undefined: the own worker leads. */
  readonly pair: Pair<BootInfo, WorkerEvent> | undefined;
  leader: Leader | undefined;
}

export class Attachment {
  readonly #options: AttachmentOptions;
  #now: Attached | undefined;

  constructor(options: AttachmentOptions) {
    this.#options = options;
  }

  /** That serves this page, or is about to. */
  get lead(): string | undefined {
    return this.#now?.lead;
  }

  /** Undefined until it serves this page. */
  get leader(): Leader | undefined {
    return this.#now?.leader;
  }

  get isToOther(): boolean {
    return this.#now?.pair !== undefined;
  }

  async toOwn(lead: string): Promise<void> {
    const attached: Attached = { lead, pair: undefined, leader: undefined };
    this.#become(attached);
    const api = this.#options.worker();
    const info = await api.attach().catch(() => undefined); // It leads no more: its next state is on the way.
    if (info === undefined) this.#drop(attached);
    else this.#greeted(attached, api, info);
  }

  toOther(lead: string): void {
    const { name, tab, channels, worker, event } = this.#options;
    const channel = channels?.open(pairChannelName(name, lead, tab));
    if (channel === undefined) return;
    const pair = openPair<BootInfo, WorkerEvent>(channel, (note) => {
      if (note.type === "event") event(note.event);
      // Every method of the API returns a promise already: its remote form is its own.
      else this.#greeted(attached, wrap(pair.endpoint) as unknown as WorkerApi, note.info);
    });
    const attached: Attached = { lead, pair, leader: undefined };
    this.#become(attached);
    worker()
      .attach()
      .catch(() => this.#drop(attached)); // The same.
  }

  /** Whoever was asked and has not answered never will. */
  giveUp(): void {
    if (this.#now !== undefined) this.#drop(this.#now);
  }

  /** Whoever served this page does not any more. */
  end(): void {
    this.#become(undefined);
  }

  #drop(attached: Attached): void {
    if (attached === this.#now && attached.leader === undefined) this.end();
  }

  #become(attached: Attached | undefined): void {
    this.#now?.pair?.close();
    this.#now = attached;
  }

  /** A leader that greets again has begun anew: what it had not answered it is asked again. */
  #greeted(attached: Attached, api: WorkerApi, info: BootInfo): void {
    if (attached !== this.#now) return;
    attached.leader = { api };
    this.#options.attached(attached.lead, attached.leader, info);
  }
}
