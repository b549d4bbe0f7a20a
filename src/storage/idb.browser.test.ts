import { deleteDB } from "idb";
import { describe, test } from "vitest";
import { storageContract } from "../testing/storage-contract.ts";
import { openIdbStorage } from "./idb.ts";

describe("storage on IndexedDB", () => {
  for (const [i, { title, check }] of storageContract.entries()) {
    test(title, { timeout: 60_000 }, async () => {
      const name = `contract-${i}`;
      await check({ open: () => openIdbStorage(name) });
      await deleteDB(`tidemark/${name}`);
    });
  }
});
