import * as idbDouble from "fake-indexeddb";
import { afterAll, describe, test } from "vitest";
import type { Storage } from "../ports/storage.ts";
import { idbContract } from "../testing/idb-contract.ts";
import { installIdbDouble } from "../testing/idb-double.ts";
import { storageContract } from "../testing/storage-contract.ts";
import { openIdbStorage } from "./idb.ts";

afterAll(installIdbDouble(idbDouble));

async function openClaimed(name: string): Promise<Storage> {
  const storage = await openIdbStorage(name);
  await storage.claim();
  return storage;
}

describe("storage on the double of IndexedDB", () => {
  for (const [i, { title, check }] of storageContract.entries()) {
    test(title, { timeout: 60_000 }, async () => {
      await check({ open: () => openIdbStorage(`contract-${i}`) });
    });
  }
  for (const [i, { title, hasManyWriters = false, check }] of storageContract.entries()) {
    if (hasManyWriters) continue;
    test(`${title}, for the only writer`, { timeout: 60_000 }, async () => {
      await check({ open: () => openClaimed(`claimed-contract-${i}`) });
    });
  }
  for (const [i, { title, check }] of idbContract.entries()) {
    test(title, { timeout: 60_000 }, () => check(`idb-contract-${i}`));
  }
});
