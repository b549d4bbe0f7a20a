/**
 * Introduces peers that ask for the same room and carries short sealed notes between them, so that they can connect directly.
 *
 * [INTRODUCER-1] Rooms asked for stay asked for across reconnects, until left.
 * [INTRODUCER-2] A note is delivered at most once, and only if its seal shows it came from the key it names.
 * [INTRODUCER-3] Nothing is promised about delivery: whoever needs an answer asks again.
 */
import type { PublicKey } from "../core/ids.ts";
import type { RelayStatus } from "./transport.ts";

export interface IntroducerListener {
  /** Once per peer while it is present in at least one common room; again when it comes back. */
  met(peer: PublicKey): void;
  left(peer: PublicKey): void;
  noted(peer: PublicKey, note: Uint8Array): void;
  statusChanged(status: RelayStatus): void;
}

export interface Introducer {
  readonly status: RelayStatus;
  listen(listener: IntroducerListener): void;
  /** Enters a room (32 bytes) until the returned function is called. */
  enter(room: Uint8Array): () => void;
  /** Sends a note of at most 16 KiB, sealed for that peer. Dropped when the peer is not present. */
  note(peer: PublicKey, note: Uint8Array): void;
  /** Tries to connect at once instead of waiting for the back-off: the network came back. */
  retry(): void;
  close(): void;
}
