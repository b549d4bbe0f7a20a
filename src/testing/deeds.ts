/** What each action of a plan does. */
import { TidemarkError, unreachable } from "../core/errors.ts";
import type { DatabaseId, EntryId, PublicKey } from "../core/ids.ts";
import { WRITE } from "../core/store/power.ts";
import { putUp } from "./bars.ts";
import { bringBack, crash, inviteNext, restore, wipe } from "./comings.ts";
import type { Device } from "./device.ts";
import { govern } from "./governing.ts";
import type { WayConditions } from "./memory-network.ts";
import type { Action } from "./plan.ts";
import type { Peer, Scene } from "./scene.ts";
import { write } from "./writing.ts";

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
    case "public":
    case "rename":
    case "invite":
    case "withdraw":
    case "redeem":
    case "leak":
      return govern(scene, action);
    case "block":
    case "unrelate":
      return scene.up(action.from, (device, peer) =>
        scene.up(action.to, ({ key }) => {
          if (mayTell(device, scene.id, key)) putUp(scene, device, peer, key, action.type, action.forMs);
        }),
      );
    case "wipe":
      return scene.member(action.peer, (device, peer) => wipe(scene, device, peer, action.downMs));
    case "restore":
      return scene.member(action.peer, (device, peer) => restore(scene, device, peer, action, number));
    case "cheat":
      for (let i = 0; i < action.times; i++) scene.cheat?.act();
      return;
    case "trick":
      for (let i = 0; i < action.times; i++) scene.mallory?.act();
      return;
    case "join":
      return inviteNext(scene);
    case "edit":
    case "transact":
    case "openDoc":
    case "closeDoc":
    case "undo":
    case "redo":
    case "snapshot":
    case "endTab":
    case "say":
    case "falsify":
      return scene.documents?.act(action);
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

/**
 * Only what another device has as well, and keeps: else it is lost by definition. What counts is what others can give
 * back.
 */
function rot(scene: Scene, device: Device, { position, bit }: ActionOf<"rot">): void {
  const { index, bytes } = device.disk.databases.get(scene.id) ?? { index: [], bytes: [] };
  const at = position % Math.max(1, index.length);
  const [entry, found] = [index[at], bytes[at]];
  if (entry === undefined || found === undefined || entry.settings || scene.rotten.has(entry.id)) return;
  if (!isKeptBeside(scene, device, entry.id)) return;
  scene.count("rot");
  scene.rotten.add(entry.id);
  if (device === scene.owner) scene.isFragile = true;
  const place = bit % (8 * found.length);
  found[place >> 3] = (found[place >> 3] as number) ^ (1 << (place & 7));
}

/**
 * The owner keeps its disk, and can always be read from. Of the others that is seen to afterwards, as long as no
 * admin cheats.
 */
function isKeptBeside({ peers, owner, plan, id }: Scene, device: Device, entry: EntryId): boolean {
  const has = (other: Device): boolean => other.disk.databases.get(id)?.positions.has(entry) === true;
  if (device !== owner) return owner !== undefined && has(owner);
  if (plan.peers.some(({ role }) => role === "mallory")) return false;
  const readers = peers.flatMap((peer) => (peer.device !== undefined && peer.device !== owner ? [peer.device] : []));
  const authority = owner.instance.find(id)?.replica.authority;
  return readers.some((other) => authority !== undefined && authority.power(other.key) <= WRITE && has(other));
}
