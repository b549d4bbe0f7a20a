/**
 * One opened SDK: its identity, its databases, its peers. What the page asks for arrives here.
 *
 * [ENGINE-11] A database that was opened once is looked for at its relays from then on, until the instance goes offline or closes.
 * [ENGINE-12] A failing storage is reported, its peers are let go, and the database is loaded anew from what is durable.
 * [HEALTH-4] While storage takes nothing, nothing of peers is taken, and they are asked to hold back; entries of this device are tried.
 */
import type { StorePart } from "../core/entry.ts";
import { TidemarkError } from "../core/errors.ts";
import type { Node } from "../core/graph.ts";
import type { DatabaseId, PublicKey } from "../core/ids.ts";
import { ownEntriesWaitMs, refusalReportsBurst, refusalReportsPerSecond } from "../core/limits.ts";
import { type Refusal, Replica } from "../core/replica.ts";
import { OWNER } from "../core/store/power.ts";
import type { SettingsOp } from "../core/store/settings.ts";
import { DatabaseState, type StoreChange } from "../core/store/state.ts";
import { TokenBucket } from "../core/token-bucket.ts";
import type { DatabaseRecord, InviteKey } from "../ports/storage.ts";
import type { RelayStatus } from "../ports/transport.ts";
import { Admissions, type Approval } from "./admissions.ts";
import { Checkpoints } from "./checkpoints.ts";
import { type DatabaseListener, OpenDatabase } from "./database.ts";
import { Deletion } from "./deletion.ts";
import type { Encryption } from "./encryption.ts";
import { type HealingEvent, toProblem } from "./healing.ts";
import type { InviteTerms } from "./invites.ts";
import type { JoinTerms } from "./joins.ts";
import { storedEntry } from "./journal.ts";
import { identityOf, Keys } from "./keys.ts";
import type { Path } from "./path.ts";
import { Permissions } from "./permissions.ts";
import type { Access, InviteInfo, Recounted, RequestInfo } from "./permissions-info.ts";
import type { EnginePorts } from "./ports.ts";
import { judgeAside, openStored, type StoredDatabase } from "./rebuilding.ts";
import { createRoot } from "./root.ts";
import type { DatabaseStatus } from "./status.ts";
import { statusOf } from "./status-input.ts";
import { type StorageHealth, StorageWatch } from "./storage-health.ts";
import { Sync } from "./sync.ts";
import type { Backlog, ReceiveProgress, SyncControl, SyncListener } from "./sync-control.ts";
import { Verification, type VerifyOptions, type VerifyReport } from "./verify.ts";
import { type Marking, storeWith, type WriteId, WriteLedger } from "./writes.ts";

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
  /** What `storageHealth` answers is different now. */
  storageChanged(health: StorageHealth): void;
}

export class Instance {
  /** Of this device, by name. */
  readonly keys: Keys;
  /** Who may do what. */
  readonly permissions: Permissions;
  /** What was done for which tab. Every call with a `WriteId` is done once, and answered as the first time. */
  readonly writes: WriteLedger;
  readonly #ports: EnginePorts;
  readonly #listener: InstanceListener;
  readonly #databases: Map<DatabaseId, OpenDatabase>;
  readonly #replicas: Map<DatabaseId, Replica>;
  readonly #admissions: Admissions;
  readonly #sync: Sync;
  readonly #watch: StorageWatch;
  readonly #verification: Verification;
  /** Databases whose state lacks entries that are gone from the disk. */
  readonly #lacking = new Set<DatabaseId>();
  /** Databases of which entries were put aside that wait for what is gone. */
  readonly #asides = new Set<DatabaseId>();
  /** Ends what the writes of a database wait for. */
  readonly #waiting = new Map<DatabaseId, () => void>();
  readonly #loading = new Map<DatabaseId, Promise<void>>();
  readonly #deletion: Deletion;
  readonly #refusalReports: TokenBucket;
  #closed = false;
  #closing: Promise<void> | undefined;

