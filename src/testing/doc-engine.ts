/**
 * Pages with documents and a leader that serves them, in one thread: the page's own code, the folding and the watching of the engine, and Automerge.
 *
 * Nothing moves by itself: `settle` runs turns, answers and events until nothing is left.
 */
import * as A from "@automerge/automerge";
import type { Automerge } from "../client/documents/automerge.ts";
import { Feeds } from "../client/documents/feed.ts";
import { Replica, type ReplicaHome } from "../client/documents/replica.ts";
import type { RawDocEvent } from "../client/documents/telling.ts";
import { LeaderLine } from "../client/leader-line.ts";
import { actorOf } from "../core/document/actor.ts";
import { changeHashFromHex } from "../core/document/change-bytes.ts";
import { type DocPayload, decodeDocPayload } from "../core/document/doc-payload.ts";
import { DocState } from "../core/document/doc-state.ts";
import { TidemarkError, unwrap } from "../core/errors.ts";
import { type DatabaseId, type EntryId, encodeHex, type PublicKey } from "../core/ids.ts";
import { plainSha256 } from "../crypto/plain-sha256.ts";
import type { DocChanges, DocOptions, DocSnapshot, StoreWrites, WorkerApi } from "../worker/api.ts";
import { DocumentWatch } from "../worker/document-watch.ts";

export const automerge: Automerge = A;

export const docDatabase: DatabaseId = "d".repeat(64) as DatabaseId;
const store = "page";

interface HeldEntry {
  readonly author: PublicKey;
  readonly payload: DocPayload;
  readonly time: number;
  readonly id: EntryId;
}

/** Whom the engine serves. */
export interface EnginePage {
  readonly author: PublicKey;
  take(changes: DocChanges): void;
}

interface Open {
  readonly page: EnginePage;
  readonly watch: DocumentWatch;
}

const open: Gate = () => {};

/** What becomes of a commit before it is looked at: it rejects with what this throws. */
export type Gate = (page: EnginePage, stores: readonly StoreWrites[]) => void | Promise<void>;

export class DocEngine {
  entries: readonly HeldEntry[] = [];
  snapshot: DocSnapshot | undefined;
  gate: Gate = open;
  /** How many commits came, of one page by each. */
  readonly commits: Map<EnginePage, number> = new Map();
  readonly pages: DocPage[] = [];
  #state: DocState = newState();
  #open: Open[] = [];
  #times = 0;

  get state(): DocState {
    return this.#state;
  }

  /** How many documents pages have open. */
  get openings(): number {
    return this.#open.length;
  }

  /** A page of that key, with this engine for its leader. */
  page(author: string, options: DocPageOptions = {}): DocPage {
    const page = new DocPage(this, author.repeat(64).slice(0, 64) as PublicKey, options);
    this.pages.push(page);
    return page;
  }

