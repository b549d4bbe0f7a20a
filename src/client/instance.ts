/** One opened SDK, as the app holds it. */

import { TidemarkError } from "../core/errors.ts";
import { encodeHex, type PublicKey, parseCid } from "../core/ids.ts";
import { labelBytesMax, requestNoteBytesMax } from "../core/limits.ts";
import { validateName } from "../core/store/values.ts";
import { checkLabel } from "../engine/label.ts";
import type { SyncSettings } from "../engine/settings.ts";
import type { ReceiveProgress } from "../engine/sync-control.ts";
import type { JobInfo } from "../engine/sync-info.ts";
import type { RelayStatus } from "../ports/transport.ts";
import type { BootInfo, DatabaseInfo, WorkerEvent } from "../worker/api.ts";
import { fromErrorData } from "../worker/error-data.ts";
import { Database } from "./database.ts";
import { assertBoolean, assertLabel, assertObject, assertText, given } from "./input.ts";
import { InstanceSync } from "./instance-sync.ts";
import { Keys } from "./keys.ts";
import { Listeners, type Stop } from "./listeners.ts";
import { toPower } from "./permissions.ts";
import { toPermissionsChange } from "./permissions-info.ts";
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

export interface CreateDatabaseOptions {
  readonly name: string;
  readonly key?: string;
  readonly encrypted?: boolean;
  readonly sync?: boolean;
}

export interface JoinDatabaseOptions {
  readonly name?: string;
  readonly note?: string;
  /** What to ask for, with a ticket that has no secret. */
  readonly permission?: "admin" | "write" | "read" | "relay";
  readonly key?: string;
  readonly signal?: AbortSignal;
}

/** One device identity with its databases and its peers. Made by `open`. */
export class Instance {
  readonly name: string;
  /** This device's Ed25519 public key, 64 hex digits: how peers know it. */
  readonly publicKey: PublicKey;
  /**
   * For admins of encrypted databases who let this device in by its key alone: `permissions.set(publicKey, "read", { sealingKey })`. 130 hex
   * digits. Whoever joins by an invite, or asks, need not care. Undefined where nothing can be sealed: outside a secure context.
   */
  readonly sealingKey: string | undefined;
  /** Peers, transports, settings, and what is wrong when sync does not work. */
  readonly sync: InstanceSync;
  /** The device's own key, others beside it, and their backups. */
  readonly keys: Keys;
  readonly #link: WorkerLink;
  readonly #watched: Watched;
  readonly #written: Written;
  readonly #databases = new Map<string, Database>();
  readonly #listeners = new Listeners<InstanceEvents>(["relay", "problem"]);
  readonly #unheard: TidemarkError[] = [];
  readonly #stopWaking: Stop;

  private constructor(name: string, { publicKey, sealKey }: BootInfo, link: WorkerLink, watched: Watched) {
    this.name = name;
    this.publicKey = publicKey;
    this.sealingKey = sealKey && encodeHex(sealKey);
    this.#link = link;
    this.#watched = watched;
    this.#written = new Written(link, (error, database) => link.report(error, database));
    this.sync = new InstanceSync(link);
    this.keys = new Keys(link);
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
    const instance = new Instance(name, info, link, watched);
    take = (event) => instance.#take(event);
    early.forEach(take);
    return instance;
  }

  /**
   * Makes a database that this device owns. Resolves when its root is durable. The name is 1 to 256 bytes and shown to
   * everyone who joins. It stays on this device until it is shared, somebody is let in, or `sync` is true. `key` names the key that is to own it (see
   * `keys`; default: the device's own). `encrypted` is for ever: what is written can be read only by those who may, and a key that may only
   * relay holds it without being able to. Rejects with INPUT_INVALID, KEY_UNKNOWN or a STORAGE_ code.
   */
  async createDatabase(options: CreateDatabaseOptions): Promise<Database> {
    assertObject(options, "options of createDatabase", "{ name, key, encrypted, sync }");
    const { name, key, encrypted, sync } = options;
    validateName(name, "database name", labelBytesMax);
    if (key !== undefined) assertLabel(key, "key");
    if (encrypted !== undefined) assertBoolean(encrypted, "encrypted");
    if (sync !== undefined) assertBoolean(sync, "sync");
    const made = given({ name, key, encrypted, sync });
    return this.#database(await this.#link.call("createDatabase", (api) => api.createDatabase(made)));
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
   * come, which takes a peer. With a ticket without a secret this asks to be let in: `name` (1 to 64 bytes), `note` (at most 512 bytes) and
   * `permission` (default: write) are what its admins see. The name is also what others call this device when it comes in by an invite. `key`
   * names the key to use there (see `keys`; default: the device's own). Rejects with TICKET_MALFORMED, INPUT_INVALID, KEY_UNKNOWN or a STORAGE_ code.
   *
   * @example
   * const db = await tide.join(ticket, { name: "Ada's phone" });
   * await db.ready();
   */
  async join(ticket: string, options: JoinDatabaseOptions = {}): Promise<Database> {
    assertText(ticket, "ticket", "tidemark:?db=…");
    assertObject(options, "options of join", "{ name, note, permission, key, signal }");
    const { name, note, permission, key, signal } = options;
    if (name !== undefined) assertLabel(name, "name");
    if (note !== undefined) checkLabel("note", note, requestNoteBytesMax);
    if (key !== undefined) assertLabel(key, "key");
    const power = permission === undefined ? undefined : toPower(permission);
    const asked = given({ name, note, power, key });
    return this.#database(await this.#link.call("join", (api) => api.join(ticket, asked), signal));
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
      case "permissions":
        return this.#databases.get(event.database)?.permissions.take(toPermissionsChange(event));
      case "requests":
        return this.#databases.get(event.database)?.requests.take(event.requests);
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
