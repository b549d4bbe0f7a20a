/** One opened SDK, as the app holds it. */

import { TidemarkError } from "../core/errors.ts";
import { type PublicKey, parseCid } from "../core/ids.ts";
import { labelBytesMax } from "../core/limits.ts";
import { validateName } from "../core/store/values.ts";
import type { SyncSettings } from "../engine/settings.ts";
import type { ReceiveProgress } from "../engine/sync-control.ts";
import type { JobInfo } from "../engine/sync-info.ts";
import type { RelayStatus } from "../ports/transport.ts";
import type { DatabaseInfo, WorkerEvent } from "../worker/api.ts";
import { fromErrorData } from "../worker/error-data.ts";
import { Database } from "./database.ts";
import { assertObject, assertText } from "./input.ts";
import { InstanceSync } from "./instance-sync.ts";
import { Listeners, type Stop } from "./listeners.ts";
import type { Progress } from "./sync.ts";
import { toStatus, withCid } from "./sync-info.ts";
import { onWake } from "./wake.ts";
import { Watched } from "./watched.ts";
import { WorkerLink, type WorkerLinkOptions } from "./worker-link.ts";
import { Written } from "./written.ts";

export interface InstanceOptions {
  readonly name: string;
  readonly relays: readonly string[];
  readonly iceServers: readonly RTCIceServer[];
  readonly sync: Partial<SyncSettings>;
  readonly startWorker: () => Worker;
  readonly bootTimeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

export interface InstanceEvents {
  /** The relay came up, went away, or refused us. Work goes on either way. */
  relay: RelayStatus;
  /**
   * Something went wrong that no call is waiting for: an entry of a peer that was refused, a peer that broke the protocol, a
   * storage that was taken away, a worker that died.
   */
  problem: TidemarkError;
}

/** One device identity with its databases and its peers. Made by `open`. */
export class Instance {
  readonly name: string;
  /** This device's Ed25519 public key, 64 hex digits: how peers know it. */
  readonly publicKey: PublicKey;
  /** Peers, transports, settings, and what is wrong when sync does not work. */
  readonly sync: InstanceSync;
  readonly #link: WorkerLink;
  readonly #watched: Watched;
  readonly #written: Written;
  readonly #databases = new Map<string, Database>();
  readonly #listeners = new Listeners<InstanceEvents>(["relay", "problem"]);
  readonly #unheard: TidemarkError[] = [];
  readonly #stopWaking: Stop;

  private constructor(name: string, publicKey: PublicKey, link: WorkerLink, watched: Watched) {
    this.name = name;
    this.publicKey = publicKey;
    this.#link = link;
    this.#watched = watched;
    this.#written = new Written(link, (error, database) => link.report(error, database));
    this.sync = new InstanceSync(link);
    this.#stopWaking = onWake(() => link.post("wake", {}));
  }

  /** For `open`, which checks the options. */
  static async open(settings: InstanceOptions): Promise<Instance> {
    const { name, relays, iceServers, sync, startWorker, bootTimeoutMs, signal } = settings;
    const watched = new Watched();
    const early: WorkerEvent[] = [];
    let take = (event: WorkerEvent): void => void early.push(event);
    const options: WorkerLinkOptions = {
      startWorker,
      bootTimeoutMs,
      signal,
      boot: { name, relays, iceServers, sync },
      onEvent: (event) => take(event),
    };
    const { link, info } = await WorkerLink.boot(options);
    const instance = new Instance(name, info.publicKey, link, watched);
    take = (event) => instance.#take(event);
    early.forEach(take);
    return instance;
  }

  /**
   * Makes a database that this device owns. Resolves when its root is durable. The name is 1 to 256 bytes and shown to
   * everyone who joins. Rejects with INPUT_INVALID or a STORAGE_ code.
   */
  async createDatabase(options: { readonly name: string }): Promise<Database> {
    assertObject(options, "options of createDatabase", "{ name }");
    const { name } = options;
    validateName(name, "database name", labelBytesMax);
    return this.#database(await this.#link.call("createDatabase", (api) => api.createDatabase(name)));
  }

