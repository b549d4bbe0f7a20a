import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeHex } from "../core/ids.ts";
import { associatedData } from "../core/store/sealed.ts";
import type { SealingKeys } from "../ports/payload-keys.ts";
import { arbitraryBody } from "../testing/arbitrary.ts";
import { ClonedValues } from "../testing/cloned-values.ts";
import { SeededRandom } from "../testing/random.ts";
import { sealingChecks } from "../testing/sealing-contract.ts";
import { simulatedSealing } from "../testing/simulated-sealing.ts";
import { wrappedForInviteBytesLength, wrappedForMemberBytesLength } from "./key-wrap.ts";
import { createPayloadKey } from "./payload-cipher.ts";
import { loadSealingKeys } from "./sealing-keys.ts";
import { loadSha256 } from "./sha256.ts";

const { subtle } = globalThis.crypto;

async function create(): Promise<SealingKeys> {
  const keys = await loadSealingKeys(new ClonedValues(), subtle);
  if (keys === undefined) throw new Error("there is WebCrypto here");
  return keys;
}

describe.each(sealingChecks)("$title", ({ check }) => {
  test("by WebCrypto", () => check(create));

  test("in simulations", async () => {
    const sha256 = await loadSha256();
    const random = new SeededRandom(1);
    await check(async () => simulatedSealing(random.bytes(32), sha256));
  });
});

test("[ENCRYPTION-17] a device's sealing keys are made once and stay, also for openers at the same moment", async () => {
  const storage = new ClonedValues();
  const [first, second] = await Promise.all([loadSealingKeys(storage, subtle), loadSealingKeys(storage, subtle)]);
  const later = await loadSealingKeys(storage, subtle);
  expect([second?.publicKey, later?.publicKey]).toEqual([first?.publicKey, first?.publicKey]);
  const secret = new Uint8Array(32).fill(3);
  const wrapped = await first?.wrap(secret, first.publicKey);
  expect(await later?.unwrap(wrapped ?? secret)).toEqual(secret);
  const sealed = await first?.disk.seal(secret, secret.subarray(0, 12), secret);
  expect(await later?.disk.open(sealed ?? secret, secret.subarray(0, 12), secret)).toEqual(secret);
});

test("[ENCRYPTION-17] neither of them can be exported", async () => {
  const storage = new ClonedValues();
  await loadSealingKeys(storage, subtle);
  const stored = (await storage.getValue("sealing")) as { readonly privateKey: CryptoKey; readonly diskKey: CryptoKey };
  for (const [key, format] of [
    [stored.privateKey, "pkcs8"],
    [stored.diskKey, "raw"],
  ] as const) {
    expect(key.extractable).toBe(false);
    await expect(subtle.exportKey(format, key)).rejects.toThrow();
  }
});

test.each([
  ["text", "keys"],
  ["keys without a private half", { publicKey: new Uint8Array(65), diskKey: new Uint8Array(32) }],
  [
    "bytes in their place",
    { publicKey: new Uint8Array(65), privateKey: new Uint8Array(32), diskKey: new Uint8Array(32) },
  ],
])("[ENCRYPTION-17] %s where the keys should be are reported and not replaced", async (_what, value) => {
  const storage = new ClonedValues();
  await storage.putValueOnce("sealing", value);
  await expect(loadSealingKeys(storage, subtle)).rejects.toMatchObject({ code: "STORAGE_CORRUPT" });
  expect(await storage.getValue("sealing")).toEqual(value);
});

test("[ENCRYPTION-17] without WebCrypto there are none, and nothing is kept", async () => {
  const storage = new ClonedValues();
  expect(await loadSealingKeys(storage, undefined)).toBeUndefined();
  expect(await storage.getValue("sealing")).toBeUndefined();
});

