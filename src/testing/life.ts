/** One simulated life: its beginning, its actions, and its end, when everything is healed and all has to be well. */
import type { DatabaseId, PublicKey } from "../core/ids.ts";
import { READ } from "../core/store/power.ts";
import { takeAllDown } from "./bars.ts";
import { Cheat } from "./cheat.ts";
import { inviteNext, inviteStranded, settled } from "./comings.ts";
import { act } from "./deeds.ts";
import type { Device } from "./device.ts";
import { DocumentCheat } from "./document-cheat.ts";
import { judgeAll } from "./judging.ts";
import type { LifeDocuments } from "./life-documents.ts";
import { Mallory } from "./mallory.ts";
import type { Action, Plan } from "./plan.ts";
import { judgePresence } from "./presence-judging.ts";
import { Scene, type SceneOptions } from "./scene.ts";
import { describe, holdSame, isRotten, unsettledAt } from "./verdict.ts";

/** Clocks may be three minutes apart, and what is missing is asked for less and less often. Hours pass in moments. */
const healMsMax = 900_000;
/** Longer than everything that is done at once takes. */
const restMs = 500;
/** Long enough for most to have met. */
const meetingMs = 150;

export class Life {
  readonly problems: string[] = [];
  readonly tally: Map<string, number> = new Map();
  trace = "";
  readonly #plan: Plan;
  readonly #options: SceneOptions;

  constructor(plan: Plan, options: SceneOptions) {
    this.#plan = plan;
    this.#options = options;
  }

  /** Never rejects. */
  async run(actions: readonly { readonly action: Action; readonly number: number }[]): Promise<void> {
    try {
      const scene = await Scene.open(this.#plan, this, this.#options);
      await this.#live(scene, actions).catch((error: unknown) => this.#failed(error));
      scene.documents?.close();
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
    const { cluster, invariants, documents } = scene;
    cluster.network.tap = invariants.messages;
    cluster.afterStep = () => {
      invariants.check();
      documents?.follow();
    };
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
    if (documents !== undefined) await openAnew(scene, documents);
    this.problems.push(...judgeAll(scene));
    if (documents !== undefined) this.problems.push(...(await judgePresence(scene, documents)));
    for (const { device } of scene.peers) if (device !== undefined) scene.collect(device);
    countNetwork(scene);
  }
}

async function letMalloryIn(scene: Scene): Promise<void> {
  const { cluster, id, invariants } = scene;
  const peer = scene.peers.find(({ plan }) => plan.role === "mallory");
  if (peer?.device === undefined) return;
  const { device } = peer;
  invariants.forget(device.key);
  scene.mallory = await Mallory.replace(cluster, device, id);
  scene.cheat = new Cheat(scene.mallory, device, cluster, id, () => scene.owner);
  peer.device = undefined;
  addDocumentCheat(scene, scene.cheat, device);
}

function addDocumentCheat(scene: Scene, cheat: Cheat, { sha256 }: Device): void {
  const { documents, cluster, id } = scene;
  if (documents === undefined) return;
  documents.cheat = new DocumentCheat({
    ...{ cheat, sha256, automerge: documents.automerge, database: id, random: cluster.random.fork() },
    played: (name) => scene.count(`document cheat ${name}`),
  });
}

/** From now on nothing goes wrong any more, and everybody is there. */
async function heal(scene: Scene): Promise<void> {
  const { cluster, mallory } = scene;
  scene.isOver = true;
  mallory?.leave();
  scene.cheat?.leave();
  for (const [trick, times] of mallory?.played ?? []) scene.count(`mallory ${trick}`, times);
  for (const [cheat, times] of scene.cheat?.played ?? []) scene.count(`cheat ${cheat}`, times);
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
  await cluster.settle(inviteStranded(scene));
}

/** Everything is read from disk once: what is bad there is noticed, and comes back from others. */
async function healDisks(scene: Scene): Promise<void> {
  const { cluster, id } = scene;
  await rest(scene);
  for (const peer of scene.peers) {
    if (peer.device === undefined) continue;
    peer.device = await cluster.restart(peer.device, scene.optionsFor(peer));
    scene.invariants.watch(peer.device);
  }
  await rest(scene);
  const devices = scene.circle;
  for (const { instance } of devices) {
    const database = instance.database(id);
    // Fails where something is bad: that is how it is noticed.
    await cluster.settle(database.log.readCounting(0, database.replica.graph.size).catch(() => {}));
  }
  await cluster
    .until(() => devices.every((device) => !isRotten(device, id)), healMsMax)
    .catch(() => {
      throw new Error("never healed what is bad on disk");
    });
}

/** Once more by somebody who has nothing of them: from the disk, and from snapshots. */
async function openAnew(scene: Scene, documents: LifeDocuments): Promise<void> {
  for (const peer of scene.peers) {
    const { device } = peer;
    if (device !== undefined && scene.circle.includes(device))
      await scene.cluster.settle(documents.openAnew(device, peer));
  }
  await rest(scene);
}

async function everybodyBack(scene: Scene): Promise<void> {
  for (const { device } of scene.peers) device?.storage.work();
  await settled(scene);
  for (const { device } of scene.peers) {
    device?.storage.work();
    device?.instance.setOnline(true);
  }
}

/**
 * Lets time pass until all who have to agree do, and know that they do, and go on to for a while: who has to may not
 * be known at once.
 */
async function rest(scene: Scene): Promise<void> {
  const { cluster, id } = scene;
  const isSame = (): boolean => holdSame(scene.circle, id);
  await cluster.until(isSame, healMsMax).catch(() => {
    throw new Error(`never equal: ${scene.circle.map((device) => describe(device, id)).join("; ")}`);
  });
  let sinceMs: number | undefined;
  const isAtRest = (): boolean => {
    if (!isSame() || unsettledIn(scene) !== undefined) sinceMs = undefined;
    else sinceMs ??= cluster.clock.now();
    return sinceMs !== undefined && cluster.clock.now() >= sinceMs + restMs;
  };
  await cluster.until(isAtRest, healMsMax).catch(() => {
    throw new Error(`never at rest: ${unsettledIn(scene) ?? "it goes on changing"}`);
  });
}

/** Why not all is well yet. */
function unsettledIn({ circle, awaited, invariants, owner, id, documents }: Scene): string | undefined {
  const unrest = documents?.unrest;
  if (unrest !== undefined) return unrest;
  const keys = new Set(circle.map(({ key }) => key));
  const barred = [...awaited].find((key) => !keys.has(key) && owner !== undefined && !isRemovedAt(owner, id, key));
  if (barred !== undefined) return `${barred.slice(0, 6)} was never let in`;
  for (const device of circle) {
    const name = device.key.slice(0, 6);
    const unasked = invariants.unasked(device.key);
    // Somebody has to be there who may be asked.
    if (unasked > 0 && circle.length > 1) return `${name} never asked for ${unasked} missing entries`;
    if (invariants.trustsLostDisk(device.key, keys)) return `${name} counts on a disk that is lost`;
    const unsettled = unsettledAt(device, id);
    if (unsettled !== undefined) return unsettled;
  }
  return undefined;
}

function isRemovedAt({ instance }: Device, id: DatabaseId, key: PublicKey): boolean {
  const sets = instance.find(id)?.replica.settings.sets() ?? [];
  return sets.some((each) => each.via === "set" && each.key === key && each.power > READ);
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
