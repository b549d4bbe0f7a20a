/** One opened SDK: its identity, its databases, its peers. What the page asks for arrives here, and is passed on to whoever does it. */
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId, PublicKey } from "../core/ids.ts";
import type { BuiltPart } from "../core/store/kinds.ts";
import { OWNER } from "../core/store/power.ts";
import type { DatabaseRecord } from "../ports/storage.ts";
import type { Approval } from "./admissions.ts";
import type { AppMessages } from "./app-messages.ts";
import type { OpenDatabase } from "./database.ts";
import { type HistoryQuery, type PastEntries, readHistory } from "./entry-history.ts";
import type { InstanceListener } from "./instance-listener.ts";
import { InstanceParts } from "./instance-parts.ts";
import type { InviteTerms } from "./invites.ts";
import type { Keys } from "./keys.ts";
import type { CreateOptions, JoinOptions } from "./making.ts";
import type { Permissions } from "./permissions.ts";
import type { Access, InviteInfo, RequestInfo } from "./permissions-info.ts";
import type { EnginePorts } from "./ports.ts";
import type { Presence } from "./presence.ts";
import type { FirstReading } from "./read-ahead.ts";
import type { DatabaseStatus } from "./status.ts";
import { statusOf } from "./status-input.ts";
import type { StorageHealth } from "./storage-health.ts";
import type { Backlog, SyncControl } from "./sync-control.ts";
import type { VerifyOptions, VerifyReport } from "./verify.ts";
import type { Marking, WriteId, WriteLedger } from "./writes.ts";

export class Instance {
  /** Of this device, by name. */
  readonly keys: Keys;
  /** Who may do what. */
  readonly permissions: Permissions;
  /** What was done for which tab. Every call with a `WriteId` is done once, and answered as the first time. */
  readonly writes: WriteLedger;
  readonly #parts: InstanceParts;
  #closing: Promise<void> | undefined;

  private constructor(parts: InstanceParts) {
    this.keys = parts.keys;
    this.permissions = parts.permissions;
    this.writes = parts.writes;
    this.#parts = parts;
  }

  /**
   * Opens every database that storage holds, offline: `setOnline` starts to look for peers. One that cannot be read is reported. `ahead`: what was
   * begun to be read of the same storage before.
   */
  static async open(ports: EnginePorts, listener: InstanceListener, ahead?: Promise<FirstReading>): Promise<Instance> {
    return new Instance(await InstanceParts.open(ports, listener, ahead));
  }

  /** Peers, relations, transports, jobs, hooks: see commands.ts. */
  get sync(): SyncControl {
    return this.#parts.sync;
  }

  /** Who is there. */
  get presence(): Presence {
    return this.#parts.sync.presence;
  }

  /** Bytes of the app's own, to and from peers. */
  get messages(): AppMessages {
    return this.#parts.sync.messages;
  }

  /** For whoever watches that no queue grows without a limit. */
  backlog(database: DatabaseId): Backlog {
    return this.#parts.sync.backlog(database);
  }

  get publicKey(): PublicKey {
    return this.#parts.ports.identity.publicKey;
  }

  get online(): boolean {
    return this.#parts.sync.peers.online;
  }

  /** In the order in which they were opened here. */
  records(): readonly DatabaseRecord[] {
    return this.#parts.databases.records();
  }

  /** Undefined for one that is not here, or is being loaded anew. */
  find(id: DatabaseId): OpenDatabase | undefined {
    return this.#parts.databases.find(id);
  }

  /** Those that are being loaded anew: none of these is to be found until its promise has resolved. */
  reloading(): ReadonlyMap<string, Promise<void>> {
    return this.#parts.opening.reloading();
  }

  /** Fails with DATABASE_UNKNOWN. */
  database(id: DatabaseId): OpenDatabase {
    return this.#parts.databases.get(id);
  }

  /**
   * Resolves when the root is durable. The owner is the key of this name, by default this device's. Rejects with KEY_UNKNOWN, and with
   * ENVIRONMENT_UNSUPPORTED for an encrypted one where nothing can be sealed.
   */
  createDatabase(name: string, options: CreateOptions = {}, write?: WriteId): Promise<DatabaseRecord> {
    return this.#parts.making.create(name, options, write);
  }

