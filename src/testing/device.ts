/** One device of a cluster: an instance, and what is needed to see inside it. */
import type { StorePart } from "../core/entry.ts";
import type { TidemarkError } from "../core/errors.ts";
import { type DatabaseId, encodeHex, type PublicKey, type Sha256 } from "../core/ids.ts";
import { KvChanges } from "../core/store/kv-changes.ts";
import type { StoreChange } from "../core/store/state.ts";
import { TableChanges } from "../core/store/table-changes.ts";
import type { Instance } from "../engine/instance.ts";
import type { EnginePorts } from "../engine/ports.ts";
import type { StorageHealth } from "../engine/storage-health.ts";
import type { MemoryDisk } from "../storage/memory.ts";
import type { SimulatedIdentity, SimulatedVerifier } from "./simulated-keys.ts";
import type { PowerLoss, SlowStorage } from "./slow-storage.ts";

export interface DeviceParts {
  readonly instance: Instance;
  readonly ports: EnginePorts;
  readonly identity: SimulatedIdentity;
  readonly secret: Uint8Array;
  readonly disk: MemoryDisk;
  readonly storage: SlowStorage;
  readonly verifier: SimulatedVerifier;
  readonly sha256: Sha256;
  readonly problems: readonly TidemarkError[];
  readonly told: { readonly reloads: number; readonly health: StorageHealth; readonly watchers: Set<DeviceWatcher> };
  /** By how much its clock is ahead, as long as it lives. */
  readonly skew: Skew;
  readonly cutPower: (loss: PowerLoss) => void;
}

/** Told of what a page would be told. */
export interface DeviceWatcher {
  changed(database: DatabaseId, changes: readonly StoreChange[]): void;
  /** All that was read before may differ. */
  reloaded(database: DatabaseId): void;
}

export interface Skew {
  ms: number;
}

export class Device {
  readonly instance: Instance;
  /** What its instance runs on. */
  readonly ports: EnginePorts;
  readonly identity: SimulatedIdentity;
  readonly secret: Uint8Array;
  /** What outlives a restart. */
  readonly disk: MemoryDisk;
  readonly storage: SlowStorage;
  readonly sha256: Sha256;
  /** What was reported and no call waited for, in order. */
  readonly problems: readonly TidemarkError[];
  readonly #told: DeviceParts["told"];
  readonly #skew: Skew;
  readonly #verifier: SimulatedVerifier;
  readonly #cutPower: (loss: PowerLoss) => void;

  constructor(parts: DeviceParts) {
    this.instance = parts.instance;
    this.ports = parts.ports;
    this.identity = parts.identity;
    this.secret = parts.secret;
    this.disk = parts.disk;
    this.storage = parts.storage;
    this.sha256 = parts.sha256;
    this.problems = parts.problems;
    this.#told = parts.told;
    this.#skew = parts.skew;
    this.#verifier = parts.verifier;
    this.#cutPower = parts.cutPower;
  }

  get key(): PublicKey {
    return this.identity.publicKey;
  }

  /** By how many milliseconds this device's clock is ahead; negative when it is behind. */
  get skewMs(): number {
    return this.#skew.ms;
  }

  /** Sets its clock: what it shows jumps. */
  setSkew(ms: number): void {
    this.#skew.ms = ms;
  }

  /** How often the app was told that all it had read may differ. */
  get reloads(): number {
    return this.#told.reloads;
  }

  /** To be told what pages are told, as long as it lives. */
  get watchers(): Set<DeviceWatcher> {
    return this.#told.watchers;
  }

  /** What the app was told of storage last. */
  get health(): StorageHealth {
    return this.#told.health;
  }

  /** Signature checks made so far. */
  get checks(): number {
    return this.#verifier.checks;
  }

  /** Puts one row in one transaction; resolves when it is durable. Rejects as `Instance.commit` does. */
  write(database: DatabaseId, row: string, columns: object, table = "rows"): Promise<void> {
    return this.#change(database, table, (changes) => changes.put(row, columns));
  }

  /** Deletes one row in one transaction. */
  remove(database: DatabaseId, row: string, table = "rows"): Promise<void> {
    return this.#change(database, table, (changes) => changes.delete(row));
  }

  #change(database: DatabaseId, table: string, change: (changes: TableChanges) => void): Promise<void> {
    return this.instance.commit(database, (): readonly StorePart[] => {
      const changes = new TableChanges(table);
      change(changes);
      return [{ name: table, type: "table", payload: changes.encode() }];
    });
  }

  /** Sets one key of a kv store in one transaction. */
  set(database: DatabaseId, key: string, value: string, store = "keys"): Promise<void> {
    return this.instance.commit(database, (): readonly StorePart[] => {
      const changes = new KvChanges(store);
      changes.set(key, value);
      return [{ name: store, type: "kv", payload: changes.encode() }];
    });
  }

  /** Empty while the database is not here. */
  rows(database: DatabaseId, table = "rows"): ReadonlyMap<string, unknown> {
    return new Map(this.instance.find(database)?.replica.state.table(table)?.all() ?? []);
  }

  value(database: DatabaseId, key: string, store = "keys"): unknown {
    return this.instance.find(database)?.replica.state.kv(store)?.get(key);
  }

  /** Equal on devices that hold the same entries: their number, the digest of the frontier, and the hash of the state's bytes. */
  stateDigest(database: DatabaseId): string {
    const { replica } = this.instance.database(database);
    return `${replica.graph.size - replica.graph.voidCount} ${replica.digest()} ${encodeHex(this.sha256(replica.encodeState()))}`;
  }

  /** The device dies: what is not durable is lost, and so is what is under way, but for what `loss` says. Go on with `Cluster.restart`. */
  crash(loss: PowerLoss = {}): void {
    this.#cutPower(loss);
  }
}
