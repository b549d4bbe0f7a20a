import fc from "fast-check";
import { expect, test } from "vitest";
import { arbitraryValue } from "../../testing/arbitrary.ts";
import type { CborValue } from "../cbor.ts";
import { CborWriter } from "../cbor-writer.ts";
import type { Entry, StorePart } from "../entry.ts";
import { decodeParts } from "../judgement.ts";
import { entryItemsMax } from "../limits.ts";
import { countItems } from "./item-count.ts";

function encode(value: CborValue): Uint8Array {
  const writer = new CborWriter();
  writer.writeValue(value);
  return writer.finish();
}

function weigh(value: CborValue): number {
  if (value instanceof Uint8Array) return 4;
  if (Array.isArray(value)) return value.reduce<number>((sum, item: CborValue) => sum + weigh(item), 1);
  if (typeof value !== "object" || value === null) return 1;
  return Object.values(value as Record<string, CborValue>).reduce<number>((sum, item) => sum + 1 + weigh(item), 1);
}

test("[STORE-14] the count is that of the values and names inside, whatever they are", () => {
  fc.assert(
    fc.property(arbitraryValue(), (value) => {
      expect(countItems(encode(value), Number.MAX_SAFE_INTEGER)).toBe(weigh(value));
    }),
  );
});

test("[STORE-14] any bytes are counted without an exception, and no further than asked", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat({ max: 50 }), (bytes, max) => {
      expect(countItems(bytes, max)).toBeLessThanOrEqual(max + 4);
    }),
  );
});

test("[STORE-14] payloads that unfold to too much are refused before they are decoded, also when none is too much alone", () => {
  const perStore = entryItemsMax / 4;
  const payload = new Uint8Array(perStore).fill(0xa0); // Empty maps, which no decoder has to accept.
  const stores = Array.from({ length: 5 }, (_, i): StorePart => ({ name: `s${i}`, type: "kv", payload }));
  const tooLarge = { ok: false, failure: { code: "CBOR_TOO_LARGE" } };
  expect(decodeParts({ stores } as unknown as Entry)).toMatchObject(tooLarge);
  expect(decodeParts({ stores: stores.slice(0, 2) } as unknown as Entry)).not.toMatchObject(tooLarge);
});

test("[STORE-14] payloads of kinds that are not decoded count for nothing", () => {
  const payload = new Uint8Array(entryItemsMax + 1);
  expect(decodeParts({ stores: [{ name: "s", type: "later", payload }] } as unknown as Entry)).toMatchObject({
    ok: true,
  });
});
