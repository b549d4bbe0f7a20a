/** Messages of automerge-repo, as they go and as they come: carried whole, but for what another device could do harm with. */
import type { Message } from "@automerge/automerge-repo/slim";
import { decodeValue } from "./packet.ts";

/** Fields that are undefined say nothing, and have no bytes. */
export function withoutUndefined(message: object): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(message).filter(([, value]) => value !== undefined));
}

/**
 * Undefined for what is no message to us from this peer. What is told to everybody is passed on from peer to peer, and says itself whose it is.
 *
 * @param from the peer id that the sender has
 */
export function toMessage(bytes: Uint8Array, from: string, to: string | undefined): Message | undefined {
  const value = decodeValue(bytes);
  if (typeof value !== "object" || value === null || Array.isArray(value) || value instanceof Uint8Array)
    return undefined;
  const { type, senderId, targetId, documentId, data } = value as Readonly<Record<string, unknown>>;
  if (typeof type !== "string" || typeof senderId !== "string" || targetId !== to) return undefined;
  if (senderId !== from && type !== "ephemeral") return undefined;
  if (documentId !== undefined && typeof documentId !== "string") return undefined;
  if (data !== undefined && !(data instanceof Uint8Array)) return undefined;
  return value as Message;
}
