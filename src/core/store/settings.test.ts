import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TidemarkError, unwrap } from "../errors.ts";
import type { PublicKey } from "../ids.ts";
import { entryBytesMax, epochKeysMax, inviteExpiresMsMax, inviteUsesMax, wrappedKeyBytesMax } from "../limits.ts";
import { NONE, type Power } from "./power.ts";
import { decodeRedeem, decodeSettings, encodeSettings, type SettingsOp, settingsRegister } from "./settings.ts";

const keys = ["a", "b", "c"].map((digit) => digit.repeat(64) as PublicKey);
const key = fc.constantFrom(...keys);
const power: fc.Arbitrary<Power> = fc.constantFrom(0, 1, 99, 100, 200, NONE);
const bytes = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length });
const described = fc.record(
  { name: fc.constantFrom("Ada", "é", "x".repeat(64)), sealKey: bytes(65) },
  { requiredKeys: [] },
);
const epoch = fc.record({
  type: fc.constant("epoch" as const),
  number: fc.constantFrom(1, 2, Number.MAX_SAFE_INTEGER),
  keys: fc.uniqueArray(fc.record({ key, wrapped: fc.uint8Array({ minLength: 1, maxLength: wrappedKeyBytesMax }) }), {
    selector: (wrapped) => wrapped.key,
    minLength: 1,
  }),
});
const limited = fc.record(
  {
    label: fc.constantFrom("for Ada", "😀"),
    expiresMs: fc.constantFrom(0, 1_800_000_000_000, inviteExpiresMsMax),
    uses: fc.constantFrom(1, inviteUsesMax),
  },
  { requiredKeys: [] },
);
const op: fc.Arbitrary<SettingsOp> = fc.oneof(
  fc.record({ type: fc.constant("name" as const), name: fc.constantFrom("Team", "__proto__", "é") }),
  fc.record({ type: fc.constant("nonce" as const), nonce: bytes(16) }),
  fc.tuple(key, power, described).map(([key, power, said]) => ({ type: "set" as const, key, power, ...said })),
  fc.tuple(key, power, limited).map(([key, power, limits]) => ({ type: "invite" as const, key, power, ...limits })),
  fc.record({ type: fc.constant("public" as const), power: fc.constantFrom(100, 200, 300, NONE) }),
  epoch,
  fc.constant({ type: "remove" as const }),
);
const redeem: fc.Arbitrary<SettingsOp> = fc
  .tuple(key, bytes(64), described)
  .map(([invite, proof, said]) => ({ type: "redeem", invite, proof, ...said }));
const ops: fc.Arbitrary<readonly SettingsOp[]> = fc.oneof(
  { arbitrary: fc.uniqueArray(op, { selector: settingsRegister, minLength: 1, maxLength: 6 }), weight: 5 },
  redeem.map((op) => [op]),
);

const [ada, bob] = keys as [PublicKey, PublicKey];

function isInvalid(...ops: readonly SettingsOp[]): boolean {
  try {
    encodeSettings(ops);
  } catch (error) {
    return error instanceof TidemarkError && error.code === "INPUT_INVALID";
  }
  return false;
}

function codeOf(hex: string): string {
  const result = decodeSettings("_settings", Buffer.from(hex.replaceAll(" ", ""), "hex"));
  return result.ok ? "accepted" : result.failure.code;
}

function hexOf(...ops: readonly SettingsOp[]): string {
  return Buffer.from(encodeSettings(ops)).toString("hex");
}

const [keyA, keyB] = [`5820${ada}`, `5820${bob}`];
const sealKey = new Uint8Array(65).fill(4);
const proof = new Uint8Array(64).fill(7);
const [set, invite, redeemed] = ["63736574", "66696e76697465", "6672656465656d"];
const [open, epoched] = ["667075626c6963", "6565706f6368"];

