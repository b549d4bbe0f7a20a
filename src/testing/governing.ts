/** Who may do what, in a simulated life: grants, lowerings, what is public, invites and what becomes of them. */
import { unreachable } from "../core/errors.ts";
import type { PublicKey } from "../core/ids.ts";
import { NONE, type Power, READ } from "../core/store/power.ts";
import type { SettingsOp } from "../core/store/settings.ts";
import { formatTicket } from "../core/ticket.ts";
import { relayUrl } from "./cluster.ts";
import type { Device } from "./device.ts";
import type { Action } from "./plan.ts";
import type { Scene } from "./scene.ts";
import { simulatedIdentity } from "./simulated-keys.ts";
import { setPower, settingsParts } from "./writers.ts";
import { commit } from "./writing.ts";

type ActionOf<Type extends Action["type"]> = Extract<Action, { readonly type: Type }>;

/** An invite that was made, whether it still stands or not. */
export interface MadeInvite {
  readonly key: PublicKey;
  readonly secret: Uint8Array;
  readonly ticket: string;
}

export function govern(
  scene: Scene,
  action: ActionOf<"set" | "public" | "rename" | "invite" | "withdraw" | "redeem" | "leak">,
): void {
  switch (action.type) {
    case "set":
      return set(scene, action);
    case "public":
      return scene.admin(action.by, (device) => {
        change(scene, device, `public ${action.power}`, { type: "public", power: action.power });
      });
    case "rename":
      return scene.admin(action.by, (device) => {
        change(scene, device, "renamed", { type: "name", name: `Renamed by ${device.key.slice(0, 6)}` });
      });
    case "invite":
      return scene.admin(action.by, (device) => invite(scene, device, action));
    case "withdraw":
      return scene.admin(action.by, (device) => {
        const known = action.invite % 2 === 0 ? scene.invites.at(-1) : inviteOf(scene, action.invite);
        if (known !== undefined) change(scene, device, "withdrawn", { type: "invite", key: known.key, power: NONE });
      });
    case "redeem":
      return redeem(scene, action);
    case "leak":
      return scene.admin(action.by, (device) => invite(scene, device, action, (made) => leak(scene, made)));
    default:
      return unreachable(action);
  }
}

/** By an admin that may, if there is one: else it would mostly be refused. */
function set(scene: Scene, { by, peer, power }: ActionOf<"set">): void {
  const key = scene.keyOf(peer);
  if (key === undefined || (scene.isFragile && power > READ)) return;
  const mays = ({ instance }: Device): boolean =>
    instance.find(scene.id)?.replica.authority.maySet(instance.publicKey, key, power) === true;
  scene.admin(
    by,
    (device) => {
      const before = device.instance.database(scene.id).replica.authority.power(key);
      change(scene, device, device.key === key ? "stepped down" : nameOf(before, power), setPower(key, power));
    },
    mays,
  );
}

function nameOf(before: Power, power: Power): string {
  if (power === NONE) return "removed";
  if (power > before) return "lowered";
  return before === NONE ? "let in" : "granted";
}

function invite(
  scene: Scene,
  device: Device,
  { power, uses, forMs }: ActionOf<"invite" | "leak">,
  made: (invite: MadeInvite) => void = () => {},
): void {
  const secret = scene.random.bytes(32);
  const { publicKey: key } = simulatedIdentity(secret, device.sha256);
  const expiresMs = scene.cluster.clock.now() + device.skewMs + forMs;
  const op: SettingsOp = {
    type: "invite",
    key,
    power,
    ...(uses === 0 ? {} : { uses }),
    ...(forMs === 0 ? {} : { expiresMs }),
  };
  const ticket = formatTicket(
    { database: scene.id, secret, relays: [relayUrl], peers: [device.key], addresses: [] },
    device.sha256,
  );
  change(scene, device, "invited", op, () => {
    scene.invites.push({ key, secret, ticket });
    made({ key, secret, ticket });
  });
}

function leak(scene: Scene, { key, secret }: MadeInvite): void {
  const { cheat, invariants } = scene;
  if (cheat === undefined) return;
  scene.count("leaked");
  invariants.readers.learnSecret(cheat.key, key);
  const learned = cheat.learn(secret).then(() => {
    if (cheat.lurker !== undefined) invariants.readers.learnSecret(cheat.lurker.key, key);
  });
  scene.background.push(learned);
}

function redeem(scene: Scene, { peer, invite }: ActionOf<"redeem">): void {
  const known = inviteOf(scene, invite);
  if (known === undefined) return;
  scene.member(peer, ({ instance, key }) => {
    scene.invariants.readers.learnSecret(key, known.key);
    scene.count("ticket for a member");
    instance.join(known.ticket).catch((error: unknown) => scene.expectCode(error, "not joined"));
  });
}

export function inviteOf({ invites }: Scene, number: number): MadeInvite | undefined {
  return invites[number % Math.max(1, invites.length)];
}

function change(scene: Scene, device: Device, what: string, op: SettingsOp, done: () => void = () => {}): void {
  commit(
    scene,
    device,
    () => settingsParts(op),
    () => {
      scene.count(what);
      done();
    },
  );
}
