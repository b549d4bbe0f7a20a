/**
 * One opened SDK, as the app holds it.
 *
 * Deliberately not here: the way to whoever leads (instance-link.ts), and whom it concerns what the engine tells (hearing.ts).
 */
import { TidemarkError } from "../core/errors.ts";
import { type DatabaseId, encodeHex, type PublicKey, parseCid } from "../core/ids.ts";
import { idleDocsBytesMax, labelBytesMax, requestNoteBytesMax } from "../core/limits.ts";
import { validateName } from "../core/store/values.ts";
import { checkLabel } from "../engine/label.ts";
import type { SyncSettings } from "../engine/settings.ts";
import type { BootInfo, DatabaseInfo, WorkerApi, WriteId } from "../worker/api.ts";
import { Database } from "./database.ts";
import { type AutomergeOptions, automergeLoader } from "./documents/automerge.ts";
import { Documents } from "./documents/documents.ts";
import { type ExportAllOptions, exportStream, type ImportOptions, type ImportReport, importFrom } from "./export.ts";
import { type Audience, hear, hearAnew } from "./hearing.ts";
import { assertBoolean, assertLabel, assertObject, assertText, given } from "./input.ts";
import { type InstanceEvents, InstanceListeners } from "./instance-events.ts";
import { InstanceLink } from "./instance-link.ts";
import { InstanceSync } from "./instance-sync.ts";
import { Keys } from "./keys.ts";
import { onLifecycle } from "./lifecycle.ts";
import type { Line } from "./line.ts";
import { callSafely, type Stop } from "./listeners.ts";
import { openPageTabs } from "./page-tabs.ts";
import { PastViews } from "./past-views.ts";
import { toPower } from "./permissions.ts";
import { StorageInfo, type StorageStatus } from "./storage-info.ts";
import { browserStorage } from "./storage-platform.ts";
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
  readonly automerge: AutomergeOptions;
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
  readonly #documents: Documents;
  readonly #past: PastViews;
  readonly #databases = new Map<DatabaseId, Database>();
  readonly #listeners = new InstanceListeners();
  readonly #audience: Audience;
  readonly #stops: readonly Stop[];
  /** This page asked for it. */
  #isWiping = false;

  private constructor(
    { name, persist, automerge }: InstanceOptions,
    { publicKey, sealKey }: BootInfo,
    link: InstanceLink,
  ) {
    const { line, page } = link;
    this.name = name;
    this.publicKey = publicKey;
    this.sealingKey = sealKey && encodeHex(sealKey);
    this.#link = link;
    this.#line = line;
    this.#written = new Written(line, (error, database) => link.report(error, database));
    this.#past = new PastViews(line);
    this.#documents = new Documents({
      line,
      load: automergeLoader(automerge),
      report: (error, database) => link.report(error, database),
      opened: () => page.outbox.warm(),
      idleBytesMax: idleDocsBytesMax,
    });
    this.sync = new InstanceSync(line);
    this.keys = new Keys(line);
    const changed = (status: StorageStatus): void => this.#listeners.emit("storage", status);
    this.storage = new StorageInfo({ line, platform: browserStorage, facts: page.outbox, persist, changed });
    this.#audience = {
      ...{ databases: this.#databases, sync: this.sync, storage: this.storage },
      ...{ watched: this.#watched, written: this.#written, past: this.#past, listeners: this.#listeners },
      documents: this.#documents,
      wiped: () => {
        this.#documents.close(new TidemarkError("INSTANCE_WIPED", { name }));
        if (!this.#isWiping) this.#listeners.report(new TidemarkError("INSTANCE_WIPED", { name }));
      },
    };
    // Documents first: what they write as the page goes is put away with the rest.
    const stopDocuments = onLifecycle(this.#documents);
    this.#stops = [onWake(() => line.send((api) => api.post("wake", {}))), stopDocuments, onLifecycle(page)];
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
        event: (event) => tell((opened) => hear(opened.#audience, event)),
        attached: (now) => tell((opened) => hearAnew(opened.#audience, now)),
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
    assertObject(options, "options of export", "{ passphrase, recovery, signal, onProgress, onMissing }");
    const { passphrase, recovery = passphrase !== undefined, signal, onProgress, onMissing } = options;
    return exportStream(this.#line, undefined, { ...given({ passphrase, signal, onProgress, onMissing }), recovery });
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
    return this.#listeners.on(event, listener);
  }

  /**
   * Resolves when everything is durable on this device, connected peers have confirmed what waited for them or two seconds are over, and the worker has
   * ended; every call resolves with the first. Other calls reject with INSTANCE_CLOSED from now on.
   */
  async close(): Promise<void> {
    this.#documents.close(new TidemarkError("INSTANCE_CLOSED", { name: this.name }));
    for (const stop of this.#stops) stop();
    // Else others see the page for as long as what it said last holds.
    for (const { presence } of this.#databases.values()) presence.clear();
    await this.#link.close();
  }

  #database(info: DatabaseInfo): Database {
    const known = this.#databases.get(info.id);
    if (known !== undefined) return known;
    const database = new Database(info, this.#line, this.#watched, this.#written, this.#past, this.#documents);
    this.#databases.set(info.id, database);
    return database;
  }
}

/** The browser is asked to keep storage when its user does something that would be missed. */
const lastingCalls: ReadonlySet<string> = new Set(["createDatabase", "join", "share"]);
