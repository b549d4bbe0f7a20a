/**
 * One opened SDK: its identity, its databases, its peers. What the page asks for arrives here.
 *
 * [ENGINE-11] A database that was opened once is looked for at its relays from then on, until the instance goes offline or closes.
 * [ENGINE-12] A failing storage is reported, its peers are let go, and the database is loaded anew from what is durable.
 */
import { encodeUnsigned, type StorePart, sealEntry } from "../core/entry.ts";
import { TidemarkError } from "../core/errors.ts";
import type { Node } from "../core/graph.ts";
import type { DatabaseId, PublicKey } from "../core/ids.ts";
import { type Refusal, Replica } from "../core/replica.ts";
import { OWNER, type Power } from "../core/store/power.ts";
import { encodeSettings, type SettingsOp, settingsStoreName } from "../core/store/settings.ts";
import { DatabaseState, type StoreChange } from "../core/store/state.ts";
import type { DatabaseRecord } from "../ports/storage.ts";
import type { RelayStatus } from "../ports/transport.ts";
import { Checkpoints } from "./checkpoints.ts";
import { OpenDatabase } from "./database.ts";
import { type HealingEvent, toProblem } from "./healing.ts";
import { Joins } from "./joins.ts";
import { storedEntry } from "./journal.ts";
import { openReplica } from "./loading.ts";
import type { Path } from "./path.ts";
import type { EnginePorts } from "./ports.ts";
import type { DatabaseStatus } from "./status.ts";
import { statusOf } from "./status-input.ts";
import { Sync } from "./sync.ts";
import type { Backlog, ReceiveProgress, SyncControl, SyncListener } from "./sync-control.ts";

/** Told of everything that the page may want to show. Never throws. */
export interface InstanceListener extends SyncListener {
  changed(database: DatabaseId, changes: readonly StoreChange[]): void;
  /** What `status` would say is different now. */
  statusChanged(database: DatabaseId): void;
  progressed(database: DatabaseId, progress: ReceiveProgress): void;
  relayChanged(status: RelayStatus): void;
  /** Something went wrong that no call is waiting for. */
  reported(error: TidemarkError, database: DatabaseId | undefined): void;
  /** All that was read before may differ: storage failed and the database was loaded anew. */
  reloaded(database: DatabaseId): void;
}

export class Instance {
  readonly #ports: EnginePorts;
  readonly #listener: InstanceListener;
  readonly #databases: Map<DatabaseId, OpenDatabase>;
  readonly #replicas: Map<DatabaseId, Replica>;
  readonly #joins: Joins;
  readonly #sync: Sync;
  /** Databases whose state lacks entries that are gone from the disk. */
  readonly #lacking = new Set<DatabaseId>();
  readonly #loading = new Map<DatabaseId, Promise<void>>();
  #closed = false;
  #closing: Promise<void> | undefined;

