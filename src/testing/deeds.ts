/** What each action of a plan does. */
import type { StorePart } from "../core/entry.ts";
import { TidemarkError, unreachable } from "../core/errors.ts";
import type { DatabaseId, EntryId, PublicKey } from "../core/ids.ts";
import { NONE, WRITE } from "../core/store/power.ts";
import { TableChanges } from "../core/store/table-changes.ts";
import type { OpenDatabase } from "../engine/database.ts";
import { putUp } from "./bars.ts";
import { bringBack, crash, inviteNext, wipe } from "./comings.ts";
import type { Device } from "./device.ts";
import type { WayConditions } from "./memory-network.ts";
import type { Action } from "./plan.ts";
import type { Peer, Scene } from "./scene.ts";
import { setPower, settingsParts } from "./writers.ts";

type ActionOf<Type extends Action["type"]> = Extract<Action, { readonly type: Type }>;

/** Does what can be done at once, and leaves the rest to the clock. */
export function act(scene: Scene, action: Action, number: number): void {
  switch (action.type) {
    case "cut":
    case "heal":
    case "drop":
    case "hold":
    case "clog":
    case "spoil":
    case "partition":
    case "swizzle":
      return actOnNetwork(scene, action);
    case "set":
      return scene.member(action.peer, ({ key }) => setPowerOf(scene, key, action.power));
    case "remove":
      return scene.member(action.peer, ({ key }, peer) => remove(scene, key, peer));
    case "block":
    case "unrelate":
      return scene.up(action.from, (device, peer) =>
        scene.up(action.to, ({ key }) => {
          if (mayTell(device, scene.id, key)) putUp(scene, device, peer, key, action.type, action.forMs);
        }),
      );
    case "wipe":
      return scene.member(action.peer, (device, peer) => wipe(scene, device, peer, action.downMs));
    case "trick":
      for (let i = 0; i < action.times; i++) scene.mallory?.act();
      return;
    case "join":
      return inviteNext(scene);
    default:
      return scene.up(action.peer, (device, peer) => actOnDevice(scene, device, peer, action, number));
  }
}

function actOnDevice(
  scene: Scene,
  device: Device,
  peer: Peer,
  action: ActionOf<"write" | "crash" | "restart" | "fill" | "rot" | "skew" | "offline">,
  number: number,
): void {
  if (action.type !== "write" && action.type !== "rot" && action.type !== "crash") scene.count(action.type);
  switch (action.type) {
    case "write":
      return write(scene, device, peer, number, action.entries);
    case "crash":
      write(scene, device, peer, number, action.entries);
      return scene.later(action.afterMs, () => crash(scene, device, peer, action));
    case "restart":
      return bringBack(scene, device, peer, action.downMs);
    case "fill":
      device.storage.fail(new TidemarkError("STORAGE_QUOTA", { reason: "simulated" }));
      return scene.later(action.forMs, () => device.storage.work());
    case "rot":
      return rot(scene, device, action);
    case "skew":
      return device.setSkew(action.ms);
    case "offline":
      device.instance.setOnline(false);
      return scene.later(action.forMs, () => peer.device?.instance.setOnline(true));
    default:
      unreachable(action);
  }
}

// --- Between devices

function actOnNetwork(
  scene: Scene,
  action: ActionOf<"cut" | "heal" | "drop" | "hold" | "clog" | "spoil" | "partition" | "swizzle">,
): void {
  const { network } = scene.cluster;
  switch (action.type) {
    case "cut":
    case "heal":
    case "drop":
      return scene.pair(action.one, action.other, (one, other) => {
        scene.count(action.type);
        network[action.type](one, other);
      });
    case "hold":
      return scene.pair(action.from, action.to, (from, to) => {
        scene.count("hold");
        network.hold(from, to);
        scene.later(action.forMs, () => network.release(from, to));
      });
    case "clog":
      return change(scene, action, { bytesPerSecond: action.bytesPerSecond });
    case "spoil":
      return change(scene, action, { lose: action.lose, duplicate: action.duplicate, reorder: action.reorder });
    case "partition":
      return partition(scene, action);
    case "swizzle":
      return swizzle(scene, action);
    default:
      unreachable(action);
  }
}

/** Who is not in yet shows its ticket once in a session: it would not be heard. */
function mayTell({ instance, key }: Device, id: DatabaseId, other: PublicKey): boolean {
  return key !== other && instance.find(id)?.replica.authority.mayRead(other) === true;
}

function change(scene: Scene, { from, to, forMs, type }: ActionOf<"clog" | "spoil">, conditions: WayConditions): void {
  const { network } = scene.cluster;
  scene.pair(from, to, (sender, receiver) => {
    scene.count(type);
    network.change(sender, receiver, conditions);
    scene.later(forMs, () => network.change(sender, receiver, {}));
  });
}

