import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TidemarkError, unwrap } from "../errors.ts";
import type { EntryId } from "../ids.ts";
import { isLater, type Stamp } from "./kind.ts";
import { type KvOp, KvState, kvKind } from "./kv.ts";
import { KvChanges } from "./kv-changes.ts";

interface Write {
  readonly op: KvOp;
  readonly stamp: Stamp;
}

const keys = fc.constantFrom("a", "a.b", "__proto__", "\u{1f600}", "\uffff", "\ue000x");
const op = fc.record({ key: keys, value: fc.constantFrom(0, null, "x", undefined) });
const shuffledWrites = fc
  .uniqueArray(fc.tuple(op, fc.integer({ min: 1, max: 4 }), fc.integer({ min: 0, max: 99 })), {
    maxLength: 12,
    selector: ([, , id]) => id,
  })
  .map((all) => all.map(([op, time, id]): Write => ({ op, stamp: stampOf(time, id) })))
  .chain((all) => fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length })));

function stampOf(time: number, id: number): Stamp {
  return { time, id: id.toString(16).padStart(64, "0") as EntryId };
}

function fold(all: readonly Write[]): KvState {
  const state = new KvState();
  for (const { op, stamp } of all) state.merge([op], stamp);
  return state;
}

function byBytes([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function isInvalid(action: () => void): boolean {
  try {
    action();
  } catch (error) {
    return error instanceof TidemarkError && error.code === "INPUT_INVALID";
  }
  return false;
}

describe("a kv store", () => {
  test("[KV-2] [KV-4] [STORE-1] shows the latest write of every key, in whatever order writes come", () => {
    fc.assert(
      fc.property(shuffledWrites, ([all, shuffled]) => {
        const expected = new Map<string, unknown>();
        for (const { op } of [...all].sort((a, b) => (isLater(a.stamp, b.stamp) ? 1 : -1)))
          expected.set(op.key, op.value);
        const state = fold(shuffled);
        const present = [...expected].filter(([, value]) => value !== undefined).sort(byBytes);
        expect([...state.entries()]).toEqual(present);
        expect(state.size).toBe(present.length);
        expect(state.encode()).toEqual(fold(all).encode());
      }),
      { numRuns: 500 },
    );
  });

  test("[KV-3] a change names exactly the keys that read differently", () => {
    fc.assert(
      fc.property(shuffledWrites, ([all]) => {
        const state = new KvState();
        for (const { op, stamp } of all) {
          const before = state.get(op.key);
          expect(state.merge([op], stamp)).toEqual(before === state.get(op.key) ? undefined : [op.key]);
        }
      }),
    );
  });

  test("[KV-4] a prefix finds its keys and no others", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.string({ minLength: 1, maxLength: 3, unit: "binary" })),
        fc.string({ maxLength: 2 }),
        (all, prefix) => {
          const state = new KvState();
          all.forEach((key, i) => {
            state.merge([{ key, value: i }], stampOf(1, i));
            if (i % 2 === 0) expect([...state.entries(key)].map(([found]) => found)).toContain(key);
          });
          const expected = all.filter((key) => key.startsWith(prefix)).map((key) => [key, 0] as const);
          expect([...state.entries(prefix)].map(([key]) => key)).toEqual(expected.sort(byBytes).map(([key]) => key));
        },
      ),
    );
  });

  test("[KV-2] a key `__proto__` is a key, null is a value, and deleting the absent shows nothing", () => {
    const state = fold([{ op: { key: "__proto__", value: null }, stamp: stampOf(1, 0) }]);
    expect(state.get("__proto__")).toBeNull();
    expect(state.get("constructor")).toBeUndefined();
    expect(state.merge([{ key: "gone", value: undefined }], stampOf(1, 1))).toBeUndefined();
  });

  test("[KV-5] a checkpoint gives back the same keys, seen or not", () => {
    fc.assert(
      fc.property(shuffledWrites, ([all]) => {
        const state = fold(all);
        const copy = new KvState();
        const bytes = state.checkpoint(0, 1);
        if (bytes !== undefined) unwrap(copy.restore(bytes, 1));
        expect(copy.encode()).toEqual(state.encode());
        expect(copy.size).toBe(state.size);
      }),
    );
  });

  test("[KV-5] a checkpoint has the documented form", () => {
    const state = fold([
      { op: { key: "a", value: 7 }, stamp: stampOf(1, 0xaa) },
      { op: { key: "b", value: undefined }, stamp: stampOf(1, 0xaa) },
    ]);
    const expected = `82 82 01 5820${"aa".padStart(64, "0")} 82 83 6161 00 07 82 6162 00`;
    expect(Buffer.from(state.encode()).toString("hex")).toBe(expected.replaceAll(" ", ""));
  });

  test("[STORE-3] a checkpoint holds the keys altered since an earlier one, and no others", () => {
    const state = fold([
      { op: { key: "a", value: 1 }, stamp: stampOf(5, 0) },
      { op: { key: "b", value: 1 }, stamp: stampOf(5, 1) },
    ]);
    state.checkpoint(0, 1);
    state.merge([{ key: "a", value: 0 }], stampOf(4, 2));
    expect(state.checkpoint(1, 2)).toBeUndefined();
    state.merge([{ key: "a", value: 2 }], stampOf(6, 3));
    expect([state.sizeSince(1), state.sizeSince(0)]).toEqual([1, 2]);
    const part = new KvState();
    unwrap(part.restore(state.checkpoint(1, 2) ?? new Uint8Array(), 2));
    expect([...part.entries()]).toEqual([["a", 2]]);
  });
});

