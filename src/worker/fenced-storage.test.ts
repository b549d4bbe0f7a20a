import { expect, test } from "vitest";
import { createMemoryStorage, MemoryDisk } from "../storage/memory.ts";
import { fenceStorage } from "./fenced-storage.ts";

const record = { kind: "hook", key: "a", value: 1 } as const;

test("[CLIENT-35] a leader that another claim fenced off hears of it once, and reads nothing either from then on", async () => {
  const disk = new MemoryDisk();
  let told = 0;
  const { storage } = fenceStorage(createMemoryStorage(disk), () => {
    told += 1;
  });
  await storage.claim();
  await storage.putRecords([record]);
  await createMemoryStorage(disk).claim();
  expect([await storage.records("hook"), told]).toEqual([[record], 0]);
  const fenced = { code: "STORAGE_FENCED" };
  await Promise.all([
    expect(storage.putRecords([{ ...record, value: 2 }])).rejects.toMatchObject(fenced),
    expect(storage.deleteWriteRow("x")).rejects.toMatchObject(fenced),
  ]);
  expect(told).toBe(1);
  await expect(storage.records("hook")).rejects.toMatchObject(fenced);
  expect(disk.records.get("hook")?.get("a")).toBe(1);
});

test("[CLIENT-35] once it is refused nothing is passed on but the end, and nobody is told of a claim", async () => {
  const disk = new MemoryDisk();
  const calls: string[] = [];
  const inner = createMemoryStorage(disk);
  const seen = new Proxy(inner, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        calls.push(String(name));
        return value.apply(target, args);
      };
    },
  });
  const fence = fenceStorage(seen, () => expect.fail("nobody else claimed it"));
  expect([fence.storage.kind, fence.isRefused]).toEqual(["memory", false]);
  await fence.storage.claim();
  fence.refuse();
  expect(fence.isRefused).toBe(true);
  await expect(fence.storage.putRecords([record])).rejects.toMatchObject({ code: "STORAGE_FENCED" });
  await expect(fence.storage.claim()).rejects.toMatchObject({ code: "STORAGE_FENCED" });
  await fence.storage.close();
  expect(calls).toEqual(["claim", "close"]);
});
