/** Devices that go and come: crashes, restarts, lost disks, and those who join. All of it goes on beside the other actions. */
import { TidemarkError } from "../core/errors.ts";
import { WRITE } from "../core/store/power.ts";
import { takeAllDown } from "./bars.ts";
import type { Device } from "./device.ts";
import type { Peer, Scene } from "./scene.ts";
import type { PowerLoss } from "./slow-storage.ts";

export function crash(scene: Scene, device: Device, peer: Peer, loss: PowerLoss & { readonly downMs: number }): void {
  if (peer.device !== device) return;
  scene.count("crash");
  device.crash(loss);
  bringBack(scene, device, peer, loss.downMs);
}

/** After a restart, or after a crash. */
export function bringBack(scene: Scene, device: Device, peer: Peer, downMs: number): void {
  leave(scene, device, peer);
  scene.background.push(
    reopen(scene, device, peer, downMs).catch((error: unknown) =>
      scene.report(`not opened again: ${error instanceof Error ? error.stack : String(error)}`),
    ),
  );
}

/** It loses its disk. What nobody else had is lost with it, whatever was promised. */
export function wipe(scene: Scene, device: Device, peer: Peer, downMs: number): void {
  const { acknowledged, invariants } = scene;
  // Perhaps only this disk has a good copy of what is bad on another.
  if (scene.rotten.size > 0) return;
  scene.count("wipe");
  device.crash();
  leave(scene, device, peer);
  for (const id of [...acknowledged.keys()]) if (!invariants.isDurableBeside(device.key, id)) acknowledged.delete(id);
  invariants.forget(device.key);
  scene.background.push(replaceDisk(scene, device, peer, downMs));
}

/** Whoever has nothing gets a ticket. */
export function inviteNext(scene: Scene): void {
  const [next] = scene.uninvited;
  if (next === undefined || scene.owner === undefined) return;
  const [peer, secret] = next;
  scene.uninvited.delete(peer);
  scene.background.push(bringIn(scene, peer, secret));
}

/** Resolves when all that goes on is over. */
export async function settled(scene: Scene): Promise<void> {
  for (let i = 0; i < scene.background.length; i++) await scene.background[i];
}

function leave(scene: Scene, device: Device, peer: Peer): void {
  peer.device = undefined;
  scene.invariants.unbarAll(device.key);
  scene.collect(device);
}

async function reopen(scene: Scene, device: Device, peer: Peer, downMs: number): Promise<void> {
  await close(scene, device, downMs);
  const { skewMs, storage } = device;
  scene.count("write finished by a crash", storage.leftovers.finished);
  scene.count("write taken back by a crash", storage.leftovers.lost);
  peer.device = await scene.cluster.reopen(device, { ...scene.optionsFor(peer), skewMs });
  scene.invariants.watch(peer.device);
  if (scene.isOver) await takeAllDown(scene, peer.device);
}

async function replaceDisk(scene: Scene, device: Device, peer: Peer, downMs: number): Promise<void> {
  await close(scene, device, downMs);
  await bringIn(scene, peer, device.secret);
}

/** A crashed device cannot be closed properly. */
async function close(scene: Scene, device: Device, downMs: number): Promise<void> {
  const closed = device.instance.close().catch((error: unknown) => {
    if (!(error instanceof TidemarkError && error.code === "STORAGE_CLOSED"))
      scene.report(`not closed: ${error instanceof Error ? error.stack : String(error)}`);
  });
  await scene.wait(downMs);
  await closed;
}

async function bringIn(scene: Scene, peer: Peer, secret: Uint8Array | undefined): Promise<void> {
  const { owner, id, cluster, uninvited } = scene;
  try {
    const ticket = await owner?.instance.share(id, WRITE);
    if (ticket === undefined) {
      uninvited.set(peer, secret);
      return;
    }
    const options = scene.optionsFor(peer);
    const device = await cluster.openDevice(secret === undefined ? options : { ...options, secret });
    scene.invariants.watch(device);
    await device.instance.join(ticket);
    peer.device = device;
    scene.count("joined");
  } catch (error) {
    // The owner crashed, or its disk is full: next time.
    scene.expectCode(error, "not joined");
    uninvited.set(peer, secret);
  }
}
