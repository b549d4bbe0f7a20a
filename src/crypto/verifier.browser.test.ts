import { expect, test } from "vitest";
import { decodeHex, encodeHex } from "../core/ids.ts";
import { acceptableVectors, acceptedBy, rfc8032Vectors } from "../testing/vectors/signatures.ts";
import { identityFromSeed } from "./identity.ts";
import { NobleVerifier } from "./noble-verifier.ts";
import { Sealer } from "./sealing.ts";
import { loadSha256 } from "./sha256.ts";
import { createVerifier } from "./verifier.ts";
import { WebCryptoVerifier } from "./webcrypto-verifier.ts";

const { subtle } = globalThis.crypto;
const withoutEd25519 = {
  importKey: () => Promise.reject(new DOMException("no Ed25519", "NotSupportedError")),
} as Partial<SubtleCrypto> as SubtleCrypto;

test.each([
  ["the platform's verifier", subtle, WebCryptoVerifier],
  ["the one used where the platform has no Ed25519", withoutEd25519, NobleVerifier],
])(
  "[KEYS-1] [KEYS-2] in this browser %s accepts every recorded signature that is valid under the acceptance rule, and no other",
  async (_, platform, used) => {
    const verifier = await createVerifier(platform);
    expect(verifier).toBeInstanceOf(used);
    expect(await acceptedBy(verifier)).toEqual(acceptableVectors);
  },
);

test.each(rfc8032Vectors)(
  "[KEYS-7] in this browser the seed of $name gives its key and its signature, with Ed25519 in WebCrypto and without",
  async (vector) => {
    for (const platform of [subtle, withoutEd25519]) {
      const identity = await identityFromSeed(decodeHex(vector.seed), platform);
      expect(identity.publicKey).toBe(vector.publicKey);
      expect(encodeHex(await identity.sign(decodeHex(vector.message)))).toBe(vector.signature);
    }
  },
);

test("[KEYS-8] in this browser SHA-256 by WebAssembly gives the known digest", async () => {
  const sha256 = await loadSha256();
  expect(encodeHex(sha256(Uint8Array.of(0x61, 0x62, 0x63)))).toBe(
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  );
});

test("[KEYS-10] in this browser a sealed note is opened by the one it is for", async () => {
  const verifier = await createVerifier();
  const [alice, bob] = await Promise.all(
    [1, 2].map(async (n) => Sealer.create(await identityFromSeed(new Uint8Array(32).fill(n)), verifier)),
  );
  const note = Uint8Array.of(1, 2, 3);
  expect(await bob?.open(alice?.card ?? note, (await alice?.seal(bob.card, note)) ?? note)).toEqual(note);
});
