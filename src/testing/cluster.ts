/**
 * Whole instances in one thread: real engines and core on a simulated clock, network and randomness, and storage in memory.
 *
 * [SIMULATION-1] A run depends on its seed alone.
 * [SIMULATION-2] The harness owns the wiring; a test owns what happens: who writes, who is cut off, who crashes.
 */
import { loadSha256 } from "../crypto/sha256.ts";
import type { StorePart } from "../core/entry.ts";
import type { TidemarkError } from "../core/errors.ts";
import { type DatabaseId, encodeHex, type Sha256 } from "../core/ids.ts";
import { TableChanges } from "../core/store/table-changes.ts";
import { identityFromSeed } from "../crypto/identity.ts";
import { NobleVerifier } from "../crypto/noble-verifier.ts";
import { Instance } from "../engine/instance.ts";
import type { EnginePorts } from "../engine/ports.ts";
import type { Identity, Verifier } from "../ports/keys.ts";
import type { Storage } from "../ports/storage.ts";
import { SimulatedClock } from "./clock.ts";
import { MemoryNetwork } from "./memory-network.ts";
import { SeededRandom } from "./random.ts";
import { createMemoryStorage } from "./tmp-memory.ts";

const relayUrl = "wss://relay.simulated";

export interface DeviceOptions {
  /** Default: storage in memory. Given, it is what this device had before a restart. */
  readonly storage?: Storage;
  readonly secret?: Uint8Array;
}

/** One device: an instance and what is needed to see inside it. */
export class Device {
  readonly instance: Instance;
  readonly identity: Identity;
  readonly secret: Uint8Array;
  readonly storage: Storage;
  readonly sha256: Sha256;
  /** What was reported and no call waited for, in order. */
  readonly problems: readonly TidemarkError[];
  /** Signature checks made so far. */
  readonly checks: () => number;

  constructor(parts: Omit<Device, "write" | "rows" | "stateDigest">) {
    this.instance = parts.instance;
    this.identity = parts.identity;
    this.secret = parts.secret;
    this.storage = parts.storage;
    this.sha256 = parts.sha256;
    this.problems = parts.problems;
    this.checks = parts.checks;
  }

  /** Puts one row in one transaction; resolves when durable, which needs no time to pass. */
  write(database: DatabaseId, row: string, columns: object, table = "rows"): Promise<void> {
    return this.instance.commit(database, (): readonly StorePart[] => {
      const changes = new TableChanges(table);
      changes.put(row, columns);
      return [{ name: table, type: "table", payload: changes.encode() }];
    });
  }

  rows(database: DatabaseId, table = "rows"): ReadonlyMap<string, unknown> {
    return new Map(this.instance.database(database).replica.state.table(table)?.all() ?? []);
  }

  /** Equal on devices that hold the same entries. */
  stateDigest(database: DatabaseId): string {
    const { replica } = this.instance.database(database);
    return `${replica.graph.size} ${replica.digest()} ${encodeHex(this.sha256(replica.state.encode()))}`;
  }
}

export class Cluster {
  readonly clock: SimulatedClock = new SimulatedClock();
  readonly random: SeededRandom;
  readonly network: MemoryNetwork;

  constructor(seed: number) {
    this.random = new SeededRandom(seed);
    this.network = new MemoryNetwork({ clock: this.clock, random: this.random });
  }

  async addDevice(options: DeviceOptions = {}): Promise<Device> {
    const secret = options.secret ?? this.random.bytes(32);
    const identity = await identityFromSeed(secret, undefined);
    const storage = options.storage ?? createMemoryStorage();
    const problems: TidemarkError[] = [];
    const verifier = new CountingVerifier();
    const sha256 = await loadSha256();
    const ports: EnginePorts = {
      storage,
      identity,
      verifier,
      sha256,
      clock: this.clock,
      random: this.random,
      relays: [relayUrl],
      deriveIdentity: (seed) => identityFromSeed(seed, undefined),
      openNetwork: () => this.network.join(identity.publicKey),
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
    return new Device({ instance, identity, secret, storage, sha256, problems, checks: () => verifier.checks });
  }

  /** Lets time pass in small steps until the condition holds. Throws after `ms` of simulated time. */
  async until(condition: () => boolean, ms = 60_000): Promise<void> {
    const end = this.clock.now() + ms;
    for (;;) {
      await flush();
      if (condition()) return;
      if (this.clock.now() >= end) throw new Error(`not so after ${ms} ms of simulated time`);
      this.clock.advance(10);
    }
  }

  /** Lets time pass. */
  async pass(ms: number): Promise<void> {
    const end = this.clock.now() + ms;
    await this.until(() => this.clock.now() >= end, ms + 10);
  }

  /** Until all devices hold the same entries of a database, with the same state. */
  async converge(database: DatabaseId, devices: readonly Device[], ms?: number): Promise<void> {
    const isSame = (): boolean =>
      new Set(devices.map((device) => device.instance.database(database).replica.digest())).size === 1;
    await this.until(isSame, ms);
  }
}

class CountingVerifier implements Verifier {
  readonly #verifier = new NobleVerifier();
  checks = 0;

  verify(...args: Parameters<Verifier["verify"]>): Promise<boolean> {
    this.checks += 1;
    return this.#verifier.verify(...args);
  }
}

/** Lets everything that needs no time run to its end: promises, however deep. */
function flush(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
