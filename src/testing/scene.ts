/** Who takes part in a simulated life, what is known about them, and how the parts of the harness find them. */
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId, EntryId, PublicKey } from "../core/ids.ts";
import { READ, WRITE } from "../core/store/power.ts";
import { presets } from "../engine/settings.ts";
import type { Cheat } from "./cheat.ts";
import { Cluster, type DeviceOptions } from "./cluster.ts";
import type { Device } from "./device.ts";
import type { MadeInvite } from "./governing.ts";
import { Invariants } from "./invariants.ts";
import { LifeDocuments } from "./life-documents.ts";
import type { LifeAutomerge } from "./life-edits.ts";
import type { Mallory } from "./mallory.ts";
import type { PeerPlan, Plan } from "./plan.ts";
import { SeededRandom } from "./random.ts";

/** Somebody who takes part. */
export interface Peer {
  readonly plan: PeerPlan;
  readonly random: SeededRandom;
  /** Undefined while it is down, and before it has come. */
  device: Device | undefined;
  /** Of its device, also while that is down. Undefined before it has come. */
  key: PublicKey | undefined;
}

export interface SceneOptions {
  /** What instances run on instead of what they would. */
  readonly ports: DeviceOptions["ports"];
  /** For a life with documents. */
  readonly automerge: LifeAutomerge | undefined;
}

export class Scene {
  readonly plan: Plan;
  readonly cluster: Cluster;
  readonly id: DatabaseId;
  readonly invariants: Invariants;
  readonly peers: readonly Peer[];
  mallory: Mallory | undefined;
  /** The other side of Mallory: what it does to who may do what. */
  cheat: Cheat | undefined;
  /** Undefined in a life without any. */
  readonly documents: LifeDocuments | undefined;
  /** Every invite there ever was, the owner's own for latecomers left aside. */
  readonly invites: MadeInvite[] = [];
  readonly random: SeededRandom;
  /**
   * Only others still have what is damaged on the owner's disk: none of them is lost now, or lowered so far that it
   * may not give it back.
   */
  isFragile = false;
  /** Who holds a good ticket of the owner in the end: it has to get in. */
  readonly awaited: Set<PublicKey> = new Set();
  /** Entries whose commit was acknowledged, and by whom. */
  readonly acknowledged: Map<EntryId, Peer> = new Map();
  /** Entries that were damaged on one disk: on no other. */
  readonly rotten: Set<EntryId> = new Set();
  /** Who has nothing, and the secret of its key, if it has one. */
  readonly uninvited: Map<Peer, Uint8Array | undefined> = new Map();
  /** What goes on beside the actions, such as restarts. */
  readonly background: Promise<void>[] = [];
  /** How often what happened. */
  readonly tally: Map<string, number>;
  readonly #problems: string[];
  readonly #ports: DeviceOptions["ports"];
  /** True once everything is healed, for good. */
  isOver = false;

  private constructor(
    plan: Plan,
    cluster: Cluster,
    group: { readonly id: DatabaseId; readonly devices: readonly (Device | undefined)[] },
    log: { readonly tally: Map<string, number>; readonly problems: string[] },
    { ports, automerge }: SceneOptions,
  ) {
    this.plan = plan;
    this.cluster = cluster;
    this.id = group.id;
    this.tally = log.tally;
    this.#problems = log.problems;
    this.#ports = ports;
    const random = new SeededRandom(plan.seed).fork();
    this.peers = plan.peers.map((each, i): Peer => {
      const device = group.devices[i];
      return { plan: each, random: random.fork(), device, key: device?.key };
    });
    this.random = random.fork();
    this.invariants = new Invariants(cluster.clock, cluster.network, group.id, (group.devices[0] as Device).sha256);
    for (const peer of this.peers) {
      if (peer.device === undefined) this.uninvited.set(peer, undefined);
      else this.invariants.watch(peer.device);
    }
    this.documents = automerge === undefined ? undefined : new LifeDocuments(this, automerge);
  }

  /** All but the latecomer share the database from the start. */
  static async open(
    plan: Plan,
    log: { readonly tally: Map<string, number>; readonly problems: string[] },
    options: SceneOptions,
  ): Promise<Scene> {
    const cluster = new Cluster(plan.seed);
    const random = cluster.random.fork();
    const members = plan.peers.map((each) => ({
      ...optionsOf(each, random.fork(), options.ports),
      power: each.role === "latecomer" ? undefined : each.power,
    }));
    return new Scene(plan, cluster, await cluster.addMembers(members), log, options);
  }

