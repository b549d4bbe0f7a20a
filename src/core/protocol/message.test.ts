import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { applyDamage, arbitraryDamage } from "../../testing/arbitrary.ts";
import { arbitraryMessage } from "../../testing/arbitrary-message.ts";
import { keyOf } from "../../testing/writers.ts";
import { CborWriter } from "../cbor-writer.ts";
import type { EntryId } from "../ids.ts";
import { databasesPerDigestMax, samplesMax, wantsMax } from "../limits.ts";
import { decodeMessage, encodeMessage, type Message } from "./message.ts";
import { prefixOf, shortDigest } from "./short-digest.ts";

const id = "12".repeat(32) as EntryId;

test("[MESSAGE-2] a message comes back from its bytes, and its bytes from it", () => {
  fc.assert(
    fc.property(arbitraryMessage(), (message) => {
      const bytes = encodeMessage(message);
      const decoded = decodeMessage(bytes);
      expect(decoded).toEqual({ ok: true, value: message });
      if (decoded.ok) expect(encodeMessage(decoded.value)).toEqual(bytes);
    }),
    { numRuns: 500 },
  );
});

test("[MESSAGE-1] [MESSAGE-2] damaged bytes are refused with a code, or are the bytes of what is read", () => {
  fc.assert(
    fc.property(arbitraryMessage(), arbitraryDamage(), (message, damage) => {
      const bytes = applyDamage(encodeMessage(message), damage);
      const decoded = decodeMessage(bytes);
      if (decoded.ok) expect(encodeMessage(decoded.value)).toEqual(bytes);
      else expect(decoded.failure.code).toMatch(/^(CBOR_|MESSAGE_MALFORMED$)/);
    }),
    { numRuns: 2_000 },
  );
});

test("[MESSAGE-1] any bytes are refused with a code, or read", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const decoded = decodeMessage(bytes);
      if (!decoded.ok) expect(decoded.failure.code).toMatch(/^(CBOR_|MESSAGE_MALFORMED$)/);
    }),
    { numRuns: 2_000 },
  );
});

describe("[MESSAGE-1] refused are", () => {
  const sample = { seq: 1, id };
  const commitment = "ab".repeat(12);
  const tooMany: readonly (readonly [string, Message])[] = [
    ["too many ids", { type: "want", database: id, ids: Array(wantsMax + 1).fill(id) }],
    [
      "too many samples",
      { type: "skeleton", database: id, author: keyOf(1), samples: Array(samplesMax + 1).fill(sample) },
    ],
    [
      "too many digests",
      { type: "digest", continues: false, digests: Array(databasesPerDigestMax + 1).fill(digestOf(id)) },
    ],
    ["a long commitment", { type: "unavailable", commitment: `${commitment}cd` }],
    ["a short signature", { type: "join", commitment, invite: keyOf(1), signature: new Uint8Array(63) }],
  ];
  test.each(tooMany)("%s", (_what, message) => {
    expect(decodeMessage(encodeMessage(message))).toMatchObject({ ok: false });
  });

  test.each([
    ["an unknown kind", [13, 2]],
    ["a kind with too few fields", [0, 1]],
    ["a kind with too many fields", [7, 3]],
    ["no kind", [0, 0]],
  ])("%s", (_what, [kind, length]) => {
    const writer = new CborWriter();
    writer.array(length as number);
    for (let i = 0; i < (length as number); i++) writer.uint(kind as number);
    expect(decodeMessage(writer.finish())).toMatchObject({ ok: false });
  });

  test("digests that end within one", () => {
    const writer = new CborWriter();
    writer.array(3);
    writer.uint(0);
    writer.boolean(false);
    writer.bytes(new Uint8Array(19));
    expect(decodeMessage(writer.finish())).toMatchObject({ ok: false, failure: { code: "MESSAGE_MALFORMED" } });
  });

  function digestOf(database: EntryId): { readonly prefix: string; readonly digest: string } {
    return { prefix: prefixOf(database), digest: shortDigest(database) };
  }
});

test("[MESSAGE-3] a digest takes 18 bytes a database", () => {
  const digests = Array.from({ length: 100 }, () => ({ prefix: prefixOf(id), digest: shortDigest(id) }));
  expect(encodeMessage({ type: "digest", continues: false, digests }).length).toBe(6 + 18 * 100);
});

test("[MESSAGE-4] the answer to a digest takes one bit a database", () => {
  const size = (count: number): number =>
    encodeMessage({ type: "same", number: 1, bits: Array(count).fill(true) }).length;
  expect([size(8), size(9), size(1_000)]).toEqual([6, 7, 133]);
});

test("[MESSAGE-1] an answer whose spare bits are not 0 is refused", () => {
  const bytes = encodeMessage({ type: "same", number: 1, bits: [true] });
  bytes[bytes.length - 1] = 3;
  expect(decodeMessage(bytes)).toMatchObject({ ok: false, failure: { code: "MESSAGE_MALFORMED" } });
});

test("[MESSAGE-1] a digest of another length is refused", () => {
  const stored: Message = { type: "stored", database: id, number: 1, complete: true, digest: "ab".repeat(5) };
  expect(decodeMessage(encodeMessage(stored))).toMatchObject({ ok: false, failure: { code: "MESSAGE_MALFORMED" } });
});
