import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeHex, encodeHex } from "../core/ids.ts";
import { ClonedValues } from "../testing/cloned-values.ts";
import { rfc8032Vectors } from "../testing/vectors/signatures.ts";
import { identityFromSeed, loadIdentity } from "./identity.ts";
import { platformRandom } from "./random.ts";
import { publicKeyFromSeed } from "./stored-key.ts";
import { createVerifier } from "./verifier.ts";

const { subtle } = globalThis.crypto;
const withoutEd25519 = {
  importKey: () => Promise.reject(new DOMException("no Ed25519", "NotSupportedError")),
} as Partial<SubtleCrypto> as SubtleCrypto;
const message = Uint8Array.of(1, 2, 3);

test.each([
  ["with Ed25519 in WebCrypto", subtle],
  ["without it", withoutEd25519],
])(
  "[KEYS-4] %s the identity of a storage is made once and stays, also for openers at the same moment",
  async (_, platform) => {
    const storage = new ClonedValues();
    const [first, second] = await Promise.all([loadIdentity(storage, platform), loadIdentity(storage, platform)]);
    const later = await loadIdentity(storage, platform);
    expect([second.publicKey, later.publicKey]).toEqual([first.publicKey, first.publicKey]);
    const verifier = await createVerifier();
    for (const identity of [first, second, later]) {
      expect(await verifier.verify(first.publicKey, message, await identity.sign(message))).toBe(true);
    }
    expect((await loadIdentity(new ClonedValues(), platform)).publicKey).not.toBe(first.publicKey);
  },
);

test("[KEYS-5] the stored private key cannot be exported", async () => {
  const storage = new ClonedValues();
  await loadIdentity(storage, subtle);
  const stored = (await storage.getValue("identity")) as { readonly privateKey: CryptoKey };
  expect(stored.privateKey.extractable).toBe(false);
  await expect(subtle.exportKey("pkcs8", stored.privateKey)).rejects.toThrow();
  expect(Object.values(stored).filter((value) => value instanceof Uint8Array)).toHaveLength(1);
});

test("[KEYS-5] an identity made without Ed25519 in WebCrypto is the same once the browser has it", async () => {
  const storage = new ClonedValues();
  const before = await loadIdentity(storage, withoutEd25519);
  const after = await loadIdentity(storage, subtle);
  expect(after.publicKey).toBe(before.publicKey);
  expect(await after.sign(message)).toEqual(await before.sign(message));
});

test.each([
  ["of another form", { type: "other" }],
  ["with a short seed", { type: "seed", seed: new Uint8Array(31) }],
  ["with a private key that is none", { type: "key", publicKey: new Uint8Array(32), privateKey: {} }],
  ["that is a text", "identity"],
])("[KEYS-6] a stored identity %s is reported and left as it is", async (_, value) => {
  const storage = new ClonedValues();
  await storage.putValueOnce("identity", value);
  await expect(loadIdentity(storage)).rejects.toMatchObject({ code: "STORAGE_CORRUPT" });
  expect(await storage.getValue("identity")).toEqual(value);
});

test("[KEYS-6] a key that needs WebCrypto is refused with ENVIRONMENT_UNSUPPORTED where WebCrypto cannot use it", async () => {
  const storage = new ClonedValues();
  await loadIdentity(storage, subtle);
  await expect(loadIdentity(storage, withoutEd25519)).rejects.toMatchObject({ code: "ENVIRONMENT_UNSUPPORTED" });
});

test.each(rfc8032Vectors)(
  "[KEYS-7] the seed of $name gives its key and its signature on every platform",
  async (vector) => {
    for (const platform of [subtle, withoutEd25519]) {
      const identity = await identityFromSeed(decodeHex(vector.seed), platform);
      expect(identity.publicKey).toBe(vector.publicKey);
      expect(encodeHex(await identity.sign(decodeHex(vector.message)))).toBe(vector.signature);
    }
  },
);

test("[KEYS-7] a seed is copied: overwriting it later changes nothing", async () => {
  const seed = new Uint8Array(32).fill(7);
  const expected = publicKeyFromSeed(seed);
  const identity = await identityFromSeed(seed, withoutEd25519);
  const signature = await identity.sign(message);
  seed.fill(0);
  expect(identity.publicKey).toBe(expected);
  expect(await identity.sign(message)).toEqual(signature);
});

test("[KEYS-7] a seed of another length is refused with INPUT_INVALID", async () => {
  await expect(identityFromSeed(new Uint8Array(31))).rejects.toMatchObject({ code: "INPUT_INVALID" });
});

test("[KEYS-12] random bytes come in any length, also above what the platform gives at once", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 300_000 }), (length) => {
      const bytes = platformRandom.bytes(length);
      expect(bytes).toHaveLength(length);
      // 32 zeros at the end of random bytes come once in 2^256 calls.
      if (length >= 32) expect(bytes.subarray(-32).some((byte) => byte !== 0)).toBe(true);
    }),
    { numRuns: 20 },
  );
});
