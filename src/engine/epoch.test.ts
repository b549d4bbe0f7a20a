import { expect, test } from "vitest";
import { createMemoryStorage, MemoryDisk } from "../storage/memory.ts";
import { SeededRandom } from "../testing/random.ts";
import { loadEpoch } from "./epoch.ts";

test("[STORAGE-21] the epoch is drawn once per storage, whoever asks first", async () => {
  const random = new SeededRandom(1);
  const disk = new MemoryDisk();
  const epochs = await Promise.all([1, 2, 3].map(() => loadEpoch(createMemoryStorage(disk), random)));
  const [epoch = ""] = epochs;
  expect(epochs).toEqual([epoch, epoch, epoch]);
  expect(epoch).toMatch(/^[0-9a-f]{32}$/);
  expect(await loadEpoch(createMemoryStorage(), random)).not.toBe(epoch);
});

test("[STORAGE-21] something else in place of the epoch gives way to another one", async () => {
  for (const value of [1, "", "f".repeat(31), "F".repeat(32), null]) {
    const disk = new MemoryDisk();
    disk.values.set("epoch", value);
    const epoch = await loadEpoch(createMemoryStorage(disk), new SeededRandom(1));
    expect(epoch).toMatch(/^[0-9a-f]{32}$/);
    expect(await loadEpoch(createMemoryStorage(disk), new SeededRandom(2))).toBe(epoch);
  }
});