describe("a transaction on a kv store", () => {
  test("[KV-1] [KV-6] encodes the last call on every key, sorted", () => {
    fc.assert(
      fc.property(fc.array(op, { minLength: 1, maxLength: 10 }), (calls) => {
        const changes = new KvChanges("prefs");
        for (const { key, value } of calls) value === undefined ? changes.delete(key) : changes.set(key, value);
        const expected = new Map(calls.map(({ key, value }) => [key, value]));
        const decoded = unwrap(kvKind.decode("prefs", changes.encode()));
        expect(decoded.map(({ key, value }) => [key, value])).toEqual([...expected].sort(byBytes));
      }),
    );
  });

  test("[KV-1] a payload has the documented form", () => {
    const changes = new KvChanges("prefs");
    expect(changes.isEmpty).toBe(true);
    changes.set("b", [true]);
    changes.delete("a");
    expect(Buffer.from(changes.encode()).toString("hex")).toBe("82 81 6161 82 6162 81f5".replaceAll(" ", ""));
  });

  test("[STORE-6] [STORE-7] what cannot be stored is refused at the call", () => {
    const changes = new KvChanges("prefs");
    expect(isInvalid(() => changes.set("", 1))).toBe(true);
    expect(isInvalid(() => changes.delete("\ud800"))).toBe(true);
    expect(isInvalid(() => changes.set("k", undefined))).toBe(true);
    expect(isInvalid(() => changes.set("k", { deep: [Number.NaN] }))).toBe(true);
    expect(changes.isEmpty).toBe(true);
  });
});

test.each([
  ["no ops", "80", "ENTRY_PAYLOAD"],
  ["keys out of order", "82 81 6162 81 6161", "ENTRY_PAYLOAD"],
  ["a key twice", "82 81 6161 81 6161", "ENTRY_PAYLOAD"],
  ["an empty key", "81 81 60", "ENTRY_PAYLOAD"],
  ["an op without a key", "81 80", "ENTRY_PAYLOAD"],
  ["an op of three fields", "81 83 6161 00 00", "CBOR_TOO_LARGE"],
  ["undefined as a value", "81 82 6161 f7", "CBOR_UNSUPPORTED"],
  ["bytes behind the end", "81 81 6161 00", "CBOR_TRAILING"],
])("[KV-1] [STORE-2] a payload is refused when it holds %s", (_, hex, code) => {
  const result = kvKind.decode("prefs", Buffer.from(hex.replaceAll(" ", ""), "hex"));
  expect(result.ok ? result.value : result.failure.code).toBe(code);
});
