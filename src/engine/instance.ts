/**
 * One opened SDK: its identity, its databases, its peers. What the page asks for arrives here.
 *
 * [ENGINE-11] A database that was opened once is looked for at its relays from then on, until the instance goes offline or closes.
 * [ENGINE-12] A failing storage is reported, its peers are let go, and the database is loaded anew from what is durable.
 */
import type { StorePart } from "../core/entry.ts";
import { TidemarkError } from "../core/errors.ts";
import type { Node } from "../core/graph.ts";
import type { DatabaseId, PublicKey } from "../core/ids.ts";
import { refusalReportsBurst, refusalReportsPerSecond } from "../core/limits.ts";
import { type Refusal, Replica } from "../core/replica.ts";
import { OWNER } from "../core/store/power.ts";
import { DatabaseState, type StoreChange } from "../core/store/state.ts";
import { TokenBucket } from "../core/token-bucket.ts";
import type { DatabaseRecord, InviteKey } from "../ports/storage.ts";
import type { RelayStatus } from "../ports/transport.ts";
import { Admissions, type Approval } from "./admissions.ts";
import { Checkpoints } from "./checkpoints.ts";
import { type DatabaseListener, OpenDatabase } from "./database.ts";
import type { Encryption } from "./encryption.ts";
import { type HealingEvent, toProblem } from "./healing.ts";
import type { InviteTerms } from "./invites.ts";
import type { JoinTerms } from "./joins.ts";
import { storedEntry } from "./journal.ts";
import { identityOf, Keys } from "./keys.ts";
import { openReplica } from "./loading.ts";
import type { Path } from "./path.ts";
import { Permissions } from "./permissions.ts";
import type { Access, InviteInfo, Recounted, RequestInfo } from "./permissions-info.ts";
import type { EnginePorts } from "./ports.ts";
import { createRoot } from "./root.ts";
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
  /** Who may do what is different now, or what counts: then what is read is right by now. */
  permissionsChanged(database: DatabaseId, recounted: Recounted): void;
  /** What `requests` answers is different now. */
  requestsChanged(database: DatabaseId): void;
  /** Something went wrong that no call is waiting for. */
  reported(error: TidemarkError, database: DatabaseId | undefined): void;
  /** All that was read before may differ: storage failed and the database was loaded anew, or what entries wrote is void or counts again. */
  reloaded(database: DatabaseId): void;
}

export class Instance {
  /** Of this device, by name. */
  readonly keys: Keys;
  /** Who may do what. */
  readonly permissions: Permissions;
  readonly #ports: EnginePorts;
  readonly #listener: InstanceListener;
  readonly #databases: Map<DatabaseId, OpenDatabase>;
  readonly #replicas: Map<DatabaseId, Replica>;
  readonly #admissions: Admissions;
  readonly #sync: Sync;
  /** Databases whose state lacks entries that are gone from the disk. */
  readonly #lacking = new Set<DatabaseId>();
  readonly #loading = new Map<DatabaseId, Promise<void>>();
  readonly #refusalReports: TokenBucket;
  #closed = false;
  #closing: Promise<void> | undefined;