  /** Every database on this device, those still being joined included, in the order in which they were opened. */
  async databases(): Promise<readonly Database[]> {
    const infos = await this.#link.call("databases", (api) => api.databases());
    return infos.map((info) => this.#database(info));
  }

  /** One of `databases()`. Rejects with INPUT_INVALID for what is no id and DATABASE_UNKNOWN for one that is not here. */
  async database(id: string): Promise<Database> {
    assertText(id, "database id", "a CID such as bafyrei…");
    const key = parseCid(id);
    const found = (await this.#link.call("databases", (api) => api.databases())).find((info) => info.id === key);
    if (found === undefined) throw new TidemarkError("DATABASE_UNKNOWN", { database: id });
    return this.#database(found);
  }

  /**
   * Takes up a database from a ticket, or from a link that ends in one. Resolves as soon as that is remembered; `ready()` tells when its entries have
   * come, which takes a peer. Rejects with TICKET_MALFORMED or a STORAGE_ code.
   */
  async join(ticket: string, options: { readonly signal?: AbortSignal } = {}): Promise<Database> {
    assertText(ticket, "ticket", "tidemark:?db=…");
    return this.#database(await this.#link.call("join", (api) => api.join(ticket), options.signal));
  }

  /** Closes all connections and makes none until `goOnline`. Work goes on, on this device. */
  async goOffline(): Promise<void> {
    await this.#link.call("goOffline", (api) => api.setOnline(false));
  }

  /** Looks for peers again, at once. */
  async goOnline(): Promise<void> {
    await this.#link.call("goOnline", (api) => api.setOnline(true));
  }

  /** Returns the way to stop. Problems met before anybody listened, such as a database that cannot be read, are told to the first who does. */
  on<E extends keyof InstanceEvents>(event: E, listener: (data: InstanceEvents[E]) => void): Stop {
    const stop = this.#listeners.on(event, listener);
    if (event === "problem") {
      const unheard = this.#unheard.splice(0);
      queueMicrotask(() => {
        for (const problem of unheard) this.#listeners.emit("problem", problem);
      });
    }
    return stop;
  }

  /**
   * Resolves when everything is durable on this device, connected peers have confirmed what waited for them or two seconds are over, and the worker has
   * ended; every call resolves with the first. Other calls reject with INSTANCE_CLOSED from now on.
   */
  async close(): Promise<void> {
    this.#stopWaking();
    await this.#link.close(this.name);
  }

  #database(info: DatabaseInfo): Database {
    const known = this.#databases.get(info.id);
    if (known !== undefined) return known;
    const database = new Database(info, this.#link, this.#watched, this.#written);
    this.#databases.set(info.id, database);
    return database;
  }

  #take(event: WorkerEvent): void {
    switch (event.type) {
      case "items":
        return this.#watched.take(event);
      case "status":
        return this.#databases.get(event.database)?.sync.take("status", toStatus(event.status));
      case "progress":
        return this.#databases.get(event.database)?.sync.take("progress", toProgress(event));
      case "peers":
        return void this.sync.peers.reread();
      case "job":
        return this.#tellJob(event.job);
      case "log":
        return this.sync.take("log", event.event);
      case "written":
        return void this.#written.take(event);
      case "relay":
        return this.#listeners.emit("relay", event.status);
      case "problem":
        return this.#tell(fromErrorData(event.error));
      case "connections":
        return; // Taken by the link.
    }
  }

  #tellJob(job: JobInfo): void {
    const info = withCid(job);
    this.#databases.get(job.database)?.sync.take("job", info);
    this.sync.take("job", info);
  }

  #tell(problem: TidemarkError): void {
    if (this.#listeners.has("problem")) this.#listeners.emit("problem", problem);
    else if (this.#unheard.length < unheardMax) this.#unheard.push(problem);
  }
}

function toProgress({ receivedEntries, totalEntries, receivedBytes, totalBytes }: ReceiveProgress): Progress {
  return { received: receivedEntries, total: totalEntries, receivedBytes, totalBytes };
}

/** An app that never listens must not gather problems for ever. */
const unheardMax = 20;
