/** What sync is made of, and what each part is told by the others. What is done with several of them at once is in sync.ts. */
import { TidemarkError } from "../core/errors.ts";
import { type DatabaseId, encodeHex, type PublicKey } from "../core/ids.ts";
import { Agreements } from "./agreements.ts";
import { AppMessages } from "./app-messages.ts";
import { Bandwidth } from "./bandwidth.ts";
import type { Epoch } from "./epoch.ts";
import { EventLog } from "./event-log.ts";
import { Flow } from "./flow.ts";
import { Holdings } from "./holdings.ts";
import { Hooks } from "./hooks.ts";
import { Jobs } from "./jobs.ts";
import type { LocalStore } from "./local-store.ts";
import { Metrics } from "./metrics.ts";
import type { Path } from "./path.ts";
import { PathReports } from "./path-reports.ts";
import { Peers } from "./peers.ts";
import type { PeersOwner } from "./peers-owner.ts";
import type { EnginePorts } from "./ports.ts";
import { Preferences } from "./preferences.ts";
import { Presence } from "./presence.ts";
import { Problems } from "./problems.ts";
import type { JobRecord } from "./records.ts";
import { Registry } from "./registry.ts";
import { relayTransport } from "./relay-transport.ts";
import { Rooms } from "./rooms.ts";
import { applySettings, defaultSettings, type SyncSettings } from "./settings.ts";
import { Settling } from "./settling.ts";
import { Sharing } from "./sharing.ts";
import type { JobInfo } from "./sync-info.ts";
import type { SyncOwner } from "./sync-owner.ts";
import { TicketHints } from "./ticket-hints.ts";
import { Transports } from "./transports.ts";

/** What storage remembered. */
export interface Remembered {
  readonly store: LocalStore;
  readonly epoch: Epoch;
}

const webrtc = "webrtc";

export class SyncParts {
  readonly ports: EnginePorts;
  readonly owner: SyncOwner;
  readonly store: LocalStore;
  /** Of this device's storage. */
  readonly epoch: Epoch;
  readonly log: EventLog;
  readonly metrics: Metrics = new Metrics();
  readonly problems: Problems;
  readonly registry: Registry;
  readonly preferences: Preferences;
  readonly bandwidth: Bandwidth;
  readonly transports: Transports;
  readonly rooms: Rooms;
  readonly sharing: Sharing;
  readonly hints: TicketHints;
  readonly holdings: Holdings;
  readonly jobs: Jobs;
  readonly flow: Flow;
  readonly hooks: Hooks;
  readonly reports: PathReports;
  readonly peers: Peers;
  readonly agreements: Agreements = new Agreements();
  readonly settling: Settling = new Settling();
  readonly presence: Presence;
  readonly messages: AppMessages;
  #settings: SyncSettings;

  constructor(ports: EnginePorts, owner: SyncOwner, { store, epoch }: Remembered) {
    const { clock } = ports;
    this.ports = ports;
    this.owner = owner;
    this.store = store;
    this.epoch = epoch;
    this.#settings = applySettings(defaultSettings, ports.settings ?? {});
    const settings = (): SyncSettings => this.#settings;
    const peers = (): Peers => this.peers;
    this.log = new EventLog(clock, (event) => owner.logged(event));
    this.problems = new Problems({ clock, metrics: this.metrics, log: this.log, owner });
    this.registry = new Registry({ store, clock, changed: () => owner.peersChanged(), settings });
    this.preferences = new Preferences(store);
    this.bandwidth = new Bandwidth(clock, this.#settings);
    this.transports = this.#createTransports();
    this.rooms = this.#createRooms();
    const { registry, preferences, rooms } = this;
    this.sharing = new Sharing({ registry, preferences, rooms, peers, owner });
    this.hints = this.#createHints();
    this.holdings = this.#createHoldings();
    this.flow = new Flow({ databases: () => owner.databases(), peers, jobs: () => this.jobs });
    this.jobs = this.#createJobs();
    this.hooks = this.#createHooks();
    this.reports = this.#createReports();
    const paths = (): readonly Path[] => this.peers.all();
    this.presence = new Presence({ ports, paths, database: (id) => owner.database(id) });
    this.messages = new AppMessages({ paths, carrier: (peer) => this.peers.carrier(peer) });
    this.peers = this.#createPeers();
    this.transports.ensure(webrtc, webrtc);
  }

  get settings(): SyncSettings {
    return this.#settings;
  }

  changeSettings(changes: Partial<SyncSettings>): SyncSettings {
    this.#settings = applySettings(this.#settings, changes);
    this.bandwidth.change(this.#settings);
    this.reports.settingsChanged();
    this.peers.settingsChanged();
    return this.#settings;
  }

  jobInfo(job: JobRecord): JobInfo {
    return { ...job, ...this.jobs.rateOf(job.id) };
  }

  #createTransports(): Transports {
    const { openNetwork, transports = [] } = this.ports;
    return new Transports({
      builders: [relayTransport((url) => openNetwork(url, () => this.#settings.peersMax)), ...transports],
      store: this.store,
      listener: {
        connected: (channel, expected) => this.peers.take(channel, expected),
        relayChanged: (status) => {
          this.log.log("info", "relay.changed", undefined, { state: status.state });
          this.owner.relayChanged(status);
        },
        started: () => this.peers.transportStarted(),
        reported: (error) => this.problems.report(error, undefined),
      },
    });
  }

  #createRooms(): Rooms {
    const { relays, sha256 } = this.ports;
    const failed = (error: unknown, database: DatabaseId): void => this.problems.report(error, database);
    return new Rooms({ transports: this.transports, relays, sha256, failed });
  }

  #createHints(): TicketHints {
    const { clock, random, sha256 } = this.ports;
    return new TicketHints({
      ...{ clock, random, sha256 },
      isOnline: () => this.peers.online,
      record: (database) => this.sharing.syncedRecord(database),
      dial: ({ address, peer }, signal) =>
        this.peers.connect({ address, ...(peer === undefined ? {} : { expected: peer }) }, signal),
      isConnected: (peer) => this.peers.carrier(peer) !== undefined,
      relays: () => this.transports.relays(),
      changed: (database) => this.owner.statusChanged(database),
    });
  }

  #createHoldings(): Holdings {
    const { registry, owner, problems } = this;
    return new Holdings({
      ...{ registry, clock: this.ports.clock },
      lost: (peer, database) => problems.report(new TidemarkError("PEER_LOST_DATA", { peer, database }), database),
      changed: (database) => owner.statusChanged(database),
    });
  }

  #createJobs(): Jobs {
    const { clock, random } = this.ports;
    return new Jobs({
      ...{ store: this.store, clock, random, settings: () => this.#settings },
      flow: (peer, database, paused) => this.flow.pause(peer, database, paused),
      ask: (database, peer) => this.#ask(database, peer),
      changed: (job, isNewState) => this.#jobChanged(job, isNewState),
    });
  }

  #createHooks(): Hooks {
    const { clock, identity } = this.ports;
    const { store, epoch, owner, problems } = this;
    return new Hooks({
      ...{ store, clock, self: identity.publicKey },
      get epoch() {
        return epoch.current;
      },
      stored: (database) => owner.database(database)?.replica.stored ?? 0,
      read: async (database, from, to) => (await owner.database(database)?.log.readWritten(from, to)) ?? [],
      failed: (error, database) => problems.report(error, database),
    });
  }