describe("a settings payload", () => {
  test("[SETTINGS-1] decodes to the ops it was made of, in their order", () => {
    fc.assert(
      fc.property(ops, (ops) => {
        expect(unwrap(decodeSettings("_settings", encodeSettings(ops)))).toEqual(ops);
      }),
      { numRuns: 500 },
    );
  });

  const forms: readonly (readonly [SettingsOp, string])[] = [
    [{ type: "name", name: "T" }, "82 646e616d65 6154"],
    [{ type: "nonce", nonce: proof.subarray(0, 16) }, `82 656e6f6e6365 50${"07".repeat(16)}`],
    [{ type: "set", key: ada, power: 100 }, `83 ${set} ${keyA} 1864`],
    [{ type: "set", key: ada, power: 1, name: "L" }, `85 ${set} ${keyA} 01 614c f6`],
    [{ type: "set", key: ada, power: 1, sealKey }, `85 ${set} ${keyA} 01 f6 5841${"04".repeat(65)}`],
    [{ type: "invite", key: bob, power: 1 }, `83 ${invite} ${keyB} 01`],
    [{ type: "invite", key: bob, power: 1, label: "L" }, `84 ${invite} ${keyB} 01 614c`],
    [{ type: "invite", key: bob, power: 1, expiresMs: 256 }, `86 ${invite} ${keyB} 01 f6 190100 f6`],
    [{ type: "invite", key: bob, power: 1, label: "L", uses: 2 }, `86 ${invite} ${keyB} 01 614c f6 02`],
    [{ type: "redeem", invite: bob, proof }, `85 ${redeemed} ${keyB} 5840${"07".repeat(64)} f6 f6`],
    [{ type: "redeem", invite: bob, proof, name: "L" }, `85 ${redeemed} ${keyB} 5840${"07".repeat(64)} 614c f6`],
    [{ type: "public", power: NONE }, `82 ${open} 1903e7`],
    [{ type: "remove" }, "81 6672656d6f7665"],
    [
      { type: "epoch", number: 1, keys: [{ key: ada, wrapped: proof }] },
      `83 ${epoched} 01 81 82 ${keyA} 5840${"07".repeat(64)}`,
    ],
  ];
  test.each(forms)("[SETTINGS-1] has the documented form for %j", (op, hex) => {
    expect(hexOf(op)).toBe(`81${hex}`.replaceAll(" ", ""));
  });

  test.each([
    ["no ops", "80", "ENTRY_PAYLOAD"],
    ["an op it does not know", "81 82 6178 00", "ENTRY_PAYLOAD"],
    ["an op without a type", "81 80", "ENTRY_PAYLOAD"],
    ["an op of seven items", "81 87", "CBOR_TOO_LARGE"],
    ["a set without a power", `81 82 ${set} ${keyA}`, "ENTRY_PAYLOAD"],
    ["a set of four items", `81 84 ${set} ${keyA} 01 614c`, "ENTRY_PAYLOAD"],
    ["a set with two nulls", `81 85 ${set} ${keyA} 01 f6 f6`, "ENTRY_PAYLOAD"],
    ["a set with a name of 65 bytes", `81 85 ${set} ${keyA} 01 7841${"61".repeat(65)} f6`, "CBOR_TOO_LARGE"],
    ["a set with an empty name", `81 85 ${set} ${keyA} 01 60 f6`, "ENTRY_PAYLOAD"],
    ["a sealing key of 64 bytes", `81 85 ${set} ${keyA} 01 f6 5840${"04".repeat(64)}`, "CBOR_UNEXPECTED"],
    ["a power of 1000", `81 83 ${set} ${keyA} 1903e8`, "CBOR_TOO_LARGE"],
    ["a negative power", `81 83 ${set} ${keyA} 20`, "CBOR_UNEXPECTED"],
    ["a key of 31 bytes", `81 83 ${set} 581f${"aa".repeat(31)} 00`, "CBOR_UNEXPECTED"],
    ["a nonce of 15 bytes", `81 82 656e6f6e6365 4f${"aa".repeat(15)}`, "CBOR_UNEXPECTED"],
    ["an empty name", "81 82 646e616d65 60", "ENTRY_PAYLOAD"],
    ["a name of 257 bytes", `81 82 646e616d65 790101${"61".repeat(257)}`, "CBOR_TOO_LARGE"],
    ["bytes behind the end", "81 82 646e616d65 6154 00", "CBOR_TRAILING"],
    ["an invite of five items", `81 85 ${invite} ${keyB} 01 614c 01`, "ENTRY_PAYLOAD"],
    ["an invite whose label needs no six items", `81 86 ${invite} ${keyB} 01 614c f6 f6`, "ENTRY_PAYLOAD"],
    ["an invite for nobody", `81 86 ${invite} ${keyB} 01 f6 f6 00`, "ENTRY_PAYLOAD"],
    ["an invite for more than a million", `81 86 ${invite} ${keyB} 01 f6 f6 1a000f4241`, "CBOR_TOO_LARGE"],
    ["a time that no date has", `81 86 ${invite} ${keyB} 01 f6 1b001eb208c2dc0001 f6`, "CBOR_TOO_LARGE"],
    ["a redeem without a proof", `81 84 ${redeemed} ${keyB} f6 f6`, "ENTRY_PAYLOAD"],
    ["a proof of 63 bytes", `81 85 ${redeemed} ${keyB} 583f${"07".repeat(63)} f6 f6`, "CBOR_UNEXPECTED"],
    ["a public power of 99", `81 82 ${open} 1863`, "ENTRY_PAYLOAD"],
    ["an epoch 0", `81 83 ${epoched} 00 81 82 ${keyA} 4101`, "ENTRY_PAYLOAD"],
    ["an epoch for nobody", `81 83 ${epoched} 01 80`, "ENTRY_PAYLOAD"],
    ["an epoch twice for one key", `81 83 ${epoched} 01 82 82 ${keyA} 4101 82 ${keyA} 4102`, "ENTRY_PAYLOAD"],
    ["an epoch key of no bytes", `81 83 ${epoched} 01 81 82 ${keyA} 40`, "ENTRY_PAYLOAD"],
    ["an epoch key of 161 bytes", `81 83 ${epoched} 01 81 82 ${keyA} 58a1${"01".repeat(161)}`, "CBOR_TOO_LARGE"],
    ["an epoch key and more", `81 83 ${epoched} 01 81 83 ${keyA} 4101 00`, "CBOR_TOO_LARGE"],
    ["a remove of something", "81 82 6672656d6f7665 00", "ENTRY_PAYLOAD"],
    ["an epoch for 1,001 keys", `81 83 ${epoched} 01 9903e9`, "CBOR_TOO_LARGE"],
  ])("[SETTINGS-3] [STORE-2] is refused when it holds %s", (_, hex, code) => {
    expect(codeOf(hex)).toBe(code);
  });

  test("[SETTINGS-2] holds nothing twice, and a redeem alone", () => {
    const setAda = `83 ${set} ${keyA}`;
    const redeemAda = `85 ${redeemed} ${keyA} 5840${"07".repeat(64)} f6 f6`;
    const open1 = `82 ${open} 1864`;
    const epoch1 = `83 ${epoched} 01 81 82 ${keyA} 4101`;
    expect(codeOf(`82 ${setAda} 01 ${setAda} 02`)).toBe("ENTRY_PAYLOAD");
    expect(codeOf("82 82 646e616d65 6154 82 646e616d65 6155")).toBe("ENTRY_PAYLOAD");
    expect(codeOf(`82 ${open1} ${open1}`)).toBe("ENTRY_PAYLOAD");
    expect(codeOf(`82 ${epoch1} ${epoch1}`)).toBe("ENTRY_PAYLOAD");
    expect(codeOf("82 81 6672656d6f7665 81 6672656d6f7665")).toBe("ENTRY_PAYLOAD");
    expect(codeOf(`82 ${epoch1} ${epoch1.replace(" 01 ", " 02 ")}`)).toBe("accepted");
    expect(codeOf(`81 ${redeemAda}`)).toBe("accepted");
    expect(codeOf(`82 ${redeemAda} ${setAda} 01`)).toBe("ENTRY_PAYLOAD");
    expect(codeOf(`82 ${redeemAda} ${redeemAda}`)).toBe("ENTRY_PAYLOAD");
    expect(isInvalid({ type: "set", key: ada, power: 1 }, { type: "set", key: ada, power: 2, name: "x" })).toBe(true);
    expect(isInvalid({ type: "set", key: ada, power: 1 }, { type: "invite", key: ada, power: 2 })).toBe(false);
    expect(isInvalid({ type: "redeem", invite: ada, proof }, { type: "name", name: "T" })).toBe(true);
  });

  test("[SETTINGS-1] is never made of what would be refused", () => {
    const wrapped = { key: ada, wrapped: proof };
    const many = Array.from({ length: epochKeysMax + 1 }, (_, i) => {
      return { key: i.toString(16).padStart(64, "0") as PublicKey, wrapped: proof };
    });
    expect(isInvalid()).toBe(true);
    for (const op of [
      { type: "name", name: "" },
      { type: "name", name: "\ud800" },
      { type: "nonce", nonce: new Uint8Array(15) },
      { type: "set", key: "A".repeat(64) as PublicKey, power: 1 },
      { type: "set", key: ada, power: 1000 },
      { type: "set", key: ada, power: 1, name: "x".repeat(65) },
      { type: "set", key: ada, power: 1, sealKey: new Uint8Array(64) },
      { type: "invite", key: ada, power: 1, label: "x".repeat(257) },
      { type: "invite", key: ada, power: 1, expiresMs: -1 },
      { type: "invite", key: ada, power: 1, expiresMs: 1.5 },
      { type: "invite", key: ada, power: 1, expiresMs: inviteExpiresMsMax + 1 },
      { type: "invite", key: ada, power: 1, uses: 0 },
      { type: "invite", key: ada, power: 1, uses: inviteUsesMax + 1 },
      { type: "redeem", invite: ada, proof: new Uint8Array(63) },
      { type: "redeem", invite: "" as PublicKey, proof },
      { type: "redeem", invite: ada, proof, name: "" },
      { type: "public", power: 99 },
      { type: "public", power: 1000 },
      { type: "epoch", number: 0, keys: [wrapped] },
      { type: "epoch", number: 1, keys: [] },
      { type: "epoch", number: 1, keys: [wrapped, wrapped] },
      { type: "epoch", number: 1, keys: [{ key: ada, wrapped: new Uint8Array() }] },
      { type: "epoch", number: 1, keys: [{ key: ada, wrapped: new Uint8Array(wrappedKeyBytesMax + 1) }] },
      { type: "epoch", number: 1, keys: many },
    ] satisfies SettingsOp[])
      expect([op, isInvalid(op)]).toEqual([op, true]);
  });

  test("[SETTINGS-1] holds no view into the bytes that it was decoded from", () => {
    fc.assert(
      fc.property(ops, (ops) => {
        const bytes = encodeSettings(ops);
        const decoded = unwrap(decodeSettings("_settings", bytes));
        bytes.fill(0xff);
        expect(decoded).toEqual(ops);
      }),
    );
  });

  test("[SETTINGS-1] of one epoch for 10,000 members fits into ten entries", () => {
    const keys = Array.from({ length: epochKeysMax }, (_, i) => {
      return { key: i.toString(16).padStart(64, "0") as PublicKey, wrapped: new Uint8Array(wrappedKeyBytesMax) };
    });
    expect(10 * epochKeysMax).toBe(10_000);
    expect(encodeSettings([{ type: "epoch", number: 1, keys }]).length).toBeLessThan(entryBytesMax / 100);
  });

  test("[SETTINGS-2] is told to be a redeem exactly when it is one", () => {
    fc.assert(
      fc.property(ops, (ops) => {
        const [first] = ops;
        expect(decodeRedeem(encodeSettings(ops))).toEqual(first?.type === "redeem" ? first : undefined);
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        const result = decodeSettings("_settings", bytes);
        if (!result.ok) expect(decodeRedeem(bytes)).toBeUndefined();
      }),
    );
    const cut = encodeSettings([{ type: "redeem", invite: ada, proof }]).subarray(0, -1);
    expect(decodeRedeem(cut)).toBeUndefined();
  });
});
