/** One random life of a group of devices, drawn from a seed: what happens, and what it left behind. */
import type { StorePart } from "../core/entry.ts";
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId } from "../core/ids.ts";
import { pendingEntriesMax } from "../core/limits.ts";
import { READ, WRITE } from "../core/store/power.ts";
import { TableChanges } from "../core/store/table-changes.ts";
import { Cluster } from "./cluster.ts";
import type { Device } from "./device.ts";
import { forgedRow, Mallory, tricks } from "./mallory.ts";
import type { SeededRandom } from "./random.ts";

/** How often what happened. */
export type Tally = Map<string, number>;

const writersCount = 4;
const actionsCount = 120;
const skewsMs = [0, 0, 0, 20_000, -20_000, 180_000, -180_000];

export class Simulation {
  readonly cluster: Cluster;
  readonly tally: Tally = new Map();
  readonly #random: SeededRandom;
  #devices: Device[] = [];
  #database: DatabaseId | undefined;
  #mallory: Mallory | undefined;
  /** Rows whose write was acknowledged. */
  readonly #acknowledged = new Set<string>();
  #writes = 0;

  constructor(seed: number) {
    this.cluster = new Cluster(seed);
    this.#random = this.cluster.random.fork();
  }

  get devices(): readonly Device[] {
    return this.#devices;
  }

  get database(): DatabaseId {
    if (this.#database === undefined) throw new Error("the simulation has not begun");
    return this.#database;
  }

  /** A fingerprint of all that happened: equal for runs that went alike. */
  get trace(): string {
    const { network, clock } = this.cluster;
    return `${clock.now()} ${network.messages} ${network.bytes} ${this.#devices[0]?.stateDigest(this.database)}`;
  }

  async run(): Promise<void> {
    await this.#begin();
    for (let i = 0; i < actionsCount; i++) {
      await this.#act();
      // Often so soon that nothing has settled: storage takes up to 30 ms, a message up to 40.
      await this.cluster.pass(this.#random.int(this.#random.chance(0.5) ? 20 : 600));
    }
    await this.#end();
  }

  async #begin(): Promise<void> {
    const { cluster } = this;
    const owner = await this.#addDevice();
    this.#database = (await cluster.settle(owner.instance.createDatabase("Board"))).id;
    for (let i = 1; i < writersCount; i++) await this.#join(WRITE);
    await this.#join(READ);
    const traitor = await this.#join(WRITE);
    this.#mallory = await Mallory.replace(cluster, traitor, this.database);
    this.#devices = this.#devices.filter((device) => device !== traitor);
  }

  #addDevice(): Promise<Device> {
    const random = this.#random.fork();
    return this.cluster
      .addDevice({ skewMs: this.#devices.length === 0 ? 0 : this.#random.pick(skewsMs), writeMs: () => random.int(30) })
      .then((device) => {
        this.#devices.push(device);
        return device;
      });
  }

  async #join(power: number): Promise<Device> {
    const { cluster } = this;
    const [owner] = this.#devices as [Device];
    const ticket = await cluster.settle(owner.instance.share(this.database, power));
    const device = await this.#addDevice();
    await cluster.settle(device.instance.join(ticket));
    // A clock that is far behind holds everything back at first.
    await cluster.settle(device.instance.ready(this.database), 600_000);
    return device;
  }

  async #act(): Promise<void> {
    const dice = this.#random.int(100);
    if (dice < 45) return this.#write();
    if (dice < 60) return this.#mallory?.act();
    if (dice < 68) return this.#count("cut", () => this.#pair((one, other) => this.cluster.cut(one.key, other.key)));
    if (dice < 80)
      return this.#count("healed", () => this.#pair((one, other) => this.cluster.heal(one.key, other.key)));
    if (dice < 88)
      return this.#count("dropped", () => this.#pair((one, other) => this.cluster.network.drop(one.key, other.key)));
    if (dice < 92) return await this.#restart();
    if (dice < 96) return await this.#crash();
    if (dice < 98) return this.#failStorage();
    return await this.cluster.pass(5_000);
  }