  private constructor(ports: EnginePorts, listener: InstanceListener, parts: InstanceParts) {
    this.#ports = ports;
    this.#listener = listener;
    this.#databases = parts.databases;
    this.#replicas = parts.replicas;
    this.#sync = parts.sync;
    this.#watch = parts.watch;
    this.#verification = new Verification({
      ...ports,
      databases: () => [...this.#databases.keys()],
      find: (id) => this.find(id),
      reload: async (id, error) => {
        this.#sync.tell(error, id);
        await this.#reload(id, error);
      },
      renewRecords: async () => {
        parts.sync.store.renew();
        await parts.sync.store.flush();
      },
    });
    this.writes = parts.writes;
    this.#refusalReports = new TokenBucket(refusalReportsPerSecond, refusalReportsBurst, ports.clock.now());
    this.keys = new Keys({ ...ports, records: () => this.records() });
    this.#admissions = new Admissions(ports, parts.sync, {
      find: (id) => this.find(id),
      databases: () => this.#databases.values(),
      isGone: (id) => this.#deletion.isGone(id),
      putRecord: (record) => this.#putRecord(record),
      requestsChanged: (database) => listener.requestsChanged(database),
      statusChanged: (database) => listener.statusChanged(database),
      reported: (error, database) => this.#report(error, database),
    });
    this.#deletion = new Deletion({
      storage: ports.storage,
      store: parts.sync.store,
      loaded: async (id) => await this.#loading.get(id)?.catch(() => {}),
      load: (id) => this.#loadOrReport(id),
      find: (id) => this.find(id),
      detach: (id, error) => this.#detach(id, error),
    });
    this.permissions = new Permissions({
      database: (id) => this.database(id),
      change: (id, op, assertMay, write) => this.#change(this.#open(id), op, assertMay, write),
    });
  }

  /** Opens every database that storage holds, offline: `setOnline` starts to look for peers. One that cannot be read is reported. */
  static async open(ports: EnginePorts, listener: InstanceListener): Promise<Instance> {
    const databases = new Map<DatabaseId, OpenDatabase>();
    const replicas = new Map<DatabaseId, Replica>();
    const watch = new StorageWatch({
      clock: ports.clock,
      probe: (bytes) => ports.storage.probe(bytes),
      stopped: () => instance.#storageStopped(),
      recovered: () => void instance.#storageRecovered(),
    });
    // What asks the instance is not called before it is online.
    const opening = Sync.open(ports, {
      replicas,
      database: (id) => databases.get(id),
      databases: () => databases.values(),
      answered: (path, database, answer) => instance.#admissions.answered(path, database, answer),
      knocked: (path, database, knock) => instance.#admissions.knocked(path, database, knock),
      sharingChanged: (database) => instance.#admissions.sharingChanged(databases.get(database)),
      met: (path) => instance.#meet(path),
      caughtUp: (database) => instance.#caughtUp(database),
      progressed: (database, progress) => listener.progressed(database, progress),
      statusChanged: (database) => listener.statusChanged(database),
      relayChanged: (status) => listener.relayChanged(status),
      reported: (error, database) => {
        if (error.code === "STORAGE_QUOTA") watch.failed(error);
        listener.reported(error, database);
      },
      woke: () => void watch.check(),
      peersChanged: () => listener.peersChanged(),
      jobChanged: (job) => listener.jobChanged(job),
      logged: (event) => listener.logged(event),
    });
    // None of them waits for what another one reads.
    const ledger = WriteLedger.open(ports.storage, ports.clock);
    const [sync, writes, records] = await Promise.all([opening, ledger, ports.storage.databases()]);
    const instance: Instance = new Instance(ports, listener, { databases, replicas, sync, writes, watch });
    for (const { id } of records) await instance.#loadOrReport(id);
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
  async createDatabase(
    name: string,
    options: { readonly key?: string; readonly sync?: boolean; readonly encrypted?: boolean } = {},
    write?: WriteId,
  ): Promise<DatabaseRecord> {
    const switched = options.sync === true ? {} : { sync: false };
    const isEncrypted = options.encrypted === true;
    const made = await this.writes.once(write, (mark) =>
      this.keys.use(options.key, (key) =>
        this.#create({ name, ...switched, ...(key === undefined ? {} : { key }) }, isEncrypted, mark),
      ),
    );
    return this.#recordAs(made);
  }

  async #create(
    given: Pick<DatabaseRecord, "name" | "key" | "sync">,
    isEncrypted: boolean,
    mark: Marking,
  ): Promise<NamedDatabase> {
    this.#assertOpen();
    const root = await createRoot(this.#ports, identityOf(this.#ports, given), given.name, isEncrypted);
    const record: DatabaseRecord = { id: root.id, ...given, relays: [] };
    // In one step: a record without its root would be a database that nobody can ever fill.
    const entries = [storedEntry(root, true)];
    const made: NamedDatabase = { id: root.id, name: given.name };
    const commit = { database: root.id, position: 0, entries, record };
    await this.#storing(storeWith(mark(made), (writes) => this.#ports.storage.commit({ ...commit, writes })));
    await this.#load(root.id);
    return made;
  }

  /** Resolves when the entry is durable; see `OpenDatabase.commit` for the codes. */
  commit(id: DatabaseId, build: (database: OpenDatabase) => readonly StorePart[], write?: WriteId): Promise<void> {
    return this.writes.once(write, (mark) => this.#commit(id, build, mark));
  }

  async #commit(id: DatabaseId, build: (database: OpenDatabase) => readonly StorePart[], mark: Marking): Promise<void> {
    const database = this.#open(id);
    let parts: readonly StorePart[] = [];
    const buildOnce = (): readonly StorePart[] => {
      parts = build(database);
      return parts;
    };
    await database.commit(buildOnce, mark());
    await this.#admissions.wrote(database, parts);
  }

  #change(database: OpenDatabase, op: SettingsOp, assertMay: () => void, write: WriteId | undefined): Promise<void> {
    const build = (): readonly SettingsOp[] => {
      assertMay();
      return [op];
    };
    return this.writes.once(
      write,
      (mark) => this.#admissions.change(database, build, { marks: mark() }),
      () => this.#admissions.wroteOps(database, [op]),
    );
  }

  /** A ticket by which its holders come in, as the terms say. Rejects with PERMISSION_DENIED unless this key may grant that. */
  async share(id: DatabaseId, terms: InviteTerms, write?: WriteId): Promise<string> {
    const database = this.#open(id);
    return await this.writes.once(
      write,
      (mark) => this.#admissions.share(database, terms, mark),
      () => this.#admissions.setSync(database, true),
    );
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
  async revokeInvite(id: DatabaseId, key: PublicKey, write?: WriteId): Promise<void> {
    const database = this.#open(id);
    await this.writes.once(write, (mark) => this.#admissions.revokeInvite(database, key, mark));
  }

  /** The latest first. */
  requests(id: DatabaseId): readonly RequestInfo[] {
    return this.#admissions.requests.list(this.database(id).id);
  }

  /** Resolves when what is given is durable. Rejects with REQUEST_UNKNOWN, REQUEST_DECIDED, or PERMISSION_DENIED. */
  async approveRequest(id: DatabaseId, approval: Approval, write?: WriteId): Promise<void> {
    const database = this.#open(id);
    await this.writes.once(
      write,
      (mark) => this.#admissions.approve(database, approval, mark),
      () => this.#admissions.approved(database),
    );
  }

  /** Rejects with REQUEST_UNKNOWN, REQUEST_DECIDED, or PERMISSION_DENIED. */
  async rejectRequest(id: DatabaseId, key: PublicKey, write?: WriteId): Promise<void> {
    const database = this.#open(id);
    await this.writes.once(write, () => this.#admissions.reject(database, key, write));
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
  async join(
    text: string,
    options: JoinTerms & { readonly key?: string } = {},
    write?: WriteId,
  ): Promise<DatabaseRecord> {
    const { key: name, ...terms } = options;
    const joined = await this.writes.once(write, (mark) =>
      this.keys.use(name, async (key) => {
        const { id } = this.#admissions.recordOf(text, terms);
        await this.#deletion.settled(id);
        // One that is here is joined again, by another of this device's keys.
        if (name !== undefined && this.find(id) !== undefined) await this.useKey(id, name);
        return named(await this.#join(text, key, terms, mark));
      }),
    );
    return this.#recordAs(joined);
  }

  /** As it was answered first, also when it has another name by now, or is gone. */
  #recordAs(answer: NamedDatabase): DatabaseRecord {
    return { relays: [], ...this.find(answer.id)?.record, ...answer };
  }

  async #join(text: string, key: string | undefined, terms: JoinTerms, mark: Marking): Promise<DatabaseRecord> {
    this.#assertOpen();
    const inviteKeys = await this.#admissions.joins.inviteKeysOf(text);
    const record = { ...this.#admissions.recordOf(text, terms), ...(key === undefined ? {} : { key }), inviteKeys };
    if (this.find(record.id) === undefined) await this.#load(record.id);
    const known = this.find(record.id);
    if (known?.power === OWNER || (known !== undefined && this.#admissions.isIdle(known, text))) return known.record;
    const remembered = joined(known?.record, record);
    const putting = storeWith(mark(named(remembered)), (rows) => this.#ports.storage.putDatabase(remembered, rows));
    await this.#storing(putting);
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

  /**
   * For a file: makes a database that has no entries yet, unless it is here already. Answers whether it made it. Rejects with a STORAGE_ code, also for
   * one that is here and cannot be read.
   */
  makeForImport(record: DatabaseRecord): Promise<boolean> {
    return this.keys.use(record.key, async () => {
      this.#assertOpen();
      await this.#deletion.settled(record.id);
      if (this.find(record.id) === undefined) await this.#load(record.id);
      if (this.find(record.id) !== undefined) return false;
      await this.#storing(this.#ports.storage.putDatabase(record));
      // Somebody may have joined it meanwhile.
      if (this.find(record.id) !== undefined) return false;
      this.#adoptEmpty(record);
      return true;
    });
  }

  /** Nothing of it stays on this device; others keep what they have. Resolves also when it is not here. Rejects with a STORAGE_ code. */
  async forget(id: DatabaseId): Promise<void> {
    this.#assertOpen();
    await this.#deletion.forget(id);
    await this.writes.forgetDatabase(id);
  }

  /**
   * Removes it for everybody, for ever: nobody writes to it any more, as soon as the word has reached them. Resolves when that is durable, at once when it
   * is so already. Rejects with PERMISSION_DENIED for anybody but its owner.
   */
  async remove(id: DatabaseId): Promise<void> {
    const database = this.#open(id);
    if (database.isRemoved) return;
    const { power, permission } = database;
    if (power !== OWNER) throw new TidemarkError("PERMISSION_DENIED", { need: "owner", got: permission });
    await this.#admissions.change(database, () => [{ type: "remove" }]);
  }

  /**
   * Resolves when what the database's ticket promised has arrived; at once for one without a ticket. Rejects with JOIN_REFUSED, and with ABORTED
   * by `signal`.
   */
  ready(id: DatabaseId, signal?: AbortSignal): Promise<void> {
    return this.#admissions.joins.ready(this.database(id), signal);
  }

  status(id: DatabaseId): DatabaseStatus {
    return statusOf(this.database(id), this.#admissions, this.#sync, this.#ports.clock);
  }

  /** Offline: every connection is closed and none is made. Online: peers are looked for again, at once. */
  setOnline(online: boolean): void {
    this.#sync.setOnline(online);
    for (const database of this.#databases.values()) this.#listener.statusChanged(database.id);
  }

  /** Whether what is given is stored. */
  storageHealth(): StorageHealth {
    const { type, error } = this.#watch;
    const damagedEntries = [...this.#databases.values()].reduce((sum, { healing }) => sum + healing.damaged, 0);
    return { type, code: error?.code, damagedEntries };
  }

  /** Looks at everything that is stored, whether it is as it was written; what is not is mended, with the help of peers. Rejects with ABORTED. */
  async verify(options: VerifyOptions = {}): Promise<VerifyReport> {
    this.#assertOpen();
    return await this.#verification.run(options);
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
    this.#closing ??= this.#closeNow(true);
    return this.#closing;
  }

  /** The same without waiting for peers: whoever opens this storage next goes on with them. */
  handOver(): Promise<void> {
    this.#closing ??= this.#closeNow(false);
    return this.#closing;
  }

  /** Nobody is connected, and no job runs: for peers it makes no difference who leads. */
  get isIdle(): boolean {
    return this.#sync.peers.all().length === 0 && !this.#sync.jobs.all().some(({ state }) => state === "running");
  }

  async #closeNow(isDraining: boolean): Promise<void> {
    this.#closed = true;
    this.#watch.close();
    this.#verification.close();
    for (const id of [...this.#waiting.keys()]) this.#stopWaiting(id);
    this.#admissions.joins.close();
    await this.#settleAll();
    await this.#sync.close(isDraining);
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
    if (this.#deletion.isUnderWay(id)) return Promise.resolve();
    const loading = this.#loading.get(id) ?? this.#loadNow(id).finally(() => this.#loading.delete(id));
    this.#loading.set(id, loading);
    return loading;
  }

  async #loadNow(id: DatabaseId): Promise<void> {
    const stored = await openStored(this.#ports, id, () => !this.#closed);
    if (stored === undefined) return;
    const { loaded } = stored;
    const isHarmed = isHarmedBy(stored);
    if (loaded.index.length === 0 && loaded.record.ticket === undefined && !isHarmed) {
      // Its making was cut short before the root was durable: nobody was told of it.
      return this.#ports.storage.deleteDatabase(id);
    }
    const { salvaged, unread, ...opened } = stored.opened;
    // Somebody may have joined it meanwhile.
    if (this.#databases.has(id)) return;
    // Before anybody asks: what was held is not at those positions any more.
    const { end } = stored.repaired;
    if (end !== undefined) await this.#sync.fellBack(id, end);
    const checkpoints = unread.length === 0 ? opened.checkpoints : undefined;
    const database = this.#adopt(loaded.record, opened.replica, checkpoints, opened.encryption);
    await database.opened();
    if (salvaged > 0) this.#reportHealing({ type: "salvaged", entries: salvaged }, id);
    if (unread.length > 0) this.#heal(database, unread);
    if (isHarmed) await this.#restore(database, stored);
  }

  /** After damage that took entries out of their places: tells of it, judges what was put aside, and has the rest asked for. */
  async #restore(database: OpenDatabase, { loaded, repaired }: StoredDatabase): Promise<void> {
    const { id } = database;
    const { end, aside, lost } = repaired;
    for (const where of loaded.damage ?? []) this.#sync.tell(new TidemarkError("STORAGE_CORRUPT", { where }), id);
    if (end !== undefined) {
      const where = `${lost} entries, which are asked for from peers; ${aside} beyond them are judged anew`;
      this.#sync.tell(new TidemarkError("STORAGE_CORRUPT", { where }), id);
    }
    // First: what is judged may make this device write, such as a redemption that is only missing here.
    this.#writeAfterPeers(database);
    await this.#judgeAside(database);
    if (lost === 0 && !this.#asides.has(id) && database.hasRoot) this.#stopWaiting(id);
    if (database.hasRoot || database.record.ticket !== undefined) return;
    // Whoever takes part is let in again by those who know it.
    await this.#putRecord({ ...database.record, ticket: this.#admissions.address(database) });
    this.#admissions.opened(database);
  }

  async #judgeAside(database: OpenDatabase): Promise<void> {
    this.#asides.add(database.id);
    try {
      if (!(await judgeAside(this.#ports, database))) this.#asides.delete(database.id);
    } catch (error) {
      this.#report(error, database.id);
    }
  }

  /** Peers may have what this device wrote last. */
  #writeAfterPeers(database: OpenDatabase): void {
    const { clock } = this.#ports;
    const asked = new Promise<void>((resolve) => {
      const cancel = clock.after(ownEntriesWaitMs, resolve);
      this.#waiting.set(database.id, () => {
        cancel();
        resolve();
      });
    });
    database.writeAfter(asked);
  }

  #stopWaiting(id: DatabaseId): void {
    this.#waiting.get(id)?.();
    this.#waiting.delete(id);
  }

  #caughtUp(id: DatabaseId): void {
    const database = this.#databases.get(id);
    this.#stopWaiting(id);
    this.#admissions.joins.caughtUp(database);
    if (database !== undefined && this.#asides.has(id)) void this.#judgeAside(database);
  }

  #detach(id: DatabaseId, error: TidemarkError): void {
    this.#databases.delete(id);
    this.#replicas.delete(id);
    this.#lacking.delete(id);
    this.#asides.delete(id);
    this.#stopWaiting(id);
    this.permissions.forget(id);
    this.#admissions.forget(id, error);
    this.#sync.forget(id, error);
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
    const watch = this.#watch;
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
      get storageError() {
        return watch.error;
      },
      admit: (bytes) => watch.admit(bytes),
      failed: (error) => void this.#fail(record.id, error),
    };
    const database: OpenDatabase = new OpenDatabase(this.#ports, record, replica, checkpoints, listener, encryption);
    this.#deletion.returned(record.id);
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
    void this.#watch.check();
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
    // What was under way when it was forgotten must not bring it back.
    if (this.#deletion.isGone(record.id)) return;
    const database = this.#databases.get(record.id);
    if (database !== undefined) database.record = record;
    await this.#ports.storage.putDatabase(record).catch((error: unknown) => this.#report(error, record.id));
    this.#listener.statusChanged(record.id);
  }

  async #fail(id: DatabaseId, error: unknown): Promise<void> {
    // First: peers come back to a storage that is known to take nothing.
    this.#watch.failed(error);
    this.#report(error, id);
    await this.#reload(id, error);
  }

  /** A write that no database makes. */
  async #storing(writing: Promise<void>): Promise<void> {
    try {
      await writing;
    } catch (error) {
      this.#watch.failed(error);
      throw error;
    }
  }

  #storageStopped(): void {
    this.#sync.holdBack(true);
    this.#listener.storageChanged(this.storageHealth());
  }

  /** What could not be loaded meanwhile is, before peers send again. */
  async #storageRecovered(): Promise<void> {
    const records = await this.#ports.storage.databases().catch(() => []);
    for (const { id } of records) if (this.find(id) === undefined && !this.#closed) await this.#loadOrReport(id);
    if (this.#closed || this.#watch.error !== undefined) return;
    for (const id of [...this.#asides]) {
      const database = this.#databases.get(id);
      if (database !== undefined) void this.#judgeAside(database);
    }
    this.#sync.holdBack(false);
    this.#listener.storageChanged(this.storageHealth());
  }

  /** From what is durable. Whoever waits for the database is rejected with `error`. */
  async #reload(id: DatabaseId, error: unknown): Promise<void> {
    const database = this.#databases.get(id);
    this.#sync.peers.dropAll();
    this.#databases.delete(id);
    this.#replicas.delete(id);
    this.#lacking.delete(id);
    this.#asides.delete(id);
    this.#stopWaiting(id);
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
    this.#listener.storageChanged(this.storageHealth());
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

/** What of it was found damaged, now or before. */
function isHarmedBy({ loaded, repaired }: StoredDatabase): boolean {
  return repaired.end !== undefined || loaded.hasAside === true || (loaded.damage ?? []).length > 0;
}

const nothingRecounted: Recounted = { voided: [], revived: [], because: [] };

interface InstanceParts {
  readonly databases: Map<DatabaseId, OpenDatabase>;
  readonly replicas: Map<DatabaseId, Replica>;
  readonly sync: Sync;
  readonly writes: WriteLedger;
  readonly watch: StorageWatch;
}

type NamedDatabase = Pick<DatabaseRecord, "id" | "name">;

function named({ id, name }: DatabaseRecord): NamedDatabase {
  return { id, name };
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
