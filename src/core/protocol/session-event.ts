/** What a session is given, what happens to it, and what it asks for in return. */
import type { Entry } from "../entry.ts";
import type { Failure } from "../errors.ts";
import type { Node } from "../graph.ts";
import type { DatabaseId, EntryId, PublicKey, Sha256 } from "../ids.ts";
import type { Replica } from "../replica.ts";
import type { Power } from "../store/power.ts";

export interface SessionOptions {
  readonly self: PublicKey;
  readonly peer: PublicKey;
  /** What the handshake ended with: proofs of this session are worthless in any other. */
  readonly transcript: Uint8Array;
  /** The databases that are open here; an empty replica is one that is being joined. */
  readonly replicas: ReadonlyMap<DatabaseId, Replica>;
  readonly sha256: Sha256;
}

export type SessionEvent =
  | { readonly type: "started" }
  | { readonly type: "received"; readonly bytes: Uint8Array }
  /** Entries of a database became durable here, from whatever source. */
  | { readonly type: "announced"; readonly database: DatabaseId; readonly nodes: readonly Node[] }
  | BatchStored
  /** A database was opened, or who may read it changed. */
  | { readonly type: "offered"; readonly database: DatabaseId }
  /** Entries here still wait for these, which may have been asked for before. */
  | { readonly type: "missed"; readonly database: DatabaseId; readonly ids: readonly EntryId[] }
  /** We want in: a ticket's secret signed `joinMessage`. */
  | {
      readonly type: "joining";
      readonly database: DatabaseId;
      readonly invite: PublicKey;
      readonly signature: Uint8Array;
    }
  | {
      readonly type: "joinChecked";
      readonly database: DatabaseId;
      readonly invite: PublicKey;
      readonly valid: boolean;
    };

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
      readonly left: number;
      readonly nodes: readonly Node[];
    }
  /** Check and judge these; answer with `batchStored`. */
  | {
      readonly type: "check";
      readonly database: DatabaseId;
      readonly number: number;
      readonly entries: readonly Entry[];
    }
  | {
      readonly type: "checkJoin";
      readonly database: DatabaseId;
      readonly invite: PublicKey;
      readonly message: Uint8Array;
      readonly signature: Uint8Array;
    }
  | { readonly type: "grant"; readonly database: DatabaseId; readonly key: PublicKey; readonly power: Power }
  | { readonly type: "refusedJoin"; readonly database: DatabaseId }
  /** Entries that came in since the comparison, and how many it is in all. */
  | { readonly type: "progress"; readonly database: DatabaseId; readonly received: number; readonly total: number }
  /** Everything the peer had when we compared is durable here. */
  | { readonly type: "caughtUp"; readonly database: DatabaseId }
  /** `unconfirmed` or `phase` of a lane changed. */
  | { readonly type: "lanesChanged"; readonly database: DatabaseId }
  | { readonly type: "allowLargeMessages" }
  /** The conversation is over, and nobody is to blame. */
  | { readonly type: "end" }
  | { readonly type: "fail"; readonly failure: Failure };
