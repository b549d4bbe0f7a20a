import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TidemarkError, unwrap } from "../errors.ts";
import type { EntryId, PublicKey } from "../ids.ts";
import type { Stamp } from "./kind.ts";
import { NONE, type Power } from "./power.ts";
import { decodeSettings, encodeSettings, type SettingsOp, settingsRegister } from "./settings.ts";
import { SettingsState } from "./settings-state.ts";

const keys = ["a", "b", "c"].map((digit) => digit.repeat(64) as PublicKey);
const key = fc.constantFrom(...keys);
const power: fc.Arbitrary<Power> = fc.constantFrom(0, 1, 99, 100, 200, NONE);
const op: fc.Arbitrary<SettingsOp> = fc.oneof(
  fc.record({ type: fc.constant("name" as const), name: fc.constantFrom("Team", "__proto__", "é") }),
  fc.record({ type: fc.constant("set" as const), key, power }),
  fc.record({ type: fc.constant("invite" as const), key, power }),
  fc.record({ type: fc.constant("invite" as const), key, power, label: fc.constantFrom("for Ada", "😀") }),
  fc.record({ type: fc.constant("nonce" as const), nonce: fc.uint8Array({ minLength: 16, maxLength: 16 }) }),
);
const ops = fc.uniqueArray(op, { selector: settingsRegister, minLength: 1, maxLength: 5 });

const [ada, bob] = keys as [PublicKey, PublicKey];

function stampOf(time: number, id: number): Stamp {
  return { time, id: id.toString(16).padStart(64, "0") as EntryId };
}

