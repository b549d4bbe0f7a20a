import fc from "fast-check";
import { expect, test } from "vitest";
import { arbitraryPublicKey } from "../testing/arbitrary.ts";
import { attempt } from "./errors.ts";
import { type EntryId, encodeHex, entryIdFromDigest, type PublicKey } from "./ids.ts";
import { LogIndex } from "./log-index.ts";
import type { EntryIndex } from "./node.ts";

/** Ids that differ in one byte only, wherever that is: those that begin alike have the same hash. */
const arbitraryId: fc.Arbitrary<EntryId> = fc
  .tuple(fc.nat(31), fc.nat(255))
  .map(([at, byte]) => entryIdFromDigest(new Uint8Array(32).fill(byte, at, at + 1)));

const natural = fc.oneof(fc.nat(5), fc.maxSafeNat());

/** In an order in which they can have been accepted. */
const arbitraryLog: fc.Arbitrary<readonly EntryIndex[]> = fc
  .tuple(
    fc.uniqueArray(arbitraryId, { minLength: 1, maxLength: 150 }),
    fc.array(arbitraryPublicKey(), { minLength: 1, maxLength: 3 }),
  )
  .chain(([ids, keys]) =>
    fc.tuple(
      ...ids.map((id, position) => {
        const earlier =
          position === 0 ? fc.constant([]) : fc.subarray(ids.slice(0, position), { maxLength: Math.min(3, position) });
        return fc.record({
          id: fc.constant(id),
          author: fc.constantFrom(...keys),
          seq: natural,
          prev:
            position === 0
              ? fc.constant(undefined)
              : fc.option(fc.constantFrom(...ids.slice(0, position)), { nil: undefined }),
          parents: earlier,
          height: natural,
          time: natural,
          size: natural,
          settings: fc.boolean(),
        });
      }),
    ),
  );

function isLog(entries: readonly EntryIndex[]): boolean {
  return attempt(() => LogIndex.of(entries)).ok;
}

test("[REPLICA-11] a log says of every entry what it was made of, and finds each by its id", () => {
  fc.assert(
    fc.property(arbitraryLog, (entries) => {
      const log = LogIndex.of(entries);
      expect([...log]).toEqual(entries);
      expect(entries.map(({ id }) => log.positionOf(id))).toEqual(entries.map((_, position) => position));
      expect(log.settingsPositions()).toEqual(
        entries.flatMap(({ settings }, position) => (settings ? [position] : [])),
      );
      expect(log.positionOf(encodeHex(new Uint8Array(32).fill(9)) as EntryId)).toBe(undefined);
    }),
  );
});

test("[REPLICA-11] no entry is in a log twice, or before what it follows", () => {
  fc.assert(
    fc.property(arbitraryLog, fc.nat(), (entries, pick) => {
      const at = pick % entries.length;
      const entry = entries[at] as EntryIndex;
      expect(isLog([...entries, entry])).toBe(false);
      const isFollowed = entries.some(({ prev, parents }) => [prev, ...parents].includes(entry.id));
      expect(isLog(entries.filter((each) => each !== entry))).toBe(!isFollowed);
      expect(isLog([...entries.slice(0, at), { ...entry, prev: entry.id }])).toBe(false);
    }),
  );
});

test("an empty log has no entries and finds none", () => {
  const log = new LogIndex();
  expect([log.length, [...log], log.settingsPositions()]).toEqual([0, [], []]);
  expect(log.positionOf(encodeHex(new Uint8Array(32)) as EntryId)).toBe(undefined);
});

test("what is no id is in no log", () => {
  const [id] = fc.sample(arbitraryId, 1) as [EntryId];
  const log = LogIndex.of([
    {
      id,
      author: id as string as PublicKey,
      seq: 0,
      prev: undefined,
      parents: [],
      height: 0,
      time: 0,
      size: 1,
      settings: false,
    },
  ]);
  expect(log.positionOf(id)).toBe(0);
  for (const text of ["", "x", id.slice(1), `${id}0`, "ü".repeat(64)])
    expect(log.positionOf(text as EntryId)).toBe(undefined);
});
