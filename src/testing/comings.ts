/**
 * Devices that go and come: crashes, restarts, lost disks, and those who join. All of it goes on beside the other
 * actions.
 */
import { TidemarkError, unwrap } from "../core/errors.ts";
import type { DatabaseId, PublicKey } from "../core/ids.ts";
import { WRITE } from "../core/store/power.ts";
import { parseTicket } from "../core/ticket.ts";
import { MemoryDisk } from "../storage/memory.ts";
import { takeAllDown } from "./bars.ts";
import type { Device } from "./device.ts";
import { inviteOf } from "./governing.ts";
import type { Peer, Scene } from "./scene.ts";
import { simulatedIdentity } from "./simulated-keys.ts";
import type { PowerLoss } from "./slow-storage.ts";
import { write } from "./writing.ts";

type StoredDatabase = NonNullable<ReturnType<MemoryDisk["databases"]["get"]>>;

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
  if (scene.isFragile) return;
  scene.count("wipe");
  loseDisk(scene, device, peer);
  scene.background.push(replaceDisk(scene, device, peer, downMs));
}

/** It loses its disk, and has a backup of its first entries. */
export function restore(
  scene: Scene,
  device: Device,
  peer: Peer,
  { keep, entries, downMs }: { readonly keep: number; readonly entries: number; readonly downMs: number },
  number: number,
): void {
  const found = device.disk.databases.get(scene.id);
  const lengths = scene.invariants.lengths(device.key);
  const length = lengths[keep % Math.max(1, lengths.length)];
  if (scene.isFragile || found === undefined || length === undefined) return;
  scene.count("restore");
  loseDisk(scene, device, peer);
  const disk = backupOf(scene.id, found, length);
  const { secret } = device;
  const back = async (): Promise<void> => {
    await close(scene, device, downMs);
    peer.device = await scene.cluster.openDevice({ ...scene.optionsFor(peer), disk, secret });
    scene.invariants.watch(peer.device);
    write(scene, peer.device, peer, number, entries);
  };
  scene.background.push(back().catch((error: unknown) => scene.expectCode(error, "not restored")));
}

function backupOf(id: DatabaseId, { record, index, bytes }: StoredDatabase, length: number): MemoryDisk {
  const disk = new MemoryDisk();
  const kept = index.slice(0, length);
  disk.databases.set(id, {
    record: structuredClone(record),
    index: structuredClone(kept),
    bytes: bytes.slice(0, length).map((each) => each.slice()),
    positions: new Map(kept.map((entry, position) => [entry.id, position])),
    checkpoints: [],
    snapshots: new Map(),
  });
  return disk;
}

/** What nobody else has is gone. */
function loseDisk(scene: Scene, device: Device, peer: Peer): void {
  const { acknowledged, invariants } = scene;
  device.crash();
  leave(scene, device, peer);
  for (const id of [...acknowledged.keys()]) if (!invariants.isDurableBeside(device.key, id)) acknowledged.delete(id);
  invariants.forget(device.key);
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

/** With a ticket of the owner, or with whichever there is, as long as there is time to see that it was a bad one. */
async function bringIn(scene: Scene, peer: Peer, secret: Uint8Array | undefined): Promise<void> {
  const { cluster, uninvited } = scene;
  try {
    const ticket = peer.random.chance(0.5) && !scene.isOver ? ticketFor(scene, peer) : await ownTicket(scene);
    if (ticket === undefined) {
      uninvited.set(peer, secret);
      return;
    }
    const options = scene.optionsFor(peer);
    const device = await cluster.openDevice(secret === undefined ? options : { ...options, secret });
    scene.invariants.watch(device);
    scene.invariants.readers.learnSecret(device.key, ticket.key);
    await device.instance.join(ticket.text);
    peer.device = device;
    peer.key = device.key;
    if (scene.isOver) scene.awaited.add(device.key);
    scene.count("joined");
  } catch (error) {
    // The owner crashed, or its disk is full: next time.
    scene.expectCode(error, "not joined");
    uninvited.set(peer, secret);
  }
}

interface GivenTicket {
  readonly text: string;
  /** Of its invite. */
  readonly key: PublicKey;
}

function ticketFor(scene: Scene, peer: Peer): GivenTicket | undefined {
  const invite = inviteOf(scene, peer.random.int(840));
  return invite && { text: invite.ticket, key: invite.key };
}

async function ownTicket({ owner, id }: Scene): Promise<GivenTicket | undefined> {
  if (owner === undefined) return undefined;
  const text = await owner.instance.share(id, { power: WRITE });
  const { secret } = unwrap(parseTicket(text, owner.sha256));
  return secret && { text, key: simulatedIdentity(secret, owner.sha256).publicKey };
}

/** In the end the owner gives a ticket to everybody who has nothing yet and whom nobody has removed. */
export async function inviteStranded(scene: Scene): Promise<void> {
  const authority = scene.owner?.instance.find(scene.id)?.replica.authority;
  const stranded = scene.peers.flatMap(({ device }) =>
    device?.instance.find(scene.id)?.replica.graph.size === 0 && authority?.mayRead(device.key) === false
      ? [device]
      : [],
  );
  for (const device of stranded) {
    const ticket = await ownTicket(scene);
    if (ticket === undefined) return;
    scene.invariants.readers.learnSecret(device.key, ticket.key);
    await device.instance.join(ticket.text);
    scene.awaited.add(device.key);
  }
}
