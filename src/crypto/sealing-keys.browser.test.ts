import { expect, test } from "vitest";
import type { SealingKeys } from "../ports/payload-keys.ts";
import { openIdbStorage } from "../storage/idb.ts";
import { sealingChecks } from "../testing/sealing-contract.ts";
import { loadSealingKeys } from "./sealing-keys.ts";

const { subtle } = globalThis.crypto;
let names = 0;

async function create(): Promise<SealingKeys> {
  const storage = await openIdbStorage(`sealing-${Date.now()}-${++names}`);
  const keys = await loadSealingKeys(storage, subtle);
  await storage.close();
  if (keys === undefined) throw new Error("there is WebCrypto here");
  return keys;
}

test.each(sealingChecks)("$title, in this browser", ({ check }) => check(create));

test("[ENCRYPTION-17] in this browser the sealing keys outlive a restart", async () => {
  const name = `sealing-${Date.now()}-${++names}`;
  const secret = new Uint8Array(32).fill(3);
  const wrapped: Uint8Array[] = [];
  for (const isFirst of [true, false]) {
    const storage = await openIdbStorage(name);
    const keys = await loadSealingKeys(storage, subtle);
    if (isFirst) wrapped.push((await keys?.wrap(secret, keys.publicKey)) ?? secret);
    expect(await keys?.unwrap(wrapped[0] ?? secret)).toEqual(secret);
    await storage.close();
  }
});