function isInvalid(ops: readonly SettingsOp[]): boolean {
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

describe("a settings payload", () => {
  test("[SETTINGS-1] decodes to the ops it was made of, in their order", () => {
    fc.assert(
      fc.property(ops, (ops) => {
        expect(unwrap(decodeSettings("_settings", encodeSettings(ops)))).toEqual(ops);
      }),
    );
  });

  test("[SETTINGS-1] has the documented form", () => {
    const bytes = encodeSettings([
      { type: "name", name: "T" },
      { type: "set", key: ada, power: 100 },
      { type: "invite", key: bob, power: 1, label: "L" },
    ]);
    const expected = `83 82 646e616d65 6154 83 63736574 5820${ada} 1864 84 66696e76697465 5820${bob} 01 614c`;
    expect(Buffer.from(bytes).toString("hex")).toBe(expected.replaceAll(" ", ""));
  });

  test.each([
    ["no ops", "80", "ENTRY_PAYLOAD"],
    ["an op it does not know", "81 82 6178 00", "ENTRY_PAYLOAD"],
    ["an op without a type", "81 80", "ENTRY_PAYLOAD"],
    ["a set without a power", `81 82 63736574 5820${ada}`, "ENTRY_PAYLOAD"],
    ["a power of 1000", `81 83 63736574 5820${ada} 1903e8`, "CBOR_TOO_LARGE"],
    ["a negative power", `81 83 63736574 5820${ada} 20`, "CBOR_UNEXPECTED"],
    ["a key of 31 bytes", `81 83 63736574 581f${"aa".repeat(31)} 00`, "CBOR_UNEXPECTED"],
    ["a nonce of 15 bytes", `81 82 656e6f6e6365 4f${"aa".repeat(15)}`, "CBOR_UNEXPECTED"],
    ["an empty name", "81 82 646e616d65 60", "ENTRY_PAYLOAD"],
    ["a name of 257 bytes", `81 82 646e616d65 790101${"61".repeat(257)}`, "CBOR_TOO_LARGE"],
    ["bytes behind the end", "81 82 646e616d65 6154 00", "CBOR_TRAILING"],
  ])("[SETTINGS-3] [STORE-2] is refused when it holds %s", (_, hex, code) => {
    expect(codeOf(hex)).toBe(code);
  });

  test("[SETTINGS-2] holds nothing twice", () => {
    const set = `83 63736574 5820${ada}`;
    expect(codeOf(`82 ${set} 01 ${set} 02`)).toBe("ENTRY_PAYLOAD");
    expect(codeOf("82 82 646e616d65 6154 82 646e616d65 6155")).toBe("ENTRY_PAYLOAD");
    expect(
      isInvalid([
        { type: "set", key: ada, power: 1 },
        { type: "set", key: ada, power: 2 },
      ]),
    ).toBe(true);
    expect(
      isInvalid([
        { type: "set", key: ada, power: 1 },
        { type: "invite", key: ada, power: 2 },
      ]),
    ).toBe(false);
  });

  test("[SETTINGS-1] is never made of what would be refused", () => {
    expect(isInvalid([])).toBe(true);
    expect(isInvalid([{ type: "name", name: "" }])).toBe(true);
    expect(isInvalid([{ type: "name", name: "\ud800" }])).toBe(true);
    expect(isInvalid([{ type: "set", key: "A".repeat(64) as PublicKey, power: 1 }])).toBe(true);
    expect(isInvalid([{ type: "set", key: ada, power: 1000 }])).toBe(true);
    expect(isInvalid([{ type: "invite", key: ada, power: 1, label: "x".repeat(257) }])).toBe(true);
    expect(isInvalid([{ type: "nonce", nonce: new Uint8Array(15) }])).toBe(true);
  });
});

describe("settings", () => {
  test("[SETTINGS-4] [SETTINGS-5] show the latest name and invites, and all sets by stamp, in whatever order they come", () => {
    const entries = fc.array(fc.tuple(ops, fc.integer({ min: 1, max: 3 })), { maxLength: 6 });
    const shuffled = entries.chain((all) => {
      const stamped = all.map(([ops, time], i) => ({ ops, stamp: stampOf(time, i) }));
      return fc.tuple(fc.constant(stamped), fc.shuffledSubarray(stamped, { minLength: stamped.length }));
    });
    fc.assert(
      fc.property(shuffled, ([all, shuffled]) => {
        const state = new SettingsState();
        for (const { ops, stamp } of shuffled) state.merge(ops, stamp);
        const sorted = [...all].sort((a, b) => a.stamp.time - b.stamp.time || (a.stamp.id < b.stamp.id ? -1 : 1));
        const written = sorted.flatMap(({ ops, stamp }) => ops.map((op) => ({ op, stamp })));
        const latest = new Map(written.map(({ op, stamp }) => [settingsRegister(op), { op, stamp }]));
        expect(state.name).toBe((latest.get("name")?.op as { name: string } | undefined)?.name);
        const invites = keys.flatMap((key) => {
          const { op, stamp } = latest.get(`invite ${key}`) ?? {};
          return op?.type === "invite" && op.power !== NONE ? [{ key, power: op.power, label: op.label, stamp }] : [];
        });
        expect(state.invites()).toEqual(invites);
        const sets = sorted.flatMap(({ ops, stamp }) =>
          keys.flatMap((key) => {
            const op = ops.find((op) => op.type === "set" && op.key === key);
            return op?.type === "set" ? [{ key, power: op.power, stamp }] : [];
          }),
        );
        expect(state.sets()).toEqual(sets);
      }),
    );
  });

  test("[SETTINGS-4] say what took effect", () => {
    const state = new SettingsState();
    expect(state.merge([{ type: "nonce", nonce: new Uint8Array(16) }], stampOf(1, 0))).toBeUndefined();
    expect(state.isEmpty).toBe(true);
    const later: SettingsOp = { type: "name", name: "later" };
    expect(state.merge([later], stampOf(3, 1))).toEqual([later]);
    expect(state.merge([{ type: "name", name: "earlier" }], stampOf(2, 2))).toBeUndefined();
    expect(state.name).toBe("later");
  });

  test("[SETTINGS-7] a checkpoint gives back the same settings and has the documented form", () => {
    const state = new SettingsState();
    state.merge(
      [
        { type: "set", key: ada, power: 1 },
        { type: "name", name: "T" },
      ],
      stampOf(1, 0xaa),
    );
    const copy = new SettingsState();
    const bytes = state.checkpoint(0, 1) ?? new Uint8Array();
    unwrap(copy.restore(bytes, 1));
    expect(copy.encode()).toEqual(state.encode());
    const stamp = `01 5820${"aa".padStart(64, "0")}`;
    const expected = `82 83 ${stamp} 82 646e616d65 6154 83 ${stamp} 83 63736574 5820${ada} 01`;
    expect(Buffer.from(bytes).toString("hex")).toBe(expected.replaceAll(" ", ""));
  });
});
