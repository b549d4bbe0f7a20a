/** Who takes part in a simulated life, what is known about them, and how the parts of the harness find them. */
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId, EntryId, PublicKey } from "../core/ids.ts";
import { presets } from "../engine/settings.ts";
import { Cluster, type DeviceOptions } from "./cluster.ts";
import type { Device } from "./device.ts";
import { Invariants } from "./invariants.ts";
import type { Mallory } from "./mallory.ts";
import type { PeerPlan, Plan } from "./plan.ts";
import { SeededRandom } from "./random.ts";

/** Somebody who takes part. */
export interface Peer {
  readonly plan: PeerPlan;
  readonly random: SeededRandom;
  /** Undefined while it is down, and before it has come. */
  device: Device | undefined;
  /** It lost its permission for good: nothing is expected of it any more. */
  isRemoved: boolean;
}

export class Scene {
  readonly plan: Plan;
  readonly cluster: Cluster;
  readonly id: DatabaseId;
  readonly invariants: Invariants;
  readonly peers: readonly Peer[];
  mallory: Mallory | undefined;
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
    ports: DeviceOptions["ports"],
  ) {
    this.plan = plan;
    this.cluster = cluster;
    this.id = group.id;
    this.tally = log.tally;
    this.#problems = log.problems;
    this.#ports = ports;
    const random = new SeededRandom(plan.seed).fork();
    this.peers = plan.peers.map(
      (each, i): Peer => ({ plan: each, random: random.fork(), device: group.devices[i], isRemoved: false }),
    );
    this.invariants = new Invariants(cluster.clock, cluster.network, group.id, (group.devices[0] as Device).sha256);
    for (const peer of this.peers) {
      if (peer.device === undefined) this.uninvited.set(peer, undefined);
      else this.invariants.watch(peer.device);
    }
  }

  /** All but the latecomer share the database from the start. */
  static async open(
    plan: Plan,
    log: { readonly tally: Map<string, number>; readonly problems: string[] },
    ports: DeviceOptions["ports"],
  ): Promise<Scene> {
    const cluster = new Cluster(plan.seed);
    const random = cluster.random.fork();
    const members = plan.peers.map((each) => ({
      ...optionsOf(each, random.fork(), ports),
      power: each.role === "latecomer" ? undefined : each.power,
    }));
    return new Scene(plan, cluster, await cluster.addMembers(members), log, ports);
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

  /** Somebody whose device runs and who is neither the owner nor Mallory, came late, or was removed. */
  member(number: number, action: (device: Device, peer: Peer) => void): void {
    const members = this.peers
      .slice(1)
      .filter(({ isRemoved, device, plan }) => !isRemoved && device !== undefined && plan.role === "member");
    const peer = members[number % Math.max(1, members.length)];
    if (peer?.device !== undefined) action(peer.device, peer);
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
