import fc from "fast-check";
import { expect, test } from "vitest";
import { arbitraryPublicKey } from "../testing/arbitrary.ts";
import { SeededRandom } from "../testing/random.ts";
import { attempt } from "./errors.ts";
import { type EntryId, encodeHex, entryIdFromDigest, type PublicKey } from "./ids.ts";
import { type Appended, LogIndex, nowhere, outsidePlace } from "./log-index.ts";
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
      expect(entries.map((_, position) => log.parentCount(position))).toEqual(
        entries.map(({ parents }) => parents.length),
      );
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
  for (const log of [new LogIndex(), LogIndex.of([])]) {
    expect([log.length, [...log], log.settingsPositions()]).toEqual([0, [], []]);
    expect(log.positionOf(encodeHex(new Uint8Array(32)) as EntryId)).toBe(undefined);
  }
});

/** Entries with these ids, of which all follow nothing, or what `write` says. */
function appended(ids: Uint8Array, write: Appended["write"] = ({ prevs }) => void prevs.fill(nowhere)): Appended {
  return { ids, keys: ["author" as PublicKey], outside: new Uint8Array(0), write };
}

test("[REPLICA-11] whoever writes columns makes no entry follow itself, or one that comes later", () => {
  const ids = new Uint8Array(96).map((_, i) => i);
  const follows = (at: number, prev: number, parent: number): boolean => {
    const write: Appended["write"] = ({ prevs, parents, parentsEnds }) => {
      prevs.fill(nowhere);
      prevs[at] = prev;
      parents.push(parent);
      parentsEnds.fill(1, at);
    };
    return attempt(() => new LogIndex().append(appended(ids, write))).ok;
  };
  for (const [at, prev, parent] of [
    [1, 0, 0],
    [2, 1, 0],
    [2, 0, 1],
    [1, nowhere, 0],
  ] as const)
    expect(follows(at, prev, parent)).toBe(true);
  const unknown = outsidePlace(0);
  for (const [prev, parent] of [
    [1, 0],
    [2, 0],
    [unknown, 0],
    [0, 1],
    [0, 2],
    [0, unknown],
  ] as const)
    expect(follows(1, prev, parent)).toBe(false);
});

test("an author is kept once, however many appends name it", () => {
  const log = new LogIndex();
  for (let i = 0; i < 3; i++) log.append(appended(new Uint8Array(32).fill(i)));
  expect(log.save().keys).toEqual(["author"]);
});

/** How many slots somebody looks at who comes to the longest run of those that are taken. */
function longestRun(slots: Uint32Array): number {
  let [longest, run] = [0, 0];
  for (const slot of [...slots, ...slots]) {
    run = slot === 0 ? 0 : run + 1;
    longest = Math.max(longest, run);
  }
  return longest;
}

test("of the slots for ids half are free at least, and three quarters at most", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 8 }), (counts) => {
      const random = new SeededRandom(1);
      const log = new LogIndex();
      for (const count of counts) log.append(appended(random.bytes(32 * count)));
      const { slots } = log.save();
      expect(slots.filter((slot) => slot > 0).sort()).toEqual(
        Uint32Array.from({ length: log.length }, (_, i) => i + 1),
      );
      expect(Math.log2(slots.length) % 1).toBe(0);
      expect(log.length / slots.length).toBeLessThan(0.5);
      expect(log.length / slots.length).toBeGreaterThanOrEqual(0.25);
    }),
  );
});

test.each([0, 1, 2, -1, 2 ** 31 - 1, -(2 ** 31)])("with the seed %i a free slot is near every id", (seed) => {
  const log = new LogIndex(seed);
  log.append(appended(new SeededRandom(1).bytes(32 * 1_000)));
  expect(longestRun(log.save().slots)).toBeLessThan(40);
});

/** The longest run of slots in a log of 200 ids that begin with these two words. */
function runOf(seed: number, words: (i: number) => readonly [number, number]): number {
  const log = new LogIndex(seed);
  const random = new SeededRandom(2);
  for (let i = 0; i < 200; i++) {
    const id = random.bytes(32);
    const view = new DataView(id.buffer, id.byteOffset);
    for (const [k, word] of words(i).entries()) view.setInt32(4 * k, word);
    log.append(appended(id));
  }
  return longestRun(log.save().slots);
}

const otherSeed = 0x5eed_1235;

test.each([
  ["first", (i: number) => [(i << 9) ^ (i >>> 6), 0] as const],
  ["second", (i: number) => [i << 24, Math.imul(i, 0x9e37_79b1)] as const],
])("ids that were chosen to be slow to find with one seed are not with another, by their %s word", (_, words) => {
  expect(runOf(1, words)).toBeGreaterThanOrEqual(200);
  expect(runOf(otherSeed, words)).toBeLessThan(40);
});

test("ids that differ in the upper half of a word only are not slow to find", () => {
  expect(runOf(otherSeed, (i) => [i << 16, 0])).toBeLessThan(40);
});

test("[STORAGE-48] a log that was saved is the same again, takes no more room than it needs, and goes on", () => {
  const random = new SeededRandom(3);
  const [ids, next] = [random.bytes(32 * 101), random.bytes(32)];
  const log = new LogIndex(otherSeed);
  log.append(appended(ids.slice(0, 32 * 100)));
  log.append(appended(ids.slice(32 * 100)));
  const saved = structuredClone(log.save());
  expect(saved.ids).toEqual(ids);
  expect(Object.values(saved.columns).map(({ length }) => length)).toEqual(Array.from({ length: 8 }, () => 101));
  const restored = LogIndex.restored(saved);
  expect([...restored]).toEqual([...log]);
  restored.append(appended(next));
  const all = [...restored];
  expect(all.slice(0, 101)).toEqual([...log]);
  expect(all.map(({ id }) => restored.positionOf(id))).toEqual(all.map((_, position) => position));
  expect(attempt(() => restored.append(appended(ids.slice(0, 32)))).ok).toBe(false);
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