function partition(scene: Scene, { sides, forMs }: ActionOf<"partition">): void {
  const { network } = scene.cluster;
  const isLeft = (i: number): boolean => ((sides >> i) & 1) === 1;
  const left = scene.keys.filter((_, i) => isLeft(i));
  const right = scene.keys.filter((_, i) => !isLeft(i));
  const across = left.flatMap((one) => right.map((other) => [one, other] as const));
  if (across.length === 0) return;
  scene.count("partition");
  for (const [one, other] of across) network.cut(one, other);
  scene.later(forMs, () => {
    for (const [one, other] of across) network.heal(one, other);
  });
}

function swizzle(scene: Scene, { peer, cuts, heals, everyMs }: ActionOf<"swizzle">): void {
  const { network } = scene.cluster;
  const { keys } = scene;
  const center = keys[peer % Math.max(1, keys.length)];
  if (center === undefined) return;
  scene.count("swizzle");
  const inTurn = (order: readonly number[], afterMs: number, what: "cut" | "heal"): void => {
    for (const [turn, number] of order.entries()) {
      const other = keys[number];
      if (other === undefined || other === center) continue;
      scene.later(afterMs + turn * everyMs, () => network[what](center, other));
    }
  };
  inTurn(cuts, 0, "cut");
  inTurn(heals, cuts.length * everyMs, "heal");
}

// --- On a device

/** Each entry has a row of its own, and often one that everybody writes. */
function write(scene: Scene, device: Device, peer: Peer, number: number, entries: number): void {
  for (let i = 0; i < entries; i++) {
    let seq = 0;
    const build = ({ replica }: OpenDatabase): readonly StorePart[] => {
      seq = 1 + Math.max(-1, ...replica.graph.heads(device.key).map((head) => head.seq));
      const changes = new TableChanges("rows");
      changes.put(`${number}.${i}`, { by: device.key });
      if (i % 2 === 0) changes.put(`shared ${number % 3}`, { by: device.key, row: i });
      return [{ name: "rows", type: "table", payload: changes.encode() }];
    };
    commit(scene, device, build, () => {
      scene.count("acknowledged");
      const id = entryOf(device, scene.id, seq);
      if (id === undefined) scene.report(`an entry of ${device.key.slice(0, 6)} was acknowledged and is not there`);
      else scene.acknowledged.set(id, peer);
    });
  }
}

function commit(
  scene: Scene,
  { instance }: Device,
  build: (database: OpenDatabase) => readonly StorePart[],
  done: () => void,
): void {
  Promise.resolve()
    .then(() => instance.commit(scene.id, build))
    .then(done, (error: unknown) => scene.expectCode(error, "not committed"));
}

/** The last entry of a device with this number that is durable there. */
function entryOf({ disk, key }: Device, id: DatabaseId, seq: number): EntryId | undefined {
  return disk.databases.get(id)?.index.findLast((entry) => entry.author === key && entry.seq === seq)?.id;
}

/** Only what another device has as well, and keeps: else it is lost by definition. */
function rot(scene: Scene, device: Device, { position, bit }: ActionOf<"rot">): void {
  const { index, bytes } = device.disk.databases.get(scene.id) ?? { index: [], bytes: [] };
  const at = position % Math.max(1, index.length);
  const [entry, found] = [index[at], bytes[at]];
  if (entry === undefined || found === undefined || entry.settings || scene.rotten.has(entry.id)) return;
  const others = scene.peers.filter((peer) => !peer.isRemoved && peer.device !== device);
  if (!others.some((other) => other.device?.disk.databases.get(scene.id)?.positions.has(entry.id) === true)) return;
  scene.count("rot");
  scene.rotten.add(entry.id);
  const place = bit % (8 * found.length);
  found[place >> 3] = (found[place >> 3] as number) ^ (1 << (place & 7));
}

// --- Who may do what

function setPowerOf(scene: Scene, key: PublicKey, power: number): void {
  if (scene.owner === undefined) return;
  scene.count(power === WRITE ? "promoted" : power === NONE ? "removed" : "demoted");
  commit(
    scene,
    scene.owner,
    () => settingsParts(setPower(key, power)),
    () => {},
  );
}

/** At most one, so that there are others left. */
function remove(scene: Scene, key: PublicKey, peer: Peer): void {
  if (scene.owner === undefined || scene.rotten.size > 0 || scene.peers.some(({ isRemoved }) => isRemoved)) return;
  peer.isRemoved = true;
  setPowerOf(scene, key, NONE);
}