  /** Resolves when the entry is durable; see `OpenDatabase.commit` for the codes. */
  commit(id: DatabaseId, build: (database: OpenDatabase) => readonly BuiltPart[], write?: WriteId): Promise<void> {
    return this.writes.once(write, (mark) => this.#commit(id, build, mark));
  }

  async #commit(id: DatabaseId, build: (database: OpenDatabase) => readonly BuiltPart[], mark: Marking): Promise<void> {
    const database = this.#parts.databases.toChange(id);
    let parts: readonly BuiltPart[] = [];
    const buildOnce = (): readonly BuiltPart[] => {
      parts = build(database);
      return parts;
    };
    await database.commit(buildOnce, mark());
    await this.#parts.admissions.wrote(database, parts);
  }

  /** A ticket by which its holders come in, as the terms say. Rejects with PERMISSION_DENIED unless this key may grant that. */
  async share(id: DatabaseId, terms: InviteTerms, write?: WriteId): Promise<string> {
    const database = this.#parts.databases.toChange(id);
    return await this.writes.once(
      write,
      (mark) => this.#parts.admissions.share(database, terms, mark),
      () => this.#parts.admissions.setSync(database, true),
    );
  }

  /** A ticket without a secret: it lets those in who may come in anyway, and others ask. For that the database is synced from now on. */
  async ticket(id: DatabaseId): Promise<string> {
    const database = this.#parts.databases.toChange(id);
    await this.#parts.admissions.setSync(database, true);
    return this.#parts.admissions.address(database);
  }

  /** Those that are not withdrawn, the latest first. */
  invites(id: DatabaseId): readonly InviteInfo[] {
    return this.#parts.admissions.invites(this.database(id));
  }

