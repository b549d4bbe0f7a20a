import { TidemarkError } from "../core/errors.ts";
import {
  relayAliveEveryMs,
  relayBytesBurst,
  relayBytesPerSecond,
  relayMessageBytesMax,
  relayMessagesBurst,
  relayMessagesPerSecond,
} from "../core/limits.ts";

/** What one relay takes, from everybody and from each. All are positive integers. */
export interface RelayLimits {
  /** Sockets at once, proven or not. With full outgoing buffers, 4,000 of them need 1 GiB. */
  readonly socketsMax: number;
  /** Sockets at once from one IPv4 address or one IPv6 /64. Offices share one address, so not too few. */
  readonly socketsPerAddressMax: number;
  /** New sockets per second and address, and how many at once: each costs a signature check. Twice all that may be open, for a restart. */
  readonly socketsPerAddressPerSecond: number;
  readonly socketsPerAddressBurst: number;
  readonly roomsMax: number;
  readonly roomsPerSocketMax: number;
  readonly membersPerRoomMax: number;
  /** One message from a client. A larger one closes its socket before it is held. */
  readonly messageBytesMax: number;
  /** Messages and bytes per second and socket, and how many may come at once after a pause. */
  readonly messagesPerSecond: number;
  readonly messagesBurst: number;
  readonly bytesPerSecond: number;
  readonly bytesBurst: number;
  /** What is held for one socket whose other end reads slowly. Above it the socket is closed. */
  readonly outgoingBytesMax: number;
  /** From the opening of a socket until the client has proved its key. */
  readonly proveTimeoutMs: number;
  /** A socket that has not answered one ping when the next is due is dead. */
  readonly pingEveryMs: number;
  /** How long a closing socket, or the whole relay, waits for the other end. */
  readonly closeTimeoutMs: number;
}

/** The rates are above what clients keep to, because the network can bunch what was sent evenly. */
export const defaultRelayLimits: RelayLimits = {
  socketsMax: 4_000,
  socketsPerAddressMax: 256,
  socketsPerAddressPerSecond: 16,
  socketsPerAddressBurst: 512,
  roomsMax: 100_000,
  roomsPerSocketMax: 256,
  membersPerRoomMax: 32,
  messageBytesMax: relayMessageBytesMax,
  messagesPerSecond: relayMessagesPerSecond * 1.25,
  messagesBurst: relayMessagesBurst * 2.5,
  bytesPerSecond: relayBytesPerSecond * 1.25,
  bytesBurst: relayBytesBurst * 2,
  outgoingBytesMax: 256 * 1024,
  proveTimeoutMs: 5_000,
  pingEveryMs: relayAliveEveryMs,
  closeTimeoutMs: 2_000,
};

/** The defaults with what is given. Throws INPUT_INVALID for anything but positive integers. */
export function resolveLimits(given: Partial<RelayLimits>): RelayLimits {
  for (const [field, value] of Object.entries(given)) {
    if (!Number.isSafeInteger(value) || value <= 0) {
      throw new TidemarkError("INPUT_INVALID", { field, got: String(value), expected: "a positive integer" });
    }
  }
  return { ...defaultRelayLimits, ...given };
}
