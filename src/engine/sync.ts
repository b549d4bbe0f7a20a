/**
 * Sync as a whole: owns peers, transports and all that is remembered about them, and does what commands say.
 *
 * [SYNC-3] Nothing runs before the instance goes online for the first time; every command can be given before.
 * [SYNC-5] After `close` every command rejects with INSTANCE_CLOSED; before it resolves, what waits for storage is written.
 * [SYNC-18] `close` waits until connected peers have confirmed what waits for them, `drainTimeoutMs` at most; every call of it resolves with the first.
 */
import { asTidemarkError, TidemarkError } from "../core/errors.ts";
import type { Node } from "../core/graph.ts";
import { type DatabaseId, encodeHex, type PublicKey } from "../core/ids.ts";
import { drainTimeoutMs } from "../core/limits.ts";
import type { Knock } from "../core/protocol/knock.ts";
import type { SessionEvent } from "../core/protocol/session.ts";
import type { Replica } from "../core/replica.ts";
import type { DatabaseRecord } from "../ports/storage.ts";
import type { RelayStatus } from "../ports/transport.ts";
import { Agreements } from "./agreements.ts";
import { Bandwidth } from "./bandwidth.ts";
import type { CommandName, SyncCommands, SyncResults } from "./commands.ts";
import type { OpenDatabase } from "./database.ts";
import type { Recount } from "./database-listener.ts";
import { epochName, loadEpoch } from "./epoch.ts";
import { EventLog } from "./event-log.ts";
import { Execution } from "./execution.ts";
import { Holdings } from "./holdings.ts";
import { Hooks } from "./hooks.ts";
import { Jobs } from "./jobs.ts";
import { LocalStore } from "./local-store.ts";
import { Metrics } from "./metrics.ts";
import type { Path } from "./path.ts";
import type { JoinAnswer, ReceiveProgress } from "./path-owner.ts";
import { PathReports } from "./path-reports.ts";
import { Peers } from "./peers.ts";
import type { EnginePorts } from "./ports.ts";
import { Preferences } from "./preferences.ts";
import type { ErrorNote, JobRecord } from "./records.ts";
import { Registry } from "./registry.ts";
import { relayTransport } from "./relay-transport.ts";
import { Rooms } from "./rooms.ts";
import { applySettings, defaultSettings, type SyncSettings } from "./settings.ts";
import { Settling, unsettledLanes } from "./settling.ts";
import { commandHandlers } from "./sync-commands.ts";
import type { Backlog, SyncControl, SyncListener, WriteHook } from "./sync-control.ts";
import type { JobInfo } from "./sync-info.ts";
import { isSynced } from "./sync-switch.ts";
import { TicketHints } from "./ticket-hints.ts";
import { Transports } from "./transports.ts";

/** What sync needs of the instance, and tells it. */
export interface SyncOwner extends SyncListener {
  readonly replicas: ReadonlyMap<DatabaseId, Replica>;
  database(id: DatabaseId): OpenDatabase | undefined;
  databases(): Iterable<OpenDatabase>;
  /** What became of our own wish to be let in. */
  answered(path: Path, database: DatabaseId, answer: JoinAnswer): void;
  /** A peer asks to be let in. */
  knocked(path: Path, database: DatabaseId, knock: Knock): void;
  /** With whom the database is synced may be different now. */
  sharingChanged(database: DatabaseId): void;
  /** A session with a peer begins. */
  met(path: Path): void;
  /** What could not be done may be possible now. */
  woke(): void;
  /** Everything that a peer had is durable here. */
  caughtUp(database: DatabaseId): void;
  progressed(database: DatabaseId, progress: ReceiveProgress): void;
  statusChanged(database: DatabaseId): void;
  relayChanged(status: RelayStatus): void;
  reported(error: TidemarkError, database: DatabaseId | undefined): void;
}

const webrtc = "webrtc";

export class Sync implements SyncControl {
  readonly store: LocalStore;
  readonly log: EventLog;
  readonly metrics: Metrics = new Metrics();
  readonly registry: Registry;
  readonly preferences: Preferences;
  readonly transports: Transports;
  readonly rooms: Rooms;
  readonly hints: TicketHints;
  readonly peers: Peers;
  readonly holdings: Holdings;
  readonly jobs: Jobs;
  readonly agreements: Agreements = new Agreements();
  readonly settling: Settling = new Settling();
  readonly #ports: EnginePorts;
  readonly #owner: SyncOwner;
  readonly #hooks: Hooks;
  readonly #bandwidth: Bandwidth;
  readonly #reports: PathReports;
  readonly #execution: Execution;
  /** Why a database could not be stored to or read, until it can be again. */
  readonly #storageErrors = new Map<DatabaseId, ErrorNote>();
  #settings: SyncSettings;
  #epoch: string;
  /** Storage takes nothing. */
  #isHeldBack = false;
  #closed = false;
  #closing: Promise<void> | undefined;

