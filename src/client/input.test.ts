import fc from "fast-check";
import { expect, test } from "vitest";
import { publicKeyFromBytes } from "../core/ids.ts";
import { isKeyText, toPublicKey, toSealKey } from "./input.ts";
import { formatKey, parseKey } from "./keys.ts";

const keys = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(publicKeyFromBytes);

test("[KEYS-13] every call that takes a key takes both forms of it", () => {
  fc.assert(
    fc.property(keys, (key) => {
      const text = formatKey(key);
      expect([toPublicKey(key), toPublicKey(text), parseKey(key), parseKey(text)]).toEqual([key, key, key, key]);
      expect([isKeyText(key), isKeyText(text)]).toEqual([true, true]);
      expect(formatKey(text)).toBe(text);
    }),
  );
});

test("[KEYS-13] a wrong key is KEY_MALFORMED, and what is no key at all INPUT_INVALID", () => {
  const text = formatKey(publicKeyFromBytes(new Uint8Array(32).fill(7)));
  const wrong = text.replace(/.$/, (last) => (last === "A" ? "B" : "A"));
  for (const read of [toPublicKey, parseKey, formatKey]) {
    expect(() => read(wrong)).toThrow(expect.objectContaining({ code: "KEY_MALFORMED" }));
    expect(() => read(undefined as unknown as string)).toThrow(expect.objectContaining({ code: "INPUT_INVALID" }));
  }
  for (const other of ["", "key", text.slice(8), 5, null, {}]) {
    expect(() => toPublicKey(other)).toThrow(expect.objectContaining({ code: "INPUT_INVALID" }));
  }
});

test("[ENCRYPTION-12] an admin names a sealing key as its device shows it, and nothing else", () => {
  const shown = `04${"ab".repeat(64)}`;
  expect(toSealKey(shown)).toEqual(Uint8Array.of(4, ...new Array<number>(64).fill(0xab)));
  for (const wrong of [undefined, 7, "", shown.slice(2), `${shown}00`, shown.toUpperCase(), `05${shown.slice(2)}`])
    expect(() => toSealKey(wrong)).toThrow(expect.objectContaining({ code: "INPUT_INVALID" }));
});
