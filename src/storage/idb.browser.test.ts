import { describe, expect, test } from "vitest";
import type { TidemarkError } from "../core/errors.ts";
import type { Storage } from "../ports/storage.ts";
import { idbContract } from "../testing/idb-contract.ts";
import { SeededRandom } from "../testing/random.ts";
import { storageContract } from "../testing/storage-contract.ts";
import { StoredEntries } from "../testing/stored-entries.ts";
import { openIdbStorage } from "./idb.ts";

async function openClaimed(name: string): Promise<Storage> {
  const storage = await openIdbStorage(name);
  await storage.claim();
  return storage;
}

describe("storage on IndexedDB", () => {
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

/** As far as it is used here: https://wicg.github.io/storage-buckets/. TypeScript does not know it yet. */
interface StorageBuckets {
  open(name: string, options: { readonly quota: number }): Promise<{ readonly indexedDB: IDBFactory }>;
  delete(name: string): Promise<void>;
}

/** Runs `use` with a part of the disk of its own: with room for `quota` bytes, and deleted by the browser when told so. */
async function onOwnDisk(quota: number, use: (deleteDisk: () => Promise<void>) => Promise<void>): Promise<void> {
  const { storageBuckets } = navigator as unknown as { readonly storageBuckets: StorageBuckets };
  const name = `disk-${quota}`;
  const bucket = await storageBuckets.open(name, { quota });
  const original = Object.getOwnPropertyDescriptor(globalThis, "indexedDB") as PropertyDescriptor;
  Object.defineProperty(globalThis, "indexedDB", { configurable: true, value: bucket.indexedDB });
  try {
    await use(() => storageBuckets.delete(name));
  } finally {
    Object.defineProperty(globalThis, "indexedDB", original);
    await storageBuckets.delete(name);
  }
}

test.each([
  ["by whoever claimed", true],
  ["without a claim", false],
])(
  "[STORAGE-1] [STORAGE-5] a commit for which there is no room, %s, is STORAGE_QUOTA and leaves nothing",
  async (_, claims) => {
    await onOwnDisk(1_000_000, async () => {
      const storage = claims ? await openClaimed("full") : await openIdbStorage("full");
      const source = new StoredEntries(new SeededRandom(1));
      const { database } = source;
      await storage.putDatabase({ id: database, name: "notes", relays: [] });
      const [small, large] = [source.take(10), source.take(10_000, 1_000)];
      await storage.commit({ database, position: 0, entries: small });
      await expect(storage.commit({ database, position: 10, entries: large })).rejects.toMatchObject({
        code: "STORAGE_QUOTA",
      });
      expect((await storage.load(database))?.index).toHaveLength(10);
      expect(await storage.read(database, 0, 10)).toEqual(small.map(({ bytes }) => bytes));
      await storage.close();
    });
  },
);

test("[STORAGE-16] when the browser clears the stored data the owner is told, and calls are STORAGE_CLOSED", async () => {
  await onOwnDisk(20_000_000, async (deleteDisk) => {
    const losses: TidemarkError[] = [];
    let told = (): void => {};
    const lost = new Promise<void>((resolve) => {
      told = resolve;
    });
    const storage = await openIdbStorage("cleared", {
      onLost: (error) => {
        losses.push(error);
        told();
      },
    });
    await storage.putValueOnce("name", 1);
    await deleteDisk();
    await lost;
    expect(losses).toMatchObject([{ code: "STORAGE_CLOSED" }]);
    await expect(storage.getValue("name")).rejects.toBe(losses[0]);
  });
});