test("[ENCRYPTION-2] a part that is moved to an entry with any other header does not open", async () => {
  const key = await createPayloadKey(subtle, new Uint8Array(32).fill(5));
  const nonce = new Uint8Array(12);
  const content = Uint8Array.of(1, 2, 3);
  const fields = ["database", "author", "seq", "prev", "parents", "height", "time"] as const;
  await fc.assert(
    fc.asyncProperty(arbitraryBody(), arbitraryBody(), fc.constantFrom(...fields), async (body, other, field) => {
      const sealed = await key.seal(content, nonce, associatedData(body, 1));
      expect(await key.open(sealed, nonce, associatedData({ ...body }, 1))).toEqual(content);
      expect(await key.open(sealed, nonce, associatedData(body, 2))).toBeUndefined();
      const moved = { ...body, [field]: other[field] };
      const isSame = JSON.stringify(moved[field]) === JSON.stringify(body[field]);
      expect(await key.open(sealed, nonce, associatedData(moved, 1))).toEqual(isSame ? content : undefined);
    }),
    { numRuns: 300 },
  );
});

test("[ENCRYPTION-16] ids, keys and wraps are what docs/spec.md says, so that another implementation can follow", async () => {
  const secret = Uint8Array.from({ length: 32 }, (_, i) => i);
  const key = await createPayloadKey(subtle, secret);
  const derive = async (
    tag: string,
    bits: number,
    from: Uint8Array = secret,
    ...info: readonly number[]
  ): Promise<Uint8Array> => {
    const base = await subtle.importKey("raw", Uint8Array.from(from), "HKDF", false, ["deriveBits"]);
    const bytes = Uint8Array.from([...new TextEncoder().encode(tag), ...info]);
    const hkdf = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(0), info: bytes };
    return new Uint8Array(await subtle.deriveBits(hkdf, base, bits));
  };
  const decrypt = async (raw: Uint8Array, sealed: Uint8Array, associated: Uint8Array): Promise<Uint8Array> => {
    const aes = await subtle.importKey("raw", Uint8Array.from(raw), "AES-GCM", false, ["decrypt"]);
    const gcm = { name: "AES-GCM", iv: new Uint8Array(12), additionalData: Uint8Array.from(associated) };
    return new Uint8Array(await subtle.decrypt(gcm, aes, Uint8Array.from(sealed)));
  };
  expect(key.id).toBe(encodeHex(await derive("tidemark/epoch/1/id\0", 128)));
  const sealed = await key.seal(Uint8Array.of(9), new Uint8Array(12), Uint8Array.of(1));
  expect(await decrypt(await derive("tidemark/epoch/1/content\0", 256), sealed, Uint8Array.of(1))).toEqual(
    Uint8Array.of(9),
  );

  const ann = await create();
  const seed = new Uint8Array(32).fill(6);
  const inviteKey = await derive("tidemark/wrap/1/invite\0", 256, seed);
  expect(await ann.inviteKey(seed)).toEqual(inviteKey);
  const forInvite = await ann.wrapForInvite(secret, inviteKey);
  expect(forInvite).toHaveLength(wrappedForInviteBytesLength);
  const wrapKey = await derive("tidemark/wrap/1/invite-key\0", 256, inviteKey, ...forInvite.subarray(0, 16));
  expect(await decrypt(wrapKey, forInvite.subarray(16), new Uint8Array(0))).toEqual(secret);

  const pair = await subtle.generateKey({ name: "ECDH", namedCurve: "P-256" }, true, ["deriveBits"]);
  const sealKey = new Uint8Array(await subtle.exportKey("raw", pair.publicKey));
  const forMember = (await ann.wrap(secret, sealKey)) ?? seed;
  expect(forMember).toHaveLength(wrappedForMemberBytesLength);
  const point = forMember.slice(16, 81);
  const theirs = await subtle.importKey("raw", point, { name: "ECDH", namedCurve: "P-256" }, false, []);
  const shared = new Uint8Array(await subtle.deriveBits({ name: "ECDH", public: theirs }, pair.privateKey, 256));
  const memberKey = await derive("tidemark/wrap/1/member\0", 256, shared, ...point, ...sealKey);
  expect(await decrypt(memberKey, forMember.subarray(81), new Uint8Array(0))).toEqual(secret);
});
