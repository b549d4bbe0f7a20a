/**
 * What a kind of store is to the rest of the core: a payload codec and a state that entries are merged into.
 *
 * [STORE-1] State is a function of the set of merged parts: the order in which they come makes no difference.
 * [STORE-2] `decode` is strict and bounded: a payload it refuses never enters the graph.
 * [STORE-3] A checkpoint is what changed since an earlier checkpoint; merging checkpoints and later parts in any order
 *           gives the same state as merging all parts.
 */
import type { HybridTime } from "../clock.ts";
import type { Result } from "../errors.ts";
import type { DatabaseId, EntryId, PublicKey, Sha256 } from "../ids.ts";

/** The last-writer order: later time wins, then the greater id. Unique per entry. */
export interface Stamp {
  readonly time: HybridTime;
  readonly id: EntryId;
}

/** The entry that a part stands in. */
export interface Origin extends Stamp {
  readonly author: PublicKey;
}

/** What a state needs beside the parts: what is written into a document is bound to its database and author by a hash. */
export interface StateContext {
  readonly database: DatabaseId;
  readonly sha256: Sha256;
}

export function isLater(a: Stamp, b: Stamp): boolean {
  return a.time !== b.time ? a.time > b.time : a.id > b.id;
}

/** One store's state in memory. `Payload` is the decoded form of a part, `Change` what a merge visibly altered. */
export interface StoreState<Payload, Change> {
  /** Merges one part in place and says what a reader now sees differently; undefined when nothing. */
  merge(payload: Payload, origin: Origin): Change | undefined;
  /**
   * The rows, keys … altered since the checkpoint numbered `since` was taken (0: everything), as canonical bytes, or
   * undefined when there are none. Marks them as belonging to checkpoint `number`, which starts at 1 and grows from call to call.
   */
  checkpoint(since: number, number: number): Uint8Array | undefined;
  /** Merges bytes that `checkpoint` returned. Fails with `STORAGE_CORRUPT` semantics (a CBOR_ or ENTRY_PAYLOAD code). */
  restore(bytes: Uint8Array, number: number): Result<void>;
  /** How many rows, keys … a checkpoint since `since` would hold. */
  sizeSince(since: number): number;
  /** Canonical bytes of the whole visible and invisible state, equal on all replicas that merged the same parts. */
  encode(): Uint8Array;
}

export interface PayloadKind<Payload> {
  readonly type: string;
  /** Strict: fails with a CBOR_ code or ENTRY_PAYLOAD. `store` is the name, for the failure's details. */
  decode(store: string, bytes: Uint8Array): Result<Payload>;
}

export interface StoreKind<Payload, Change, State extends StoreState<Payload, Change>> extends PayloadKind<Payload> {
  createState(context: StateContext): State;
}
