/**
 * Whole instances in one thread: real engines and core on a simulated clock, network, storage and randomness.
 *
 * [SIMULATION-5] A run depends on its seed alone.
 *
 * The harness owns the wiring; a test owns what happens: who writes, who is cut off, who crashes.
 */
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId, PublicKey, Sha256 } from "../core/ids.ts";
import { type Power, WRITE } from "../core/store/power.ts";
import { encodeSettings, type SettingsOp, settingsStoreName, settingsType } from "../core/store/settings.ts";
import { openKeyRing } from "../crypto/key-ring.ts";
import { loadSha256 } from "../crypto/sha256.ts";
import { Instance } from "../engine/instance.ts";
import type { InstanceListener } from "../engine/instance-listener.ts";
import type { EnginePorts } from "../engine/ports.ts";
import { healthyStorage, type StorageHealth } from "../engine/storage-health.ts";
import type { Clock } from "../ports/clock.ts";
import type { Network } from "../ports/transport.ts";
import { createMemoryStorage, MemoryDisk } from "../storage/memory.ts";
import { SimulatedClock } from "./clock.ts";
import { deafListener } from "./deaf-listener.ts";
import { Device, type DeviceWatcher, type Skew } from "./device.ts";
import { MemoryNetwork } from "./memory-network.ts";
import { SeededRandom } from "./random.ts";
import { type SimulatedIdentity, SimulatedVerifier, simulatedIdentity, simulatedKeyMaker } from "./simulated-keys.ts";
import { simulatedSealing } from "./simulated-sealing.ts";
import { type PowerLoss, SlowStorage } from "./slow-storage.ts";
import { turn } from "./turn.ts";

export { Device } from "./device.ts";

/** Where all devices meet. */
export const relayUrl = "wss://relay.simulated";

/** One for all clusters: it is made of code, and keeps nothing from call to call. */
const loadedSha256: Promise<Sha256> = loadSha256();

export interface DeviceOptions {
  /** What is stored already, as after a restart. Default: nothing. */
  readonly disk?: MemoryDisk;
  /** 32 bytes that the device's key comes from. Default: drawn. */
  readonly secret?: Uint8Array;
  /** By how many milliseconds its clock is ahead; negative when it is behind. */
  readonly skewMs?: number;
  /** How long a write to storage takes, in milliseconds, drawn anew for each. Default 0: at once. */
  readonly writeMs?: () => number;
  /** Default: the cluster's own. Called with the URL of a relay and the device's key. */
  readonly openNetwork?: (relayUrl: string, key: PublicKey) => Network;
  /** What its instance runs on instead of what the cluster would give it: to break one of them. */
  readonly ports?: (ports: EnginePorts, disk: MemoryDisk) => EnginePorts;
}

export type RestartOptions = Pick<DeviceOptions, "writeMs" | "skewMs" | "ports">;

export interface MemberOptions extends DeviceOptions {
  readonly power: Power | undefined;
}

/** Devices that share a database. */
export interface Group {
  readonly id: DatabaseId;
  readonly devices: readonly Device[];
}

export class Cluster {
  readonly clock: SimulatedClock = new SimulatedClock();
  readonly random: SeededRandom;
  readonly network: MemoryNetwork;
  /** Called whenever nothing more happens without time. */
  afterStep: () => void = () => {};

  constructor(seed: number) {
    this.random = new SeededRandom(seed);
    this.network = new MemoryNetwork({ clock: this.clock, random: this.random });
  }

  /** A device that is online, with every database that its disk holds. */
  async addDevice(options: DeviceOptions = {}): Promise<Device> {
    await loadedSha256; // Takes real time, in which simulated time must not pass.
    return await this.settle(this.openDevice(options));
  }

  /** The same for somebody else who lets time pass meanwhile. */
  async openDevice(options: DeviceOptions = {}): Promise<Device> {
    const { secret = this.random.bytes(32), disk = new MemoryDisk(), writeMs = () => 0 } = options;
    const skew: Skew = { ms: options.skewMs ?? 0 };
    const sha256 = await loadedSha256;
    const identity = simulatedIdentity(secret, sha256);
    const verifier = new SimulatedVerifier(sha256);
    const storage = new SlowStorage(createMemoryStorage(disk), { clock: this.clock, writeMs, disk });
    const problems: TidemarkError[] = [];
    const told = { reloads: 0, health: healthyStorage, watchers: new Set<DeviceWatcher>() };
    const networks: Network[] = [];
    const random = this.random.fork();
    const keys = await openKeyRing({
      storage: createMemoryStorage(disk),
      device: identity,
      clock: this.clock,
      maker: simulatedKeyMaker(sha256, random),
      reported: (error) => problems.push(error),
    });
    const ports: EnginePorts = {
      storage,
      identity,
      keys,
      verifier,
      sealing: simulatedSealing(secret, sha256),
      sha256,
      clock: skewed(this.clock, skew),
      random,
      name: "simulated",
      relays: [relayUrl],
      deriveIdentity: async (seed) => simulatedIdentity(seed, sha256),
      openNetwork: (url) => {
        const network = options.openNetwork?.(url, identity.publicKey) ?? this.join(identity.publicKey);
        networks.push(network);
        return network;
      },
    };
    const given = options.ports?.(ports, disk) ?? ports;
    const instance = await Instance.open(given, listenerFor(problems, told));
    instance.setOnline(true);
    const cutPower = (loss: PowerLoss): void => {
      storage.crash(loss);
      this.network.dropAll(identity.publicKey);
      for (const network of networks) network.close();
    };
    return new Device({
      instance,
      ports: given,
      identity,
      secret,
      disk,
      storage,
      verifier,
      sha256,
      problems,
      told,
      skew,
      cutPower,
    });
  }

