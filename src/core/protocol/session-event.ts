/** What a session is given, what happens to it, and what it asks for in return. */
import type { Entry } from "../entry.ts";
import type { Failure } from "../errors.ts";
import type { Node } from "../graph.ts";
import type { DatabaseId, EntryId, PublicKey, Sha256 } from "../ids.ts";
import type { Announcement } from "../presence/announcement.ts";
import type { Replica } from "../replica.ts";
import type { Cursor } from "./cursor.ts";
import type { Knock } from "./knock.ts";

export interface SessionOptions {
  readonly self: PublicKey;
  readonly peer: PublicKey;
  /** What the handshake ended with: proofs of this session are worthless in any other. */
  readonly transcript: Uint8Array;
  /** What the handshake agreed on beside the version: see features.ts. Default: nothing. */
  readonly features?: readonly string[];
  /** The databases that are open here; an empty replica is one that is being joined. */
  readonly replicas: ReadonlyMap<DatabaseId, Replica>;
  readonly sha256: Sha256;
  /** Whether we opened the channel: then we greet first. */
  readonly initiator: boolean;
  /** Whether the database is synced with this peer at all. One that is not is as one that is not here. */
  readonly shares: (database: DatabaseId) => boolean;
  /** What both held when they last agreed, in whichever session; asked once a session and database. */
  readonly cursor: (database: DatabaseId) => Cursor | undefined;
  readonly settings: () => LaneSettings;
  /** How many bytes of batches may be under way to this peer; one batch always may. */
  readonly windowBytes: () => number;
  /** Whether our own copy of an entry can be sent: the disk may have lost it. */
  readonly isIntact: (database: DatabaseId, node: Node) => boolean;
  /** This device's clock, in milliseconds since 1970: invites expire. */
  readonly nowMs: () => number;
  /** Whether new entries of the database are pushed by themselves; otherwise only on `flush` and `resumed`. */
  readonly onCommit: (database: DatabaseId) => boolean;
}

/** How entries gather and are cut into batches. What is above the protocol's limits, or below one, counts as that. */
export interface LaneSettings {
  /** New entries wait for this many of them, this many bytes, or this long, whichever comes first. */
  readonly flushEntries: number;
  readonly flushBytes: number;
  readonly flushAgeMs: number;
  /** Ranges of the log that may wait for one peer and database before pushing gives way to comparing. */
  readonly queueRanges: number;
  readonly batchEntries: number;
  readonly batchBytes: number;
}

export type SessionEvent =
  | { readonly type: "started" }
  /** Compare all databases again, or one: after the channel was changed for another, and from time to time. */
  | { readonly type: "resumed"; readonly database?: DatabaseId }
  | { readonly type: "received"; readonly bytes: Uint8Array }
  /** Entries of a database became durable here, from whatever source. */
  | { readonly type: "announced"; readonly database: DatabaseId; readonly nodes: readonly Node[] }
  | BatchStored
  /** A database was opened, or who may read it changed. */
  | { readonly type: "offered"; readonly database: DatabaseId }
  /** Some entries of the database are void now, and those that count again are at positions from `from` on. */
  | { readonly type: "recounted"; readonly database: DatabaseId; readonly from: number | undefined }
  /** Entries here still wait for these, which may have been asked for before. */
  | { readonly type: "missed"; readonly database: DatabaseId; readonly ids: readonly EntryId[] }
  /** We want in: a ticket's secret signed `joinMessage`. */
  | {
      readonly type: "joining";
      readonly database: DatabaseId;
      readonly invite: PublicKey;
      readonly signature: Uint8Array;
    }
  | JoinChecked
  /** We take part in the database with a key of its own, which signed `proveMessage`. */
  | {
      readonly type: "proving";
      readonly database: DatabaseId;
      readonly key: PublicKey;
      readonly signature: Uint8Array;
    }
  | KeyChecked
  /** We want in, and have no secret. */
  | { readonly type: "knocking"; readonly database: DatabaseId; readonly knock: Knock }
  /** What the peer asked for in this session is not granted. */
  | { readonly type: "rejecting"; readonly database: DatabaseId }
  /** Send these, though the peer may have them: before everything else of the database when `first`. */
  | {
      readonly type: "queued";
      readonly database: DatabaseId;
      readonly nodes: readonly Node[];
      readonly first: boolean;
    }
  /** What gathers is sent now: on demand, and when the time of a `flushAfter` has passed. */
  | { readonly type: "flush"; readonly database: DatabaseId }
  /** The peer is asked to hold back what it sends, or to go on. */
  | { readonly type: "flowing"; readonly database: DatabaseId; readonly paused: boolean }
  | { readonly type: "pinged"; readonly id: number }
  /** The peer is told how much we want to receive at most; 0: as much as there is. */
  | { readonly type: "pacing"; readonly bytesPerSecond: number }
  /** The peer is told of a page, if it may be. */
  | {
      readonly type: "presenting";
      readonly database: DatabaseId;
      readonly ageMs: number;
      readonly announcement: Announcement;
    }
  /** The app has this channel open, or not any more. */
  | { readonly type: "channelling"; readonly channel: string; readonly isOpen: boolean };

