/**
 * The entry: the signed, immutable, content-addressed unit of everything.
 *
 * [ENTRY-1] An entry is the canonical DAG-CBOR array
 *   [version, database, author, seq, prev, parents, height, time, stores, signature]
 *   version   1
 *   database  link to the root entry; null in the root itself
 *   author    Ed25519 public key, 32 bytes
 *   seq       position in the author's chain, from 0
 *   prev      link to the author's entry with seq - 1; null when seq is 0
 *   parents   links, sorted by bytes and unique; empty when the entry follows just `prev`
 *   height    1 + the greatest height among what it follows; 0 in the root
 *   time      hybrid time, see clock.ts
 *   stores    [[name, type, payload bytes], …] sorted by name, unique names, at least one
 *   signature Ed25519, 64 bytes, always the last 66 bytes of the encoding
 * [ENTRY-2] The signature covers the domain tag and every byte of the entry before the signature item.
 * [ENTRY-3] The id is the CIDv1 (dag-cbor, sha2-256) of all bytes, signature included.
 * [ENTRY-4] What an entry follows is its parents and its `prev`.
 */
import type { HybridTime } from "./clock.ts";
import type { DatabaseId, EntryId, PublicKey } from "./ids.ts";

export const entryVersion = 1;
/** What the signature of an entry is a signature of; nothing else Tidemark signs starts with it. */
export const entryDomainTag = "tidemark/entry/1\0";

/** What one transaction did to one store. The store's kind gives the payload its meaning. */
export interface StorePart {
  readonly name: string;
  readonly type: string;
  readonly payload: Uint8Array;
}

/** An entry before it is signed. */
export interface EntryBody {
  /** Undefined in the root, whose own id becomes the database id. */
  readonly database: DatabaseId | undefined;
  readonly author: PublicKey;
  readonly seq: number;
  readonly prev: EntryId | undefined;
  readonly parents: readonly EntryId[];
  readonly height: number;
  readonly time: HybridTime;
  readonly stores: readonly StorePart[];
}

export interface Entry extends EntryBody {
  readonly id: EntryId;
  /** The canonical encoding, signature included. May be a view into a larger buffer: copy before it is stored or sent. */
  readonly bytes: Uint8Array;
}

declare const vouched: unique symbol;
/** An entry that stands at or below a verified signature of its author. Only `chain.ts` makes them. */
export type VouchedEntry = Entry & { readonly [vouched]: true };
