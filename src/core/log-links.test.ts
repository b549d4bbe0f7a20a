import { expect, test } from "vitest";
import { SeededRandom } from "../testing/random.ts";
import { StoredEntries } from "../testing/stored-entries.ts";
import { type EntryId, entryIdFromDigest, type PublicKey } from "./ids.ts";
import { LogIndex } from "./log-index.ts";
import { linksOf } from "./log-links.ts";
import type { EntryIndex } from "./node.ts";

const entries = new StoredEntries(new SeededRandom(1)).take(200).map(({ bytes: _bytes, ...index }) => index);

test("what the entries of a log are to each other is found out once", () => {
  const index = LogIndex.of(entries);
  expect(linksOf(index)).toBe(linksOf(index));
});

test("[STORAGE-48] what was found out of the first entries of a log is not found out again", () => {
  const [first, whole] = [LogIndex.of(entries.slice(0, 100)), linksOf(LogIndex.of(entries))];
  const earlier = linksOf(first);
  expect(linksOf(LogIndex.of(entries), earlier)).toEqual(whole);
  const tips = earlier.tips + 100;
  expect(linksOf(LogIndex.of(entries), { ...earlier, tips }).tips).toBe(whole.tips + 100);
});

function idOf(position: number): EntryId {
  return entryIdFromDigest(new Uint8Array(32).fill(position + 1));
}

/** By two authors in turn. */
function entryAt(position: number, settings: boolean, prev?: number, ...parents: readonly number[]): EntryIndex {
  return {
    id: idOf(position),
    author: `author ${position % 2}` as PublicKey,
    seq: prev === undefined ? 0 : 1,
    prev: prev === undefined ? undefined : idOf(prev),
    parents: parents.map(idOf),
    height: position,
    time: position,
    size: 1,
    settings,
  };
}

test("[GRAPH-5] who knows the same settings shares a list of them, with the log if those are all", () => {
  const log = [
    entryAt(0, true),
    entryAt(1, true, undefined, 0),
    entryAt(2, true, 0),
    // What its author wrote is in no parent's past.
    entryAt(3, false, 1, 2),
    entryAt(4, false, 2, 3),
    entryAt(5, false, undefined, 4),
  ];
  const [root, both] = [linksOf(LogIndex.of(log.slice(0, 1))), linksOf(LogIndex.of(log.slice(0, 3)))];
  expect([root.last, root.steps]).toEqual([root.after[0], [{ position: 0, list: root.after[0] }]]);
  expect([both.lists[both.last], both.tips]).toEqual([[1, 2], 2]);
  const { lists, before, after, last, followers, coversAll, tips } = linksOf(LogIndex.of(log));
  expect([...before].map((place) => lists[place])).toEqual([[], [0], [0], [1, 2], [1, 2], [1, 2]]);
  expect([...after].map((place) => lists[place])).toEqual([[0], [1], [2], [1, 2], [1, 2], [1, 2]]);
  expect([after[4], after[5], last]).toEqual([after[3], after[3], after[3]]);
  expect([...followers]).toEqual([2, 1, 2, 1, 1, 0]);
  expect([...coversAll]).toEqual([1, 1, 0, 1, 1, 1]);
  expect(tips).toBe(1);
});
