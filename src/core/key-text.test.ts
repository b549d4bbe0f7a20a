import fc from "fast-check";
import { expect, test } from "vitest";
import { plainSha256 as sha256 } from "../crypto/plain-sha256.ts";
import { encodeHex, publicKeyFromBytes, publicKeyFromHex } from "./ids.ts";
import { formatKey, parseKey } from "./key-text.ts";

const keys = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(publicKeyFromBytes);
const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

test("[KEYS-13] a key's text has 56 characters, is read back as the key, and stays the same from version to version", () => {
  fc.assert(
    fc.property(keys, (key) => {
      const text = formatKey(key, sha256);
      expect(text).toMatch(/^ed25519:[A-Za-z0-9_-]{48}$/);
      expect(parseKey(text, sha256)).toEqual({ ok: true, value: key });
      expect(parseKey(` ${text}\r\n`, sha256)).toEqual({ ok: true, value: key });
    }),
  );
  const key = publicKeyFromHex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
  expect(formatKey(key, sha256)).toBe("ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURpNobgH");
});

test("[KEYS-13] a key in hex is read as well", () => {
  fc.assert(
    fc.property(keys, (key) => {
      expect(parseKey(key, sha256)).toEqual({ ok: true, value: key });
    }),
  );
});

test("[KEYS-13] a text with any one character changed, left out, added or swapped with its neighbour is refused", () => {
  fc.assert(
    fc.property(keys, fc.nat(), fc.constantFrom(...digits, ":", "=", "+", "é"), (key, nat, other) => {
      const text = formatKey(key, sha256);
      const at = nat % text.length;
      const [before, character, after] = [text.slice(0, at), text.charAt(at), text.slice(at + 1)];
      const wrong = [before + other + after, before + after, before + other + character + after];
      wrong.push(before + after.charAt(0) + character + after.slice(1));
      for (const changed of wrong.filter((one) => one !== text)) {
        expect(parseKey(changed, sha256)).toMatchObject({ ok: false, failure: { code: "KEY_MALFORMED" } });
      }
    }),
    { numRuns: 1_000 },
  );
});

test("[KEYS-13] any other text is refused", () => {
  const strange = fc.oneof(
    fc.string(),
    fc.uint8Array({ maxLength: 60 }).map((bytes) => `ed25519:${encodeHex(bytes)}`),
  );
  fc.assert(
    fc.property(strange, (text) => {
      expect(parseKey(text, sha256)).toMatchObject({ ok: false, failure: { code: "KEY_MALFORMED" } });
    }),
  );
});