  private constructor(ports: EnginePorts, listener: InstanceListener, parts: InstanceParts) {
    this.#ports = ports;
    this.#listener = listener;
    this.#databases = parts.databases;
    this.#replicas = parts.replicas;
    this.#sync = parts.sync;
    this.#joins = new Joins(
      ports,
      (record) => this.#putRecord(record),
      (error, database) => this.#report(error, database),
    );
  }

  /** Opens every database that storage holds, offline: `setOnline` starts to look for peers. One that cannot be read is reported. */
  static async open(ports: EnginePorts, listener: InstanceListener): Promise<Instance> {
    const databases = new Map<DatabaseId, OpenDatabase>();
    const replicas = new Map<DatabaseId, Replica>();
    // What asks the instance is not called before it is online.
    const sync = await Sync.open(ports, {
      replicas,
      database: (id) => databases.get(id),
      databases: () => databases.values(),
      granted: (database, key, power) => instance.#grant(database, key, power),
      joinRefused: (path, database) => instance.#joins.refuse(databases.get(database), path),
      met: (path) => instance.#meet(path),
      caughtUp: (database) => instance.#joins.catchUp(databases.get(database)),
      progressed: (database, progress) => listener.progressed(database, progress),
      statusChanged: (database) => listener.statusChanged(database),
      relayChanged: (status) => listener.relayChanged(status),
      reported: (error, database) => listener.reported(error, database),
      peersChanged: () => listener.peersChanged(),
      jobChanged: (job) => listener.jobChanged(job),
      logged: (event) => listener.logged(event),
    });
    const instance: Instance = new Instance(ports, listener, { databases, replicas, sync });
    for (const { id } of await ports.storage.databases()) await instance.#loadOrReport(id);
    return instance;
  }

  /** Peers, relations, transports, jobs, hooks: see commands.ts. */
  get sync(): SyncControl {
    return this.#sync;
  }

  /** For whoever watches that no queue grows without a limit. */
  backlog(database: DatabaseId): Backlog {
    return this.#sync.backlog(database);
  }

  get publicKey(): PublicKey {
    return this.#ports.identity.publicKey;
  }

  get online(): boolean {
    return this.#sync.peers.online;
  }

  /** In the order in which they were opened here. */
  records(): readonly DatabaseRecord[] {
    return [...this.#databases.values()].map((database) => database.record);
  }

  /** Undefined for one that is not here, or is being loaded anew. */
  find(id: DatabaseId): OpenDatabase | undefined {
    return this.#databases.get(id);
  }

  /** Fails with DATABASE_UNKNOWN. */
  database(id: DatabaseId): OpenDatabase {
    const database = this.find(id);
    if (database === undefined) throw new TidemarkError("DATABASE_UNKNOWN", { database: id });
    return database;
  }

  /** Resolves when the root is durable. This device's key is the owner. */
  async createDatabase(name: string): Promise<DatabaseRecord> {
    this.#assertOpen();
    const { identity, clock, random, sha256, storage } = this.#ports;
    const stores = [
      settingsPart([
        { type: "nonce", nonce: random.bytes(16) },
        { type: "name", name },
      ]),
    ];
    const draft = new Replica("" as DatabaseId, sha256).draft(identity.publicKey, stores, clock.now());
    const message = encodeUnsigned(draft);
    const root = sealEntry(draft, message, await identity.sign(message), sha256);
    const record: DatabaseRecord = { id: root.id, name, relays: [] };
    // In one step: a record without its root would be a database that nobody can ever fill.
    await storage.commit({ database: root.id, position: 0, entries: [storedEntry(root, true)], record });
    await this.#load(root.id);
    return record;
  }

  /** Resolves when the entry is durable; see `OpenDatabase.commit` for the codes. */
  async commit(id: DatabaseId, build: (database: OpenDatabase) => readonly StorePart[]): Promise<void> {
    this.#assertOpen();
    const database = this.database(id);
    await database.commit(() => build(database));
  }

  /** A ticket that lets whoever holds it in with `power`. Rejects with PERMISSION_DENIED unless this key may grant it. */
  async share(id: DatabaseId, power: Power): Promise<string> {
    this.#assertOpen();
    const database = this.database(id);
    const { invite, ticket } = await this.#joins.invite(database, power, this.#sync.rooms.relaysOf(database.record));
    await database.commit(() => [settingsPart([invite])]);
    return ticket;
  }

  /**
   * Takes up a database from a ticket; its entries come when a peer is met. A later ticket takes the place of an earlier one: the first may have
   * been refused, or the second may allow more. Rejects with TICKET_MALFORMED, and for a database that is here and cannot be opened with a
   * STORAGE_ code: then nothing has changed.
   */
  async join(text: string): Promise<DatabaseRecord> {
    this.#assertOpen();
    const record = this.#joins.recordOf(text);
    if (this.find(record.id) === undefined) await this.#load(record.id);
    const known = this.find(record.id);
    if (known?.replica.authority.power(this.publicKey) === OWNER) return known.record;
    await this.#ports.storage.putDatabase({ ...known?.record, ...record, name: known?.record.name ?? "" });
    // Somebody else may have joined it meanwhile.
    const database = this.find(record.id) ?? this.#adoptEmpty(record);
    database.record = { ...database.record, ...record, name: database.record.name };
    this.#sync.rooms.seek(database.record);
    for (const path of this.#sync.peers.all()) this.#joins.introduce(path, [database]);
    return database.record;
  }

  /** Resolves when what the database's ticket promised has arrived; at once for one without a ticket. Rejects with JOIN_REFUSED. */
  ready(id: DatabaseId): Promise<void> {
    return this.#joins.ready(this.database(id));
  }

  status(id: DatabaseId): DatabaseStatus {
    return statusOf(this.database(id), this.#sync, this.#ports.clock);
  }

  /** Offline: every connection is closed and none is made. Online: peers are looked for again, at once. */
  setOnline(online: boolean): void {
    this.#sync.setOnline(online);
    for (const database of this.#databases.values()) this.#listener.statusChanged(database.id);
  }

  /** The network may have come back: whatever waits is tried now. */
  retry(): void {
    this.#sync.wake();
  }

  /**
   * Resolves when everything accepted is durable, connected peers have confirmed it or `drainTimeoutMs` is over, and storage is closed; every call of
   * it with the first. Whoever waits for `ready` gets INSTANCE_CLOSED, as does every later call that would change something.
   */
  close(): Promise<void> {
    this.#closing ??= this.#closeNow();
    return this.#closing;
  }

  async #closeNow(): Promise<void> {
    this.#closed = true;
    this.#joins.close();
    await this.#settleAll();
    await this.#sync.close();
    // What peers sent meanwhile.
    await this.#settleAll();
    await this.#ports.storage.close();
  }

  async #settleAll(): Promise<void> {
    for (const database of this.#databases.values()) await database.settled();
  }

  #assertOpen(): void {
    if (this.#closed) throw new TidemarkError("INSTANCE_CLOSED", { name: this.#ports.name });
  }

  /** One database that cannot be read must not keep the others from opening. */
  async #loadOrReport(id: DatabaseId): Promise<void> {
    await this.#load(id).catch((error: unknown) => this.#report(error, id));
  }

  #load(id: DatabaseId): Promise<void> {
    const loading = this.#loading.get(id) ?? this.#loadNow(id).finally(() => this.#loading.delete(id));
    this.#loading.set(id, loading);
    return loading;
  }

  async #loadNow(id: DatabaseId): Promise<void> {
    const loaded = await this.#ports.storage.load(id);
    if (loaded === undefined) return;
    if (loaded.index.length === 0 && loaded.record.ticket === undefined) {
      // Its making was cut short before the root was durable: nobody was told of it.
      return this.#ports.storage.deleteDatabase(id);
    }
    const { replica, checkpoints, salvaged, unread } = await openReplica(this.#ports, loaded, () => !this.#closed);
    // Somebody may have joined it meanwhile.
    if (this.#databases.has(id)) return;
    const database = this.#adopt(loaded.record, replica, unread.length === 0 ? checkpoints : undefined);
    if (salvaged > 0) this.#reportHealing({ type: "salvaged", entries: salvaged }, id);
    if (unread.length > 0) this.#heal(database, unread);
  }

  /** Everything else is shown and synced meanwhile. */
  #heal(database: OpenDatabase, unread: readonly number[]): void {
    this.#lacking.add(database.id);
    const nodes = unread.map((position) => database.replica.graph.at(position));
    const error = new TidemarkError("STORAGE_CORRUPT", { where: `${unread.length} entries` });
    database.healing.check(nodes, error).catch(() => {}); // What is damaged is reported as such.
  }

  #adoptEmpty(record: DatabaseRecord): OpenDatabase {
    return this.#adopt(record, new Replica(record.id, this.#ports.sha256), new Checkpoints([], new DatabaseState()));
  }

  #adopt(record: DatabaseRecord, replica: Replica, checkpoints: Checkpoints | undefined): OpenDatabase {
    const database = new OpenDatabase(this.#ports, record, replica, checkpoints, {
      changed: (changes) => this.#changed(database, changes),
      announced: (nodes, permissionsChanged) => this.#announced(database, nodes, permissionsChanged),
      refused: (refusals) => this.#refused(record.id, refusals),
      missed: (ids) => this.#sync.step({ type: "missed", database: record.id, ids }),
      healing: (event) => this.#reportHealing(event, record.id),
      failed: (error) => void this.#fail(record.id, error),
    });
    this.#databases.set(record.id, database);
    this.#replicas.set(record.id, replica);
    this.#sync.opened(database);
    return database;
  }

  #changed(database: OpenDatabase, changes: readonly StoreChange[]): void {
    this.#listener.changed(database.id, changes);
    this.#listener.statusChanged(database.id);
    const name = database.replica.state.settings.name;
    if (name !== undefined && name !== database.record.name) void this.#putRecord({ ...database.record, name });
  }

  #announced(database: OpenDatabase, nodes: readonly Node[], permissionsChanged: boolean): void {
    this.#sync.announced(database, nodes, permissionsChanged);
    this.#joins.announced(database);
    this.#listener.statusChanged(database.id);
  }

  #refused(database: DatabaseId, refusals: readonly Refusal[]): void {
    for (const { failure } of refusals.slice(0, reportsMax)) {
      this.#report(new TidemarkError(failure.code, failure.details), database);
    }
  }

  async #grant(id: DatabaseId, key: PublicKey, power: Power): Promise<void> {
    const database = this.database(id);
    if (database.replica.authority.power(key) <= power) return;
    await database.commit(() => [settingsPart([{ type: "set", key, power }])]);
  }

  async #putRecord(record: DatabaseRecord): Promise<void> {
    const database = this.#databases.get(record.id);
    if (database !== undefined) database.record = record;
    await this.#ports.storage.putDatabase(record).catch((error: unknown) => this.#report(error, record.id));
    this.#listener.statusChanged(record.id);
  }

  async #fail(id: DatabaseId, error: unknown): Promise<void> {
    this.#report(error, id);
    await this.#reload(id, error);
  }

  /** From what is durable. Whoever waits for the database is rejected with `error`. */
  async #reload(id: DatabaseId, error: unknown): Promise<void> {
    const database = this.#databases.get(id);
    this.#sync.peers.dropAll();
    this.#databases.delete(id);
    this.#replicas.delete(id);
    this.#lacking.delete(id);
    this.#sync.closed(id, error);
    await database?.settled();
    await this.#loadOrReport(id);
    this.#listener.reloaded(id);
  }

  /** Whoever comes is shown our tickets, and asked for what the disk lost. */
  #meet(path: Path): void {
    this.#joins.introduce(path, this.#databases.values());
    for (const database of this.#databases.values()) database.healing.ask();
  }

  #reportHealing(event: HealingEvent, database: DatabaseId): void {
    const problem = toProblem(event);
    // What was saved is whole again: it is told, and stands in nobody's way.
    if (problem !== undefined && event.type === "salvaged") this.#sync.tell(problem, database);
    else if (problem !== undefined) this.#report(problem, database);
    // Peers may lack what could not be sent while it was damaged.
    if (event.type !== "healed" || event.left > 0) return;
    this.#sync.mended(database);
    if (this.#lacking.has(database)) void this.#reload(database, new TidemarkError("DATABASE_NOT_READY", { database }));
    else this.#sync.step({ type: "resumed", database });
  }

  #report(error: unknown, database: DatabaseId | undefined): void {
    this.#sync.report(error, database);
  }
}

interface InstanceParts {
  readonly databases: Map<DatabaseId, OpenDatabase>;
  readonly replicas: Map<DatabaseId, Replica>;
  readonly sync: Sync;
}

/** A hostile batch must not flood whoever listens. */
const reportsMax = 10;

function settingsPart(ops: readonly SettingsOp[]): StorePart {
  return { name: settingsStoreName, type: "settings", payload: encodeSettings(ops) };
}
