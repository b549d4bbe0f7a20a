import { describe, expect, test } from "vitest";
import { cdp } from "vitest/browser";
import type { TidemarkError } from "../core/errors.ts";
import { idbContract } from "../testing/idb-contract.ts";
import { SeededRandom } from "../testing/random.ts";
import { storageContract } from "../testing/storage-contract.ts";
import { StoredEntries } from "../testing/stored-entries.ts";
import { openIdbStorage } from "./idb.ts";

describe("storage on IndexedDB", () => {
  for (const [i, { title, check }] of storageContract.entries()) {
    test(title, { timeout: 60_000 }, async () => {
      await check({ open: () => openIdbStorage(`contract-${i}`) });
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

/** Runs `use` on a disk with room for `quota` bytes. */
async function withQuota(quota: number, use: () => Promise<void>): Promise<void> {
  const { storageBuckets } = navigator as unknown as { readonly storageBuckets: StorageBuckets };
  const bucket = await storageBuckets.open("small", { quota });
  const original = Object.getOwnPropertyDescriptor(globalThis, "indexedDB") as PropertyDescriptor;
  Object.defineProperty(globalThis, "indexedDB", { configurable: true, value: bucket.indexedDB });
  try {
    await use();
  } finally {
    Object.defineProperty(globalThis, "indexedDB", original);
    await storageBuckets.delete("small");
  }
}

test("[STORAGE-1] [STORAGE-5] a commit for which there is no room is STORAGE_QUOTA and leaves nothing", async () => {
  await withQuota(1_000_000, async () => {
    const storage = await openIdbStorage("full");
    const source = new StoredEntries(new SeededRandom(1));
    const { database } = source;
    await storage.putDatabase({ id: database, name: "notes", relays: [] });
    const entries = source.take(10_000, 1_000);
    await expect(storage.commit({ database, position: 0, entries })).rejects.toMatchObject({ code: "STORAGE_QUOTA" });
    expect((await storage.load(database))?.index).toEqual([]);
    await storage.commit({ database, position: 0, entries: entries.slice(0, 10) });
    expect((await storage.load(database))?.index).toHaveLength(10);
    await storage.close();
  });
});

/** The part of the DevTools protocol that is used here; vitest leaves its type to the provider. */
interface DevTools {
  send(
    method: "Storage.clearDataForOrigin",
    params: { readonly origin: string; readonly storageTypes: string },
  ): Promise<unknown>;
}

test("[STORAGE-16] when the browser clears the site's data the owner is told, and calls are STORAGE_CLOSED", async () => {
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
  const devTools = cdp() as unknown as DevTools;
  await devTools.send("Storage.clearDataForOrigin", { origin: location.origin, storageTypes: "indexeddb" });
  await lost;
  expect(losses).toMatchObject([{ code: "STORAGE_CLOSED" }]);
  await expect(storage.getValue("name")).rejects.toBe(losses[0]);
});