  private constructor(ports: EnginePorts, owner: SyncOwner, store: LocalStore, epoch: string) {
    const { clock, random } = ports;
    this.#epoch = epoch;
    const currentEpoch = (): string => this.#epoch;
    this.store = store;
    this.#ports = ports;
    this.#owner = owner;
    this.#settings = applySettings(defaultSettings, ports.settings ?? {});
    const settings = (): SyncSettings => this.#settings;
    this.log = new EventLog(clock, (event) => owner.logged(event));
    this.registry = new Registry({ store, clock, changed: () => owner.peersChanged(), settings });
    this.preferences = new Preferences(store);
    this.#bandwidth = new Bandwidth(clock, this.#settings);
    this.transports = this.#createTransports();
    this.rooms = new Rooms({
      transports: this.transports,
      relays: ports.relays,
      sha256: ports.sha256,
      failed: (error, database) => this.report(error, database),
    });
    this.hints = this.#createHints();
    this.holdings = new Holdings({
      registry: this.registry,
      clock,
      lost: (peer, database) => this.report(new TidemarkError("PEER_LOST_DATA", { peer, database }), database),
      changed: (database) => owner.statusChanged(database),
    });
    this.jobs = new Jobs({
      store,
      clock,
      random,
      settings,
      flow: (peer, database, paused) =>
        this.peers.carrier(peer)?.step({ type: "flowing", database, paused: paused || this.#isHeldBack }),
      ask: (database, peer) => this.#ask(database, peer),
      changed: (job, isNewState) => this.#jobChanged(job, isNewState),
    });
    this.#hooks = new Hooks({
      store,
      clock,
      get epoch() {
        return currentEpoch();
      },
      self: ports.identity.publicKey,
      stored: (database) => owner.database(database)?.replica.stored ?? 0,
      read: async (database, from, to) => (await owner.database(database)?.readWritten(from, to)) ?? [],
      failed: (error, database) => this.report(error, database),
    });
    const { metrics, log, registry, holdings, jobs, agreements, settling } = this;
    this.#reports = new PathReports({
      ...{ clock, metrics, log, registry, holdings, jobs, agreements, settling, owner },
      stallTimeoutMs: () => this.#settings.stallTimeoutMs,
      carrier: (peer) => this.peers.carrier(peer),
      report: (error, database) => this.report(error, database),
    });
    this.peers = this.#createPeers();
    this.transports.ensure(webrtc, webrtc);
    this.#execution = new Execution({
      handlers: commandHandlers(this, owner, clock),
      log: this.log,
      remember: () => store.flush(),
    });
  }

  /** Reads what is remembered. Rejects with a STORAGE_ code. */
  static async open(ports: EnginePorts, owner: SyncOwner): Promise<Sync> {
    const { storage, clock, random } = ports;
    const failed = (error: unknown): void => owner.reported(asTidemarkError(error), undefined);
    const opening = LocalStore.open({ storage, clock, failed });
    const loading = Promise.all([loadEpoch(storage, random), opening]);
    const [epoch, store] = await loading.catch(async (error: unknown) => {
      await opening.then((opened) => opened.close()).catch(() => {});
      throw error;
    });
    return new Sync(ports, owner, store, epoch);
  }

  /** Of this device's storage. */
  get epoch(): string {
    return this.#epoch;
  }

  get settings(): SyncSettings {
    return this.#settings;
  }

  /** In milliseconds since 1970; undefined: not since the instance was opened. */
  agreedMs(database: DatabaseId): number | undefined {
    return this.#reports.agreedMs(database);
  }

  storageError(database: DatabaseId): ErrorNote | undefined {
    return this.#storageErrors.get(database);
  }

  /** For how long a peer that should make progress has made none, in milliseconds; 0: it does, or nothing is expected. */
  silentMs(peer: PublicKey): number {
    return this.#reports.silentMs(peer);
  }

  jobInfo(job: JobRecord): JobInfo {
    return { ...job, ...this.jobs.rateOf(job.id) };
  }

  changeSettings(changes: Partial<SyncSettings>): SyncSettings {
    this.#settings = applySettings(this.#settings, changes);
    this.#bandwidth.change(this.#settings);
    this.#reports.settingsChanged();
    this.peers.settingsChanged();
    return this.#settings;
  }

  async execute<Name extends CommandName>(
    name: Name,
    command: SyncCommands[Name],
    signal: AbortSignal,
  ): Promise<SyncResults[Name]> {
    this.metrics.count("commands");
    return await this.#execution.run(name, command, signal);
  }

  addHook(hook: WriteHook): () => void {
    if (this.#closed) throw this.#closedError();
    return this.#hooks.add(hook);
  }

  setOnline(online: boolean): void {
    if (this.#closed) return;
    if (online) this.transports.setOnline(true);
    this.peers.setOnline(online);
    if (online) this.#reachAll();
    else this.hints.stopAll();
    if (!online) this.transports.setOnline(false);
    this.log.log("info", online ? "instance.wentOnline" : "instance.wentOffline", undefined, {});
  }

  /**
   * While storage takes nothing every peer is told to hold back with everything, at every connection anew. After that all is compared, and what
   * is remembered is written.
   */
  holdBack(on: boolean): void {
    if (this.#isHeldBack === on || this.#closed) return;
    this.#isHeldBack = on;
    for (const path of this.peers.all()) this.#tellFlow(path);
    if (on) return;
    this.step({ type: "resumed" });
    this.store.flush().catch(() => {}); // Told where it failed.
  }

  #tellFlow(path: Path): void {
    const { key } = path;
    if (key === undefined) return;
    for (const { id } of this.#owner.databases())
      path.step({ type: "flowing", database: id, paused: this.#isHeldBack || this.jobs.holdsBack(key, id) });
  }

  /** The device woke, the network came back, the page is seen again: everything that waits is tried now. */
  wake(): void {
    this.#owner.woke();
    this.peers.wake();
    this.#reachAll();
  }

  /** What databases that have not come are to be reached by. */
  #reachAll(): void {
    for (const { id } of this.#owner.databases()) this.hints.reach(id);
  }

  // --- What happens to databases here

  opened(database: OpenDatabase): void {
    const { id, replica, record } = database;
    this.holdings.opened(id, replica.graph, replica.stored);
    this.peers.compareEvery(id, this.preferences.combined(id).intervalMs);
    this.#seek(record);
    if (this.#isHeldBack) this.step({ type: "flowing", database: id, paused: true });
    this.peers.stepAll({ type: "offered", database: id });
    this.#hooks.stored(id);
  }

  /** It is gone from here: no session speaks of it any more, whoever waits for it is told `error`, and nothing of it is remembered. */
  forget(database: DatabaseId, error: TidemarkError): void {
    for (const path of this.peers.paths()) if (path.session?.speaksOf(database) === true) path.close();
    this.rooms.leave(database);
    this.hints.stop(database);
    this.peers.compareEvery(database, 0);
    this.agreements.forget(database, error);
    this.holdings.forget(database, error);
    this.#hooks.forget(database);
    this.jobs.forget({ database });
    this.preferences.forgetDatabase(database);
    this.registry.forgetDatabase(database);
    this.#reports.forget(database);
    this.#storageErrors.delete(database);
  }

  closed(database: DatabaseId, error: unknown): void {
    this.holdings.closed(database, asTidemarkError(error));
  }

  announced({ id, replica, healing }: OpenDatabase, nodes: readonly Node[], permissionsChanged: boolean): void {
    this.metrics.count("entries.stored", nodes.length);
    // That something new can be stored says nothing about what is damaged.
    if (healing.damaged === 0) this.#storageErrors.delete(id);
    this.holdings.stored(id, replica.stored);
    this.step({ type: "announced", database: id, nodes });
    if (permissionsChanged) this.step({ type: "offered", database: id });
    this.#hooks.stored(id);
  }

  /**
   * Entries from a position on are gone, or have other positions: nobody is taken to hold what is there now, hooks go on from there, and
   * by another epoch peers hear that this device may lack what it had confirmed. Rejects with a STORAGE_ code.
   */
  async fellBack(database: DatabaseId, position: number): Promise<void> {
    const { storage, random } = this.#ports;
    this.registry.fellBack(database, position);
    this.#hooks.fellBack(database, position);
    await this.store.flush();
    await storage.deleteValue(epochName);
    this.#epoch = await loadEpoch(storage, random);
    // Whoever is here heard of the old one.
    this.peers.dropAll();
  }

  /** Entries became void or count again. What is answered makes durable that peers need not hold the latter. */
  recounted(database: DatabaseId, { revived }: Recount): Promise<void> | undefined {
    const first = revived.reduce((least, { position }) => Math.min(least, position), Number.POSITIVE_INFINITY);
    const from = Number.isFinite(first) ? first : undefined;
    const isLess = this.holdings.recounted(database, from);
    this.#hooks.recounted(database);
    this.step({ type: "recounted", database, from });
    return isLess ? this.store.flush() : undefined;
  }

  step(event: SessionEvent): void {
    this.peers.stepAll(event);
  }

  /** Whether the database is synced with this peer at all. */
  shares(peer: PublicKey, database: DatabaseId): boolean {
    return !this.registry.isOff(peer, database) && this.#isOn(database, this.#owner.database(database)?.record);
  }

  #isOn(database: DatabaseId, record: DatabaseRecord | undefined): boolean {
    return this.preferences.combined(database).enabled && isSynced(record);
  }

  /** Where it is looked for, those who know its id see who has it. */
  #seek(record: DatabaseRecord): void {
    if (this.#isOn(record.id, record)) this.rooms.seek(record);
    else this.rooms.leave(record.id);
  }

  /** The switch, a relation or a preference changed: sessions say what they may say now. */
  sharingChanged(database: DatabaseId): void {
    const record = this.#owner.database(database)?.record;
    if (record !== undefined) this.#seek(record);
    this.#owner.sharingChanged(database);
    const { intervalMs, onCommit } = this.preferences.combined(database);
    this.peers.compareEvery(database, intervalMs);
    this.step({ type: "offered", database });
    // What gathered while it was not to be pushed.
    if (onCommit) this.step({ type: "flush", database });
    this.#owner.statusChanged(database);
  }

  /** For whoever watches that no queue grows without a limit. */
  backlog(database: DatabaseId): Backlog {
    let [ranges, pushedRanges, inbound, outbound] = [0, 0, 0, 0];
    for (const { session, waiting } of this.peers.paths()) {
      const { all, pushed } = session?.ranges(database) ?? { all: 0, pushed: 0 };
      ranges = Math.max(ranges, all);
      pushedRanges = Math.max(pushedRanges, pushed);
      inbound = Math.max(inbound, waiting.inbound);
      outbound = Math.max(outbound, waiting.outbound);
    }
    const { queueRanges } = this.settings;
    return { ranges, pushedRanges, queueRanges, inbound, outbound, unwritten: this.store.unwritten };
  }

  /** With a database and a STORAGE_ code: it could not be written or read, which stands until something is stored, or it is mended. */
  report(error: unknown, database: DatabaseId | undefined): void {
    const { code } = asTidemarkError(error);
    if (database !== undefined && code.startsWith("STORAGE_"))
      this.#storageErrors.set(database, { code, atMs: this.#ports.clock.now() });
    this.tell(error, database);
  }

  /** All of the database can be read again. */
  mended(database: DatabaseId): void {
    if (this.#storageErrors.delete(database)) this.#owner.statusChanged(database);
  }

  /** What is over when it is told. */
  tell(error: unknown, database: DatabaseId | undefined): void {
    const problem = asTidemarkError(error);
    this.metrics.count(`problems.${problem.code}`);
    this.log.log("warn", "problem.reported", database, { ...problem.details, code: problem.code });
    this.#owner.reported(problem, database);
  }

  /**
   * Resolves when peers have what waits for them, or had the time, unless it is not to drain, and all that is remembered is written; every call with
   * the first.
   */
  close(isDraining = true): Promise<void> {
    this.#closing ??= this.#closeNow(isDraining);
    return this.#closing;
  }

  async #closeNow(isDraining: boolean): Promise<void> {
    this.#closed = true;
    const error = this.#closedError();
    // First: what ends because of the end is not why it ended.
    this.#execution.close(error);
    this.#hooks.close();
    if (isDraining) await this.#drain();
    this.#reports.close();
    this.agreements.close(error);
    this.settling.close(error);
    this.holdings.close(error);
    this.hints.stopAll();
    this.peers.close();
    await this.transports.close();
    await this.store.close().catch((reason: unknown) => this.report(reason, undefined));
  }

  /** Peers that hold back are not waited for, those that do not move no longer than `drainTimeoutMs`. */
  async #drain(): Promise<void> {
    const databases = [...this.#owner.databases()];
    for (const { id } of databases) this.step({ type: "flush", database: id });
    const late = new AbortController();
    const cancel = this.#ports.clock.after(drainTimeoutMs, () => late.abort());
    await this.settling.all(unsettledLanes(this.peers.all(), databases), late.signal).catch(() => {}); // Late: it goes with the next life.
    cancel();
  }

  #closedError(): TidemarkError {
    return new TidemarkError("INSTANCE_CLOSED", { name: this.#ports.name });
  }

  // --- Transports and peers

  #createHints(): TicketHints {
    const { clock, random, sha256 } = this.#ports;
    return new TicketHints({
      ...{ clock, random, sha256 },
      isOnline: () => this.peers.online,
      record: (database) => {
        const record = this.#owner.database(database)?.record;
        return this.#isOn(database, record) ? record : undefined;
      },
      dial: ({ address, peer }, signal) =>
        this.peers.connect({ address, ...(peer === undefined ? {} : { expected: peer }) }, signal),
      isConnected: (peer) => this.peers.carrier(peer) !== undefined,
      relays: () => this.transports.relays(),
      changed: (database) => this.#owner.statusChanged(database),
    });
  }

  #createTransports(): Transports {
    const { openNetwork, transports = [] } = this.#ports;
    return new Transports({
      builders: [relayTransport((url) => openNetwork(url, () => this.#settings.peersMax)), ...transports],
      store: this.store,
      listener: {
        connected: (channel, expected) => this.peers.take(channel, expected),
        relayChanged: (status) => {
          this.log.log("info", "relay.changed", undefined, { state: status.state });
          this.#owner.relayChanged(status);
        },
        started: () => this.peers.transportStarted(),
        reported: (error) => this.report(error, undefined),
      },
    });
  }

  #createPeers(): Peers {
    const { registry, transports } = this;
    const currentEpoch = (): string => this.#epoch;
    const reports = this.#reports;
    return new Peers({
      ports: this.#ports,
      get epoch() {
        return currentEpoch();
      },
      boot: encodeHex(this.#ports.random.bytes(8)),
      registry,
      transports,
      bandwidth: this.#bandwidth,
      settings: () => this.#settings,
      owner: {
        replicas: this.#owner.replicas,
        database: (id) => this.#owner.database(id),
        shares: (peer, database) => this.shares(peer, database),
        cursor: (peer, database) => registry.relation(peer, database)?.cursor,
        onCommit: (database) => this.preferences.combined(database).onCommit,
        answered: (path, database, answer) => this.#owner.answered(path, database, answer),
        knocked: (path, database, knock) => this.#owner.knocked(path, database, knock),
        carried: (path, isFirst) => {
          reports.carried(path, isFirst);
          if (this.#isHeldBack) this.#tellFlow(path);
        },
        served: (path, database, entries, bytes) => reports.served(path, database, entries, bytes),
        received: (path, database, entries, bytes) => reports.received(path, database, entries, bytes),
        moved: (path) => reports.moved(path),
        progressed: (path, database, progress) => reports.progressed(path, database, progress),
        batchStored: (path, database) => reports.batchStored(path, database),
        caughtUp: (path, database) => reports.caughtUp(path, database),
        held: (path, database, through) => reports.held(path, database, through),
        agreed: (path, database, cursor) => reports.agreed(path, database, cursor),
        overflowed: (path, database, entries) => reports.overflowed(path, database, entries),
        lanesChanged: (path, database) => reports.lanesChanged(path, database),
        ended: (path, error) => reports.ended(path, error),
        parted: (key) => reports.parted(key),
        peerChanged: () => this.#owner.peersChanged(),
        parked: (_key, _address, error) => this.report(error, undefined),
        givenUp: (_key, error) => this.report(error, undefined),
      },
    });
  }

  #jobChanged(job: JobRecord, isNewState: boolean): void {
    const { type, state, peer, database, error } = job;
    const details = { type, state, peer, database, ...(error !== undefined && { code: error.code }) };
    if (isNewState) this.log.log("info", "job.changed", `job ${job.id}`, details);
    this.#owner.jobChanged(this.jobInfo(job));
    this.#owner.statusChanged(job.database);
  }

  /** What the user wants now: compared at once with a peer that is there, and dialled when it is not. */
  #ask(database: DatabaseId, peer: PublicKey): void {
    const path = this.peers.carrier(peer);
    if (path !== undefined) return path.step({ type: "resumed", database });
    if (this.registry.addressesByScore(peer).length > 0) this.peers.changed(peer);
    else this.transports.retry();
  }
}
