/** Who is present in which of our rooms, as a relay says, and with which card. */
import type { PublicKey } from "../core/ids.ts";
import type { Room } from "../core/protocol/relay-message.ts";

interface PresentPeer {
  card: Uint8Array;
  readonly rooms: Set<Room>;
}

export class Presence {
  readonly #peers = new Map<PublicKey, PresentPeer>();

  get count(): number {
    return this.#peers.size;
  }

  /** The checked card of a present peer. */
  cardOf(peer: PublicKey): Uint8Array | undefined {
    return this.#peers.get(peer)?.card;
  }

  /** True when the peer was in none of our rooms before. A card seen later replaces an earlier one. */
  add(peer: PublicKey, room: Room, card: Uint8Array): boolean {
    const known = this.#peers.get(peer);
    if (known === undefined) {
      this.#peers.set(peer, { card, rooms: new Set([room]) });
      return true;
    }
    known.card = card;
    known.rooms.add(room);
    return false;
  }

  /** True when the peer is in none of our rooms any more. */
  remove(peer: PublicKey, room: Room): boolean {
    const known = this.#peers.get(peer);
    if (known === undefined || !known.rooms.delete(room) || known.rooms.size > 0) return false;
    return this.#peers.delete(peer);
  }

  /** We left a room; returns the peers that are in none of our rooms any more. */
  removeRoom(room: Room): readonly PublicKey[] {
    return [...this.#peers.keys()].filter((peer) => this.remove(peer, room));
  }

  /** Forgets everybody and returns who was there. */
  clear(): readonly PublicKey[] {
    const peers = [...this.#peers.keys()];
    this.#peers.clear();
    return peers;
  }
}
