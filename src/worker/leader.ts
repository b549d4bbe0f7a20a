/**
 * A leadership in this worker: claims the storage, runs the engine, and serves every page of the instance until it is over.
 *
 * [CLIENT-38] Every leader claims the storage before it reads from it, and finds everything there that an earlier one had answered for.
 * [CLIENT-39] Whoever resigns makes everything durable that it was given, answers for it, and keeps no peer waiting; whoever lost the lead writes,
 *   answers and reports nothing more.
 * [CLIENT-47] A leader whose databases are in its memory alone, or that deletes the instance, is not given up for a tab that is seen, nor for a
 *   page that is about to be frozen; one that reads or writes a file, verifies, or does what is done once, is not given up for a tab that is seen.
 */
import { expose } from "comlink";
import { asTidemarkError, TidemarkError } from "../core/errors.ts";
import { drainTimeoutMs } from "../core/limits.ts";
import type { EnginePorts } from "../engine/ports.ts";
import { readAhead } from "../engine/read-ahead.ts";
import type { WriteId } from "../engine/writes.ts";
import type { ChunkCiphers } from "../ports/chunk-cipher.ts";
import type { Clock } from "../ports/clock.ts";
import type { Storage } from "../ports/storage.ts";
import type { Locks, TabChannel } from "../ports/tabs.ts";
import type { OutboxEdit } from "../storage/outbox.ts";
import type { Carry } from "../tabs/messages.ts";
import { openPair, type Pair } from "../tabs/pair-endpoint.ts";
import type { Leading, LeadStart, StopReason } from "../tabs/tab-state.ts";
import type { BootInfo, StoreWrites, WorkerEvent } from "./api.ts";
import { Client } from "./client.ts";
import { ClientHost } from "./client-host.ts";
import { EndedTabs, editLost, type OutboxPort } from "./ended-tabs.ts";
import { Engine } from "./engine.ts";
import { type FencedStorage, fenceStorage } from "./fenced-storage.ts";
import { wipe } from "./wipe.ts";
import { buildParts } from "./writes.ts";

export interface LeaderOptions {
  /** Of the instance. */
  readonly name: string;
  /** The tab that leads. */
  readonly own: string;
  readonly locks: Locks;
  readonly clock: Clock;
  readonly outbox: OutboxPort;
  readonly ciphers: ChunkCiphers;
  /** `lost`: the browser, or another tab, took it away for good. */
  readonly openStorage: (lost: Report) => Promise<Storage>;
  /** Everything else that the engine runs on. What goes wrong and no call waits for is for `report`. */
  readonly openPorts: (storage: Storage, settings: Carry["settings"], report: Report) => Promise<EnginePorts>;
  /** Nothing is left of the instance when it resolves. */
  readonly deleteStored: () => Promise<void>;
  readonly carryChanged: (carry: Carry) => void;
  /** Another leader has claimed the storage. */
  readonly fenced: (lead: string) => void;
  /** The storage is gone, and is to be opened anew. */
  readonly lost: (lead: string, error: TidemarkError) => void;
  /** It is over, and writes nothing more. */
  readonly stopped: (leader: Leader) => void;
}

export type Report = (error: TidemarkError) => void;

type PagePair = Pair<BootInfo, WorkerEvent>;

interface Served {
  readonly client: Client;
  /** Undefined: the own page. */
  readonly pair: PagePair | undefined;
}

export class Leader implements Leading {
  readonly #options: LeaderOptions;
  readonly #engine: Engine;
  readonly #fence: FencedStorage;
  readonly #tabs: EndedTabs;
  readonly #served = new Map<string, Served>();
  #isStopped = false;
  /** Never rejects. */
  #wiping: Promise<void> | undefined;

