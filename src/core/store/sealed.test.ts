import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { loadSha256 } from "../../crypto/sha256.ts";
import { applyDamage, arbitraryBody, arbitraryDamage, arbitraryParts } from "../../testing/arbitrary.ts";
import { keyOf, rowParts, seal, sealRoot, settingsParts, Writer } from "../../testing/writers.ts";
import type { StorePart } from "../entry.ts";
import type { Failure } from "../errors.ts";
import type { Sha256 } from "../ids.ts";
import { decodePart, decodeSealedStores } from "./kinds.ts";
import {
  associatedData,
  decodeContent,
  decodeSealed,
  type EpochKeyId,
  encodeContent,
  type SealedPayload,
  sealedPart,
} from "./sealed.ts";
import type { SettingsOp } from "./settings.ts";

let sha256: Sha256;
beforeAll(async () => {
  sha256 = await loadSha256();
});

const bytesOf = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length });
const arbitraryPayload: fc.Arbitrary<SealedPayload> = fc.record({
  epoch: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  keyId: bytesOf(16).map((bytes) => Buffer.from(bytes).toString("hex") as EpochKeyId),
  nonce: bytesOf(12),
  ciphertext: fc.uint8Array(),
});

describe("[ENCRYPTION-1] a sealed part", () => {
  test("comes back as it was", () => {
    fc.assert(
      fc.property(arbitraryPayload, (payload) => {
        const part = sealedPart(payload);
        expect(decodePart(part)).toEqual({ ok: true, value: { type: "sealed", name: "_sealed", payload } });
      }),
    );
  });

  test("has one form: damaged bytes are refused, or are those of the payload that is read from them", () => {
    fc.assert(
      fc.property(arbitraryPayload, arbitraryDamage(), (payload, damage) => {
        const damaged = applyDamage(sealedPart(payload).payload, damage);
        const read = decodeSealed("_sealed", damaged);
        if (read.ok) expect(sealedPart(read.value).payload).toEqual(damaged);
        else expect(read.failure.code).toMatch(/^(CBOR_|ENTRY_PAYLOAD)/);
      }),
    );
  });

  test.each([
    [{ name: "_sealed", type: "table" }],
    [{ name: "_sealed", type: "doc" }],
    [{ name: "notes", type: "sealed" }],
    [{ name: "_other", type: "sealed" }],
  ])("of another name or type is refused: %o", (named) => {
    const { payload } = sealedPart({ epoch: 1, keyId: "00".repeat(16) as EpochKeyId, nonce, ciphertext: nonce });
    expect(decodePart({ ...named, payload })).toMatchObject({ ok: false, failure: { code: "ENTRY_PAYLOAD" } });
  });

  test("has an epoch of at least 1", () => {
    const part = sealedPart({ epoch: 0, keyId: "00".repeat(16) as EpochKeyId, nonce, ciphertext: nonce });
    expect(decodePart(part)).toMatchObject({ ok: false, failure: { code: "ENTRY_PAYLOAD" } });
  });
});

const nonce: Uint8Array = new Uint8Array(12);

describe("what is sealed", () => {
  test("[ENCRYPTION-1] comes back as it was, and has the form that an entry's parts have", () => {
    fc.assert(
      fc.property(arbitraryParts(), (parts) => {
        expect(decodeContent(encodeContent(parts))).toEqual({ ok: true, value: parts });
      }),
    );
  });

  test("[ENCRYPTION-6] damaged bytes are refused, or are those of the parts that are read from them", () => {
    fc.assert(
      fc.property(arbitraryParts(), arbitraryDamage(), (parts, damage) => {
        const damaged = applyDamage(encodeContent(parts), damage);
        const read = decodeContent(damaged);
        if (read.ok) expect(encodeContent(read.value)).toEqual(damaged);
        else expect(read.failure.code).toMatch(/^(CBOR_|ENTRY_MALFORMED)/);
      }),
    );
  });

  const row = rowParts("r")[0] as StorePart;
  const name = settingsParts({ type: "name", name: "Mine" })[0] as StorePart;
  test.each([
    ["settings", [name], "ENTRY_PAYLOAD"],
    ["settings beside content", [name, row], "ENTRY_PAYLOAD"],
    ["a sealed part", [{ name: "_sealed", type: "sealed", payload: nonce }], "ENTRY_PAYLOAD"],
    ["a reserved name", [{ ...row, name: "_rows" }], "ENTRY_PAYLOAD"],
    ["a payload that is none", [{ ...row, payload: Uint8Array.of(0x80) }], "ENTRY_PAYLOAD"],
  ])("[ENCRYPTION-6] is no content when it holds %s", (_what, parts, code) => {
    expect(decodeSealedStores(encodeContent(parts))).toMatchObject({ ok: false, failure: { code } });
  });
});

