import { sha256 } from "@noble/hashes/sha2.js";
import fc from "fast-check";
import { expect, test } from "vitest";
import { arbitraryHistory, growHistory, type HistoryStep } from "../testing/arbitrary.ts";
import { BulkCheck, type Check, type CheckOutcome, vouchOwn } from "./chain.ts";
import { type Entry, encodeEntry, entryMessage, entrySignature } from "./entry.ts";
import type { EntryId, PublicKey } from "./ids.ts";

const good = 1;
const bad = 0;
const stores = [{ name: "notes", type: "table", payload: Uint8Array.of(1, 2, 3) }];

function step(author: number, more: Partial<HistoryStep> = {}): HistoryStep {
  return { author, fork: undefined, merges: [], ticks: 1, signature: good, stores, ...more };
}

/** In these tests a signature is good when its bytes are odd. */
function isGood({ signature }: { readonly signature: Uint8Array }): boolean {
  return (signature[0] as number) % 2 === good;
}

function isGoodEntry(entry: Entry): boolean {
  return isGood({ signature: entrySignature(entry) });
}

interface Run extends CheckOutcome {
  readonly checks: readonly Check[];
  readonly rounds: number;
}

function run(entries: readonly Entry[], isVouchedFor: (id: EntryId, author: PublicKey) => boolean = () => false): Run {
  const bulk = new BulkCheck(entries, isVouchedFor);
  const all: Check[] = [];
  let rounds = 0;
  for (let checks = bulk.next(); checks.length > 0; checks = bulk.next()) {
    all.push(...checks);
    rounds++;
    bulk.answer(checks.map(isGood));
  }
  return { checks: all, rounds, ...bulk.outcome };
}

function chain(signatures: readonly number[]): readonly Entry[] {
  return growHistory(
    signatures.map((signature) => step(0, { signature })),
    sha256,
  );
}

function refusedEntries({ refused }: Run): readonly Entry[] {
  return refused.map(({ entry, failure }) => {
    expect(failure).toEqual({ code: "ENTRY_SIGNATURE", details: { author: entry.author } });
    return entry;
  });
}

test("[CHAIN-1] 1,000 entries of one author cost one check", () => {
  const entries = chain(new Array(1_000).fill(good));
  const { checks, vouched, refused } = run(entries);
  expect(checks.map((check) => check.entry)).toEqual([entries[999]]);
  expect(vouched).toEqual(entries);
  expect(refused).toEqual([]);
});

test("[CHAIN-1] entries of five authors, mixed and merged, cost five checks", () => {
  const steps = Array.from({ length: 200 }, (_, i) => step(i % 5, { merges: i > 0 ? [i - 1] : [] }));
  const entries = growHistory(steps, sha256);
  const { checks, vouched } = run(entries);
  expect(checks.map((check) => check.entry)).toEqual(entries.slice(-5));
  expect(vouched).toEqual(entries);
});

test("[CHAIN-1] a fork costs a check for each branch", () => {
  const entries = growHistory([step(0), step(0), step(0), step(0, { fork: 1, ticks: 2 }), step(0)], sha256);
  const { checks, vouched } = run(entries);
  expect(checks.map((check) => check.entry)).toEqual([entries[2], entries[4]]);
  expect(vouched).toEqual(entries);
});

test("[CHAIN-1] what is checked is the entry's signature of its message under its author's key", () => {
  const [root] = chain([good]) as [Entry];
  const { checks } = run([root]);
  expect(checks).toEqual([
    { entry: root, publicKey: root.author, message: entryMessage(root), signature: entrySignature(root) },
  ]);
});

test("[CHAIN-2] a bad signature below a good one is vouched for by it", () => {
  const entries = chain([good, good, bad, good, good]);
  const { checks, vouched } = run(entries);
  expect(checks.length).toBe(1);
  expect(vouched).toEqual(entries);
});

test("[CHAIN-2] an entry named as prev by another author's entry is not vouched for by that", () => {
  const [root, victim] = growHistory([step(0), step(0, { signature: bad })], sha256) as [Entry, Entry];
  const [, other] = growHistory([step(0), step(1)], sha256) as [Entry, Entry];
  const thief = encodeEntry({ ...other, seq: 2, prev: victim.id, parents: [] }, entrySignature(other), sha256);
  const result = run([root, victim, thief]);
  expect(refusedEntries(result)).toEqual([victim]);
  expect(result.vouched).toEqual([root, thief]);
});

test("[CHAIN-2] an entry named as prev by one whose number is not the next is not vouched for by that", () => {
  const [root, victim, last] = chain([good, bad, good]) as [Entry, Entry, Entry];
  for (const seq of [1, 3]) {
    const jump = encodeEntry({ ...last, seq }, entrySignature(last), sha256);
    const result = run([root, victim, jump]);
    expect(refusedEntries(result)).toEqual([victim]);
    expect(result.vouched).toEqual([root, jump]);
  }
});

