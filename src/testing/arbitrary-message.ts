/** Arbitrary session messages that are valid by themselves. Everything shrinks. */
import fc from "fast-check";
import type { Entry } from "../core/entry.ts";
import type { Frontier, Head } from "../core/frontier.ts";
import { type DatabaseId, type EntryId, encodeHex, type PublicKey } from "../core/ids.ts";
import { presenceLifeMsMax } from "../core/limits.ts";
import { type Announcement, pageIdFromHex } from "../core/presence/announcement.ts";
import { encodeBatch } from "../core/protocol/batch.ts";
import type { Message } from "../core/protocol/message.ts";
import { prefixOf } from "../core/protocol/short-digest.ts";
import { arbitraryEntryId, arbitraryPublicKey } from "./arbitrary.ts";

/** What messages are about, beside things that nobody has heard of. */
export interface Subjects {
  readonly databases: readonly DatabaseId[];
  readonly keys: readonly PublicKey[];
  readonly entries: readonly Entry[];
  /** What joiners may say instead of ids. */
  readonly commitments: readonly string[];
}

function among<T>(known: readonly T[], other: fc.Arbitrary<T>): fc.Arbitrary<T> {
  return known.length === 0 ? other : fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...known) }, other);
}

function hexOf(length: number): fc.Arbitrary<string> {
  return fc.uint8Array({ minLength: length, maxLength: length }).map(encodeHex);
}

export function arbitraryMessage(subjects: Partial<Subjects> = {}): fc.Arbitrary<Message> {
  const { databases = [], keys = [], entries = [], commitments = [] } = subjects;
  const database = among(databases, arbitraryEntryId());
  const id = among(
    entries.map((entry) => entry.id),
    arbitraryEntryId(),
  );
  const key = among(keys, arbitraryPublicKey());
  const number = fc.oneof(fc.nat(12), fc.maxSafeNat());
  const known = entries.map(({ seq, id: known }): Head => ({ seq, id: known }));
  const head = among(known, fc.record({ seq: number, id }));
  const heads = fc.uniqueArray(head, { minLength: 1, maxLength: 4, selector: (each) => each.id }).map(sortById);
  const type = <T extends string>(name: T): fc.Arbitrary<T> => fc.constant(name);
  const digest = fc.oneof(fc.constant(""), hexOf(12));
  const commitment = among(commitments, hexOf(12));
  const prefix = among(databases.map(prefixOf), hexOf(6));
  return fc.oneof(
    fc.record({
      type: type("digest"),
      continues: fc.boolean(),
      digests: fc.array(fc.record({ prefix, digest: hexOf(12) }), { maxLength: 4 }),
    }),
    fc.record({
      type: type("frontier"),
      database,
      asks: fc.boolean(),
      since: digest,
      frontier: arbitraryFrontier(key, heads),
    }),
    fc.record({ type: type("skeleton"), database, author: key, samples: fc.array(head, { maxLength: 6 }) }),
    fc.record({
      type: type("entries"),
      database,
      number,
      left: number,
      leftBytes: number,
      digest,
      batch: arbitraryBatch(entries),
    }),
    fc.record({ type: type("stored"), database, number, complete: fc.boolean(), digest }),
    fc.record({ type: type("want"), database, ids: fc.array(id, { maxLength: 6 }) }),
    fc.record({
      type: type("join"),
      commitment,
      invite: key,
      signature: fc.uint8Array({ minLength: 64, maxLength: 64 }),
    }),
    fc.record({ type: type("prove"), commitment, hidden: fc.uint8Array({ minLength: 112, maxLength: 112 }) }),
    fc.record({ type: type("knock"), commitment, hidden: fc.uint8Array({ maxLength: 80 }) }),
    fc.record({
      type: fc.constantFrom("unavailable" as const, "heard" as const, "rejected" as const),
      commitment,
    }),
    fc.record({ type: type("same"), number, bits: fc.array(fc.boolean(), { maxLength: 12 }) }),
    fc.record({ type: type("flow"), database, paused: fc.boolean() }),
    fc.record({ type: fc.constantFrom("ping" as const, "pong" as const), id: number }),
    fc.record({ type: type("pace"), bytesPerSecond: number }),
    fc.record({
      type: type("presence"),
      database,
      ageMs: fc.nat(presenceLifeMsMax),
      announcement: arbitraryAnnouncement(key),
    }),
    fc.record({ type: type("channel"), channel: arbitraryChannel, isOpen: fc.boolean() }),
    fc.record({ type: type("message"), channel: arbitraryChannel, bytes: fc.uint8Array({ maxLength: 20 }) }),
  );
}

const arbitraryChannel = fc.constantFrom("a", "chess/1", "é".repeat(32));

/** Signed by nobody. */
export function arbitraryAnnouncement(author: fc.Arbitrary<PublicKey>): fc.Arbitrary<Announcement> {
  return fc.record({
    author,
    page: hexOf(16).map(pageIdFromHex),
    counter: fc.maxSafeNat(),
    sentMs: fc.maxSafeNat(),
    lifeMs: fc.integer({ min: 1, max: presenceLifeMsMax }),
    content: fc.uint8Array({ maxLength: 20 }),
    signature: fc.uint8Array({ minLength: 64, maxLength: 64 }),
  });
}

export function arbitraryFrontier(
  key: fc.Arbitrary<PublicKey>,
  heads: fc.Arbitrary<readonly Head[]>,
): fc.Arbitrary<Frontier> {
  return fc
    .uniqueArray(fc.tuple(key, heads), { maxLength: 4, selector: ([author]) => author })
    .map((authors) => new Map([...authors].sort(([a], [b]) => (a < b ? -1 : 1))));
}

function arbitraryBatch(entries: readonly Entry[]): fc.Arbitrary<Uint8Array> {
  const garbage = fc.uint8Array({ maxLength: 20 });
  return entries.length === 0
    ? garbage
    : fc.oneof({ weight: 6, arbitrary: fc.subarray([...entries]).map(encodeBatch) }, garbage);
}

function sortById<T extends { readonly id: EntryId }>(items: readonly T[]): readonly T[] {
  return [...items].sort((a, b) => (a.id < b.id ? -1 : 1));
}
