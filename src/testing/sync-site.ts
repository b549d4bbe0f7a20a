/** The part of a device that meets peers, with one database: transports, registry and peers on simulated parts, without an instance. */
import { encodeUnsigned, type StorePart, sealEntry } from "../core/entry.ts";
import type { TidemarkError } from "../core/errors.ts";
import { type DatabaseId, encodeHex, type PublicKey } from "../core/ids.ts";
import { Replica } from "../core/replica.ts";
import { WRITE } from "../core/store/power.ts";
import { TableChanges } from "../core/store/table-changes.ts";
import { openKeyRing } from "../crypto/key-ring.ts";
import { Bandwidth } from "../engine/bandwidth.ts";
import { Checkpoints } from "../engine/checkpoints.ts";
import { OpenDatabase } from "../engine/database.ts";
import { storedEntry } from "../engine/journal.ts";
import { loadReplica } from "../engine/loading.ts";
import { LocalStore } from "../engine/local-store.ts";
import { Peers } from "../engine/peers.ts";
import type { PeersOwner } from "../engine/peers-owner.ts";
import type { EnginePorts } from "../engine/ports.ts";
import { Registry } from "../engine/registry.ts";
import { defaultSettings, type SyncSettings } from "../engine/settings.ts";
import { Transports } from "../engine/transports.ts";
import type { DatabaseRecord } from "../ports/storage.ts";
import type { TransportBuilder } from "../ports/transport.ts";
import { createMemoryStorage, type MemoryDisk } from "../storage/memory.ts";
import type { Cluster } from "./cluster.ts";
import type { MemorySwitchboard } from "./memory-transport.ts";
import { type SimulatedIdentity, SimulatedVerifier, simulatedIdentity, simulatedKeyMaker } from "./simulated-keys.ts";
import { setPower, settingsParts } from "./writers.ts";

export interface SiteOptions {
  readonly cluster: Cluster;
  readonly switchboard: MemorySwitchboard;
  readonly disk: MemoryDisk;
  /** 32 bytes that the device's key comes from. */
  readonly secret: Uint8Array;
  /** Its keys at the switchboard: one transport for each. */
  readonly keys: readonly string[];
  readonly settings?: Partial<SyncSettings>;
  readonly builders?: readonly TransportBuilder[];
}

/** One life of it. */
export class SyncSite {
  readonly key: PublicKey;
  readonly registry: Registry;
  readonly transports: Transports;
  readonly peers: Peers;
  readonly bandwidth: Bandwidth;
  /** What happened, in order: "carried", "parted", codes of what ended paths, "parked …", "givenUp …". */
  readonly events: string[] = [];
  readonly errors: TidemarkError[] = [];
  settings: SyncSettings;
  readonly #ports: EnginePorts;
  readonly #store: LocalStore;
  readonly #databases = new Map<DatabaseId, OpenDatabase>();
  readonly #replicas = new Map<DatabaseId, Replica>();

  private constructor(options: SiteOptions, ports: EnginePorts, store: LocalStore) {
    this.#ports = ports;
    this.#store = store;
    this.key = ports.identity.publicKey;
    this.settings = { ...defaultSettings, ...options.settings };
    this.registry = new Registry({ store, clock: ports.clock, changed: () => {} });
    this.transports = new Transports({
      builders: [options.switchboard.builder, ...(options.builders ?? [])],
      store,
      listener: {
        connected: (channel, expected) => this.peers.take(channel, expected),
        relayChanged: () => {},
        started: () => this.peers.transportStarted(),
        reported: (error) => this.#note(error.code, error),
      },
    });
    this.bandwidth = new Bandwidth(ports.clock, this.settings);
    this.peers = new Peers({
      ports,
      epoch: encodeHex(ports.random.bytes(16)),
      boot: encodeHex(ports.random.bytes(8)),
      registry: this.registry,
      transports: this.transports,
      bandwidth: this.bandwidth,
      settings: () => this.settings,
      owner: this.#owner(),
    });
  }

  /** Online, letting everybody in. */
  static async open(options: SiteOptions): Promise<SyncSite> {
    const { cluster, secret, disk, keys } = options;
    const { sha256 } = await cluster.addIdentity();
    const identity: SimulatedIdentity = simulatedIdentity(secret, sha256);
    const storage = createMemoryStorage(disk);
    const ports: EnginePorts = {
      name: "site",
      storage,
      identity,
      keys: await openKeyRing({
        storage,
        device: identity,
        clock: cluster.clock,
        maker: simulatedKeyMaker(sha256, cluster.random),
        reported: () => {},
      }),
      verifier: new SimulatedVerifier(sha256),
      sha256,
      clock: cluster.clock,
      random: cluster.random,
      deriveIdentity: async (seed) => simulatedIdentity(seed, sha256),
      relays: [],
      openNetwork: () => {
        throw new Error("this site has no relays");
      },
    };
    const store = await LocalStore.open({ storage, clock: cluster.clock, failed: () => {} });
    const site = new SyncSite(options, ports, store);
    for (const { id } of await storage.databases()) await site.#load(id);
    for (const key of keys) {
      const { isRunning } = site.transports.add(key, "memory", { key });
      if (!isRunning) await site.transports.start(key);
    }
    site.transports.accept(true);
    site.setOnline(true);
    return site;
  }