test("[ENCRYPTION-2] associated data tell every two headers and epochs apart, and say nothing of the stores", () => {
  const header = arbitraryBody().map(({ stores: _stores, ...rest }) => rest);
  fc.assert(
    fc.property(header, header, fc.nat(9), fc.nat(9), (a, b, one, other) => {
      const isSame = one === other && JSON.stringify(a) === JSON.stringify(b);
      expect(Buffer.compare(associatedData(a, one), associatedData(b, other)) === 0).toBe(isSame);
    }),
  );
});

describe("[ENCRYPTION-4] what the root says binds every entry", () => {
  const owner = keyOf(1);
  const epoch: SettingsOp = { type: "epoch", number: 1, keys: [{ key: owner, wrapped: nonce }] };
  const sealed = sealedPart({ epoch: 1, keyId: "00".repeat(16) as EpochKeyId, nonce, ciphertext: nonce });

  function writer(...ops: readonly SettingsOp[]): Writer {
    const root = sealRoot(owner, sha256, settingsParts({ type: "name", name: "Board" }, ...ops));
    const made = new Writer(owner, root.id, sha256);
    made.receive([root]);
    return made;
  }

  function codeOf(written: ReturnType<Writer["write"]>): string {
    return (written as Partial<Failure>).code ?? "accepted";
  }

  test("with an epoch in the root content is sealed, and content in clear is ENTRY_CLEAR", () => {
    const encrypted = writer(epoch);
    const doc = [{ name: "page", type: "scroll", payload: nonce }];
    expect(codeOf(encrypted.write([sealed]))).toBe("accepted");
    expect(codeOf(encrypted.write([sealed, ...settingsParts({ type: "name", name: "Both" })]))).toBe("accepted");
    expect(codeOf(encrypted.write(settingsParts({ type: "name", name: "Alone" })))).toBe("accepted");
    expect(codeOf(encrypted.write(rowParts("r")))).toBe("ENTRY_CLEAR");
    expect(codeOf(encrypted.write([sealed, ...rowParts("r")]))).toBe("ENTRY_CLEAR");
    expect(codeOf(encrypted.write(doc))).toBe("ENTRY_CLEAR");
    expect(encrypted.replica.isEncrypted).toBe(true);
  });

  test("without one it is in clear for ever, whatever epochs come later, and a sealed part is ENTRY_PAYLOAD", () => {
    const clear = writer();
    expect(codeOf(clear.write(settingsParts(epoch)))).toBe("accepted");
    expect(codeOf(clear.write(rowParts("r")))).toBe("accepted");
    expect(codeOf(clear.write([sealed]))).toBe("ENTRY_PAYLOAD");
    expect(clear.replica.isEncrypted).toBe(false);
  });

  test("the root itself is bound too", () => {
    const ops: readonly SettingsOp[] = [{ type: "name", name: "Board" }, epoch];
    for (const [stores, code] of [
      [[...settingsParts(...ops), ...rowParts("r")], "ENTRY_CLEAR"],
      [[sealed, ...settingsParts({ type: "name", name: "Board" })], "ENTRY_PAYLOAD"],
      [[sealed, ...settingsParts(...ops)], undefined],
    ] as const) {
      const root = sealRoot(owner, sha256, stores);
      const refused = new Writer(owner, root.id, sha256).receive([root]).find(({ type }) => type === "refuse");
      expect(refused?.type === "refuse" ? refused.refusals[0]?.failure.code : undefined).toBe(code);
    }
  });

  test("a replica that tries a batch first comes to the same: nothing is taken on the word of content in clear", () => {
    const nowMs = 1_800_000_000_000;
    const { replica, entries } = writer(epoch);
    for (const [stores, isTaken] of [
      [[sealed], true],
      [rowParts("r"), false],
    ] as const) {
      const batch = [...entries, seal(replica.draft(owner, stores, nowMs), sha256)];
      const other = new Writer(owner, replica.database, sha256).replica;
      expect(other.isProved(batch, (id) => id === batch[1]?.id, nowMs)).toBe(isTaken);
      other.step({ type: "received", entries: batch, nowMs });
      expect(other.graph.size).toBe(isTaken ? 2 : 1);
    }
  });
});
