/** What a tab's worker runs on in a browser. */

import type { Sha256 } from "../core/ids.ts";
import { chunkCiphers } from "../crypto/chunk-cipher.ts";
import { identityFromSeed, loadIdentity } from "../crypto/identity.ts";
import { createKeyMaker, type KeyMaker, openKeyRing } from "../crypto/key-ring.ts";
import { platformRandom } from "../crypto/random.ts";
import { Sealer } from "../crypto/sealing.ts";
import { loadSealingKeys } from "../crypto/sealing-keys.ts";
import { loadSha256 } from "../crypto/sha256.ts";
import { createVerifier } from "../crypto/verifier.ts";
import { findSubtle } from "../crypto/web-crypto.ts";
import type { EnginePorts } from "../engine/ports.ts";
import type { SyncSettings } from "../engine/settings.ts";
import type { Clock } from "../ports/clock.ts";
import type { Verifier } from "../ports/keys.ts";
import type { Random } from "../ports/random.ts";
import type { Storage } from "../ports/storage.ts";
import type { Channels, Locks } from "../ports/tabs.ts";
import type { Network, TransportBuilder } from "../ports/transport.ts";
import { openStorage } from "../storage/open-storage.ts";
import { requestStoredLock } from "../storage/stored-lock.ts";
import { deleteStored } from "../storage/wipe.ts";
import { AskedLocks } from "../tabs/asked-lock.ts";
import { openBroadcast } from "../tabs/broadcast.ts";
import { leaderLockName } from "../tabs/names.ts";
import { openWebLocks } from "../tabs/web-locks.ts";
import { createRelayClient } from "../transport/relay-client.ts";
import { createWebRtcNetwork } from "../transport/webrtc.ts";
import type { BootOptions, WorkerEvent } from "./api.ts";
import { systemClock } from "./clock.ts";
import type { LeaderOptions, Report } from "./leader.ts";
import { openOutbox } from "./outbox-port.ts";

export interface Platform
  extends Pick<LeaderOptions, "locks" | "clock" | "outbox" | "ciphers" | "openStorage" | "openPorts" | "deleteStored"> {
  readonly random: Random;
  /** Undefined where tabs cannot hear each other. */
  readonly channels: Channels | undefined;
}

/** To the own page. */
export type Tell = (event: WorkerEvent, transfer?: Transferable[]) => void;

export type PlatformBuilder = (
  boot: BootOptions,
  tell: Tell,
  transports: readonly TransportBuilder[],
) => Promise<Platform>;

/** Resolves when the lock is held by which the page learns of this worker's death. */
export async function browserPlatform(
  boot: BootOptions,
  tell: Tell,
  transports: readonly TransportBuilder[],
): Promise<Platform> {
  const { name, lifeLock } = boot;
  const channels = openBroadcast();
  const webLocks = openWebLocks();
  // It is ready by the time that storage is open.
  const crypto = prepareCrypto();
  await webLocks?.request(lifeLock);
  return {
    clock: systemClock,
    random: platformRandom,
    channels,
    locks: webLocks ?? locksWithout(name, channels),
    ciphers: chunkCiphers(),
    outbox: openOutbox(name),
    openStorage: (lost) => openStorage(name, { onLost: lost }),
    openPorts: (storage, settings, report) => openPorts(boot, tell, transports, { storage, settings, report, crypto }),
    deleteStored: () => deleteStored(name),
  };
}

/** For browsers that have no Web Locks. */
function locksWithout(name: string, channels: Channels | undefined): Locks {
  if (channels !== undefined) return new AskedLocks({ name, channels, clock: systemClock, random: platformRandom });
  const leads = leaderLockName(name);
  return {
    // Any other is of one tab, and nobody knows of another tab.
    request: async (lock, { lost } = {}) => (lock === leads ? requestStoredLock(name, systemClock, lost) : () => {}),
  };
}

interface Base {
  readonly storage: Storage;
  readonly settings: Partial<SyncSettings>;
  readonly report: Report;
  readonly crypto: ReturnType<typeof prepareCrypto>;
}

/** What needs no storage. Never rejects. */
function prepareCrypto(): Promise<[Verifier, Sha256, KeyMaker]> {
  return Promise.all([createVerifier(), loadSha256(), createKeyMaker()]);
}

async function openPorts(
  boot: BootOptions,
  tell: Tell,
  transports: readonly TransportBuilder[],
  { storage, settings, report, crypto }: Base,
): Promise<EnginePorts> {
  const [[verifier, sha256, maker], identity, sealing] = await Promise.all([
    crypto,
    loadIdentity(storage),
    loadSealingKeys(storage, findSubtle()),
  ]);
  const shared: { readonly clock: Clock; readonly random: Random } = { clock: systemClock, random: platformRandom };
  const keys = await openKeyRing({ ...shared, storage, device: identity, maker, reported: report });
  const openNetwork = (url: string, peersMax: () => number): Network => {
    const { port1, port2 } = new MessageChannel();
    tell({ type: "connections", port: port2 }, [port2]);
    const createSealer = (): Promise<Sealer> => Sealer.create(identity, verifier);
    const introducer = createRelayClient({ ...shared, url, identity, createSealer });
    const { iceServers } = boot;
    const self = identity.publicKey;
    return createWebRtcNetwork({ ...shared, introducer, page: port1, self, iceServers, peersMax });
  };
  return {
    ...shared,
    ...{ storage, identity, keys, verifier, sealing, sha256, transports, settings, openNetwork },
    name: boot.name,
    relays: boot.relays,
    deriveIdentity: identityFromSeed,
  };
}