  /** A database that these may write. */
  async createDatabase(...writers: readonly PublicKey[]): Promise<DatabaseId> {
    const { identity, clock, random, sha256, storage } = this.#ports;
    const nonce = random.bytes(16);
    const stores = settingsParts({ type: "nonce", nonce }, ...writers.map((key) => setPower(key, WRITE)));
    const draft = new Replica("" as DatabaseId, sha256).draft(identity.publicKey, stores, clock.now());
    const message = encodeUnsigned(draft);
    const root = sealEntry(draft, message, await identity.sign(message), sha256);
    const record: DatabaseRecord = { id: root.id, name: "", relays: [] };
    await storage.commit({ database: root.id, position: 0, entries: [storedEntry(root, true)], record });
    await this.#load(root.id);
    return root.id;
  }

  /** Takes up a database of which nothing is here yet. */
  async await(id: DatabaseId): Promise<void> {
    const record: DatabaseRecord = { id, name: "", relays: [] };
    await this.#ports.storage.putDatabase(record);
    const replica = new Replica(id, this.#ports.sha256);
    this.#adopt(record, replica, new Checkpoints([], replica.state));
  }

  write(id: DatabaseId, row: string, columns: object = {}): Promise<void> {
    return this.database(id).commit((): readonly StorePart[] => {
      const changes = new TableChanges("rows");
      changes.put(row, columns);
      return [{ name: "rows", type: "table", payload: changes.encode() }];
    });
  }

  database(id: DatabaseId): OpenDatabase {
    const database = this.#databases.get(id);
    if (database === undefined) throw new Error("there is no such database");
    return database;
  }

  rows(id: DatabaseId): readonly string[] {
    return [...(this.database(id).replica.state.table("rows")?.all() ?? [])].map(([row]) => row).sort();
  }

  digest(id: DatabaseId): string {
    return this.database(id).replica.digest();
  }

  setOnline(online: boolean): void {
    if (online) this.transports.setOnline(true);
    this.peers.setOnline(online);
    if (!online) this.transports.setOnline(false);
  }

  async close(): Promise<void> {
    this.peers.close();
    await this.transports.close();
    for (const database of this.#databases.values()) await database.settled();
    await this.#store.close();
  }

  #note(event: string, error?: TidemarkError): void {
    this.events.push(event);
    if (error !== undefined) this.errors.push(error);
  }

  #owner(): PeersOwner {
    const { registry } = this;
    return {
      replicas: this.#replicas,
      database: (id) => this.#databases.get(id),
      shares: (peer, database) => !registry.isOff(peer, database),
      cursor: (peer, database) => registry.relation(peer, database)?.cursor,
      onCommit: () => true,
      answered: () => {},
      knocked: () => {},
      served: () => {},
      received: () => {},
      moved: () => {},
      progressed: () => {},
      batchStored: () => {},
      caughtUp: () => {},
      held: (path, database, through) => {
        if (path.key !== undefined) registry.held(path.key, database, path.epoch, through);
      },
      agreed: (path, database, cursor) => {
        if (path.key !== undefined) registry.agreed(path.key, database, cursor);
      },
      overflowed: () => {},
      lanesChanged: () => {},
      heardOfPage: async () => "unchecked",
      heardOfChannel: () => true,
      messaged: () => {},
      carried: (_path, isFirst) => this.#note(isFirst ? "carried" : "taken over"),
      ended: (_path, error) => {
        if (error !== undefined) this.#note(error.code, error);
      },
      parted: () => this.#note("parted"),
      peerChanged: () => {},
      parked: (_key, address, error) => this.#note(`parked ${address} ${error.code}`),
      givenUp: (_key, error) => this.#note(error.code, error),
    };
  }

  async #load(id: DatabaseId): Promise<void> {
    const loaded = await this.#ports.storage.load(id);
    if (loaded === undefined) return;
    const { replica, checkpoints } = await loadReplica(this.#ports, loaded);
    this.#adopt(loaded.record, replica, checkpoints);
  }

  #adopt(record: DatabaseRecord, replica: Replica, checkpoints: Checkpoints): void {
    const { id: database } = record;
    const open = new OpenDatabase(this.#ports, record, replica, checkpoints, {
      changed: () => {},
      announced: (nodes, permissionsChanged) => {
        this.peers.stepAll({ type: "announced", database, nodes });
        if (permissionsChanged) this.peers.stepAll({ type: "offered", database });
      },
      refused: () => {},
      missed: (ids) => this.peers.stepAll({ type: "missed", database, ids }),
      recounted: () => undefined,
      refolded: () => {},
      healing: () => {},
      notTended: () => {},
      storageError: undefined,
      admit: async () => {},
      failed: (error) => {
        throw error;
      },
    });
    this.#databases.set(database, open);
    this.#replicas.set(database, replica);
    this.peers.stepAll({ type: "offered", database });
  }
}
