/**
 * Who is in which room, by key. Everything a relay remembers is here, and none of it outlives the sockets.
 *
 * A key is one member: a second one with the same key takes its place.
 */
import type { PublicKey } from "../core/ids.ts";
import { cardsPerMessageMax } from "../core/limits.ts";
import { encodeRelayMessage, type Room } from "../core/protocol/relay-message.ts";
import type { RelayLimits } from "./limits.ts";

export interface Member {
  readonly key: PublicKey;
  readonly card: Uint8Array;
  /** Hands over an encoded message. Must not change the rooms while it runs: they may be being walked. */
  deliver(frame: Uint8Array): void;
  /** Somebody else has proved the same key: close, and be gone from the rooms on return. */
  replaced(): void;
}

export type EnterOutcome = "entered" | "rooms" | "roomsPerSocket" | "membersPerRoom";

export class Rooms {
  readonly #limits: RelayLimits;
  readonly #membersByKey = new Map<PublicKey, Member>();
  readonly #membersByRoom = new Map<Room, Set<Member>>();
  readonly #roomsByMember = new Map<Member, Set<Room>>();

  constructor(limits: RelayLimits) {
    this.#limits = limits;
  }

  get memberCount(): number {
    return this.#membersByKey.size;
  }

  get roomCount(): number {
    return this.#membersByRoom.size;
  }

  find(key: PublicKey): Member | undefined {
    return this.#membersByKey.get(key);
  }

  /** The caller removes an earlier member with the same key first. */
  add(member: Member): void {
    this.#membersByKey.set(member.key, member);
    this.#roomsByMember.set(member, new Set());
  }

  /** Takes a member that was added out of all rooms and tells the others. */
  remove(member: Member): void {
    for (const room of this.#roomsByMember.get(member) ?? []) this.leave(member, room);
    this.#roomsByMember.delete(member);
    this.#membersByKey.delete(member.key);
  }

  /** Tells the member who is there, and these who came. Entering a room again only tells who is there. */
  enter(member: Member, room: Room): EnterOutcome {
    const own = this.#roomsByMember.get(member) ?? new Set();
    const present = this.#membersByRoom.get(room) ?? new Set();
    if (!own.has(room)) {
      if (own.size >= this.#limits.roomsPerSocketMax) return "roomsPerSocket";
      if (present.size >= this.#limits.membersPerRoomMax) return "membersPerRoom";
      if (present.size === 0 && this.roomCount >= this.#limits.roomsMax) return "rooms";
      broadcast(present, encodeRelayMessage({ type: "entered", room, card: member.card }));
      own.add(room);
      this.#membersByRoom.set(room, present.add(member));
    }
    tellPresent(member, room, present);
    return "entered";
  }

  leave(member: Member, room: Room): void {
    if (!this.#roomsByMember.get(member)?.delete(room)) return;
    const present = this.#membersByRoom.get(room) ?? new Set();
    present.delete(member);
    if (present.size === 0) this.#membersByRoom.delete(room);
    broadcast(present, encodeRelayMessage({ type: "left", room, key: member.key }));
  }

  haveCommonRoom(one: Member, other: Member): boolean {
    const rooms = this.#roomsByMember.get(one);
    const others = this.#roomsByMember.get(other);
    if (rooms === undefined || others === undefined) return false;
    for (const room of rooms) if (others.has(room)) return true;
    return false;
  }
}

function broadcast(members: ReadonlySet<Member>, frame: Uint8Array): void {
  for (const member of members) member.deliver(frame);
}

function tellPresent(member: Member, room: Room, present: ReadonlySet<Member>): void {
  const cards = [...present].filter((other) => other !== member).map((other) => other.card);
  let at = 0;
  do {
    member.deliver(encodeRelayMessage({ type: "present", room, cards: cards.slice(at, at + cardsPerMessageMax) }));
    at += cardsPerMessageMax;
  } while (at < cards.length);
}