  #count(what: string, action: () => void): void {
    this.tally.set(what, 1 + (this.tally.get(what) ?? 0));
    action();
  }

  #pair(action: (one: Device, other: Device) => void): void {
    const one = this.#random.pick(this.#devices);
    const other = this.#random.pick(this.#devices);
    if (one !== other) action(one, other);
  }

  /** A row of its own, and often one that everybody writes. */
  #write(device: Device = this.#random.pick(this.#devices)): void {
    const row = `w${this.#writes++}`;
    const contested = this.#random.chance(0.5);
    const build = (): readonly StorePart[] => {
      const changes = new TableChanges("rows");
      changes.put(row, { by: device.key });
      if (contested) changes.put(`shared ${this.#writes % 3}`, { by: device.key });
      return [{ name: "rows", type: "table", payload: changes.encode() }];
    };
    const written = Promise.resolve().then(() => device.instance.commit(this.database, build));
    written.then(
      () => this.#count("acknowledged", () => this.#acknowledged.add(row)),
      (error: unknown) => this.#count(error instanceof TidemarkError ? error.code : String(error), () => {}),
    );
  }

  /** In the middle of its work. */
  async #crash(): Promise<void> {
    const device = this.#random.pick(this.#devices);
    for (let i = 0; i < 3; i++) this.#write(device);
    await this.cluster.pass(this.#random.int(50));
    this.#count("crashed", () => device.crash());
    await this.#restart(device);
  }

  async #restart(device: Device = this.#random.pick(this.#devices)): Promise<void> {
    this.#count("restarted", () => {});
    this.#collect(device);
    const random = this.#random.fork();
    const again = await this.cluster.restart(device, { writeMs: () => random.int(30) });
    this.#devices = this.#devices.map((each) => (each === device ? again : each));
  }

  #failStorage(): void {
    const device = this.#random.pick(this.#devices);
    this.#count("failed", () => device.storage.failNext(new TidemarkError("STORAGE_QUOTA", { reason: "simulated" })));
  }

  /** What the device reported counts, also when it is gone. */
  #collect(device: Device): void {
    for (const { code } of device.problems) this.#count(`reported ${code}`, () => {});
  }

  async #end(): Promise<void> {
    const { cluster } = this;
    this.#mallory?.leave();
    for (const [trick, times] of this.#mallory?.played ?? []) this.tally.set(`mallory ${trick}`, times);
    cluster.healAll();
    // Until the time of every entry has come, on every clock.
    await cluster.pass(600_000);
    await cluster.converge(this.database, this.#devices);
    await cluster.pass(60_000);
    for (const device of this.#devices) this.#collect(device);
  }

  /** Everything that is not as it should be after the end. */
  problems(): readonly string[] {
    const problems: string[] = [];
    const digests = new Set(this.#devices.map((device) => device.stateDigest(this.database)));
    if (digests.size > 1) problems.push(`${digests.size} different states`);
    for (const [i, device] of this.#devices.entries()) {
      const rows = device.rows(this.database);
      for (const row of this.#acknowledged)
        if (!rows.has(row)) problems.push(`device ${i} misses the acknowledged ${row}`);
      if (rows.has(forgedRow)) problems.push(`device ${i} has a forged row`);
      const { replica } = device.instance.database(this.database);
      if (replica.pending.size > pendingEntriesMax)
        problems.push(`device ${i} has ${replica.pending.size} entries pending`);
      if (device.storage.waiting > 0) problems.push(`device ${i} is still writing`);
      for (const { state } of device.instance.status(this.database).peers)
        if (state !== "upToDate") problems.push(`device ${i} has a peer that is ${state}`);
    }
    return problems;
  }
}

/** What must have happened in some of many runs, or they proved nothing. */
export const expectedEvents: readonly string[] = [
  "acknowledged",
  "cut",
  "healed",
  "dropped",
  "restarted",
  "crashed",
  "failed",
  "PERMISSION_DENIED",
  "STORAGE_CLOSED",
  "STORAGE_QUOTA",
  "reported ENTRY_SIGNATURE",
  "reported ENTRY_PERMISSION",
  "reported ENTRY_HEIGHT",
  "reported ENTRY_TIME",
  "reported ENTRY_TIME_AHEAD",
  "reported MESSAGE_UNEXPECTED",
  ...tricks.map((trick) => `mallory ${trick}`),
];