  private constructor(ports: EnginePorts, listener: InstanceListener, parts: InstanceParts) {
    this.#ports = ports;
    this.#listener = listener;
    this.#databases = parts.databases;
    this.#replicas = parts.replicas;
    this.#sync = parts.sync;
    this.#refusalReports = new TokenBucket(refusalReportsPerSecond, refusalReportsBurst, ports.clock.now());
    this.keys = new Keys({ ...ports, records: () => this.records() });
    this.#admissions = new Admissions(ports, parts.sync, {
      find: (id) => this.find(id),
      databases: () => this.#databases.values(),
      putRecord: (record) => this.#putRecord(record),
      requestsChanged: (database) => listener.requestsChanged(database),
      statusChanged: (database) => listener.statusChanged(database),
      reported: (error, database) => this.#report(error, database),
    });
    this.permissions = new Permissions({
      database: (id) => this.database(id),
      change: (id, build) => this.#admissions.change(this.#open(id), build),
    });
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
      answered: (path, database, answer) => instance.#admissions.answered(path, database, answer),
      knocked: (path, database, knock) => instance.#admissions.knocked(path, database, knock),
      sharingChanged: (database) => instance.#admissions.sharingChanged(databases.get(database)),
      met: (path) => instance.#meet(path),
      caughtUp: (database) => instance.#admissions.joins.caughtUp(databases.get(database)),
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

  /**
   * Resolves when the root is durable. The owner is the key of this name, by default this device's. Rejects with KEY_UNKNOWN, and with
   * ENVIRONMENT_UNSUPPORTED for an encrypted one where nothing can be sealed.
   */
  createDatabase(
    name: string,
    options: { readonly key?: string; readonly sync?: boolean; readonly encrypted?: boolean } = {},
  ): Promise<DatabaseRecord> {
    const switched = options.sync === true ? {} : { sync: false };
    return this.keys.use(options.key, (key) =>
      this.#create({ name, ...switched, ...(key === undefined ? {} : { key }) }, options.encrypted === true),
    );
  }

  async #create(given: Pick<DatabaseRecord, "name" | "key" | "sync">, isEncrypted: boolean): Promise<DatabaseRecord> {
    this.#assertOpen();
    const root = await createRoot(this.#ports, identityOf(this.#ports, given), given.name, isEncrypted);
    const record: DatabaseRecord = { id: root.id, ...given, relays: [] };
    // In one step: a record without its root would be a database that nobody can ever fill.
    const entries = [storedEntry(root, true)];
    await this.#ports.storage.commit({ database: root.id, position: 0, entries, record });
    await this.#load(root.id);
    return record;
  }

  /** Resolves when the entry is durable; see `OpenDatabase.commit` for the codes. */
  async commit(id: DatabaseId, build: (database: OpenDatabase) => readonly StorePart[]): Promise<void> {
    const database = this.#open(id);
    let parts: readonly StorePart[] = [];
    await database.commit(() => {
      parts = build(database);
      return parts;
    });
    await this.#admissions.wrote(database, parts);
  }

  /** A ticket by which its holders come in, as the terms say. Rejects with PERMISSION_DENIED unless this key may grant that. */
  async share(id: DatabaseId, terms: InviteTerms): Promise<string> {
    return await this.#admissions.share(this.#open(id), terms);
  }

  /** A ticket without a secret: it lets those in who may come in anyway, and others ask. For that the database is synced from now on. */
  async ticket(id: DatabaseId): Promise<string> {
    const database = this.#open(id);
    await this.#admissions.setSync(database, true);
    return this.#admissions.address(database);
  }

  /** Those that are not withdrawn, the latest first. */
  invites(id: DatabaseId): readonly InviteInfo[] {
    return this.#admissions.invites(this.database(id));
  }

  /** Rejects with INVITE_UNKNOWN or PERMISSION_DENIED. */
  async revokeInvite(id: DatabaseId, key: PublicKey): Promise<void> {
    await this.#admissions.revokeInvite(this.#open(id), key);
  }

  /** The latest first. */
  requests(id: DatabaseId): readonly RequestInfo[] {
    return this.#admissions.requests.list(this.database(id).id);
  }

  /** Resolves when what is given is durable. Rejects with REQUEST_UNKNOWN, REQUEST_DECIDED, or PERMISSION_DENIED. */
  async approveRequest(id: DatabaseId, approval: Approval): Promise<void> {
    await this.#admissions.approve(this.#open(id), approval);
  }

  /** Rejects with REQUEST_UNKNOWN, REQUEST_DECIDED, or PERMISSION_DENIED. */
  async rejectRequest(id: DatabaseId, key: PublicKey): Promise<void> {
    await this.#admissions.reject(this.#open(id), key);
  }

  /** Whether requests are kept here. */
  async acceptRequests(id: DatabaseId, on: boolean): Promise<void> {
    await this.#admissions.acceptRequests(this.#open(id), on);
  }

  /** How this device stands to the database. */
  access(id: DatabaseId): Access {
    return this.#admissions.access(this.database(id));
  }

  /** Off: nobody is looked for, and to every peer the database is as one that is not here. */
  async setSync(id: DatabaseId, on: boolean): Promise<void> {
    await this.#admissions.setSync(this.#open(id), on);
  }

  /**
   * Takes up a database from a ticket; its entries come when a peer is met. A later ticket takes the place of an earlier one: the first may have
   * been refused, or the second may allow more. Rejects with TICKET_MALFORMED, and for a database that is here and cannot be opened with a
   * STORAGE_ code: then nothing has changed.
   */
  join(text: string, options: JoinTerms & { readonly key?: string } = {}): Promise<DatabaseRecord> {
    const { key: name, ...terms } = options;
    return this.keys.use(name, async (key) => {
      const { id } = this.#admissions.recordOf(text, terms);
      // One that is here is joined again, by another of this device's keys.
      if (name !== undefined && this.find(id) !== undefined) await this.useKey(id, name);
      return this.#join(text, key, terms);
    });
  }

  async #join(text: string, key: string | undefined, terms: JoinTerms): Promise<DatabaseRecord> {
    this.#assertOpen();
    const inviteKeys = await this.#admissions.joins.inviteKeysOf(text);
    const record = { ...this.#admissions.recordOf(text, terms), ...(key === undefined ? {} : { key }), inviteKeys };
    if (this.find(record.id) === undefined) await this.#load(record.id);
    const known = this.find(record.id);
    if (known?.power === OWNER || (known !== undefined && this.#admissions.isIdle(known, text))) return known.record;
    await this.#ports.storage.putDatabase(joined(known?.record, record));
    // Somebody else may have joined it meanwhile.
    const before = this.find(record.id);
    const database = before ?? this.#adoptEmpty(record);
    if (before === undefined) return database.record;
    database.record = joined(database.record, record);
    this.#sync.sharingChanged(database.id);
    // The ticket may open what was closed.
    await database.opened();
    return database.record;
  }

  /**
   * From now on this device takes part in a database with the key of this name. Rejects with KEY_UNKNOWN, DATABASE_UNKNOWN or a STORAGE_
   * code.
   */
  async useKey(id: DatabaseId, name: string): Promise<void> {
    await this.keys.use(name, async (key) => {
      const database = this.#open(id);
      const { key: before, ...record } = database.record;
      if (before === key) return;
      database.record = key === undefined ? record : { ...record, key };
      await this.#ports.storage.putDatabase(database.record);
      this.#admissions.opened(database);
      await database.opened();
      this.#listener.statusChanged(id);
    });
  }

  /** Resolves when what the database's ticket promised has arrived; at once for one without a ticket. Rejects with JOIN_REFUSED. */
  ready(id: DatabaseId): Promise<void> {
    return this.#admissions.joins.ready(this.database(id));
  }

  status(id: DatabaseId): DatabaseStatus {
    return statusOf(this.database(id), this.#admissions, this.#sync, this.#ports.clock);
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
    this.#admissions.joins.close();
    await this.#settleAll();
    await this.#sync.close();
    // What peers sent meanwhile.
    await this.#settleAll();
    await this.#ports.storage.close();
  }

  async #settleAll(): Promise<void> {
    for (const database of this.#databases.values()) await database.settled();
  }

  /** Throws INSTANCE_CLOSED and DATABASE_UNKNOWN. */
  #open(id: DatabaseId): OpenDatabase {
    this.#assertOpen();
    return this.database(id);
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
    const { salvaged, unread, ...opened } = await openReplica(this.#ports, loaded, () => !this.#closed);
    // Somebody may have joined it meanwhile.
    if (this.#databases.has(id)) return;
    const checkpoints = unread.length === 0 ? opened.checkpoints : undefined;
    const database = this.#adopt(loaded.record, opened.replica, checkpoints, opened.encryption);
    await database.opened();
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

  #adopt(
    record: DatabaseRecord,
    replica: Replica,
    checkpoints: Checkpoints | undefined,
    encryption?: Encryption,
  ): OpenDatabase {
    const listener: DatabaseListener = {
      changed: (changes) => this.#changed(database, changes),
      announced: (nodes, permissionsChanged) => this.#announced(database, nodes, permissionsChanged),
      refused: (refusals) => this.#refused(record.id, refusals),
      missed: (ids) => this.#sync.step({ type: "missed", database: record.id, ids }),
      recounted: (recount) => {
        this.permissions.noteRecounted(record.id, recount);
        return this.#sync.recounted(record.id, recount);
      },
      refolded: (entries) => this.#refolded(record.id, entries),
      healing: (event) => this.#reportHealing(event, record.id),
      notTended: (error) => this.#report(error, record.id),
      failed: (error) => void this.#fail(record.id, error),
    };
    const database: OpenDatabase = new OpenDatabase(this.#ports, record, replica, checkpoints, listener, encryption);
    this.#databases.set(record.id, database);
    this.#replicas.set(record.id, replica);
    this.#sync.opened(database);
    this.#admissions.opened(database);
    return database;
  }

  #changed(database: OpenDatabase, changes: readonly StoreChange[]): void {
    this.#listener.changed(database.id, changes);
    this.#listener.statusChanged(database.id);
  }

  #announced(database: OpenDatabase, nodes: readonly Node[], permissionsChanged: boolean): void {
    this.#sync.announced(database, nodes, permissionsChanged);
    this.#admissions.changed(database, permissionsChanged);
    this.#listener.statusChanged(database.id);
    if (!permissionsChanged) return;
    this.#rename(database);
    this.#listener.permissionsChanged(database.id, nothingRecounted);
  }

  #rename(database: OpenDatabase): void {
    const { name } = database.replica.settings;
    if (name !== undefined && name !== database.record.name) void this.#putRecord({ ...database.record, name });
  }

  #refolded(database: DatabaseId, entries: number): void {
    this.#sync.metrics.count("state.refolds");
    this.#sync.metrics.count("entries.refolded", entries);
    this.#listener.reloaded(database);
    this.#listener.permissionsChanged(database, this.permissions.takeRecounted(database));
    this.#listener.statusChanged(database);
  }

  #refused(database: DatabaseId, refusals: readonly Refusal[]): void {
    this.permissions.noteRefused(database, refusals);
    for (const { failure } of refusals.slice(0, reportsMax)) {
      if (!this.#refusalReports.take(1, this.#ports.clock.now())) return;
      this.#report(new TidemarkError(failure.code, failure.details), database);
    }
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
    this.permissions.takeRecounted(id);
    await database?.settled();
    await this.#loadOrReport(id);
    this.#listener.reloaded(id);
  }

  /** Whoever comes is shown our tickets, and asked for what the disk lost. */
  #meet(path: Path): void {
    this.#admissions.met(path);
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

const nothingRecounted: Recounted = { voided: [], revived: [], because: [] };

interface InstanceParts {
  readonly databases: Map<DatabaseId, OpenDatabase>;
  readonly replicas: Map<DatabaseId, Replica>;
  readonly sync: Sync;
}

/** What is remembered of a database that is joined, perhaps once more. */
function joined(known: DatabaseRecord | undefined, record: DatabaseRecord): DatabaseRecord {
  const { refused: _refused, sync: _sync, ...before } = known ?? record;
  return { ...before, ...record, name: before.name, inviteKeys: joinedInvites(known, record) };
}

/** Those of earlier tickets as well: they may have been given epochs that the latest was not. */
function joinedInvites(known: DatabaseRecord | undefined, { inviteKeys = [] }: DatabaseRecord): readonly InviteKey[] {
  const earlier = (known?.inviteKeys ?? []).filter(({ invite }) => inviteKeys[0]?.invite !== invite);
  return [...inviteKeys, ...earlier].slice(0, inviteKeysMax);
}

/** Tickets of one database that a device joined with one after the other. A guess. */
const inviteKeysMax = 16;

/** A hostile batch must not flood whoever listens. */
const reportsMax = 10;