  /** Rejects with INVITE_UNKNOWN or PERMISSION_DENIED. */
  async revokeInvite(id: DatabaseId, key: PublicKey, write?: WriteId): Promise<void> {
    const database = this.#parts.databases.toChange(id);
    await this.writes.once(write, (mark) => this.#parts.admissions.revokeInvite(database, key, mark));
  }

  /** The latest first. */
  requests(id: DatabaseId): readonly RequestInfo[] {
    return this.#parts.admissions.requests.list(this.database(id).id);
  }

  /** Resolves when what is given is durable. Rejects with REQUEST_UNKNOWN, REQUEST_DECIDED, or PERMISSION_DENIED. */
  async approveRequest(id: DatabaseId, approval: Approval, write?: WriteId): Promise<void> {
    const database = this.#parts.databases.toChange(id);
    await this.writes.once(
      write,
      (mark) => this.#parts.admissions.approve(database, approval, mark),
      () => this.#parts.admissions.approved(database),
    );
  }

  /** Rejects with REQUEST_UNKNOWN, REQUEST_DECIDED, or PERMISSION_DENIED. */
  async rejectRequest(id: DatabaseId, key: PublicKey, write?: WriteId): Promise<void> {
    const database = this.#parts.databases.toChange(id);
    await this.writes.once(write, () => this.#parts.admissions.reject(database, key, write));
  }

  /** Whether requests are kept here. */
  async acceptRequests(id: DatabaseId, on: boolean): Promise<void> {
    await this.#parts.admissions.acceptRequests(this.#parts.databases.toChange(id), on);
  }

  /** How this device stands to the database. */
  access(id: DatabaseId): Access {
    return this.#parts.admissions.access(this.database(id));
  }

  /** Off: nobody is looked for, and to every peer the database is as one that is not here. */
  async setSync(id: DatabaseId, on: boolean): Promise<void> {
    await this.#parts.admissions.setSync(this.#parts.databases.toChange(id), on);
  }

  /**
   * Takes up a database from a ticket; its entries come when a peer is met. A later ticket takes the place of an earlier one: the first may have
   * been refused, or the second may allow more. Rejects with TICKET_MALFORMED, and for a database that is here and cannot be opened with a
   * STORAGE_ code: then nothing has changed.
   */
  join(text: string, options: JoinOptions = {}, write?: WriteId): Promise<DatabaseRecord> {
    return this.#parts.making.join(text, options, write);
  }

  /**
   * From now on this device takes part in a database with the key of this name. Rejects with KEY_UNKNOWN, DATABASE_UNKNOWN or a STORAGE_
   * code.
   */
  useKey(id: DatabaseId, name: string): Promise<void> {
    return this.#parts.making.useKey(id, name);
  }

  /**
   * For a file: makes a database that has no entries yet, unless it is here already. Answers whether it made it. Rejects with a STORAGE_ code, also for
   * one that is here and cannot be read.
   */
  makeForImport(record: DatabaseRecord): Promise<boolean> {
    return this.#parts.making.makeForImport(record);
  }

  /** Nothing of it stays on this device; others keep what they have. Resolves also when it is not here. Rejects with a STORAGE_ code. */
  async forget(id: DatabaseId): Promise<void> {
    this.#parts.databases.assertNotClosed();
    await this.#parts.deletion.forget(id);
    await this.writes.forgetDatabase(id);
  }

  /**
   * Removes it for everybody, for ever: nobody writes to it any more, as soon as the word has reached them. Resolves when that is durable, at once when it
   * is so already. Rejects with PERMISSION_DENIED for anybody but its owner.
   */
  async remove(id: DatabaseId): Promise<void> {
    const database = this.#parts.databases.toChange(id);
    if (database.isRemoved) return;
    const { power, permission } = database;
    if (power !== OWNER) throw new TidemarkError("PERMISSION_DENIED", { need: "owner", got: permission });
    await this.#parts.admissions.change(database, () => [{ type: "remove" }]);
  }

  /**
   * Resolves when what the database's ticket promised has arrived; at once for one without a ticket. Rejects with JOIN_REFUSED, and with ABORTED
   * by `signal`.
   */
  ready(id: DatabaseId, signal?: AbortSignal): Promise<void> {
    return this.#parts.admissions.joins.ready(this.database(id), signal);
  }

  /** Who wrote what and when, as far as it is durable here. Rejects with ENTRY_UNKNOWN, or with a STORAGE_ code. */
  async history(
    id: DatabaseId,
    query: HistoryQuery,
  ): Promise<Omit<PastEntries, "through"> & { readonly cursor: string }> {
    const { through, ...page } = await readHistory(this.database(id), query);
    return { ...page, cursor: this.#parts.sync.hooks.cursorAt(id, through) };
  }

  status(id: DatabaseId): DatabaseStatus {
    const { admissions, sync, ports } = this.#parts;
    return statusOf(this.database(id), admissions, sync, ports.clock);
  }

  /** Offline: every connection is closed and none is made. Online: peers are looked for again, at once. */
  setOnline(online: boolean): void {
    const { sync, databases, listener } = this.#parts;
    sync.setOnline(online);
    for (const { id } of databases.all()) listener.statusChanged(id);
  }

  /** Whether what is given is stored. */
  storageHealth(): StorageHealth {
    return this.#parts.holdingBack.health();
  }

  /** Looks at everything that is stored, whether it is as it was written; what is not is mended, with the help of peers. Rejects with ABORTED. */
  async verify(options: VerifyOptions = {}): Promise<VerifyReport> {
    this.#parts.databases.assertNotClosed();
    return await this.#parts.verification.run(options);
  }

  /** The network may have come back: whatever waits is tried now. */
  retry(): void {
    this.#parts.sync.wake();
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
    const { peers, jobs } = this.#parts.sync;
    return peers.all().length === 0 && !jobs.all().some(({ state }) => state === "running");
  }

  async #closeNow(isDraining: boolean): Promise<void> {
    const { ports, databases, watch, verification, mending, admissions, sync } = this.#parts;
    databases.close();
    watch.close();
    verification.close();
    mending.close();
    admissions.joins.close();
    await databases.settled();
    await sync.close(isDraining);
    // What peers sent meanwhile.
    await databases.settled();
    await ports.storage.close();
  }
}
