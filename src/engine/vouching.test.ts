import { sha256 } from "@noble/hashes/sha2.js";
import fc from "fast-check";
import { expect, test } from "vitest";
import { vouchOwn } from "../core/chain.ts";
import { type EntryBody, encodeUnsigned, sealEntry } from "../core/entry.ts";
import { unwrap } from "../core/errors.ts";
import type { DatabaseId, EntryId } from "../core/ids.ts";
import { decodeParts } from "../core/judgement.ts";
import { LogIndex } from "../core/log-index.ts";
import { indexOf } from "../core/trial.ts";
import type { StoredEntry } from "../ports/storage.ts";
import { createMemoryStorage, MemoryDisk } from "../storage/memory.ts";
import { type SimulatedIdentity, SimulatedVerifier, simulatedIdentity } from "../testing/simulated-keys.ts";
import { rowParts } from "../testing/writers.ts";
import { Vouching } from "./vouching.ts";

const authors = [1, 2, 3].map((byte) => simulatedIdentity(new Uint8Array(32).fill(byte), sha256)) as [
  SimulatedIdentity,
  SimulatedIdentity,
  SimulatedIdentity,
];

/** One entry of a log: who wrote it, which of its author's it continues, and how it is. */
interface Line {
  readonly author: 0 | 1 | 2;
  /** Counted back among the author's entries; beyond the first: it begins another branch. */
  readonly back?: number;
  readonly state?: "good" | "bad" | "unread";
}

interface Log {
  readonly entries: readonly StoredEntry[];
  /** The position of what each continues. */
  readonly prevs: readonly (number | undefined)[];
  readonly disk: MemoryDisk;
  readonly database: DatabaseId;
}

async function write(lines: readonly Line[]): Promise<Log> {
  const entries: StoredEntry[] = [];
  const prevs: (number | undefined)[] = [];
  for (const [i, { author, back = 0, state }] of lines.entries()) {
    const own = lines.flatMap((line, at) => (at < i && line.author === author ? [at] : []));
    const prev = own[own.length - 1 - back];
    entries.push(sealLine(authors[author], i, entries, prev, state === "bad"));
    prevs.push(prev);
  }
  const database = entries[0]?.id.slice(-64) as DatabaseId;
  const disk = new MemoryDisk();
  const storage = createMemoryStorage(disk);
  await storage.commit({ database, position: 0, entries, record: { id: database, name: "", relays: [] } });
  for (const [i, { state }] of lines.entries())
    if (state === "unread") disk.databases.get(database)?.bytes[i]?.fill(0, 20, 30);
  return { entries, prevs, disk, database };
}

function sealLine(
  author: SimulatedIdentity,
  i: number,
  before: readonly StoredEntry[],
  prev: number | undefined,
  isBad: boolean,
): StoredEntry {
  const continued = prev === undefined ? undefined : before[prev];
  const body: EntryBody = {
    database: i === 0 ? undefined : ("d".repeat(64) as DatabaseId),
    author: author.publicKey,
    seq: continued === undefined ? 0 : continued.seq + 1,
    prev: continued?.id,
    parents: i === 0 || continued !== undefined ? [] : [before[0]?.id as EntryId],
    height: i,
    time: i,
    stores: rowParts(`row ${i}`),
  };
  const message = encodeUnsigned(body);
  const signature = author.signNow(message);
  if (isBad) signature[0] = (signature[0] as number) ^ 1;
  const entry = vouchOwn(sealEntry(body, message, signature, sha256));
  return { ...indexOf(entry, unwrap(decodeParts(entry))), bytes: entry.bytes };
}

/** Where it ends, and how many signatures that took, the first time and the second. */
async function look({ entries, disk, database }: Log): Promise<readonly [end: number, checks: number, again: number]> {
  const verifier = new SimulatedVerifier(sha256);
  const vouching = new Vouching({ storage: createMemoryStorage(disk), sha256, verifier }, database);
  const end = await vouching.end(LogIndex.of(entries));
  const { checks } = verifier;
  expect(await vouching.end(LogIndex.of(entries.slice(0, end)))).toBe(end);
  return [end, checks, verifier.checks - checks];
}

const chain = (author: 0 | 1 | 2, count: number): readonly Line[] => Array.from({ length: count }, () => ({ author }));

