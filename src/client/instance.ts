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
import type { BootInfo, DatabaseInfo, WorkerApi, WorkerEvent, WriteId } from "../worker/api.ts";
import { fromErrorData } from "../worker/error-data.ts";
import { Database } from "./database.ts";
import { type ExportAllOptions, exportStream, type ImportOptions, type ImportReport, importFrom } from "./export.ts";
import { assertBoolean, assertLabel, assertObject, assertText, given } from "./input.ts";
import { InstanceLink } from "./instance-link.ts";
import { InstanceSync } from "./instance-sync.ts";
import { Keys } from "./keys.ts";
import { onLifecycle } from "./lifecycle.ts";
import type { Line } from "./line.ts";
import { callSafely, Listeners, type Stop } from "./listeners.ts";
import { openPageTabs } from "./page-tabs.ts";
import { toPower } from "./permissions.ts";
import { toPermissionsChange } from "./permissions-info.ts";
import { StorageInfo, type StorageStatus } from "./storage-info.ts";
import { browserStorage } from "./storage-platform.ts";
import type { Progress } from "./sync.ts";
import { toStatus, withCid } from "./sync-info.ts";
import type { OtherBuild, Tab } from "./tab.ts";
import { onWake } from "./wake.ts";
import { Watched } from "./watched.ts";
import { Written } from "./written.ts";

export interface InstanceOptions {
  readonly name: string;
  readonly relays: readonly string[];
  readonly iceServers: readonly RTCIceServer[];
  readonly sync: Partial<SyncSettings>;
  readonly startWorker: () => Worker;
  readonly bootTimeoutMs: number;
  readonly signal: AbortSignal | undefined;
  readonly onBlocked: ((older: OtherBuild) => void) | undefined;
  readonly persist: "auto" | "never";
}

export interface InstanceEvents {
  /** The relay came up, went away, or refused us. Work goes on either way. */
  relay: RelayStatus;
  /**
   * Something went wrong that no call is waiting for: an entry of a peer that was refused, a peer that broke the protocol, a
   * storage that was taken away, a worker that died.
   */
  problem: TidemarkError;
  /** This tab leads now, follows another one, or waits for one that leads. */
  tab: Tab;
  /**
   * A tab with a newer build of the app waits until all tabs of this build are gone, or leads already: then every call rejects with
   * BUILD_OUTDATED. To reload the page is what it waits for. Told once for each newer build.
   */
  outdated: OtherBuild;
  /** What `storage.status()` answers is different now: storage is full, fails, works again, is promised to stay; entries are damaged, or back. */
  storage: StorageStatus;
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
  /** Whether what is written stays on this device, how much there is, and whether it is whole. */
  readonly storage: StorageInfo;
  readonly #link: InstanceLink;
  readonly #line: Line;
  readonly #watched = new Watched();
  readonly #written: Written;
  readonly #databases = new Map<string, Database>();
  readonly #listeners = new Listeners<InstanceEvents>(["relay", "problem", "tab", "outdated", "storage"]);
  readonly #unheard: TidemarkError[] = [];
  readonly #stops: readonly Stop[];
  /** This page asked for it. */
  #isWiping = false;

