import { expect, test } from "vitest";
import { TidemarkError } from "../core/errors.ts";
import { healthyStorage, type StorageHealth } from "../engine/storage-health.ts";
import type { VerifyReport } from "../engine/verify.ts";
import type { WorkerApi } from "../worker/api.ts";
import { LeaderLine } from "./leader-line.ts";
import { StorageInfo, type StorageStatus } from "./storage-info.ts";
import type { StoragePlatform } from "./storage-platform.ts";

const dayMs = 86_400_000;
const report = { checked: 3 } as VerifyReport;

/** A browser that the test plays. */
class FakeBrowser implements StoragePlatform {
  usage: number | undefined = 1_000;
  quota: number | undefined = 10_000;
  isPersisted = false;
  willGrant = false;
  asked = 0;
  /** How often it was asked whether it would grant it. */
  lookedUp = 0;
  nowMs = 20_000 * dayMs;
  /** Answers to whoever asked. */
  answer: (persisted: boolean) => void = () => {};
  timeOut: () => void = () => {};
  readonly kept = new Map<string, unknown>();

  readonly facts = {
    get: async (name: string): Promise<unknown> => this.kept.get(name),
    set: async (name: string, value: unknown): Promise<void> => void this.kept.set(name, value),
  };

  async estimate(): Promise<{ usage: number | undefined; quota: number | undefined }> {
    return { usage: this.usage, quota: this.quota };
  }

  async persisted(): Promise<boolean> {
    return this.isPersisted;
  }

  async isGranted(): Promise<boolean> {
    this.lookedUp += 1;
    return this.willGrant;
  }

  persist(): Promise<boolean> {
    this.asked += 1;
    return new Promise((resolve) => {
      this.answer = (persisted) => {
        this.isPersisted = persisted;
        resolve(persisted);
      };
      if (this.willGrant) this.answer(true);
    });
  }

  now(): number {
    return this.nowMs;
  }

  after(): Promise<void> {
    return new Promise((resolve) => {
      this.timeOut = resolve;
    });
  }
}

interface SetUp {
  readonly storage: StorageInfo;
  readonly browser: FakeBrowser;
  readonly told: StorageStatus[];
  readonly calls: string[];
  readonly line: LeaderLine;
  lead(health?: StorageHealth): { readonly ends: ((end: VerifyReport | TidemarkError) => void)[] };
}

function setUp({
  persist = "auto",
  browser = new FakeBrowser(),
}: Partial<{ persist: "auto" | "never"; browser: FakeBrowser }> = {}): SetUp {
  const told: StorageStatus[] = [];
  const calls: string[] = [];
  const line = new LeaderLine({ tab: "t1", forget: async () => {}, began: () => {}, wrote: () => {} });
  const changed = (status: StorageStatus): void => void told.push(status);
  const storage = new StorageInfo({ line, platform: browser, facts: browser.facts, persist, changed });
  const lead: SetUp["lead"] = (health = healthyStorage) => {
    const ends: ((end: VerifyReport | TidemarkError) => void)[] = [];
    const api = {
      storageHealth: async () => health,
      verify: (id: number) => {
        calls.push(`verify ${id}`);
        return new Promise((resolve, reject) => {
          ends.push((end) => (end instanceof TidemarkError ? reject(end) : resolve(end)));
        });
      },
      cancelVerify: async (id: number) => void calls.push(`cancel ${id}`),
    } as unknown as WorkerApi;
    line.attach({ api });
    return { ends };
  };
  return { storage, browser, told, calls, line, lead };
}

test("[CLIENT-42] the state follows what the browser promises and what storage takes, and says why", async () => {
  const { storage, browser, told, lead } = setUp();
  lead();
  await storage.attached("idb");
  expect(storage.state()).toBe("best-effort");
  expect(await storage.status()).toEqual({
    state: "best-effort",
    reason: "unpersisted",
    usedBytes: 1_000,
    quotaBytes: 10_000,
    freeBytes: 9_000,
    bytesPerDay: undefined,
    fullInDays: undefined,
    damagedEntries: 0,
    persisted: false,
  });
  await storage.take({ type: "full", code: "STORAGE_QUOTA", damagedEntries: 2 });
  await storage.take({ type: "failing", code: "STORAGE_UNAVAILABLE", damagedEntries: 2 });
  await storage.take({ type: "ok", code: undefined, damagedEntries: 2 });
  browser.isPersisted = true;
  await storage.take(healthyStorage);
  expect(told.map(({ state, reason, damagedEntries }) => [state, reason, damagedEntries])).toEqual([
    ["at-risk", "full", 2],
    ["at-risk", "failing", 2],
    ["at-risk", "damaged", 2],
    ["persistent", undefined, 0],
  ]);
  expect(storage.state()).toBe("persistent");
});

