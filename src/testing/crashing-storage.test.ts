import { expect, test } from "vitest";
import { TidemarkError } from "../core/errors.ts";
import { createMemoryStorage, MemoryDisk } from "../storage/memory.ts";
import { CrashingStorage, type StorageFault } from "./crashing-storage.ts";
import { SeededRandom } from "./random.ts";
import { StoredEntries } from "./stored-entries.ts";

/** Commits ten entries one by one, with a fault at the fourth commit. Says how each ended, and what a restart finds. */
async function runWith(fault: StorageFault): Promise<{ outcomes: readonly string[]; found: number; faults: number }> {
  const disk = new MemoryDisk();
  const storage = new CrashingStorage(createMemoryStorage(disk), { commit: 4, fault });
  const source = new StoredEntries(new SeededRandom(1));
  const { database } = source;
  await storage.putDatabase({ id: database, name: "notes", relays: [] });
  const outcomes: string[] = [];
  let position = 0;
  for (const entry of source.take(10)) {
    const commit = storage.commit({ database, position, entries: [entry] });
    const outcome = await commit.then(
      () => "stored",
      (error: unknown) => (error instanceof TidemarkError ? error.code : String(error)),
    );
    if (outcome === "stored") position += 1;
    outcomes.push(outcome);
  }
  await storage.close();
  // Not loaded: what was committed after the fault may follow what was not.
  return { outcomes, found: disk.databases.get(database)?.index.length ?? 0, faults: storage.faults };
}

test("[STORAGE-1] a planned failure rejects one commit with its error, and nothing of it is there", async () => {
  const error = new TidemarkError("STORAGE_QUOTA", { reason: "planned" });
  const { outcomes, found, faults } = await runWith({ type: "fail", error });
  expect(outcomes).toEqual([...Array(3).fill("stored"), "STORAGE_QUOTA", ...Array(6).fill("stored")]);
  expect([found, faults]).toEqual([9, 1]);
});

test.each([
  { durable: false, left: 3 },
  { durable: true, left: 4 },
])(
  "[STORAGE-1] after a planned crash every call is STORAGE_CLOSED, and $left entries are on the disk",
  async (plan) => {
    const { outcomes, found, faults } = await runWith({ type: "crash", durable: plan.durable });
    expect(outcomes).toEqual([...Array(3).fill("stored"), ...Array(7).fill("STORAGE_CLOSED")]);
    expect([found, faults]).toEqual([plan.left, 1]);
  },
);
