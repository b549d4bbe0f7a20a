import { describe, test } from "vitest";
import { storageContract } from "../testing/storage-contract.ts";
import { createMemoryStorage, MemoryDisk } from "./memory.ts";

describe("storage in memory", () => {
  for (const { title, check } of storageContract) {
    test(title, async () => {
      const disk = new MemoryDisk();
      await check({ open: async () => createMemoryStorage(disk) });
    });
  }
});