test("[CHAIN-3] a bad newest signature costs one more check, and only its entry is refused", () => {
  const entries = chain([...new Array(99).fill(good), bad]);
  const result = run(entries);
  expect(result.checks.map((check) => check.entry)).toEqual([entries[99], entries[98]]);
  expect(refusedEntries(result)).toEqual([entries[99]]);
  expect(result.vouched).toEqual(entries.slice(0, 99));
});

test("[CHAIN-3] several bad newest signatures are refused one by one down to the first good one", () => {
  const entries = chain([good, bad, good, bad, bad, bad]);
  const result = run(entries);
  expect(result.checks.map((check) => check.entry)).toEqual([entries[5], entries[4], entries[3], entries[2]]);
  expect(refusedEntries(result)).toEqual(entries.slice(3));
  expect(result.vouched).toEqual(entries.slice(0, 3));
});

test("[CHAIN-3] where one branch is bad, the good one vouches for what they share", () => {
  for (const [left, right] of [
    [good, bad],
    [bad, good],
  ] as const) {
    const steps = [step(0), step(0), step(0, { signature: left }), step(0, { fork: 1, signature: right })];
    const entries = growHistory(steps, sha256);
    const result = run(entries);
    expect(result.checks.length).toBe(2);
    expect(refusedEntries(result)).toEqual([entries[left === bad ? 2 : 3]]);
    expect(result.vouched.length).toBe(3);
  }
});

test("[CHAIN-3] where both branches are bad, what they share is checked once", () => {
  const steps = [
    step(0),
    step(0),
    step(0, { signature: bad }),
    step(0, { fork: 1, ticks: 2, signature: bad }),
    step(0, { signature: bad }),
  ];
  const entries = growHistory(steps, sha256);
  const result = run(entries);
  expect(result.checks.map((check) => check.entry)).toEqual([entries[2], entries[4], entries[3], entries[1]]);
  expect(result.vouched).toEqual(entries.slice(0, 2));
});

test("[CHAIN-4] an entry that one verified earlier vouches for is not checked, nor what is below it", () => {
  const entries = chain([good, bad, bad]);
  const last = entries[2] as Entry;
  const { checks, vouched } = run(entries, (id, author) => id === last.id && author === last.author);
  expect(checks).toEqual([]);
  expect(vouched).toEqual(entries);
});

test("[CHAIN-4] an entry below a bad one may be vouched for by one verified earlier", () => {
  const entries = chain([good, bad, bad]);
  const result = run(entries, (id) => id === entries[1]?.id);
  expect(result.checks.map((check) => check.entry)).toEqual([entries[2]]);
  expect(result.vouched).toEqual(entries.slice(0, 2));
});

test("[CHAIN-4] an entry that comes twice is checked and listed once", () => {
  const entries = chain([good, good, bad]);
  const result = run([...entries, ...entries]);
  expect(result.checks.length).toBe(2);
  expect(result.vouched).toEqual(entries.slice(0, 2));
  expect(refusedEntries(result)).toEqual([entries[2]]);
});

test("[CHAIN-4] asking again before the answer gives the same checks, and nothing costs nothing", () => {
  const bulk = new BulkCheck(chain([good, good]), () => false);
  expect(bulk.next()).toEqual(bulk.next());
  expect(() => bulk.outcome).toThrow("every check is answered");
  expect(() => bulk.answer([])).toThrow("as many verdicts as checks");
  expect(run([])).toEqual({ checks: [], rounds: 0, vouched: [], refused: [] });
});

/** Good itself, or named as prev by a good or vouched one of the same author and the next number: the rule as it is said. */
function vouchedByTheRule(entries: readonly Entry[]): ReadonlySet<EntryId> {
  const vouched = new Set(entries.filter(isGoodEntry).map((entry) => entry.id));
  for (const entry of entries.toReversed()) {
    if (vouched.has(entry.id) && entry.prev !== undefined) vouched.add(entry.prev);
  }
  return vouched;
}

test("[CHAIN-1] [CHAIN-2] [CHAIN-3] [CHAIN-4] of any part of any history, in any order, exactly what the rule says is vouched for, each checked at most once", () => {
  const parts = arbitraryHistory(sha256, { stepsMax: 30 }).chain((entries) =>
    fc.shuffledSubarray([...entries]).map((part) => ({ entries, part })),
  );
  fc.assert(
    fc.property(parts, ({ entries, part }) => {
      const result = run(part);
      const inOrder = entries.filter((entry) => part.includes(entry));
      const expected = vouchedByTheRule(inOrder);
      expect(result.vouched).toEqual(part.filter((entry) => expected.has(entry.id)));
      expect(refusedEntries(result)).toEqual(part.filter((entry) => !expected.has(entry.id)));
      expect(new Set(result.checks.map((check) => check.entry.id)).size).toBe(result.checks.length);
    }),
    { numRuns: 150 },
  );
});

test("[CHAIN-5] what this device signed itself needs no check", () => {
  const [root] = chain([bad]) as [Entry];
  expect(vouchOwn(root)).toBe(root);
});
