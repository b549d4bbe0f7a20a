/** Two sites that share a database and know how to reach each other, and keys that come to them without being a site. */
import type { DatabaseId } from "../core/ids.ts";
import type { SyncSettings } from "../engine/settings.ts";
import { MemoryDisk } from "../storage/memory.ts";
import { Cluster } from "./cluster.ts";
import { type ChannelPair, createChannelPair } from "./memory-channel.ts";
import { MemorySwitchboard } from "./memory-transport.ts";
import { RawChannel } from "./raw-peer.ts";
import type { SimulatedIdentity } from "./simulated-keys.ts";
import { type SiteOptions, SyncSite } from "./sync-site.ts";
import { setPower, settingsParts } from "./writers.ts";

export const never: AbortSignal = new AbortController().signal;
/** No timer of its own does anything: what happens, happens because of what the test does. */
export const quiet: Partial<SyncSettings> = { antiEntropyMs: 0, retryScanMs: 0, connectionCheckMs: 0 };
export const retrying: Partial<SyncSettings> = { ...quiet, retryScanMs: 30_000 };

export interface World {
  readonly cluster: Cluster;
  readonly switchboard: MemorySwitchboard;
}

export function world(seed = 1): World {
  const cluster = new Cluster(seed);
  return { cluster, switchboard: new MemorySwitchboard({ clock: cluster.clock, random: cluster.random.fork() }) };
}

export type Given = Partial<Pick<SiteOptions, "disk" | "secret" | "keys" | "settings" | "builders">>;

export function open({ cluster, switchboard }: World, name: string, given: Given = {}): Promise<SyncSite> {
  const secret = new Uint8Array(32).fill(name.charCodeAt(0));
  return SyncSite.open({
    cluster,
    switchboard,
    disk: new MemoryDisk(),
    secret,
    keys: [name],
    settings: quiet,
    ...given,
  });
}

export interface Pair extends World {
  readonly ann: SyncSite;
  readonly ben: SyncSite;
  readonly id: DatabaseId;
}

export interface PairOptions {
  readonly seed?: number;
  readonly ann?: Given;
  readonly ben?: Given;
}

/** Two devices that share a database which the first has made; they know each other's first address. */
export async function pair({ seed = 1, ann: forAnn = {}, ben: forBen = {} }: PairOptions = {}): Promise<Pair> {
  const place = world(seed);
  const [ann, ben] = [await open(place, "a", forAnn), await open(place, "b", forBen)];
  const id = await ann.createDatabase(ben.key);
  await ben.await(id);
  ann.registry.add(ben.key, { addresses: ["memory:b"] });
  ben.registry.add(ann.key, { addresses: ["memory:a"] });
  return { ...place, ann, ben, id };
}

/** Two whose first path is up, and who hold the same. */
export async function connected(options: PairOptions = {}): Promise<Pair> {
  const both = await pair(options);
  await both.cluster.settle(both.ann.peers.connect({ peer: both.ben.key }, never));
  await converge(both);
  return both;
}

export async function converge({ cluster, ann, ben, id }: Pair): Promise<void> {
  await cluster.until(() => ben.database(id).hasRoot && ann.digest(id) === ben.digest(id));
}

/** The ranks of the paths that carry the session, as both ends see it. */
export function carriers({ ann, ben }: Pair): readonly (string | undefined)[] {
  return [ann.peers.carrier(ben.key)?.rank, ben.peers.carrier(ann.key)?.rank];
}

export function pathsOf(site: SyncSite, peer: SyncSite): number {
  return site.peers.info(peer.key).paths.length;
}

/** A key that is not an instance, and the far end of a channel to it; it may write when `power` says so. */
export interface Raw {
  readonly raw: RawChannel;
  readonly pair: ChannelPair;
}

export async function rawPeer(
  both: Pair,
  identity: SimulatedIdentity,
  isExpected = false,
  nonce?: Uint8Array,
): Promise<Raw> {
  const { cluster, ann } = both;
  const { sha256 } = await cluster.addIdentity();
  const line = { clock: cluster.clock, latencyMs: () => 1, sent: () => {}, ended: () => {} };
  const ends = createChannelPair(line, cluster.random.bytes(32));
  const raw = new RawChannel(ends.right, ann.key, identity, nonce ?? cluster.random.bytes(32), sha256);
  ann.peers.take(ends.left, isExpected ? identity.publicKey : undefined);
  await cluster.pass(20);
  return { raw, pair: ends };
}

export async function newKey({ cluster, ann, id }: Pair, power?: number): Promise<SimulatedIdentity> {
  const { identity } = await cluster.addIdentity();
  const parts = settingsParts(setPower(identity.publicKey, power ?? 999));
  if (power !== undefined) await cluster.settle(ann.database(id).commit(() => parts));
  return identity;
}