  #createReports(): PathReports {
    const { metrics, log, registry, holdings, jobs, agreements, settling, owner, problems } = this;
    return new PathReports({
      ...{ clock: this.ports.clock, metrics, log, registry, holdings, jobs, agreements, settling, owner },
      stallTimeoutMs: () => this.#settings.stallTimeoutMs,
      carrier: (peer) => this.peers.carrier(peer),
      report: (error, database) => problems.report(error, database),
    });
  }

  #createPeers(): Peers {
    const { ports, registry, transports, bandwidth, epoch } = this;
    return new Peers({
      ...{ ports, registry, transports, bandwidth },
      get epoch() {
        return epoch.current;
      },
      boot: encodeHex(ports.random.bytes(8)),
      settings: () => this.#settings,
      owner: this.#peersOwner(),
    });
  }

  #peersOwner(): PeersOwner {
    const { owner, registry, preferences, sharing, flow, reports, problems, presence, messages } = this;
    return {
      replicas: owner.replicas,
      database: (id) => owner.database(id),
      shares: (peer, database) => sharing.shares(peer, database),
      cursor: (peer, database) => registry.relation(peer, database)?.cursor,
      onCommit: (database) => preferences.combined(database).onCommit,
      answered: (path, database, answer) => owner.answered(path, database, answer),
      knocked: (path, database, knock) => owner.knocked(path, database, knock),
      carried: (path, isFirst) => {
        reports.carried(path, isFirst);
        flow.carried(path);
        messages.settle(path);
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
      lanesChanged: (path, database) => {
        reports.lanesChanged(path, database);
        presence.spoke(path, database);
        messages.settle(path);
      },
      heardOfPage: (path, database, announcement, ageMs) => presence.received(path, database, announcement, ageMs),
      heardOfChannel: (path, channel, isOpen) => messages.heard(path, channel, isOpen),
      messaged: (path, channel, bytes) => messages.received(path, channel, bytes),
      ended: (path, error) => {
        reports.ended(path, error);
        messages.ended(path);
      },
      parted: (key) => reports.parted(key),
      peerChanged: () => owner.peersChanged(),
      parked: (_key, _address, error) => problems.report(error, undefined),
      givenUp: (_key, error) => problems.report(error, undefined),
    };
  }

  #jobChanged(job: JobRecord, isNewState: boolean): void {
    const { type, state, peer, database, error } = job;
    const details = { type, state, peer, database, ...(error !== undefined && { code: error.code }) };
    if (isNewState) this.log.log("info", "job.changed", `job ${job.id}`, details);
    this.owner.jobChanged(this.jobInfo(job));
    this.owner.statusChanged(job.database);
  }

  /** What the user wants now: compared at once with a peer that is there, and dialled when it is not. */
  #ask(database: DatabaseId, peer: PublicKey): void {
    const path = this.peers.carrier(peer);
    if (path !== undefined) return path.step({ type: "resumed", database });
    if (this.registry.addressesByScore(peer).length > 0) this.peers.changed(peer);
    else this.transports.retry();
  }
}