test("[STORAGE-29] one signature is checked for each author and branch that is left, and none a second time", async () => {
  expect(await look(await write(chain(0, 50)))).toEqual([50, 1, 0]);
  expect(await look(await write([...chain(0, 20), ...chain(1, 10), ...chain(2, 1)]))).toEqual([31, 3, 0]);
  // Two branches of the first author.
  expect(await look(await write([...chain(0, 9), { author: 0, back: 3 }, ...chain(0, 2)]))).toEqual([12, 2, 0]);
});

test("[STORAGE-29] what a signed entry continues is not looked at, and a log ends before what nothing that is left vouches for", async () => {
  const bad: Line = { author: 1, state: "bad" };
  expect(await look(await write([...chain(0, 5), bad, bad, ...chain(1, 1), ...chain(0, 5)]))).toEqual([13, 2, 0]);
  // Both are checked, and the owner's last beyond them, which goes with them, and the one before them.
  expect(await look(await write([...chain(0, 5), bad, bad, ...chain(0, 5)]))).toEqual([5, 4, 0]);
  // What was vouched for from beyond the end is not any more.
  const owners: Line = { author: 0, state: "bad" };
  expect(await look(await write([...chain(0, 4), owners, bad, ...chain(0, 5)]))).toEqual([4, 4, 0]);
});

test("[STORAGE-29] an entry that cannot be read vouches for nothing, and ends nothing by itself", async () => {
  const unread: Line = { author: 1, state: "unread" };
  expect(await look(await write([...chain(0, 5), ...chain(1, 2), unread]))).toEqual([8, 2, 0]);
  expect(await look(await write([...chain(0, 5), { author: 1, state: "bad" }, unread]))).toEqual([5, 2, 0]);
  // Another branch vouches for what it continues, also when both are beyond the end.
  const branch: Line = { author: 1, back: 1 };
  expect(await look(await write([...chain(0, 5), { author: 1, state: "bad" }, unread, branch]))).toEqual([8, 2, 0]);
});

test("[STORAGE-29] a storage that cannot be read says nothing about entries: it rejects", async () => {
  const { entries, disk, database } = await write(chain(0, 3));
  const storage = createMemoryStorage(disk);
  const vouching = new Vouching({ storage, sha256, verifier: new SimulatedVerifier(sha256) }, database);
  await storage.close();
  await expect(vouching.end(LogIndex.of(entries))).rejects.toMatchObject({ code: "STORAGE_CLOSED" });
});

test("[STORAGE-29] however authors, branches and damage lie, the log keeps all that is vouched for from its beginning on", async () => {
  const line = fc.record({
    author: fc.constantFrom(0 as const, 1 as const, 2 as const),
    back: fc.nat({ max: 3 }),
    state: fc.constantFrom("good" as const, "good" as const, "good" as const, "bad" as const, "unread" as const),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(line, { maxLength: 25 }), async (lines) => {
      const all: readonly Line[] = [{ author: 0 }, ...lines];
      const log = await write(all);
      const [end, checks, again] = await look(log);
      expect(end).toBe(endOf(all, log.prevs));
      expect(checks).toBeLessThanOrEqual(all.filter(({ state }) => state !== "unread").length);
      expect(again).toBe(0);
    }),
  );
});

/** By the definition: the furthest end before which everything that can be read is signed, or continued by what is vouched for. */
function endOf(lines: readonly Line[], prevs: readonly (number | undefined)[]): number {
  const isVouched = (position: number, end: number): boolean =>
    (lines[position]?.state ?? "good") === "good" ||
    prevs.some((prev, i) => prev === position && i < end && lines[i]?.state !== "unread" && isVouched(i, end)) ||
    // Through one that cannot be read its own successors vouch.
    prevs.some((prev, i) => prev === position && i < end && lines[i]?.state === "unread" && isContinued(i, end));
  const isContinued = (position: number, end: number): boolean =>
    prevs.some((prev, i) => prev === position && i < end && isVouched(i, end));
  for (let end = lines.length; ; end--) {
    const all = lines.slice(0, end);
    if (all.every(({ state }, position) => state === "unread" || isVouched(position, end))) return end;
  }
}
