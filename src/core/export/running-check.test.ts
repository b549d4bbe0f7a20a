/** What keeps the chunks of a file that anybody can read together. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { loadSha256 } from "../../crypto/sha256.ts";
import { RunningCheck } from "./running-check.ts";

const sha256 = await loadSha256();
const first = sha256(Uint8Array.of(1));
const chunksArbitrary = fc.array(fc.uint8Array({ maxLength: 20 }), { minLength: 2, maxLength: 6 });

function sealAll(chunks: readonly Uint8Array[], from: Uint8Array = first): readonly Uint8Array[] {
  const check = new RunningCheck(sha256, from);
  return chunks.map((chunk, i) => check.seal(chunk, i === chunks.length - 1));
}

test("[EXPORT-3] chunks open in their order", () => {
  const property = fc.property(chunksArbitrary, (chunks) => {
    const check = new RunningCheck(sha256, first);
    const opened = sealAll(chunks).map((sealed, i) => check.open(sealed, i === chunks.length - 1));
    expect(opened).toEqual(chunks);
  });
  fc.assert(property);
});

test("[EXPORT-3] a chunk with any change, and whatever follows it, does not", () => {
  const property = fc.property(
    chunksArbitrary,
    fc.nat(),
    fc.nat(),
    fc.integer({ min: 1, max: 255 }),
    (chunks, n, at, by) => {
      const sealed = sealAll(chunks).map((each) => each.slice());
      const which = n % sealed.length;
      const changed = sealed[which] as Uint8Array;
      const place = at % changed.length;
      changed[place] = (changed[place] as number) ^ by;
      const check = new RunningCheck(sha256, first);
      const opened = sealed.map((each, i) => check.open(each, i === sealed.length - 1));
      // Of one whose check alone was changed the next one is bound to the right check.
      expect(opened[which]).toBeUndefined();
      expect(opened.slice(0, which)).toEqual(chunks.slice(0, which));
    },
  );
  fc.assert(property);
});

test("[EXPORT-3] a chunk elsewhere, of another file, or as another last one does not", () => {
  const [a = first, b = first, c = first] = sealAll([Uint8Array.of(1), Uint8Array.of(2), Uint8Array.of(3)]);
  const opens = (sealed: Uint8Array, isLast: boolean): boolean =>
    new RunningCheck(sha256, first).open(sealed, isLast) !== undefined;
  expect([opens(a, false), opens(a, true), opens(b, false), opens(c, true)]).toEqual([true, false, false, false]);
  const [other = first] = sealAll([Uint8Array.of(1), Uint8Array.of(2)], sha256(Uint8Array.of(2)));
  expect(opens(other, false)).toBe(false);
  expect(opens(a.slice(0, 31), false)).toBe(false);
});