  private constructor(options: LeaderOptions, engine: Engine, fence: FencedStorage) {
    this.#options = options;
    this.#engine = engine;
    this.#fence = fence;
    this.#tabs = new EndedTabs({
      ...options,
      writes: engine.instance.writes,
      commit: (edit, write) => this.#commit(edit, write),
      report: (error, write) => engine.report(editLost(write, error), write.edit?.database),
    });
  }

  /** Resolves when pages can be served. Rejects with a STORAGE_ code, and with ABORTED; then nothing is left open. */
  static async start(options: LeaderOptions, { id, carry, signal }: LeadStart): Promise<Leader> {
    const early: TidemarkError[] = [];
    let report: Report = (error) => void early.push(error);
    const told: Report = (error) => report(error);
    const fence = fenceStorage(await options.openStorage((error) => options.lost(id, error)), () => options.fenced(id));
    const { storage } = fence;
    try {
      if (signal.aborted) throw new TidemarkError("ABORTED", { call: "lead" });
      await storage.claim();
      const ahead = readAhead(storage);
      const ports = await options.openPorts(storage, carry.settings, told);
      const engine = await Engine.open({ ...options, ports, carry, ahead });
      report = (error) => engine.report(error, undefined);
      for (const error of early) report(error);
      const leader = new Leader(options, engine, fence);
      await leader.#begin(signal);
      return leader;
    } catch (error) {
      await storage.close().catch(() => {}); // The first error is the one to tell.
      throw error;
    }
  }

  get info(): BootInfo {
    return this.#engine.info;
  }

  /** The own page is served from now on, anew if it was. */
  attachOwn(tab: string, post: (event: WorkerEvent) => void): Client {
    return this.#serve(tab, post, undefined);
  }

  attach(tab: string, channel: TabChannel): void {
    const pair: PagePair = openPair(channel);
    const client = this.#serve(tab, (event) => pair.post({ type: "event", event }), pair);
    expose(new ClientHost(client), pair.endpoint);
    pair.post({ type: "attached", info: this.info });
  }

  detach(tab: string): void {
    const served = this.#served.get(tab);
    if (served === undefined) return;
    this.#served.delete(tab);
    this.#engine.delete(served.client);
    served.client.end();
    served.pair?.close();
  }

  isIdle(): boolean {
    const clients = [...this.#served.values()].map(({ client }) => client);
    return !this.isTied() && this.#engine.instance.isIdle && clients.every(({ isIdle }) => isIdle);
  }

  isTied(): boolean {
    return this.#wiping !== undefined || this.#engine.ports.storage.kind === "memory";
  }

  /** Resolves when connected peers have what waits for them, or had two seconds. */
  async drain(): Promise<void> {
    const { clock } = this.#options;
    const late = new AbortController();
    const cancel = clock.after(drainTimeoutMs, () => late.abort());
    await this.#engine.control.execute("flush", {}, late.signal).catch(() => {}); // Late: it goes with the next leader.
    cancel();
  }

  async stop(reason: StopReason): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#tabs.stop();
    if (reason === "lost") this.#fence.refuse();
    for (const { client } of this.#served.values()) {
      if (reason === "lost") client.end();
      else client.refuse();
    }
    await this.#engine.instance.handOver().catch(() => {}); // What it failed at was told to who waited for it.
    await this.#wiping;
    for (const tab of [...this.#served.keys()]) this.detach(tab);
    this.#fence.refuse();
    this.#options.stopped(this);
  }

  async #begin(signal: AbortSignal): Promise<void> {
    await this.#tabs.begin();
    if (signal.aborted || this.#fence.isRefused) {
      await this.stop("lost");
      throw new TidemarkError("ABORTED", { call: "lead" });
    }
    this.#engine.begin();
  }

  #serve(tab: string, post: (event: WorkerEvent) => void, pair: PagePair | undefined): Client {
    this.detach(tab);
    const client = new Client({ tab, engine: this.#engine, post, wipe: () => this.#wipe() });
    this.#served.set(tab, { client, pair });
    this.#engine.add(client);
    this.#tabs.watch(tab);
    return client;
  }

  async #commit({ database, stores }: OutboxEdit, write: WriteId): Promise<void> {
    const { instance, ports } = this.#engine;
    const writes = stores as readonly StoreWrites[];
    try {
      await instance.commit(database, (open) => buildParts(writes, open), write);
    } catch (error) {
      const isUnknown = asTidemarkError(error).code === "DATABASE_UNKNOWN";
      const isStored = isUnknown && (await ports.storage.databases()).some(({ id }) => id === database);
      // It did not open this time.
      throw isStored ? new TidemarkError("STORAGE_CORRUPT", { where: database }) : error;
    }
  }

  /** The lock stays with us until the own page goes: nobody else is to begin meanwhile. */
  #wipe(): Promise<void> {
    this.#tabs.stop();
    const { instance } = this.#engine;
    let told = (): void => {};
    const telling = new Promise<void>((resolve) => {
      told = resolve;
    });
    this.#wiping ??= telling;
    return wipe({
      instance,
      clock: this.#options.clock,
      deleteStored: this.#options.deleteStored,
      tell: (event) => {
        this.#engine.post(event);
        told();
      },
    });
  }
}
