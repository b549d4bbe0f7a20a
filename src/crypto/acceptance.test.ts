import fc from "fast-check";
import { expect, test } from "vitest";
import { concatBytes } from "../core/bytes.ts";
import { signatureVectors, smallOrderVectors } from "../testing/vectors/signatures.ts";
import { isAcceptableKey, isAcceptableSignature } from "./acceptance.ts";
import { Point } from "./noble.ts";

const { p: prime, n: order } = Point.CURVE();

function littleEndian(value: bigint): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, i) => Number((value >> BigInt(8 * i)) & 255n));
}

const signBit = 1n << 255n;
const base = Point.BASE.toBytes();

/** Numbers around the bounds, and anywhere. */
const numbers = fc.oneof(
  fc.tuple(fc.constantFrom(prime, order, 2n * order, signBit), fc.bigInt(-20n, 18n)).map(([near, by]) => near + by),
  fc.bigInt(0n, 2n ** 256n - 1n),
);

test("[KEYS-2] S is acceptable exactly when it is below the order of the group", () => {
  fc.assert(
    fc.property(numbers, (s) => {
      expect(isAcceptableSignature(concatBytes(base, littleEndian(s)))).toBe(s < order);
    }),
    { numRuns: 500 },
  );
});

test("[KEYS-2] a point is acceptable exactly when its y is below the prime and it is not of small order", () => {
  const smallOrderYs = [
    0n,
    1n,
    prime - 1n,
    ...["26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"]
      .map((hex) => Point.fromHex(hex).y)
      .flatMap((y) => [y, prime - y]),
  ];
  const ys = fc.oneof(
    numbers.map((y) => y % signBit),
    fc.constantFrom(...smallOrderYs),
  );
  fc.assert(
    fc.property(ys, fc.boolean(), (y, isNegative) => {
      const point = littleEndian(isNegative ? y + signBit : y);
      const isAcceptable = y < prime && !smallOrderYs.includes(y);
      expect(isAcceptableKey(point)).toBe(isAcceptable);
      expect(isAcceptableSignature(concatBytes(point, littleEndian(1n)))).toBe(isAcceptable);
    }),
    { numRuns: 500 },
  );
});

test("[KEYS-2] every recorded signature of small order is refused on its bytes alone, whatever a library would say", () => {
  const refused = smallOrderVectors.filter(({ publicKey, signature }) => {
    return !isAcceptableKey(Buffer.from(publicKey, "hex")) || !isAcceptableSignature(Buffer.from(signature, "hex"));
  });
  expect(refused).toHaveLength(196);
});

test("[KEYS-1] no recorded signature that is valid is refused on its bytes", () => {
  const valid = signatureVectors.filter(({ valid }) => valid);
  const refused = valid.filter(({ publicKey, signature }) => {
    return !isAcceptableKey(Buffer.from(publicKey, "hex")) || !isAcceptableSignature(Buffer.from(signature, "hex"));
  });
  expect(refused).toEqual([]);
});
