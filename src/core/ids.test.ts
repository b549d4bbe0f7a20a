import fc from "fast-check";
import { CID } from "multiformats/cid";
import { create } from "multiformats/hashes/digest";
import { expect, test } from "vitest";
import { arbitraryEntryId } from "../testing/arbitrary.ts";
import { TidemarkError } from "./errors.ts";
import {
  cidBytes,
  decodeHex,
  type EntryId,
  encodeHex,
  entryIdFromHex,
  formatCid,
  parseCid,
  publicKeyFromBytes,
  publicKeyFromHex,
} from "./ids.ts";

function oracleCid(id: EntryId): CID {
  return CID.createV1(0x71, create(0x12, Buffer.from(id, "hex")));
}

function codeThrownBy(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    return error instanceof TidemarkError ? error.code : String(error);
  }
  return "nothing";
}

test("[ENTRY-6] bytes and lower-case hex are each other's inverse", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70 }), (bytes) => {
      expect(encodeHex(bytes)).toBe(Buffer.from(bytes).toString("hex"));
      expect(decodeHex(encodeHex(bytes))).toEqual(bytes);
    }),
  );
});

test("[ENTRY-6] ids order as texts as their bytes do", () => {
  fc.assert(
    fc.property(arbitraryEntryId(), arbitraryEntryId(), fc.nat(31), (a, b, shared) => {
      const near = entryIdFromHex(a.slice(0, 2 * shared) + b.slice(2 * shared));
      const order = Buffer.compare(decodeHex(a), decodeHex(near));
      expect(a < near ? -1 : a > near ? 1 : 0).toBe(order);
    }),
  );
});

test("[ENTRY-6] an id's CID is the one that other IPLD tools give, as bytes and as text", () => {
  fc.assert(
    fc.property(arbitraryEntryId(), (id) => {
      expect(cidBytes(id)).toEqual(oracleCid(id).bytes);
      expect(formatCid(id)).toBe(oracleCid(id).toString());
      expect(parseCid(formatCid(id))).toBe(id);
    }),
  );
});

test("[ENTRY-6] a text that is not exactly such a CID is refused", () => {
  const digit = fc.constantFrom(..."abcdefghijklmnopqrstuvwxyz234567B018=é ");
  fc.assert(
    fc.property(arbitraryEntryId(), fc.nat(58), digit, (id, at, other) => {
      const text = formatCid(id);
      const altered = text.slice(0, at) + other + text.slice(at + 1);
      let parsed: string | undefined;
      try {
        parsed = parseCid(altered);
      } catch (error) {
        expect(error).toBeInstanceOf(TidemarkError);
      }
      if (parsed !== undefined) expect(formatCid(parsed as EntryId)).toBe(altered);
    }),
    { numRuns: 500 },
  );
  const good = formatCid(entryIdFromHex("00".repeat(32)));
  const raw = CID.createV1(0x55, create(0x12, new Uint8Array(32))).toString();
  for (const text of [
    "",
    "b",
    good.slice(1),
    `${good}a`,
    good.slice(0, -1),
    good.toUpperCase(),
    raw,
    `z${good.slice(1)}`,
  ]) {
    expect(codeThrownBy(() => parseCid(text))).toBe("INPUT_INVALID");
  }
});

test("[ENTRY-6] an id or key of another length or with other digits is refused", () => {
  for (const hex of ["", "0".repeat(63), "0".repeat(65), "A".repeat(64), `${"0".repeat(63)}g`, `${"0".repeat(64)}\n`]) {
    expect(codeThrownBy(() => entryIdFromHex(hex))).toBe("INPUT_INVALID");
    expect(codeThrownBy(() => publicKeyFromHex(hex))).toBe("INPUT_INVALID");
  }
  for (const length of [0, 31, 33, 64]) {
    expect(codeThrownBy(() => publicKeyFromBytes(new Uint8Array(length)))).toBe("INPUT_INVALID");
  }
});
