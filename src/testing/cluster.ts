/**
 * Whole instances in one thread: real engines and core on a simulated clock, network, storage and randomness.
 *
 * [SIMULATION-5] A run depends on its seed alone.
 *
 * The harness owns the wiring; a test owns what happens: who writes, who is cut off, who crashes.
 */
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId, PublicKey, Sha256 } from "../core/ids.ts";
import { loadSha256 } from "../crypto/sha256.ts";
import { Instance } from "../engine/instance.ts";
import type { EnginePorts } from "../engine/ports.ts";
import type { Clock } from "../ports/clock.ts";
import type { Network } from "../ports/transport.ts";
import { createMemoryStorage, MemoryDisk } from "../storage/memory.ts";
import { SimulatedClock } from "./clock.ts";
import { Device } from "./device.ts";
import { MemoryNetwork } from "./memory-network.ts";
import { SeededRandom } from "./random.ts";
import { type SimulatedIdentity, SimulatedVerifier, simulatedIdentity } from "./simulated-keys.ts";
import { SlowStorage } from "./slow-storage.ts";
import { turn } from "./turn.ts";

export { Device } from "./device.ts";

const relayUrl = "wss://relay.simulated";

export interface DeviceOptions {
  /** What is stored already, as after a restart. Default: nothing. */
  readonly disk?: MemoryDisk;
  /** 32 bytes that the device's key comes from. Default: drawn. */
  readonly secret?: Uint8Array;
  /** By how many milliseconds its clock is ahead; negative when it is behind. */
  readonly skewMs?: number;
  /** How long a write to storage takes, in milliseconds, drawn anew for each. Default 0: at once. */
  readonly writeMs?: () => number;
  /** Default: the cluster's own. Called with the URL of a relay. */
  readonly openNetwork?: (relayUrl: string) => Network;
}

export class Cluster {
  readonly clock: SimulatedClock = new SimulatedClock();
  readonly random: SeededRandom;
  readonly network: MemoryNetwork;
  readonly #joined = new Set<PublicKey>();
  readonly #cuts = new Map<string, readonly [PublicKey, PublicKey]>();
  #sha256: Sha256 | undefined;

  constructor(seed: number) {
    this.random = new SeededRandom(seed);
    this.network = new MemoryNetwork({ clock: this.clock, random: this.random });
  }

  /** A device that is online, with every database that its disk holds. */
  async addDevice(options: DeviceOptions = {}): Promise<Device> {
    const { secret = this.random.bytes(32), disk = new MemoryDisk(), skewMs = 0, writeMs = () => 0 } = options;
    const sha256 = await this.#hash();
    const identity = simulatedIdentity(secret, sha256);
    const verifier = new SimulatedVerifier(sha256);
    const storage = new SlowStorage(createMemoryStorage(disk), { clock: this.clock, writeMs });
    const problems: TidemarkError[] = [];
    const networks: Network[] = [];
    const ports: EnginePorts = {
      storage,
      identity,
      verifier,
      sha256,
      clock: skewed(this.clock, skewMs),
      random: this.random,
      name: "simulated",
      relays: [relayUrl],
      deriveIdentity: async (seed) => simulatedIdentity(seed, sha256),
      openNetwork: (url) => {
        const network = options.openNetwork?.(url) ?? this.join(identity.publicKey);
        networks.push(network);
        return network;
      },
    };
    const instance = await Instance.open(ports, {
      changed: () => {},
      statusChanged: () => {},
      progressed: () => {},
      relayChanged: () => {},
      reported: (error) => problems.push(error),
      reloaded: () => {},
    });
    instance.setOnline(true);
    const cutPower = (): void => {
      storage.crash();
      this.#dropAll(identity.publicKey);
      for (const network of networks) network.close();
    };
    return new Device({ instance, identity, secret, disk, storage, verifier, sha256, problems, skewMs, cutPower });
  }

  /** A key of its own and the hash, for a peer that is no instance. */
  async addIdentity(): Promise<{ readonly identity: SimulatedIdentity; readonly sha256: Sha256 }> {
    const sha256 = await this.#hash();
    return { identity: simulatedIdentity(this.random.bytes(32), sha256), sha256 };
  }

  /** The network as somebody with this key sees it; cuts that were made before hold. */
  join(key: PublicKey): Network {
    const network = this.network.join(key);
    this.#joined.add(key);
    for (const [one, other] of this.#cuts.values())
      if ((one === key || other === key) && this.#joined.has(one) && this.#joined.has(other))
        this.network.cut(one, other);
    return network;
  }

  /** Closes the instance, if it was not crashed, and opens another on the same disk. */
  async restart(device: Device, options: Pick<DeviceOptions, "writeMs" | "skewMs"> = {}): Promise<Device> {
    await this.settle(device.instance.close().catch(ignoreClosed));
    const { secret, disk, skewMs } = device;
    return await this.addDevice({ secret, disk, skewMs, ...options });
  }

  /** Nothing passes between two devices until `heal`, whether they restart or not. */
  cut(one: PublicKey, other: PublicKey): void {
    this.#cuts.set(pairOf(one, other), [one, other]);
    if (this.#joined.has(one) && this.#joined.has(other)) this.network.cut(one, other);
  }

  heal(one: PublicKey, other: PublicKey): void {
    if (!this.#cuts.delete(pairOf(one, other))) return;
    if (this.#joined.has(one) && this.#joined.has(other)) this.network.heal(one, other);
  }

  healAll(): void {
    for (const [one, other] of [...this.#cuts.values()]) this.heal(one, other);
  }

  /** Lets time pass until the condition holds. Throws after `ms` of simulated time. */
  async until(condition: () => boolean, ms = 60_000): Promise<void> {
    const end = this.clock.now() + ms;
    for (;;) {
      await turn();
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

  async #hash(): Promise<Sha256> {
    this.#sha256 ??= await loadSha256();
    return this.#sha256;
  }

  #dropAll(key: PublicKey): void {
    if (!this.#joined.has(key)) return;
    for (const other of this.#joined) if (other !== key) this.network.drop(key, other);
  }
}

function isConverged(database: DatabaseId, devices: readonly Device[]): boolean {
  const replicas = devices.map((device) => device.instance.find(database)?.replica);
  const digests = new Set(replicas.map((replica) => replica?.digest()));
  return digests.size === 1 && replicas.every((replica) => replica?.stored === replica?.graph.size);
}

function skewed(clock: Clock, skewMs: number): Clock {
  return { now: () => clock.now() + skewMs, after: (ms, action) => clock.after(ms, action) };
}

function pairOf(one: PublicKey, other: PublicKey): string {
  return one < other ? one + other : other + one;
}

/** A crashed device cannot be closed properly. */
function ignoreClosed(error: unknown): void {
  if (!(error instanceof TidemarkError && error.code === "STORAGE_CLOSED")) throw error;
}