  apiFor(page: EnginePage): WorkerApi {
    const api = {
      openDoc: async (number: number, _: DatabaseId, __: string, options: DocOptions) =>
        this.#openDoc(page, number, options),
      closeDoc: async (number: number) => {
        this.#open = this.#open.filter((open) => open.page !== page || open.watch.watched.number !== number);
      },
      commit: async (_: DatabaseId, stores: readonly StoreWrites[]) => this.#commit(page, stores),
      docHistory: async (_: DatabaseId, __: string, before: number | undefined, limit: number) =>
        this.#state.records(before ?? Number.MAX_SAFE_INTEGER, limit).map((record) => {
          return { ...record, time: this.entries.find(({ id }) => id === record.entry)?.time ?? 0 };
        }),
      putSnapshot: async (_: DatabaseId, __: string, snapshot: DocSnapshot) => {
        this.snapshot = snapshot;
      },
    };
    return api as unknown as WorkerApi;
  }

  /** These do not count any more. */
  cut(isCut: (entry: HeldEntry) => boolean): void {
    this.entries = this.entries.filter((entry) => !isCut(entry));
    this.#state = newState();
    for (const entry of this.entries) this.#state.merge(entry.payload, entry);
    for (const { watch } of this.#open) watch.refresh(this.#state);
  }

  /** Whether an event was sent. */
  deliver(): boolean {
    let isSent = false;
    for (const { page, watch } of [...this.#open]) {
      if (!watch.isDue) continue;
      isSent = true;
      page.take(structuredClone(watch.take(this.#state)));
    }
    return isSent;
  }

  /** Until nothing moves any more. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 3; ) {
      for (let i = 0; i < 20; i++) await Promise.resolve();
      const ran = this.pages.map((page) => page.turn()).some((one) => one);
      quiet = this.deliver() || ran ? 0 : quiet + 1;
    }
  }

  #openDoc(page: EnginePage, number: number, { heads, nonce, snapshot = true }: DocOptions): unknown {
    const actor = encodeHex(actorOf(docDatabase, page.author, nonce, new Uint8Array(), plainSha256));
    const given = snapshot && heads.length === 0 ? this.snapshot : undefined;
    const from = (given?.heads ?? heads).map(changeHashFromHex);
    const watched = { number, database: docDatabase, store, actor };
    this.#open.push({ page, watch: new DocumentWatch(watched, this.#state, from) });
    return { author: page.author, ...(given === undefined ? {} : { snapshot: given }) };
  }

  async #commit(page: EnginePage, stores: readonly StoreWrites[]): Promise<void> {
    this.commits.set(page, (this.commits.get(page) ?? 0) + 1);
    await this.gate(page, stores);
    for (const { payload, last = "" } of stores.filter(({ type }) => type === "doc")) {
      const decoded = unwrap(decodeDocPayload(store, payload.slice()));
      const reason = this.#state.refusal(decoded, page.author, changeHashFromHex(last));
      if (reason !== undefined) throw new TidemarkError("DOC_OUTDATED", { store, reason });
      const time = ++this.#times;
      const entry = { author: page.author, payload: decoded, time, id: time.toString(16).padStart(64, "0") as EntryId };
      this.entries = [...this.entries, entry];
      const change = this.#state.merge(decoded, entry);
      if (change !== undefined) for (const { watch } of this.#open) watch.note(this.#state, change);
    }
  }
}

function newState(): DocState {
  return new DocState({ database: docDatabase, sha256: plainSha256 });
}

export interface DocPageOptions {
  /** Whether it listens to what it changes itself. Default: true. */
  readonly local?: boolean;
  /** What Automerge does there in another way. */
  readonly alter?: Partial<Automerge>;
}

export class DocPage implements EnginePage {
  readonly author: PublicKey;
  readonly feeds: Feeds = new Feeds();
  readonly line: LeaderLine;
  readonly problems: string[] = [];
  readonly events: RawDocEvent[] = [];
  readonly replica: Replica;
  nowMs = 0;
  /** How long its replica wanted to wait, each time. */
  readonly waitedMs: number[] = [];
  readonly #engine: DocEngine;
  #turns: (() => void)[] = [];
  static #nonces = 0;

  constructor(engine: DocEngine, author: PublicKey, { local = true, alter = {} }: DocPageOptions) {
    this.author = author;
    this.#engine = engine;
    this.line = new LeaderLine({ tab: author, forget: async () => {}, began: () => {}, wrote: () => {} });
    this.lead();
    const home: ReplicaHome = {
      ...{ automerge: { ...automerge, ...alter }, line: this.line, feeds: this.feeds },
      schedule: (run) => void this.#turns.push(run),
      after: (ms, run) => {
        this.waitedMs.push(ms);
        this.#turns.push(run);
      },
      whenIdle: (run) => void this.#turns.push(run),
      now: () => this.nowMs,
      drawNonce: () => new Uint8Array(16).fill(++DocPage.#nonces % 256).fill(Math.floor(DocPage.#nonces / 256), 0, 1),
      report: (error) => void this.problems.push(error instanceof TidemarkError ? error.code : String(error)),
    };
    this.replica = new Replica(home, docDatabase, store);
    this.replica.subscribe((event) => this.events.push(event), local);
  }

  /** Another leader serves the page. */
  lead(): void {
    this.line.attach({ api: this.#engine.apiFor(this) });
  }

  /** Resolves when the document is open. */
  async open(): Promise<this> {
    const opened = this.replica.open();
    opened.catch(() => {});
    await this.#engine.settle();
    await opened;
    return this;
  }

  take(changes: DocChanges): void {
    this.feeds.take(changes);
  }

  get value(): Record<string, unknown> {
    return this.replica.doc;
  }

  change(callback: (draft: Record<string, never>) => void): void {
    this.replica.change((draft) => callback(draft as Record<string, never>));
  }

  splice(index: number, deleted: number, text = ""): void {
    this.replica.splice(["text"], { index, deleteCount: deleted, text });
  }

  /** Whether something ran. */
  turn(): boolean {
    const turns = this.#turns;
    this.#turns = [];
    for (const run of turns) run();
    return turns.length > 0;
  }
}
