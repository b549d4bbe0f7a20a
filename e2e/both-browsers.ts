/** What is tried in Chromium and in Firefox alike. */
import type { Device } from "./device.ts";
import { expect } from "./fixtures.ts";
import type { Tab } from "./tabs.ts";

/** Everything durable is there after a reload, under the same key. */
export async function reloadWithEverything(device: Device): Promise<void> {
  await device.createAndShare();
  const before = await device.run(async () => {
    await db.transact((tx) => {
      tx.table("notes").put("n1", { title: "kept" });
      tx.kv("prefs").set("theme", "dark");
    });
    return { key: tide.publicKey, digest: await db.digest() };
  });
  await device.load();
  const after = await device.run(async () => ({ key: tide.publicKey, digest: await db.digest() }));
  expect(after).toEqual(before);
  expect(await device.run(() => db.kv("prefs").get("theme"))).toBe("dark");
  await device.close();
}

/** An edit made in the same breath as the tab goes to another page is there when it comes back, so many times. */
export async function leaveAsItWrites(tab: Tab, rounds: number): Promise<void> {
  await tab.createDatabase();
  for (let round = 0; round < rounds; round++) {
    await tab.run((round) => {
      db.table("rows")
        .put(`last ${round}`, {})
        .catch(() => {});
      location.assign("about:blank");
    }, round);
    await tab.page.waitForURL("about:blank");
    await tab.reload();
    await expect.poll(() => tab.run(async () => (await db.table("rows").all()).length)).toBe(round + 1);
  }
}

/** Of a commit that comes after another tab's claim on the storage nothing is stored, until the storage is claimed again. */
export async function commitAfterClaim(tab: Tab): Promise<void> {
  await tab.createDatabase();
  const { before, meanwhile, after } = await tab.run(async () => {
    const opening = indexedDB.open("tidemark/e2e");
    await new Promise((resolve) => (opening.onsuccess = resolve));
    const stored = opening.result;
    const names = [...stored.objectStoreNames];
    const look = async (
      transaction: IDBTransaction,
    ): Promise<{ readonly isClaimed: boolean; readonly keys: string }> => {
      const claim = transaction.objectStore("lease").getKey("claim of another");
      const keys = names
        .filter((name) => name !== "lease")
        .map((name) => [name, transaction.objectStore(name).getAllKeys()] as const);
      await new Promise((resolve) => (transaction.oncomplete = resolve));
      return {
        isClaimed: claim.result !== undefined,
        keys: JSON.stringify(keys.map(([name, { result }]) => [name, result])),
      };
    };
    const claiming = stored.transaction(names, "readwrite");
    claiming.objectStore("lease").delete(IDBKeyRange.bound("claim ", "claim \uffff"));
    claiming.objectStore("lease").put({ role: "writer", term: 1_000 }, "claim of another");
    const before = await look(claiming);
    const meanwhile = new Set([before.keys]);
    let isWritten = false;
    // Some always wait for their turn: so there is a look between the commit and the next claim.
    const watch = async (): Promise<void> => {
      while (!isWritten) {
        const { isClaimed, keys } = await look(stored.transaction(names));
        if (isClaimed) meanwhile.add(keys);
      }
    };
    const watching = [watch(), watch(), watch()];
    await db.table("rows").put("r", {});
    isWritten = true;
    await Promise.all(watching);
    const after = await look(stored.transaction(names));
    stored.close();
    return { before, meanwhile: [...meanwhile], after };
  });
  expect(before.isClaimed).toBe(true);
  expect(meanwhile).toEqual([before.keys]);
  expect(after.isClaimed, "claimed again").toBe(false);
  expect((await tab.run(() => db.digest())).entries, "done once").toBe(2);
}
