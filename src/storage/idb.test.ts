import "fake-indexeddb/auto";
import { describe, test } from "vitest";
import { idbContract } from "../testing/idb-contract.ts";
import { storageContract } from "../testing/storage-contract.ts";
import { openIdbStorage } from "./idb.ts";

describe("storage on the double of IndexedDB", () => {
  for (const [i, { title, check }] of storageContract.entries()) {
    test(title, { timeout: 60_000 }, async () => {
      await check({ open: () => openIdbStorage(`contract-${i}`) });
    });
  }
  for (const [i, { title, check }] of idbContract.entries()) {
    test(title, { timeout: 60_000 }, () => check(`idb-contract-${i}`));
  }
});
