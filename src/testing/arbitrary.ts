/**
 * Arbitraries for property tests: values, entries, whole histories of a database, and damage to bytes. Everything shrinks.
 * Signatures are 64 equal bytes: whoever needs good and bad ones decides by the byte which are which.
 */
import fc from "fast-check";
import { concatBytes } from "../core/bytes.ts";
import type { CborValue } from "../core/cbor.ts";
import { type Entry, type EntryBody, encodeEntry, type StorePart } from "../core/entry.ts";
import { unreachable } from "../core/errors.ts";
import { type EntryId, entryIdFromDigest, type PublicKey, publicKeyFromBytes, type Sha256 } from "../core/ids.ts";
import { storeNameBytesMax, storeTypeBytesMax } from "../core/limits.ts";
import { compareUtf8, utf8Length } from "../core/utf8.ts";

export function arbitraryEntryId(): fc.Arbitrary<EntryId> {
  return fc.uint8Array({ minLength: 32, maxLength: 32 }).map(entryIdFromDigest);
}

export function arbitraryPublicKey(): fc.Arbitrary<PublicKey> {
  return fc.uint8Array({ minLength: 32, maxLength: 32 }).map(publicKeyFromBytes);
}

/** Any character, each length in UTF-8 as often. fast-check's own unit for this takes a second to set up. */
function arbitraryCharacter(): fc.Arbitrary<string> {
  const ranges = [
    { min: 0, max: 0x7f },
    { min: 0x80, max: 0x7ff },
    { min: 0x800, max: 0xd7ff },
    { min: 0xe000, max: 0xffff },
    { min: 0x10000, max: 0x10ffff },
  ];
  return fc.oneof(...ranges.map((range) => fc.integer(range))).map((point) => String.fromCodePoint(point));
}

/** Well-formed text, often short and ASCII, with names that objects inherit among it. */
export function arbitraryText(): fc.Arbitrary<string> {
  const inherited = fc.constantFrom("__proto__", "constructor", "toString", "hasOwnProperty", "0", "length");
  return fc.oneof(fc.string(), fc.string({ unit: arbitraryCharacter() }), inherited);
}

/** What one row, key or cell can hold. */
export function arbitraryValue(): fc.Arbitrary<CborValue> {
  const edges = fc.constantFrom(
    23,
    24,
    255,
    256,
    65_535,
    65_536,
    2 ** 32 - 1,
    2 ** 32,
    2 ** 53 - 1,
    2 ** 53,
    -(2 ** 53),
    1e300,
  );
  const number = fc.oneof(
    fc.integer(),
    fc.maxSafeInteger(),
    fc.double({ noDefaultInfinity: true, noNaN: true }),
    edges,
  );
  const { value } = fc.letrec<{ value: CborValue }>((tie) => ({
    value: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      fc.constant(null),
      fc.boolean(),
      number.map((n) => (n === 0 ? 0 : n)),
      arbitraryText(),
      fc.uint8Array(),
      fc.array(tie("value"), { maxLength: 5 }),
      fc.dictionary(arbitraryText(), tie("value"), { maxKeys: 5, noNullPrototype: true }),
    ),
  }));
  return value;
}

function arbitraryName(bytesMax: number): fc.Arbitrary<string> {
  return arbitraryText().filter((name) => name !== "" && utf8Length(name) <= bytesMax);
}

export function arbitraryParts(): fc.Arbitrary<readonly StorePart[]> {
  const part = fc.record({
    name: arbitraryName(storeNameBytesMax),
    type: arbitraryName(storeTypeBytesMax),
    payload: fc.uint8Array({ maxLength: 40 }),
  });
  return fc
    .uniqueArray(part, { minLength: 1, maxLength: 4, selector: ({ name }) => name })
    .map((parts) => parts.sort((a, b) => compareUtf8(a.name, b.name)));
}

/** A body that is valid by itself; what it refers to need not exist. */
export function arbitraryBody(): fc.Arbitrary<EntryBody> {
  const number = fc.oneof(fc.nat(), fc.maxSafeNat());
  const fields = fc.record({
    database: arbitraryEntryId(),
    author: arbitraryPublicKey(),
    n: number,
    height: number,
    time: number,
    prev: fc.option(arbitraryEntryId(), { nil: undefined }),
    parents: fc.uniqueArray(arbitraryEntryId(), { maxLength: 4 }),
    withPrev: fc.boolean(),
    isRoot: fc.boolean(),
    stores: arbitraryParts(),
  });
  return fields.map(({ database, author, n, height, time, prev, parents, withPrev, isRoot, stores }) => {
    if (isRoot) return { database: undefined, author, seq: 0, prev: undefined, parents: [], height: 0, time, stores };
    const seq = prev === undefined ? 0 : Math.max(1, n);
    const some = prev === undefined && parents.length === 0 ? [database] : parents;
    const all = prev !== undefined && withPrev && parents.length > 0 ? [...parents, prev] : some;
    return { database, author, seq, prev, parents: sortedUnique(all), height: Math.max(1, height), time, stores };
  });
}

export function arbitrarySignature(): fc.Arbitrary<Uint8Array> {
  return fc.nat(255).map((byte) => new Uint8Array(64).fill(byte));
}

export function arbitraryEntry(sha256: Sha256): fc.Arbitrary<Entry> {
  return fc
    .tuple(arbitraryBody(), arbitrarySignature())
    .map(([body, signature]) => encodeEntry(body, signature, sha256));
}

