import { expect, test } from "vitest";
import { encodeHex } from "../core/ids.ts";
import { acceptedBy, signatureVectors } from "../testing/vectors/signatures.ts";
import { identityFromSeed } from "./identity.ts";
import { NobleVerifier } from "./noble-verifier.ts";
import { Sealer } from "./sealing.ts";
import { loadSha256 } from "./sha256.ts";
import { createVerifier } from "./verifier.ts";
import { WebCryptoVerifier } from "./webcrypto-verifier.ts";

test("[KEYS-1] in this browser the platform's verifier accepts exactly the recorded signatures that the reference accepts", async () => {
  const platform = await createVerifier();
  expect(platform).toBeInstanceOf(WebCryptoVerifier);
  const accepted = await acceptedBy(platform);
  expect(accepted).toEqual(await acceptedBy(new NobleVerifier()));
  expect(accepted).toEqual(
    signatureVectors.filter(({ name, valid }) => valid ?? name === "edge case 3").map(({ name }) => name),
  );
});

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
