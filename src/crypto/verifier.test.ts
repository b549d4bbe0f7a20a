import { utils } from "@noble/ed25519";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concatBytes } from "../core/bytes.ts";
import { encodeHex, publicKeyFromBytes } from "../core/ids.ts";
import {
  acceptableVectors,
  acceptedBy,
  rfc8032Vectors,
  signatureVectors,
  smallOrderVectors,
  wycheproofVectors,
} from "../testing/vectors/signatures.ts";
import { getPublicKey, Point, sha512, sign } from "./noble.ts";
import { NobleVerifier } from "./noble-verifier.ts";
import { createVerifier, hasEd25519 } from "./verifier.ts";
import { WebCryptoVerifier } from "./webcrypto-verifier.ts";

const { subtle } = globalThis.crypto;
const verifiers = [new NobleVerifier(), new WebCryptoVerifier(subtle)];

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
const messages = fc.uint8Array({ maxLength: 200 });

describe.each(verifiers)("$constructor.name", (verifier) => {
  test("[KEYS-1] it accepts every recorded signature that is valid under the acceptance rule, and no other", async () => {
    expect(await acceptedBy(verifier)).toEqual(acceptableVectors);
  });

  test("[KEYS-2] it refuses every recorded key or R of small order or in a second encoding", async () => {
    const names = new Set(smallOrderVectors.map(({ name }) => name));
    expect(names.size).toBe(196);
    expect((await acceptedBy(verifier)).filter((name) => names.has(name))).toEqual([]);
  });

  test("[KEYS-3] bytes of any length in any place are simply not valid", async () => {
    await fc.assert(
      fc.asyncProperty(bytes32, messages, fc.uint8Array({ maxLength: 130 }), async (key, message, signature) => {
        expect(await verifier.verify(publicKeyFromBytes(key), message, signature)).toBe(false);
      }),
      { numRuns: 100 },
    );
  });
});

test("[KEYS-1] the recorded vectors hold valid signatures that are accepted, so agreement is not agreement on nothing", () => {
  expect(wycheproofVectors.filter(({ valid }) => valid)).toHaveLength(88);
  expect(acceptableVectors).toHaveLength(88 + rfc8032Vectors.length + 1);
  expect(signatureVectors.length - acceptableVectors.length).toBeGreaterThan(250);
});

test("[KEYS-1] both implementations give one answer for a random signature and any one flipped bit of key, message or signature", async () => {
  const answers = { valid: 0, invalid: 0 };
  await fc.assert(
    fc.asyncProperty(bytes32, messages, fc.option(fc.nat()), async (seed, message, flip) => {
      const parts = [getPublicKey(seed), message.slice(), sign(message, seed)] as const;
      if (flip !== null) flipBit(parts, flip);
      const [noble, platform] = await Promise.all(
        verifiers.map((verifier) => verifier.verify(publicKeyFromBytes(parts[0]), parts[1], parts[2])),
      );
      expect(platform).toBe(noble);
      expect(noble).toBe(flip === null);
      answers[noble ? "valid" : "invalid"]++;
    }),
    { numRuns: 150 },
  );
  expect(answers.valid).toBeGreaterThan(5);
  expect(answers.invalid).toBeGreaterThan(50);
});

/** Flips bit `flip`, modulo their number, in the bytes seen as one. */
function flipBit(parts: readonly Uint8Array[], flip: number): void {
  let bit = flip % (8 * parts.reduce((length, part) => length + part.length, 0));
  for (const part of parts) {
    if (bit < 8 * part.length) {
      part[bit >> 3] = (part[bit >> 3] as number) ^ (1 << (bit & 7));
      return;
    }
    bit -= 8 * part.length;
  }
}

test("[KEYS-1] both implementations agree on keys with a part of small order, where the cofactor makes the difference", async () => {
  const torsion = Point.fromHex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05");
  const answers = new Set<boolean>();
  for (let i = 0; i < 40; i++) {
    const seed = new Uint8Array(32).fill(i);
    const mixed = Point.fromBytes(getPublicKey(seed)).add(torsion).toBytes();
    const message = Uint8Array.of(i);
    const signature = signWithKeyBytes(seed, mixed, message);
    const [noble, platform] = await Promise.all(
      verifiers.map((verifier) => verifier.verify(publicKeyFromBytes(mixed), message, signature)),
    );
    expect(platform).toBe(noble);
    answers.add(noble === true);
  }
  // [k]A loses its part of small order when 8 divides k: about one signature in eight.
  expect([...answers].sort()).toEqual([false, true]);
});

/** An honest signature made for a key that is not the seed's own, as its owner could make it. */
function signWithKeyBytes(seed: Uint8Array, publicKey: Uint8Array, message: Uint8Array): Uint8Array {
  const { n } = Point.CURVE();
  const nonce = littleEndian(sha512(concatBytes(seed, message))) % n;
  const r = Point.BASE.multiply(nonce).toBytes();
  const k = littleEndian(sha512(concatBytes(r, publicKey, message))) % n;
  const s = (nonce + k * utils.getExtendedPublicKey(seed).scalar) % n;
  return concatBytes(
    r,
    Uint8Array.from({ length: 32 }, (_, i) => Number((s >> BigInt(8 * i)) & 255n)),
  );
}

function littleEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${encodeHex(bytes.toReversed())}`);
}

/** The real platform with some of its methods replaced. */
function platform(methods: Partial<SubtleCrypto>): SubtleCrypto {
  const real: Partial<SubtleCrypto> = { importKey: subtle.importKey.bind(subtle), verify: subtle.verify.bind(subtle) };
  return { ...real, ...methods } as SubtleCrypto;
}

test("[KEYS-1] a platform that lacks Ed25519, or answers wrongly, is not used", async () => {
  expect(await hasEd25519(subtle)).toBe(true);
  const lacking = platform({ importKey: () => Promise.reject(new DOMException("no Ed25519", "NotSupportedError")) });
  const agreeable = platform({ verify: () => Promise.resolve(true) });
  expect(await createVerifier()).toBeInstanceOf(WebCryptoVerifier);
  expect(await createVerifier(lacking)).toBeInstanceOf(NobleVerifier);
  expect(await createVerifier(agreeable)).toBeInstanceOf(NobleVerifier);
});
