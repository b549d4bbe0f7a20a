/** What peers need of those around them, and what they tell them. */
import type { TidemarkError } from "../core/errors.ts";
import type { PublicKey } from "../core/ids.ts";
import type { Bandwidth } from "./bandwidth.ts";
import type { Path } from "./path.ts";
import type { PathOwner } from "./path-owner.ts";
import type { EnginePorts } from "./ports.ts";
import type { Registry } from "./registry.ts";
import type { SyncSettings } from "./settings.ts";
import type { Transports } from "./transports.ts";

/** Never throws. */
export interface PeersOwner extends PathOwner {
  /** This path carries the peer's session from now on: after others, or as the first, when the peer comes up. Told before it greets. */
  carried(path: Path, isFirst: boolean): void;
  /** A path ended, proven or not; `error` when for a reason with a code. */
  ended(path: Path, error: TidemarkError | undefined): void;
  /** The last path to a peer ended. */
  parted(key: PublicKey): void;
  /** What `info` would say is different now. */
  peerChanged(key: PublicKey): void;
  /** An address failed for good: it is not dialled again until something changes. */
  parked(key: PublicKey, address: string, error: TidemarkError): void;
  /** PEER_GIVEN_UP: it is not dialled again until something changes. */
  givenUp(key: PublicKey, error: TidemarkError): void;
}

export interface PeersOptions {
  readonly ports: Pick<EnginePorts, "identity" | "verifier" | "sha256" | "clock" | "random">;
  /** Of this device's storage, and of this opened instance. */
  readonly epoch: string;
  readonly boot: string;
  readonly registry: Registry;
  readonly transports: Pick<Transports, "dial" | "retry">;
  readonly bandwidth: Bandwidth;
  readonly settings: () => SyncSettings;
  readonly owner: PeersOwner;
}
