import fc from "fast-check";
import { expect, test } from "vitest";
import { loadSha256 } from "../../crypto/sha256.ts";
import { applyDamage, arbitraryDamage } from "../../testing/arbitrary.ts";
import { encodeTail, measured, opOf, uleb } from "../../testing/document-tail.ts";
import { concatBytes } from "../bytes.ts";
import { TidemarkError } from "../errors.ts";
import { encodeHex } from "../ids.ts";
import { changeDepsMax, opCounterMax } from "../limits.ts";
import {
  buildChange,
  type ChangeHeader,
  changeHashFromBytes,
  changeHashFromHex,
  type SplitChange,
  splitChange,
} from "./change-bytes.ts";

const sha256 = await loadSha256();

const hash = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(changeHashFromBytes);
const header: fc.Arbitrary<ChangeHeader> = fc.record({
  deps: fc.uniqueArray(hash, { maxLength: 5 }).map((deps) => deps.sort()),
  actor: fc.uint8Array({ minLength: 16, maxLength: 24 }),
  seq: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  startOp: fc.integer({ min: 1, max: opCounterMax }),
});

const tail = encodeTail({ time: 0, message: "", others: [], ops: [opOf()] });
const plain: ChangeHeader = { deps: [], actor: new Uint8Array(16).fill(0xab), seq: 1, startOp: 1 };
const change = buildChange(plain, tail, sha256).bytes;

test("[DOC-7] a change that is put together comes apart into what it was made of, under the hash of its contents", () => {
  fc.assert(
    fc.property(header, fc.uint8Array({ maxLength: 300 }), (parts, rest) => {
      const built = buildChange(parts, rest, sha256);
      expect(splitChange(built.bytes)).toEqual({ ...parts, tail: rest });
      const digest = sha256(built.bytes.subarray(8));
      expect(built.hash).toBe(encodeHex(digest));
      expect(built.bytes.subarray(4, 8)).toEqual(digest.subarray(0, 4));
    }),
  );
});

/** What is refused about bytes, or what they come apart into. */
function split(bytes: Uint8Array): SplitChange | string {
  try {
    return splitChange(bytes);
  } catch (error) {
    if (error instanceof TidemarkError && error.code === "DOC_CHANGE") return error.message;
    throw error;
  }
}

test("[DOC-7] a change may have as many deps and as high a counter as there may be", () => {
  const hashes = Array.from({ length: changeDepsMax }, (_, i) => new Uint8Array(32).fill(i)).map(changeHashFromBytes);
  const largest = { ...plain, deps: hashes, seq: Number.MAX_SAFE_INTEGER, startOp: opCounterMax };
  expect(splitChange(buildChange(largest, tail, sha256).bytes)).toEqual({ ...largest, tail });
});

test("[DOC-8] damaged bytes are refused, or give the same bytes when they are put together again", () => {
  let taken = 0;
  fc.assert(
    fc.property(header, arbitraryDamage(), (parts, damages) => {
      const bytes = applyDamage(buildChange(parts, tail, sha256).bytes, damages);
      const got = split(bytes);
      if (typeof got === "string") return;
      taken++;
      expect(buildChange(got, got.tail, sha256).bytes.subarray(8)).toEqual(bytes.subarray(8));
    }),
    { numRuns: 500 },
  );
  expect(taken).toBeGreaterThan(0);
});

/** A change with these contents, whatever they are. */
function seal(contents: readonly number[], type = 1): Uint8Array {
  return Uint8Array.from([...change.subarray(0, 8), type, ...measured(contents)]);
}

const [actor, one] = [measured(plain.actor), [1]];
const [low, high] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
const deps = (...hashes: readonly Uint8Array[]) => [...uleb(hashes.length), ...hashes.flatMap((dep) => [...dep])];

test.each<[string, Uint8Array, string]>([
  ["no change at all", Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9), "other bytes"],
  ["nothing", new Uint8Array(0), "end early"],
  ["a document", seal([], 0), "a document"],
  ["a compressed change", seal([], 2), "a compressed change"],
  ["a bundle of changes", seal([], 3), "a bundle"],
  ["a type that nobody knows", seal([], 9), "type 9"],
  ["a byte behind it", concatBytes(change, Uint8Array.of(0)), "bytes of contents"],
  ["another change behind it", concatBytes(change, change), "bytes of contents"],
  ["a byte too few", change.subarray(0, -1), "bytes of contents"],
  ["a length in a longer form", Uint8Array.from([...change.subarray(0, 9), 0x81, 0]), "longer form"],
  ["deps out of order", seal([...deps(high, low), ...actor, 1, 1]), "deps out of order"],
  ["a dep twice", seal([...deps(low, low), ...actor, 1, 1]), "deps out of order"],
  ["more deps than may be", seal([...uleb(changeDepsMax + 1), ...actor, 1, 1]), `${changeDepsMax + 1}`],
  ["deps that are not there", seal([1, 2, 3]), "end early"],
  ["an actor that is not there", seal([0, 200, 1, 1]), "end early"],
  ["the number 0", seal([0, ...actor, 0, 1]), "number of 0"],
  ["the counter 0", seal([0, ...actor, 1, 0]), "number of 0"],
  ["a counter of 2^31", seal([0, ...actor, ...one, ...uleb(opCounterMax + 1)]), `${opCounterMax + 1}`],
  ["a number of 2^53", seal([0, ...actor, ...uleb(2n ** 53n), ...one]), "beyond 2^53"],
  ["a number of 2^64", seal([0, ...actor, ...uleb(2n ** 64n), ...one]), "beyond 2^53"],
  ["a number in a longer form", seal([0, ...actor, 0x81, 0, ...one]), "longer form"],
])("[DOC-8] %s is refused", (_, bytes, reason) => {
  expect(split(bytes)).toContain(reason);
});

test("[DOC-8] a hash is 64 hex digits in lower case, or INPUT_INVALID", () => {
  expect(changeHashFromHex("0a".repeat(32))).toBe("0a".repeat(32));
  for (const hex of ["", "0a", "0A".repeat(32), "0a".repeat(33), `${"0a".repeat(31)}0g`])
    expect(() => changeHashFromHex(hex)).toThrow("INPUT_INVALID");
  const shown = { field: "head", got: "f".repeat(80), expected: "64 hex digits" };
  expect(() => changeHashFromHex("f".repeat(1_000))).toThrow(expect.objectContaining({ details: shown }));
});
