import { expect, test } from "vitest";
import type { SealingKeys, SpareSealingKey } from "../ports/payload-keys.ts";
import { ClonedValues } from "../testing/cloned-values.ts";
import { loadSealingKeys } from "./sealing-keys.ts";

const { subtle } = globalThis.crypto;
const secret = new Uint8Array(32).fill(9);

async function open(storage: ClonedValues): Promise<SealingKeys> {
  const keys = await loadSealingKeys(storage, subtle);
  if (keys === undefined) throw new Error("there is WebCrypto here");
  return keys;
}

async function wrapFor(keys: SealingKeys, { publicKey }: Pick<SpareSealingKey, "publicKey">): Promise<Uint8Array> {
  return (await keys.wrap(secret, publicKey)) ?? new Uint8Array();
}

test("[RECOVERY-6] what was wrapped for a spare key is opened where it was restored, then and after reopening, and nowhere else", async () => {
  const storage = new ClonedValues();
  const [first, second] = [await open(new ClonedValues()), await open(storage)];
  const spare = await first.createSpare();
  const wrapped = await wrapFor(first, spare);
  expect([await first.unwrap(wrapped), await second.unwrap(wrapped)]).toEqual([undefined, undefined]);
  await second.restore(spare);
  // It was read: overwriting it changes nothing.
  const again = { publicKey: spare.publicKey.slice(), privateKey: spare.privateKey.slice() };
  spare.privateKey.fill(0);
  spare.publicKey.fill(0);
  const reopened = await open(storage);
  for (const keys of [second, reopened]) expect(await keys.unwrap(wrapped)).toEqual(secret);
  expect(await first.unwrap(wrapped)).toBeUndefined();
  // Its own key opens as before, and restoring twice does no harm.
  await reopened.restore(again);
  expect(await reopened.unwrap(await wrapFor(first, second))).toEqual(secret);
  expect(await storage.values("sealing/")).toHaveLength(1);
});

test("[RECOVERY-6] a restored sealing key cannot be exported", async () => {
  const storage = new ClonedValues();
  const keys = await open(storage);
  await keys.restore(await keys.createSpare());
  const [[, stored] = []] = await storage.values("sealing/");
  const { privateKey } = stored as { readonly privateKey: CryptoKey };
  expect(privateKey.extractable).toBe(false);
  await expect(subtle.exportKey("pkcs8", privateKey)).rejects.toThrow();
});

test("[RECOVERY-6] bytes that are no sealing key are refused with INPUT_INVALID, and a stored one that cannot be read opens nothing", async () => {
  const storage = new ClonedValues();
  const keys = await open(storage);
  const { publicKey, privateKey } = await keys.createSpare();
  for (const spare of [
    { publicKey, privateKey: privateKey.slice(1) },
    { publicKey: publicKey.slice(1), privateKey },
    { publicKey: new Uint8Array(65), privateKey },
  ]) {
    await expect(keys.restore(spare)).rejects.toMatchObject({ code: "INPUT_INVALID" });
  }
  expect(await storage.values("sealing/")).toEqual([]);
  for (const rot of [null, "rot", { publicKey }]) await storage.putValueOnce(`sealing/${typeof rot}`, rot);
  const reopened = await open(storage);
  expect(await reopened.unwrap(await wrapFor(keys, { publicKey }))).toBeUndefined();
  expect(await reopened.unwrap(await wrapFor(keys, reopened))).toEqual(secret);
});