  /** For the next time that its device is opened. */
  optionsFor({ plan, random }: Peer): DeviceOptions {
    return optionsOf(plan, random.fork(), this.#ports);
  }

  /** Somebody whose device runs. */
  up(number: number, action: (device: Device, peer: Peer) => void): void {
    const up = this.peers.filter(({ device }) => device !== undefined);
    const peer = up[number % Math.max(1, up.length)];
    if (peer?.device !== undefined) action(peer.device, peer);
  }

  /** Two of them. */
  pair(one: number, other: number, action: (one: PublicKey, other: PublicKey) => void): void {
    this.up(one, (first) => this.up(other, (second) => first !== second && action(first.key, second.key)));
  }

  /** Somebody whose device runs and who is not the owner. */
  member(number: number, action: (device: Device, peer: Peer) => void): void {
    const members = this.peers.slice(1).filter(({ device }) => device !== undefined);
    const peer = members[number % Math.max(1, members.length)];
    if (peer?.device !== undefined) action(peer.device, peer);
  }

  /** Somebody whose device runs and who takes itself for an admin, and of whom something more is so. */
  admin(number: number, action: (device: Device) => void, isSo: (device: Device) => boolean = () => true): void {
    const mayGovern = ({ instance }: Device): boolean =>
      (instance.find(this.id)?.replica.authority.power(instance.publicKey) ?? WRITE) < WRITE;
    const admins = this.peers.flatMap(({ device }) =>
      device !== undefined && mayGovern(device) && isSo(device) ? [device] : [],
    );
    const device = admins[number % Math.max(1, admins.length)];
    if (device !== undefined) action(device);
  }

  /** The key of somebody who is not the owner, also of Mallory and of whoever is down. */
  keyOf(number: number): PublicKey | undefined {
    return this.peers[1 + (number % Math.max(1, this.peers.length - 1))]?.key;
  }

  /**
   * Whose devices have to agree in the end: the owner's, and those that may read as the others have it. Whoever was
   * removed may not know
   * that, and goes on in a world of its own.
   */
  get circle(): readonly Device[] {
    const { owner } = this;
    const circle = new Set(owner === undefined ? [] : [owner]);
    const devices = this.peers.flatMap(({ device }) => device ?? []);
    // A set is walked to the end also when it grows.
    for (const { instance } of circle) {
      const authority = instance.find(this.id)?.replica.authority;
      for (const device of devices)
        if (authority !== undefined && authority.power(device.key) <= READ) circle.add(device);
    }
    return [...circle];
  }

  get owner(): Device | undefined {
    return this.peers[0]?.device;
  }

  get keys(): readonly PublicKey[] {
    return this.peers.flatMap(({ device }) => (device === undefined ? [] : [device.key]));
  }

  /** Unless everything was healed meanwhile. */
  later(ms: number, action: () => void): void {
    this.cluster.clock.after(ms, () => {
      if (!this.isOver) action();
    });
  }

  async wait(ms: number): Promise<void> {
    await new Promise<void>((resolve) => this.cluster.clock.after(ms, resolve));
  }

  count(what: string, times = 1): void {
    this.tally.set(what, times + (this.tally.get(what) ?? 0));
  }

  report(problem: string): void {
    this.#problems.push(problem);
  }

  /** A call may fail for a reason with a code, for nothing else. */
  expectCode(error: unknown, what: string): void {
    if (error instanceof TidemarkError && error.code !== "INTERNAL") this.count(error.code);
    else this.report(`${what}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  }

  /** What a device reported counts, also when it is gone. */
  collect(device: Device): void {
    for (const error of device.problems) {
      this.count(`reported ${error.code}`);
      if (error.code === "INTERNAL") this.expectCode(error, "reported");
    }
  }
}

function optionsOf(
  { skewMs, writeMsMax, preset }: PeerPlan,
  random: SeededRandom,
  ports: DeviceOptions["ports"],
): DeviceOptions {
  return {
    skewMs,
    writeMs: () => random.int(writeMsMax + 1),
    ports: (given, disk) => {
      const set = { ...given, settings: presets[preset] };
      return ports?.(set, disk) ?? set;
    },
  };
}