/** One transaction of a history. Numbers choose among what exists when its turn comes, so that any list of steps is valid. */
export interface HistoryStep {
  readonly author: number;
  /** Undefined: continues the author's newest entry. A number: that one of its entries, which forks the chain. */
  readonly fork: number | undefined;
  /** Entries it follows besides `prev`. */
  readonly merges: readonly number[];
  readonly ticks: number;
  /** Every byte of the signature. */
  readonly signature: number;
  readonly stores: readonly StorePart[];
}

export interface HistoryOptions {
  readonly stepsMax?: number;
  readonly authorsMax?: number;
  /** Whether chains fork. */
  readonly forks?: boolean;
}

/** A database from its root on: every entry stands after those it follows, with right heights and growing times. */
export function arbitraryHistory(sha256: Sha256, options: HistoryOptions = {}): fc.Arbitrary<readonly Entry[]> {
  const { stepsMax = 20, authorsMax = 3, forks = true } = options;
  const straight = { weight: 4, arbitrary: fc.constant(undefined) };
  const step: fc.Arbitrary<HistoryStep> = fc.record({
    author: fc.nat(authorsMax - 1),
    fork: forks ? fc.oneof(straight, { weight: 1, arbitrary: fc.nat() }) : fc.constant(undefined),
    merges: fc.oneof(
      { weight: 3, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: fc.array(fc.nat(), { maxLength: 3 }) },
    ),
    ticks: fc.nat(2_000_000),
    signature: fc.nat(255),
    stores: arbitraryParts(),
  });
  return fc.array(step, { minLength: 1, maxLength: stepsMax }).map((steps) => growHistory(steps, sha256));
}

/** The entries that these steps make, root first. A step that repeats an entry to the last bit is left out. */
export function growHistory(steps: readonly HistoryStep[], sha256: Sha256): readonly Entry[] {
  const entries: Entry[] = [];
  const ids = new Set<EntryId>();
  for (const step of steps) {
    const entry = encodeEntry(bodyAfter(entries, step), new Uint8Array(64).fill(step.signature), sha256);
    if (ids.has(entry.id)) continue;
    ids.add(entry.id);
    entries.push(entry);
  }
  return entries;
}

function bodyAfter(entries: readonly Entry[], { author: number, fork, merges, ticks, stores }: HistoryStep): EntryBody {
  const author = publicKeyFromBytes(new Uint8Array(32).fill(number + 1));
  const root = entries[0];
  if (root === undefined) {
    return { database: undefined, author, seq: 0, prev: undefined, parents: [], height: 0, time: ticks, stores };
  }
  const own = entries.filter((entry) => entry.author === author);
  const prev = own[fork === undefined ? own.length - 1 : fork % Math.max(1, own.length)];
  const merged = merges.map((merge) => entries[merge % entries.length] as Entry);
  const parents = parentsOf(prev, merged.length === 0 && prev === undefined ? [root] : merged);
  const followed = [prev, ...merged, root].filter((entry) => entry !== undefined);
  return {
    database: root.id,
    author,
    seq: prev === undefined ? 0 : prev.seq + 1,
    prev: prev?.id,
    parents,
    height: 1 + Math.max(...followed.map((entry) => entry.height)),
    time: 1 + ticks + Math.max(...followed.map((entry) => entry.time)),
    stores,
  };
}

function parentsOf(prev: Entry | undefined, merged: readonly Entry[]): readonly EntryId[] {
  const parents = sortedUnique(merged.map((entry) => entry.id));
  return parents.length === 1 && parents[0] === prev?.id ? [] : parents;
}

function sortedUnique(ids: readonly EntryId[]): readonly EntryId[] {
  return [...new Set(ids)].sort();
}

/** One piece of damage. Offsets are taken modulo the length of what is damaged. */
export type Damage =
  | { readonly type: "flip"; readonly at: number; readonly mask: number }
  | { readonly type: "cut"; readonly at: number }
  | { readonly type: "insert"; readonly at: number; readonly bytes: Uint8Array }
  | { readonly type: "repeat"; readonly at: number; readonly length: number };

export function arbitraryDamage(): fc.Arbitrary<readonly Damage[]> {
  const at = fc.nat(1_000_000);
  const flip = fc.record({ type: fc.constant("flip" as const), at, mask: fc.integer({ min: 1, max: 255 }) });
  const cut = fc.record({ type: fc.constant("cut" as const), at });
  const insert = fc.record({
    type: fc.constant("insert" as const),
    at,
    bytes: fc.uint8Array({ minLength: 1, maxLength: 12 }),
  });
  const repeat = fc.record({ type: fc.constant("repeat" as const), at, length: fc.integer({ min: 1, max: 100 }) });
  const damage = fc.oneof(
    { weight: 3, arbitrary: flip },
    { weight: 1, arbitrary: cut },
    { weight: 1, arbitrary: insert },
    { weight: 1, arbitrary: repeat },
  );
  return fc.array(damage, { minLength: 1, maxLength: 4 });
}

/** A damaged copy. */
export function applyDamage(bytes: Uint8Array, damages: readonly Damage[]): Uint8Array {
  return damages.reduce<Uint8Array>(damageOnce, bytes.slice());
}

function damageOnce(bytes: Uint8Array, damage: Damage): Uint8Array {
  const at = bytes.length === 0 ? 0 : damage.at % bytes.length;
  const before = bytes.subarray(0, at);
  const after = bytes.subarray(at);
  switch (damage.type) {
    case "flip":
      return bytes.map((byte, i) => (i === at ? byte ^ damage.mask : byte));
    case "cut":
      return bytes.slice(0, at);
    case "insert":
      return concatBytes(before, damage.bytes, after);
    case "repeat":
      return concatBytes(before, after.subarray(0, damage.length), after);
    default:
      return unreachable(damage);
  }
}
