import fc from "fast-check";
import { expect, test } from "vitest";
import { applyDamage, arbitraryDamage, arbitraryText } from "../testing/arbitrary.ts";
import { equalBytes } from "./bytes.ts";
import { TidemarkError } from "./errors.ts";
import { compareUtf8, encodeUtf8, readUtf8, utf8Length } from "./utf8.ts";

const platformEncoder = new TextEncoder();

const platformDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function platformDecode(bytes: Uint8Array): string | undefined {
  try {
    return platformDecoder.decode(bytes);
  } catch {
    return undefined;
  }
}

/** What our reader makes of bytes that stand among others, which would continue a character. */
function readAmongOthers(bytes: readonly number[]): string | undefined {
  const padded = Uint8Array.of(0x80, ...bytes, 0x80, 0x80, 0x80);
  return readUtf8(padded, 1, 1 + bytes.length);
}

test("[CBOR-4] well-formed text gets the bytes the platform's encoder gives it, and comes back", () => {
  fc.assert(
    fc.property(arbitraryText(), (text) => {
      const bytes = encodeUtf8(text);
      expect(equalBytes(bytes, platformEncoder.encode(text))).toBe(true);
      expect(utf8Length(text)).toBe(bytes.length);
      expect(readUtf8(bytes, 0, bytes.length)).toBe(text);
    }),
    { numRuns: 300 },
  );
});

test("[CBOR-4] text too long for one call of the engine comes back", () => {
  const text = "aé√😀".repeat(100_000);
  const bytes = encodeUtf8(text);
  expect(readUtf8(bytes, 0, bytes.length) === text).toBe(true);
});

test("[CBOR-4] of all characters with bytes near the limits exactly those that a fatal platform decoder takes are text", () => {
  const seconds = [0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0];
  const others = [0x7f, 0x80, 0xbf];
  const wrong: (readonly number[])[] = [];
  const compare = (bytes: readonly number[]) => {
    if (readAmongOthers(bytes) !== platformDecode(Uint8Array.from(bytes))) wrong.push(bytes);
  };
  for (let lead = 0x7f; lead < 256; lead++) {
    compare([lead]);
    for (const second of seconds) {
      compare([lead, second]);
      for (const third of others) {
        compare([lead, second, third]);
        for (const fourth of others) compare([lead, second, third, fourth]);
      }
    }
  }
  expect(wrong).toEqual([]);
});

test("[CBOR-4] of any bytes exactly those that a fatal platform decoder takes are text, and the same text", () => {
  fc.assert(
    fc.property(arbitraryText(), arbitraryDamage(), (text, damage) => {
      const bytes = applyDamage(encodeUtf8(text), damage);
      expect(readAmongOthers([...bytes])).toBe(platformDecode(bytes));
    }),
    { numRuns: 300 },
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
    { numRuns: 300 },
  );
});
