import { createHash } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { loadSha256 } from "./sha256.ts";

const byWebAssembly = await loadSha256();
const byJavaScript = await loadSha256(() =>
  Promise.reject(new WebAssembly.CompileError("blocked by the page's policy")),
);

test.each([
  ["WebAssembly", byWebAssembly],
  ["JavaScript", byJavaScript],
])("[KEYS-8] SHA-256 by %s is SHA-256", (_, sha256) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 1_000 }), fc.integer({ min: 1, max: 40 }), (piece, times) => {
      const bytes = new Uint8Array(piece.length * times);
      for (let i = 0; i < times; i++) bytes.set(piece, i * piece.length);
      expect(sha256(bytes)).toEqual(new Uint8Array(createHash("sha256").update(bytes).digest()));
    }),
  );
});

test.each([
  ["WebAssembly", byWebAssembly],
  ["JavaScript", byJavaScript],
])("[KEYS-8] a digest by %s stays as it is when the next one is made", (_, sha256) => {
  const first = sha256(Uint8Array.of(1));
  const kept = first.slice();
  sha256(Uint8Array.of(2));
  expect(first).toEqual(kept);
  expect(first.buffer.byteLength).toBe(32);
});

test("[KEYS-8] WebAssembly is used where it can be compiled", () => {
  expect(byWebAssembly).not.toBe(byJavaScript);
});