/** The answer to `checkJoin`. */
export interface JoinChecked {
  readonly type: "joinChecked";
  readonly commitment: string;
  readonly invite: PublicKey;
  readonly valid: boolean;
}

/** The answer to `checkKey`. */
export interface KeyChecked {
  readonly type: "keyChecked";
  readonly commitment: string;
  readonly key: PublicKey;
  readonly valid: boolean;
}

/** The peer's batch `number` was judged, and what was accepted of it is durable. Comes in the order of the numbers. */
export interface BatchStored {
  readonly type: "batchStored";
  readonly database: DatabaseId;
  readonly number: number;
  /** Its entries, but for those that wait here. */
  readonly ids: readonly EntryId[];
  /** What its entries wait for. */
  readonly missing: readonly EntryId[];
}

export type SessionEffect =
  | { readonly type: "send"; readonly bytes: Uint8Array }
  /** Read the entries and send them as one `entries` message. */
  | {
      readonly type: "serve";
      readonly database: DatabaseId;
      readonly number: number;
      /** What is said in that message: how many entries and bytes are left after it, and what we hold; see message.ts. */
      readonly left: number;
      readonly leftBytes: number;
      readonly digest: string;
      readonly nodes: readonly Node[];
    }
  /** Check and judge these; answer with `batchStored`. */
  | {
      readonly type: "check";
      readonly database: DatabaseId;
      readonly number: number;
      readonly entries: readonly Entry[];
      /** How many are said to follow in later batches. */
      readonly left: number;
    }
  /** Answer with `joinChecked`, in the order of the effects. */
  | {
      readonly type: "checkJoin";
      readonly commitment: string;
      readonly invite: PublicKey;
      readonly message: Uint8Array;
      readonly signature: Uint8Array;
    }
  /** Answer with `keyChecked`, in the order of the effects. */
  | {
      readonly type: "checkKey";
      readonly commitment: string;
      readonly key: PublicKey;
      readonly message: Uint8Array;
      readonly signature: Uint8Array;
    }
  /** The peer asks to be let in: to be taken up after the checks before it. */
  | { readonly type: "knocked"; readonly database: DatabaseId; readonly knock: Knock }
  /** The answers to what we asked for: our ticket leads to nothing here, our request was heard, or an admin said no. */
  | { readonly type: "refusedJoin" | "heardKnock" | "rejectedKnock"; readonly database: DatabaseId }
  /** What came in since the comparison, and how much it is in all. Bytes are those of whole entries. */
  | {
      readonly type: "progress";
      readonly database: DatabaseId;
      readonly receivedEntries: number;
      readonly totalEntries: number;
      readonly receivedBytes: number;
      readonly totalBytes: number;
    }
  /** Everything the peer had when we compared is durable here. */
  | { readonly type: "caughtUp"; readonly database: DatabaseId }
  /** The peer has confirmed every entry at positions below `through` as durable there. Only grows. */
  | { readonly type: "held"; readonly database: DatabaseId; readonly through: number }
  /** Both hold the same: the frontier of our entries below `position`, whose digest this is (64 hex digits). */
  | { readonly type: "agreed"; readonly database: DatabaseId; readonly digest: string; readonly position: number }
  /** Step `flush` in so many milliseconds, unless a later one comes. */
  | { readonly type: "flushAfter"; readonly database: DatabaseId; readonly ms: number }
  /** The answer to our ping. */
  | { readonly type: "ponged"; readonly id: number }
  /** The peer wants to receive at most this much; 0: as much as there is. */
  | { readonly type: "paced"; readonly bytesPerSecond: number }
  /** The peer, which may read the database, tells of a page. Nothing of it is checked. */
  | {
      readonly type: "presence";
      readonly database: DatabaseId;
      readonly ageMs: number;
      readonly announcement: Announcement;
    }
  /** The peer's app has a channel open, or not any more. */
  | { readonly type: "channel"; readonly channel: string; readonly isOpen: boolean }
  /** Bytes of the app, from a peer that shares a database with us. */
  | { readonly type: "message"; readonly channel: string; readonly bytes: Uint8Array }
  /** Too much waited for this peer: so many entries are left to the comparison that follows. */
  | { readonly type: "overflowed"; readonly database: DatabaseId; readonly entries: number }
  /** `unconfirmed` or `phase` of a lane changed. */
  | { readonly type: "lanesChanged"; readonly database: DatabaseId }
  | { readonly type: "allowLargeMessages" }
  /** The conversation is over, and nobody is to blame. */
  | { readonly type: "end" }
  | { readonly type: "fail"; readonly failure: Failure };
