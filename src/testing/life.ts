/** One simulated life: its beginning, its actions, and its end, when everything is healed and all has to be well. */
import type { EntryId } from "../core/ids.ts";
import { takeAllDown } from "./bars.ts";
import type { DeviceOptions } from "./cluster.ts";
import { inviteNext, settled } from "./comings.ts";
import { act } from "./deeds.ts";
import type { Device } from "./device.ts";
import { Mallory } from "./mallory.ts";
import type { Action, Plan } from "./plan.ts";
import { Scene } from "./scene.ts";
import { describe, holdSame, isRotten, problemsOf, unsettledAt } from "./verdict.ts";

/** Clocks may be three minutes apart, and what is missing is asked for less and less often. Hours pass in moments. */
const healMsMax = 900_000;
/** Long enough for most to have met. */
const meetingMs = 150;

export class Life {
  readonly problems: string[] = [];
  readonly tally: Map<string, number> = new Map();
  trace = "";
  readonly #plan: Plan;
  readonly #ports: DeviceOptions["ports"];

  constructor(plan: Plan, ports: DeviceOptions["ports"]) {
    this.#plan = plan;
    this.#ports = ports;
  }

  /** Never rejects. */
  async run(actions: readonly { readonly action: Action; readonly number: number }[]): Promise<void> {
    try {
      const scene = await Scene.open(this.#plan, this, this.#ports);
      await this.#live(scene, actions).catch((error: unknown) => this.#failed(error));
      this.problems.unshift(...scene.invariants.problems);
      this.trace = traceOf(scene);
      scene.cluster.afterStep = () => {};
    } catch (error) {
      this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    this.problems.push(error instanceof Error ? error.message : String(error));
  }

  async #live(scene: Scene, actions: readonly { readonly action: Action; readonly number: number }[]): Promise<void> {
    const { cluster, invariants } = scene;
    cluster.network.tap = invariants;
    cluster.afterStep = () => invariants.check();
    await letMalloryIn(scene);
    await cluster.pass(meetingMs);
    for (const { action, number } of actions) {
      act(scene, action, number);
      await cluster.pass(action.pauseMs);
      // What comes after the first problem may only follow from it.
      if (this.problems.length > 0 || invariants.problems.length > 0) return;
    }
    await heal(scene);
    if (scene.rotten.size > 0) await healDisks(scene);
    await rest(scene);
    const devices = devicesOf(scene);
    this.problems.push(...problemsOf(devices, scene.id, expectedOf(scene, devices)));
    for (const device of devices) scene.collect(device);
    countNetwork(scene);
  }
}

async function letMalloryIn(scene: Scene): Promise<void> {
  const { cluster, id, invariants } = scene;
  const peer = scene.peers.find(({ plan }) => plan.role === "mallory");
  if (peer?.device === undefined) return;
  invariants.forget(peer.device.key);
  scene.mallory = await Mallory.replace(cluster, peer.device, id);
  peer.device = undefined;
}

/** From now on nothing goes wrong any more, and everybody is there. */
async function heal(scene: Scene): Promise<void> {
  const { cluster, mallory } = scene;
  scene.isOver = true;
  mallory?.leave();
  // They never meet the others again, who may go on counting on what they had.
  for (const { device, isRemoved } of scene.peers)
    if (isRemoved && device !== undefined) scene.invariants.forget(device.key);
  for (const [trick, times] of mallory?.played ?? []) scene.count(`mallory ${trick}`, times);
  cluster.network.healAll();
  for (const { device } of scene.peers)
    if (device !== undefined)
      scene.background.push(
        takeAllDown(scene, device).catch((error: unknown) => scene.expectCode(error, "not let in again")),
      );
  await cluster.settle(everybodyBack(scene));
  while (scene.uninvited.size > 0) {
    inviteNext(scene);
    await cluster.settle(everybodyBack(scene));
  }
}

/** Everything is read from disk once: what is bad there is noticed, and comes back from others. */
async function healDisks(scene: Scene): Promise<void> {
  const { cluster, id } = scene;
  await rest(scene);
  for (const peer of scene.peers) {
    if (peer.device === undefined || peer.isRemoved) continue;
    peer.device = await cluster.restart(peer.device, scene.optionsFor(peer));
    scene.invariants.watch(peer.device);
  }
  const devices = devicesOf(scene);
  await rest(scene);
  for (const { instance } of devices) {
    const database = instance.database(id);
    // Fails where something is bad: that is how it is noticed.
    await cluster.settle(database.readRange(0, database.replica.graph.size).catch(() => {}));
  }
  await cluster
    .until(() => devices.every((device) => !isRotten(device, id)), healMsMax)
    .catch(() => {
      throw new Error("never healed what is bad on disk");
    });
}

async function everybodyBack(scene: Scene): Promise<void> {
  for (const { device } of scene.peers) device?.storage.work();
  await settled(scene);
  for (const { device } of scene.peers) {
    device?.storage.work();
    device?.instance.setOnline(true);
  }
}

/** Those of which something is expected. */
function devicesOf({ peers }: Scene): readonly Device[] {
  return peers.filter(({ isRemoved }) => !isRemoved).flatMap(({ device }) => device ?? []);
}

/** Lets time pass until all hold the same, and know that they do. */
async function rest(scene: Scene): Promise<void> {
  const { cluster, id, invariants } = scene;
  const devices = devicesOf(scene);
  const isSame = (): boolean => holdSame(devices, id);
  await cluster.until(isSame, healMsMax).catch(() => {
    throw new Error(`never equal: ${devices.map((device) => describe(device, id)).join("; ")}`);
  });
  const unsettled = (device: Device): string | undefined => {
    const unasked = invariants.unasked(device.key);
    // Somebody has to be there who may be asked.
    if (unasked > 0 && devices.length > 1)
      return `${device.key.slice(0, 6)} never asked for ${unasked} missing entries`;
    if (invariants.trustsLostDisk(device.key)) return `${device.key.slice(0, 6)} counts on a disk that is lost`;
    return unsettledAt(device, id);
  };
  const isAtRest = (): boolean => isSame() && devices.every((device) => unsettled(device) === undefined);
  await cluster.until(isAtRest, healMsMax).catch(() => {
    throw new Error(`never at rest: ${devices.flatMap((device) => unsettled(device) ?? []).join("; ")}`);
  });
}

/** What has to be everywhere: all that was acknowledged, and all that anybody has. */
function expectedOf({ acknowledged, invariants }: Scene, devices: readonly Device[]): ReadonlyMap<EntryId, string> {
  const expected = new Map<EntryId, string>();
  for (const { key } of devices) for (const id of invariants.durable(key)) expected.set(id, "which others have");
  for (const [id, { isRemoved }] of acknowledged) if (!isRemoved) expected.set(id, "which was acknowledged");
  return expected;
}

function countNetwork(scene: Scene): void {
  const { fates, channels } = scene.cluster.network;
  scene.count("message lost", fates.lost);
  scene.count("message twice", fates.twice);
  scene.count("message overtaken", fates.overtaken);
  scene.count("channel", channels);
}

function traceOf({ cluster, peers, id }: Scene): string {
  const { clock, network } = cluster;
  const tips = peers.map(({ device }) => device?.instance.find(id)?.replica.graph.tips() ?? []);
  return [clock.now(), network.messages, network.bytes, ...tips.flat().map((tip) => tip.id)].join(" ");
}