  private constructor({ name, persist }: InstanceOptions, { publicKey, sealKey }: BootInfo, link: InstanceLink) {
    const { line, outbox } = link;
    this.name = name;
    this.publicKey = publicKey;
    this.sealingKey = sealKey && encodeHex(sealKey);
    this.#link = link;
    this.#line = line;
    this.#written = new Written(line, (error, database) => link.report(error, database));
    this.sync = new InstanceSync(line);
    this.keys = new Keys(line);
    const changed = (status: StorageStatus): void => this.#listeners.emit("storage", status);
    this.storage = new StorageInfo({ line, platform: browserStorage, facts: outbox, persist, changed });
    this.#stops = [
      onWake(() => line.send((api) => api.post("wake", {}))),
      onLifecycle({
        keep: () => link.keep(),
        visible: (on) => link.setVisible(on),
        suspend: (cached) => link.suspend(cached),
        freeze: () => link.freeze(),
        resume: () => void link.resume(),
      }),
    ];
  }

  /** For `open`, which checks the options. */
  static async open(options: InstanceOptions): Promise<Instance> {
    const { name, relays, iceServers, sync, onBlocked } = options;
    let instance: Instance | undefined;
    const early: ((opened: Instance) => void)[] = [];
    const tell = (what: (opened: Instance) => void): void => void (instance ? what(instance) : early.push(what));
    const { link, info } = await InstanceLink.open({
      ...options,
      tabs: openPageTabs(name),
      boot: { name, relays, iceServers, sync },
      listener: {
        event: (event) => tell((opened) => opened.#take(event)),
        attached: (now) => tell((opened) => opened.#attached(now)),
        tab: (tab) => tell((opened) => opened.#listeners.emit("tab", tab)),
        outdated: ({ version }) => tell((opened) => opened.#listeners.emit("outdated", { build: version })),
        blocked: ({ version }) => onBlocked && callSafely(onBlocked, { build: version }),
        wrote: (call) => tell((opened) => void opened.storage.noteWrite(lastingCalls.has(call))),
      },
    });
    instance = new Instance(options, info, link);
    for (const what of early) what(instance);
    return instance;
  }

  /** This tab among those that have the instance open, as it is now; "tab" tells of changes. */
  get tab(): Tab {
    return this.#link.tab;
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
    return this.#database(await this.#line.write("createDatabase", (api, write) => api.createDatabase(made, write)));
  }

  /** Every database on this device, those still being joined included, in the order in which they were opened. */
  async databases(): Promise<readonly Database[]> {
    const infos = await this.#line.call("databases", (api) => api.databases());
    return infos.map((info) => this.#database(info));
  }

  /** One of `databases()`. Rejects with INPUT_INVALID for what is no id and DATABASE_UNKNOWN for one that is not here. */
  async database(id: string): Promise<Database> {
    assertText(id, "database id", "a CID such as bafyrei…");
    const key = parseCid(id);
    const found = (await this.#line.call("databases", (api) => api.databases())).find((info) => info.id === key);
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
    const join = (api: WorkerApi, write: WriteId): Promise<DatabaseInfo> => api.join(ticket, asked, write);
    return this.#database(await this.#line.write("join", join, given({ signal })));
  }

  /**
   * All databases of this device that have arrived as one file. With a passphrase it is sealed, and holds a recovery key by which another device gets
   * back into what this one administers; each such file makes a key of its own, an admin of these databases until it is revoked, so pass `recovery: false`
   * for files that are made often. The stream fails as that of `Database.export` does.
   *
   * @example
   * const handle = await showSaveFilePicker({ suggestedName: "notes.tidemark" });
   * await tide.export({ passphrase }).pipeTo(await handle.createWritable());
   */
  export(options: ExportAllOptions = {}): ReadableStream<Uint8Array> {
    assertObject(options, "options of export", "{ passphrase, recovery, signal, onProgress }");
    const { passphrase, recovery = passphrase !== undefined, signal, onProgress } = options;
    return exportStream(this.#line, undefined, { ...given({ passphrase, signal, onProgress }), recovery });
  }

  /**
   * Takes databases from a file that `export` made. Entries are judged as those of a peer, so nothing is believed because it is in a file; what is here
   * already is left as it is. Databases that are made are not synced until `db.sync` is switched on. When it rejects, what came before that place
   * stays, and importing again goes on from there. Rejects with EXPORT_MALFORMED; INPUT_INVALID, also for a sealed file without a passphrase; BACKUP_PASSPHRASE;
   * ENTRY_TIME_AHEAD when this device's clock is behind the file; KEY_LIMIT; a STORAGE_ code; CALL_INTERRUPTED when the tab that leads ends; ABORTED.
   *
   * @example
   * const { databases } = await tide.import(input.files[0], { passphrase });
   */
  async import(source: Blob | ReadableStream<Uint8Array>, options: ImportOptions = {}): Promise<ImportReport> {
    assertObject(options, "options of import", "{ passphrase, signal, onProgress }");
    return await importFrom(this.#line, source, options);
  }

  /**
   * Deletes everything of this instance in this browser: databases, keys, what waits to be sent. Others keep what they have; a database that only this device
   * owned has no owner any more. Every tab that has the instance open ends with INSTANCE_WIPED, this one too, others hear it as a problem, and the next
   * `open` begins as a new device.
   * Rejects with STORAGE_UNAVAILABLE when another tab, of an old build that hangs, keeps the data; then it goes with that tab.
   *
   * @example
   * await tide.wipe();
   */
  async wipe(): Promise<void> {
    this.#isWiping = true;
    try {
      await this.#line.call("wipe", (api) => api.wipe(), { kind: "once" });
    } catch (error) {
      // The word that it is over may be faster than the answer.
      if (!(error instanceof TidemarkError && error.code === "INSTANCE_WIPED")) throw error;
    }
    for (const stop of this.#stops) stop();
  }

  /** Closes all connections and makes none until `goOnline`. Work goes on, on this device. */
  async goOffline(): Promise<void> {
    await this.#line.call("goOffline", (api) => api.setOnline(false));
  }

  /** Looks for peers again, at once. */
  async goOnline(): Promise<void> {
    await this.#line.call("goOnline", (api) => api.setOnline(true));
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
    for (const stop of this.#stops) stop();
    await this.#link.close();
  }

  #database(info: DatabaseInfo): Database {
    const known = this.#databases.get(info.id);
    if (known !== undefined) return known;
    const database = new Database(info, this.#line, this.#watched, this.#written);
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
      case "storage":
        return void this.storage.take(event.health);
      case "verify":
        return this.storage.progressed(event.id, { checked: event.checked, total: event.total });
      case "wiped":
        if (!this.#isWiping) this.#tell(new TidemarkError("INSTANCE_WIPED", { name: this.name }));
        return;
      case "tab":
      case "carry":
      case "connections":
        return; // Taken by the link.
    }
  }

  /** Another leader serves this page: what its events would have told is read anew. */
  #attached({ storage }: BootInfo): void {
    void this.storage.attached(storage);
    void this.sync.peers.reread();
    for (const { sync, requests } of this.#databases.values()) {
      void sync.reread();
      void requests.reread();
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

/** The browser is asked to keep storage when its user does something that would be missed. */
const lastingCalls: ReadonlySet<string> = new Set(["createDatabase", "join", "share"]);

/** An app that never listens must not gather problems for ever. */
const unheardMax = 20;
