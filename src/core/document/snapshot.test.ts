import fc from "fast-check";
import { expect, test } from "vitest";
import { concatBytes } from "../bytes.ts";
import { CborWriter } from "../cbor-writer.ts";
import type { ChangeHash } from "./change-bytes.ts";
import { decodeSnapshot, encodeSnapshot } from "./snapshot.ts";

const heads = ["a1".repeat(32), "b2".repeat(32)] as ChangeHash[];

test("[DOC-28] a snapshot reads back as it was written, and other bytes are refused", () => {
  fc.assert(
    fc.property(fc.subarray(heads), fc.uint8Array(), fc.nat(), (some, bytes, cut) => {
      const encoded = encodeSnapshot({ heads: some, bytes });
      expect(decodeSnapshot(encoded)).toEqual({ ok: true, value: { heads: some, bytes } });
      expect(decodeSnapshot(encoded.subarray(0, cut % encoded.length)).ok).toBe(false);
    }),
  );
  const other = (version: number, hashes: number, length = 3): Uint8Array => {
    const writer = new CborWriter();
    writer.array(length);
    writer.uint(version);
    writer.bytes(new Uint8Array(hashes));
    writer.bytes(new Uint8Array(1));
    return writer.finish();
  };
  const all = [other(1, 32), other(0, 32), other(2, 32), other(1, 31), other(1, 32, 2), other(1, 32, 4)];
  const longer = concatBytes(other(1, 32), Uint8Array.of(0));
  expect([...all, longer].map((bytes) => decodeSnapshot(bytes).ok)).toEqual([true, ...new Array(6).fill(false)]);
});
