import fc from "fast-check";
import { expect, test } from "vitest";
import { checksumOf, openValue, sealValue } from "./sealed-value.ts";

const plain = fc.anything({
  withBigInt: true,
  withDate: true,
  withMap: true,
  withSet: true,
  withTypedArray: true,
  withSparseArray: false,
});

test("[STORAGE-34] whatever a structured clone carries is opened as it was sealed", () => {
  fc.assert(
    fc.property(plain, (value) => {
      const stored = structuredClone(sealValue(value));
      expect(openValue(stored, "it")).toEqual(structuredClone(value));
    }),
  );
  const loop: { self?: unknown } = {};
  loop.self = loop;
  expect(openValue(structuredClone(sealValue(loop)), "it")).toMatchObject({ self: { self: {} } });
});

test("[STORAGE-34] another value, or another checksum, does not open", () => {
  fc.assert(
    fc.property(plain, plain, (one, other) => {
      const sealed = sealValue(one);
      const isSame = sealValue(other).sum === sealed.sum;
      if (!isSame) expect(() => openValue({ ...sealed, value: other }, "it")).toThrow(/STORAGE_CORRUPT|it/);
      expect(() => openValue({ ...sealed, sum: sealed.sum ^ 4 }, "it")).toThrow();
      expect(() => openValue({ ...sealed, sealed: 3 }, "it")).toThrow();
    }),
  );
});

test("[STORAGE-34] one changed bit of bytes, a number or a text is noticed, in whatever it stands", () => {
  const bytes = fc.uint8Array({ minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(bytes, fc.nat(), fc.nat(7), fc.nat(3), (given, at, bit, shift) => {
      const value = { name: "a", parts: [{ bytes: given.subarray(Math.min(shift, given.length - 1)) }] };
      const stored = structuredClone(sealValue(value));
      const part = (stored.value as typeof value).parts[0]?.bytes as Uint8Array;
      const i = at % part.length;
      part[i] = (part[i] as number) ^ (1 << bit);
      expect(() => openValue(stored, "it")).toThrow();
    }),
  );
  expect(() => openValue({ ...sealValue({ n: 1, t: "a" }), value: { n: 1, t: "b" } }, "it")).toThrow();
  expect(() => openValue({ ...sealValue({ n: 1 }), value: { n: 1 + Number.EPSILON } }, "it")).toThrow();
});

test("[STORAGE-34] the checksum of a form is for ever what it was when something was first stored with it", () => {
  const value = { n: 1.5, t: "é", list: [true, null], bytes: Uint8Array.from({ length: 23 }, (_, i) => i) };
  const sums = [
    [1, 4_069_859_541],
    [2, 855_933_437],
  ] as const;
  for (const [form, sum] of sums) {
    expect(checksumOf(value, form)).toBe(sum);
    expect(openValue({ sealed: form, sum, value }, "it")).toBe(value);
  }
});

test("[STORAGE-34] what was stored before there were checksums is taken as it is", () => {
  expect(openValue({ id: "x" }, "it")).toEqual({ id: "x" });
  expect(openValue("text", "it")).toBe("text");
});