test("[CLIENT-42] what is in memory alone is called so, whatever else is said, and told at once", async () => {
  const { storage, browser, told } = setUp();
  browser.isPersisted = true;
  await storage.attached("memory");
  await storage.take({ type: "full", code: "STORAGE_QUOTA", damagedEntries: 2 });
  expect(storage.state()).toBe("memory");
  expect(told.map(({ state, reason }) => [state, reason])).toEqual([
    ["memory", "unavailable"],
    ["memory", "unavailable"],
  ]);
});

test("[CLIENT-42] growth and the day when it is full are told after days, also over restarts", async () => {
  const browser = new FakeBrowser();
  const first = setUp({ browser });
  await first.storage.attached("idb");
  browser.nowMs += 4 * dayMs;
  browser.usage = 3_000;
  const second = setUp({ browser });
  second.lead();
  expect(await second.storage.status()).toMatchObject({ bytesPerDay: 500, fullInDays: 14 });
});

test("[CLIENT-42] where the browser estimates nothing, or what was kept is damaged, nothing is made up", async () => {
  const { storage, browser, lead } = setUp();
  lead();
  browser.kept.set("usage", [null, { atMs: "x" }, 5]);
  browser.usage = undefined;
  const unknown = { usedBytes: undefined, freeBytes: undefined, bytesPerDay: undefined, fullInDays: undefined };
  expect(await storage.status()).toMatchObject(unknown);
  browser.kept.set("usage", "nonsense");
  browser.usage = 5;
  expect(await storage.status()).toMatchObject({ usedBytes: 5, bytesPerDay: undefined });
});

test("[CLIENT-43] the browser is asked once per device, when something is made that its user would miss", async () => {
  const browser = new FakeBrowser();
  const { storage } = setUp({ browser });
  await storage.attached("idb");
  for (let i = 0; i < 3; i++) await storage.noteWrite(false);
  expect([browser.asked, browser.lookedUp]).toEqual([0, 1]);
  for (let i = 0; i < 2; i++) void storage.noteWrite(true);
  await expect.poll(() => browser.asked).toBe(1);
  await storage.noteWrite(true);
  const later = setUp({ browser });
  await later.storage.attached("idb");
  await later.storage.noteWrite(true);
  expect(browser.asked).toBe(1);
});

test("[CLIENT-43] after the first write it is asked where it says yes without asking anybody, and not again", async () => {
  const { storage, browser, told } = setUp();
  await storage.attached("idb");
  browser.willGrant = true;
  await storage.noteWrite(false);
  expect([browser.asked, storage.state(), told.map(({ persisted }) => persisted)]).toEqual([1, "persistent", [true]]);
  await storage.noteWrite(false);
  await storage.noteWrite(true);
  expect(browser.asked).toBe(1);
});

test("[CLIENT-43] it is not asked when the app says never, nor for what is in memory", async () => {
  const never = setUp({ persist: "never" });
  await never.storage.attached("idb");
  await never.storage.noteWrite(true);
  const memory = setUp();
  await memory.storage.attached("memory");
  await memory.storage.noteWrite(true);
  expect([never.browser.asked, memory.browser.asked]).toEqual([0, 0]);
});

test("[CLIENT-43] an answer that does not come is no; one that comes later counts", async () => {
  const { storage, browser, told } = setUp();
  const persisted = storage.persist();
  browser.timeOut();
  expect([await persisted, storage.state()]).toEqual([false, "best-effort"]);
  browser.answer(true);
  await expect.poll(() => told.map(({ state }) => state)).toEqual(["persistent"]);
  expect(storage.state()).toBe("persistent");
});

test("[CLIENT-44] verifying tells how far it is, and begins anew with a new leader", async () => {
  const { storage, calls, lead } = setUp();
  lead();
  const seen: unknown[] = [];
  const verified = storage.verify({ onProgress: (progress) => seen.push(progress) });
  storage.progressed(1, { checked: 1, total: 3 });
  storage.progressed(9, { checked: 2, total: 3 });
  const { ends } = lead();
  ends[0]?.(report);
  expect([await verified, seen, calls]).toEqual([report, [{ checked: 1, total: 3 }], ["verify 1", "verify 1"]]);
  storage.progressed(1, { checked: 3, total: 3 });
  expect(seen).toHaveLength(1);
});

test("[CLIENT-44] verifying ends with ABORTED at once, and so does the engine's work", async () => {
  const { storage, calls, lead } = setUp();
  lead();
  const abort = new AbortController();
  const verified = storage.verify({ signal: abort.signal });
  abort.abort();
  await expect(verified).rejects.toMatchObject({ code: "ABORTED" });
  expect(calls).toEqual(["verify 1", "cancel 1"]);
  await expect(storage.verify({ signal: abort.signal })).rejects.toMatchObject({ code: "ABORTED" });
  await expect(storage.verify({ onProgress: 5 as never })).rejects.toMatchObject({ code: "INPUT_INVALID" });
});
