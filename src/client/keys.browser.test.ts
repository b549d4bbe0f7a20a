import { expose } from "comlink";
import { expect, onTestFinished, test } from "vitest";
import { TabHost } from "../worker/tab-host.ts";
import { InstanceLink } from "./instance-link.ts";
import { formatKey, Keys } from "./keys.ts";
import type { Line } from "./line.ts";
import { openPageTabs } from "./page-tabs.ts";

const passphrase = "correct horse battery staple";

/** The page's side and the worker's side in one thread, with a channel between them in place of a worker. */
async function openKeys(): Promise<{ readonly keys: Keys; readonly line: Line }> {
  const { port1, port2 } = new MessageChannel();
  expose(new TabHost(), port1);
  const worker = Object.assign(port2, { terminate: () => port1.close(), onerror: null }) as unknown as Worker;
  const name = crypto.randomUUID();
  const ignore = (): void => {};
  const { link } = await InstanceLink.open({
    startWorker: () => worker,
    bootTimeoutMs: 5_000,
    signal: undefined,
    boot: { relays: [], iceServers: [], sync: {}, name },
    tabs: openPageTabs(name),
    listener: { event: ignore, attached: ignore, tab: ignore, outdated: ignore, blocked: ignore, wrote: ignore },
  });
  onTestFinished(() => link.close());
  return { keys: new Keys(link.line), line: link.line };
}

test("[KEYS-22] over the border keys are made, listed and deleted, and each failure has its code", async () => {
  const { keys, line } = await openKeys();
  const { key } = await keys.create("work");
  const [device, work] = await keys.list();
  expect(device).toMatchObject({ name: "device", createdAtMs: undefined });
  expect(work).toEqual(key);
  expect(work).toMatchObject({ name: "work", text: formatKey(key.publicKey), createdAtMs: expect.any(Number) });
  await expect(keys.create("work")).rejects.toMatchObject({ code: "KEY_EXISTS" });
  await expect(keys.create("x".repeat(65))).rejects.toMatchObject({ code: "INPUT_INVALID" });
  await expect(keys.delete("other")).rejects.toMatchObject({ code: "KEY_UNKNOWN" });
  await expect(keys.delete("device")).rejects.toMatchObject({ code: "KEY_IN_USE" });
  await line.call("createDatabase", (api) => api.createDatabase({ name: "Board", key: "work" }));
  await expect(keys.delete("work")).rejects.toMatchObject({ code: "KEY_IN_USE", details: { name: "work" } });
  await keys.create("free");
  await keys.delete("free");
  expect((await keys.list()).map(({ name }) => name)).toEqual(["device", "work"]);
});

test("[KEYS-22] over the border a key is made with a backup, lost and restored, and wrong texts and passphrases have their codes", async () => {
  const [first, second] = [await openKeys(), await openKeys()];
  const { key, backup } = await first.keys.create("owner", { passphrase });
  const { key: restored, databases } = await second.keys.restore(backup, passphrase, { name: "again" });
  expect([restored.name, restored.publicKey, databases]).toEqual(["again", key.publicKey, []]);
  await expect(second.keys.restore(backup, "another one")).rejects.toMatchObject({ code: "BACKUP_PASSPHRASE" });
  await expect(second.keys.restore(backup.slice(0, -60), passphrase)).rejects.toMatchObject({
    code: "BACKUP_MALFORMED",
  });
  await expect(second.keys.create("x", { passphrase: "short" })).rejects.toMatchObject({ code: "INPUT_INVALID" });
});

test("[KEYS-22] over the border a backup names each database and what the key in it may do there", async () => {
  const { keys, line } = await openKeys();
  await line.call("createDatabase", (api) => api.createDatabase({ name: "Board" }));
  const { text, publicKey, databases } = await keys.backup({ passphrase });
  expect(databases).toEqual([
    { id: expect.stringMatching(/^bafyrei/), name: "Board", permission: "admin", code: undefined },
  ]);
  const fresh = await openKeys();
  const restored = await fresh.keys.restore(text, passphrase);
  expect(restored.key).toMatchObject({ name: "recovery", publicKey });
  expect(restored.databases).toEqual([{ id: databases[0]?.id, name: "Board", state: "joined", code: undefined }]);
});
