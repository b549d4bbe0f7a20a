import { expect, test } from "vitest";
import { TidemarkError } from "../core/errors.ts";
import type { Storage } from "../ports/storage.ts";
import { createMemoryStorage, MemoryDisk } from "../storage/memory.ts";
import { SimulatedClock } from "../testing/clock.ts";
import { Cluster } from "../testing/cluster.ts";
import { turn } from "../testing/turn.ts";
import { InstanceParts } from "./instance-parts.ts";
import type { EnginePorts } from "./ports.ts";

const silent = new Proxy({} as never, { get: () => () => {} });

/** Resolves with ports on a disk on which a record of the engine is not as it was written, which is mended by and by. */
async function setUp(fails: (method: string, args: readonly unknown[]) => boolean): Promise<EnginePorts> {
  let ports: EnginePorts | undefined;
  const cluster = new Cluster(1);
  await cluster.addDevice({ ports: (it) => (ports = it) });
  if (ports === undefined) throw new Error("no ports");
  const disk = new MemoryDisk();
  await createMemoryStorage(disk).putRecords([{ kind: "peer", key: "k", value: "no peer" }]);
  const inner = createMemoryStorage(disk);
  const storage = new Proxy(inner, {
    get: (_inner, name) => {
      const value: unknown = Reflect.get(inner, name, inner);
      if (typeof value !== "function") return value;
      return async (...args: unknown[]) => {
        if (fails(String(name), args)) throw new TidemarkError("STORAGE_UNAVAILABLE", { reason: "as it was told" });
        return await value.apply(inner, args);
      };
    },
  }) as Storage;
  return { ...ports, storage, clock: new SimulatedClock() };
}

test.each<[string, (method: string, args: readonly unknown[]) => boolean]>([
  ["what was done for tabs", (method) => method === "writeRows"],
  ["the list of databases", (method) => method === "databases"],
  ["the epoch", (method) => method === "putValueOnce"],
  ["a later kind of records", (method, [kind]) => method === "records" && kind === "request"],
])("[STORAGE-22] when %s cannot be read nothing is opened, and no timer is left", async (_what, fails) => {
  const ports = await setUp(fails);
  await expect(InstanceParts.open(ports, silent)).rejects.toMatchObject({ code: "STORAGE_UNAVAILABLE" });
  await turn();
  expect((ports.clock as SimulatedClock).nextAt).toBeUndefined();
});
