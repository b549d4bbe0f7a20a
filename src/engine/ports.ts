/** What the engine runs on: everything it does not decide itself. */
import type { Sha256 } from "../core/ids.ts";
import type { Clock } from "../ports/clock.ts";
import type { Identity, KeyRing, Verifier } from "../ports/keys.ts";
import type { SealingKeys } from "../ports/payload-keys.ts";
import type { Random } from "../ports/random.ts";
import type { Storage } from "../ports/storage.ts";
import type { Network, TransportBuilder } from "../ports/transport.ts";
import type { SyncSettings } from "./settings.ts";

export interface EnginePorts {
  /** The instance's name. */
  readonly name: string;
  readonly storage: Storage;
  /** This device's key. */
  readonly identity: Identity;
  /** That key, and the named ones beside it. */
  readonly keys: KeyRing;
  readonly verifier: Verifier;
  /** What content is sealed and opened with. Undefined where there is no WebCrypto: encrypted databases stay closed there. */
  readonly sealing?: SealingKeys | undefined;
  readonly sha256: Sha256;
  readonly clock: Clock;
  readonly random: Random;
  /** The key pair of a ticket's secret, 32 bytes. */
  readonly deriveIdentity: (secret: Uint8Array) => Promise<Identity>;
  /** WebSocket URLs of the relays that every database of this instance uses. */
  readonly relays: readonly string[];
  /**
   * A network that introduces peers through the relay at a URL, and connects no more of them than `peersMax` says at the time. Called once
   * per URL whenever the instance goes online.
   */
  readonly openNetwork: (relayUrl: string, peersMax: () => number) => Network;
  /** Where sync is to differ from its defaults. */
  readonly settings?: Partial<SyncSettings>;
  /** Types of transports beside the one of relays. */
  readonly transports?: readonly TransportBuilder[];
}
