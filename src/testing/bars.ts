/** Who keeps what from whom: peers that are blocked, and relations that are taken away, for a while. */
import { TidemarkError } from "../core/errors.ts";
import type { PublicKey } from "../core/ids.ts";
import type { CommandName, SyncCommands } from "../engine/commands.ts";
import type { Device } from "./device.ts";

import type { Peer, Scene } from "./scene.ts";
import type { Bar } from "./watched-device.ts";

/** Nothing of the database goes to the other from the moment of the command on. */
export function putUp(scene: Scene, device: Device, peer: Peer, other: PublicKey, bar: Bar, forMs: number): void {
  const { invariants, id } = scene;
  const done =
    bar === "block"
      ? execute(device, "updatePeer", { peer: other, state: "blocked" })
      : execute(device, "removeRelation", { peer: other, database: id });
  invariants.bar(device.key, other, bar);
  done.then(
    () => scene.count(bar),
    (error: unknown) => {
      scene.expectCode(error, `not done: ${bar}`);
      // What could not be written holds all the same, as long as this device runs.
      const isInForce = error instanceof TidemarkError && error.code.startsWith("STORAGE_");
      if (!isInForce) invariants.unbar(device.key, other, bar);
    },
  );
  scene.later(forMs, () => {
    if (peer.device !== undefined)
      takeDown(scene, peer.device, other, bar).catch((error: unknown) => scene.expectCode(error, `not ended: ${bar}`));
  });
}

/** Resolves when the device keeps nothing from anybody. */
export async function takeAllDown(scene: Scene, device: Device): Promise<void> {
  const blocked = (await execute(device, "peers", {})).filter(({ state }) => state === "blocked");
  for (const { key } of blocked) await takeDown(scene, device, key, "block");
  const relations = await execute(device, "relations", { database: scene.id });
  for (const { peer, state } of relations) if (state === "off") await takeDownWhenHere(scene, device, peer);
}

/** A database that is being loaded anew is not known for a moment. */
async function takeDownWhenHere(scene: Scene, device: Device, other: PublicKey): Promise<void> {
  while (device.instance.find(scene.id) === undefined) await scene.wait(100);
  await takeDown(scene, device, other, "unrelate");
}

async function takeDown({ invariants, id }: Scene, device: Device, other: PublicKey, bar: Bar): Promise<void> {
  // Before: the command lets it be sent at once.
  invariants.unbar(device.key, other, bar);
  if (bar === "block") await execute(device, "updatePeer", { peer: other, state: "active" });
  else await execute(device, "addRelation", { peer: other, database: id });
}

function execute<Name extends CommandName>(
  { instance }: Device,
  name: Name,
  command: SyncCommands[Name],
): ReturnType<typeof instance.sync.execute<Name>> {
  return instance.sync.execute(name, command, new AbortController().signal);
}