  /**
   * Devices that share a database from the start: the first has made it, the others are allowed to take part and hold its beginning.
   */
  async addGroup(count: number, options: DeviceOptions = {}): Promise<Group> {
    const members = Array.from({ length: count }, () => ({ power: WRITE, ...options }));
    const { id, devices } = await this.addMembers(members);
    return { id, devices: devices.filter((device) => device !== undefined) };
  }

  /** The same, each with options of its own. For members without a power there is no device. */
  async addMembers(
    members: readonly MemberOptions[],
  ): Promise<{ readonly id: DatabaseId; readonly devices: readonly (Device | undefined)[] }> {
    const first = await this.addDevice(members[0]);
    const { id } = await this.settle(first.instance.createDatabase("Shared"));
    const sha256 = await loadedSha256;
    const others = members.slice(1).map((member) => ({ secret: this.random.bytes(32), ...member }));
    const ops = others.flatMap(({ secret, power }): SettingsOp[] =>
      power === undefined ? [] : [{ type: "set", key: simulatedIdentity(secret, sha256).publicKey, power }],
    );
    const settings = { name: settingsStoreName, type: settingsType, payload: encodeSettings(ops) };
    await this.settle(first.instance.commit(id, () => [settings]));
    const devices: (Device | undefined)[] = [first];
    for (const { power, ...other } of others)
      devices.push(
        power === undefined ? undefined : await this.addDevice({ ...other, disk: copyDatabase(first.disk, id) }),
      );
    return { id, devices };
  }

  /** A key of its own and the hash, for a peer that is no instance. */
  async addIdentity(): Promise<{ readonly identity: SimulatedIdentity; readonly sha256: Sha256 }> {
    const sha256 = await loadedSha256;
    return { identity: simulatedIdentity(this.random.bytes(32), sha256), sha256 };
  }

  /** The network as somebody with this key sees it; cuts that were made before hold. */
  join(key: PublicKey): Network {
    return this.network.join(key);
  }

  /** Closes the instance, if it was not crashed, and opens another on the same disk. */
  async restart(device: Device, options: RestartOptions = {}): Promise<Device> {
    return await this.settle(this.reopen(device, options));
  }

  /** The same for somebody else who lets time pass meanwhile. */
  async reopen(device: Device, options: RestartOptions = {}): Promise<Device> {
    await device.instance.close().catch(ignoreClosed);
    const { secret, disk, skewMs } = device;
    return await this.openDevice({ secret, disk, skewMs, ...options });
  }

  /** Nothing passes between two devices until `heal`, whether they restart or not. */
  cut(one: PublicKey, other: PublicKey): void {
    this.network.cut(one, other);
  }

  heal(one: PublicKey, other: PublicKey): void {
    this.network.heal(one, other);
  }

  healAll(): void {
    this.network.healAll();
  }

  /** Lets time pass until the condition holds. Throws after `ms` of simulated time. */
  async until(condition: () => boolean, ms = 60_000): Promise<void> {
    const end = this.clock.now() + ms;
    for (;;) {
      await turn();
      this.afterStep();
      if (condition()) return;
      if (this.clock.now() >= end) throw new Error(`not so after ${ms} ms of simulated time`);
      if ((this.clock.nextAt ?? Number.POSITIVE_INFINITY) > end) this.clock.advance(end - this.clock.now());
      else this.clock.runNext();
    }
  }

  /** Lets time pass until the promise is settled, and gives what it gives. */
  async settle<T>(promise: Promise<T>, ms?: number): Promise<T> {
    let isSettled = false;
    const done = (): void => {
      isSettled = true;
    };
    promise.then(done, done);
    await this.until(() => isSettled, ms);
    return await promise;
  }

  /** Lets time pass. */
  async pass(ms: number): Promise<void> {
    const end = this.clock.now() + ms;
    await this.until(() => this.clock.now() >= end, ms);
  }

  /** Lets time pass until all devices hold the same entries of a database, durably. */
  async converge(database: DatabaseId, devices: readonly Device[], ms?: number): Promise<void> {
    await this.until(() => isConverged(database, devices), ms);
  }
}

interface Told {
  reloads: number;
  health: StorageHealth;
  readonly watchers: ReadonlySet<DeviceWatcher>;
}

function listenerFor(problems: TidemarkError[], told: Told): InstanceListener {
  return {
    ...deafListener,
    reported: (error) => problems.push(error),
    changed: (database, changes) => {
      for (const watcher of told.watchers) watcher.changed(database, changes);
    },
    reloaded: (database) => {
      told.reloads += 1;
      for (const watcher of told.watchers) watcher.reloaded(database);
    },
    storageChanged: (health) => {
      told.health = health;
    },
  };
}

function isConverged(database: DatabaseId, devices: readonly Device[]): boolean {
  const replicas = devices.map((device) => device.instance.find(database)?.replica);
  const digests = new Set(replicas.map((replica) => replica?.digest()));
  return digests.size === 1 && replicas.every((replica) => replica?.stored === replica?.graph.size);
}

function skewed(clock: Clock, skew: Skew): Clock {
  return { now: () => clock.now() + skew.ms, after: (ms, action) => clock.after(ms, action) };
}

/** A disk that holds what another holds of one database, and nothing else. */
function copyDatabase(disk: MemoryDisk, id: DatabaseId): MemoryDisk {
  const copy = new MemoryDisk();
  const original = disk.databases.get(id);
  if (original !== undefined) copy.databases.set(id, structuredClone(original));
  return copy;
}

/** A crashed device cannot be closed properly. */
function ignoreClosed(error: unknown): void {
  if (!(error instanceof TidemarkError && error.code === "STORAGE_CLOSED")) throw error;
}
