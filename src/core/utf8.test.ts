import fc from "fast-check";
import { expect, test } from "vitest";
import { arbitraryText } from "../testing/arbitrary.ts";
import { equalBytes } from "./bytes.ts";
import { TidemarkError } from "./errors.ts";
import { compareUtf8, encodeUtf8, readUtf8, utf8Length } from "./utf8.ts";

const platformEncoder = new TextEncoder();

function platformDecode(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** Bytes near the limits of the ranges of UTF-8, where decoders go wrong. */
const suspiciousBytes = fc.array(
  fc.constantFrom(
    0x00,
    0x7f,
    0x80,
    0x8f,
    0x90,
    0x9f,
    0xa0,
    0xbf,
    0xc0,
    0xc1,
    0xc2,
    0xdf,
    0xe0,
    0xed,
    0xef,
    0xf0,
    0xf4,
    0xf5,
    0xff,
  ),
  { maxLength: 12 },
);

test("[CBOR-4] well-formed text gets the bytes the platform's encoder gives it, and comes back", () => {
  fc.assert(
    fc.property(arbitraryText(), (text) => {
      const bytes = encodeUtf8(text);
      expect(equalBytes(bytes, platformEncoder.encode(text))).toBe(true);
      expect(utf8Length(text)).toBe(bytes.length);
      expect(readUtf8(bytes, 0, bytes.length)).toBe(text);
    }),
    { numRuns: 1_000 },
  );
});

test("[CBOR-4] long text of large characters comes back", () => {
  const text = "aé√😀".repeat(5_000);
  const bytes = encodeUtf8(text);
  expect(readUtf8(bytes, 0, bytes.length)).toBe(text);
});

test("[CBOR-4] of any bytes exactly those that a fatal platform decoder takes are text, and the same text", () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 12 }),
    suspiciousBytes.map((list) => Uint8Array.from(list)),
  );
  fc.assert(
    fc.property(bytes, fc.nat(9), (some, indent) => {
      const padded = new Uint8Array(indent + some.length + 3).fill(0x61);
      padded.set(some, indent);
      expect(readUtf8(padded, indent, indent + some.length)).toBe(platformDecode(some));
    }),
    { numRuns: 5_000 },
  );
});

test("[CBOR-4] a text with a lone surrogate is refused", () => {
  for (const text of ["\ud800", "a\udc00", "\ud83d\ud83d\ude00", "x\ud83dy", "\ude00\ud83d"]) {
    expect(utf8Length(text)).toBe(-1);
    expect(() => encodeUtf8(text)).toThrowError(TidemarkError);
  }
});

test("[CBOR-2] texts compare as their bytes do, large code points included", () => {
  const unit = fc.constantFrom(
    "",
    "a",
    "b",
    "\u{7f}",
    "é",
    "\ud7ff",
    "\ue000",
    "\uffff",
    "\u{10000}",
    "\u{10ffff}",
    "😀",
  );
  const text = fc.array(unit, { maxLength: 4 }).map((units) => units.join(""));
  fc.assert(
    fc.property(text, text, (a, b) => {
      const bytes = Buffer.compare(encodeUtf8(a), encodeUtf8(b));
      expect(Math.sign(compareUtf8(a, b))).toBe(bytes);
    }),
    { numRuns: 1_000 },
  );
});
