/** A device of a cluster on a real IndexedDB, and what a disk may turn what is stored there into. */
import type { DatabaseId } from "../core/ids.ts";
import type { Storage } from "../ports/storage.ts";
import { openIdbStorage } from "../storage/idb.ts";
import type { Cluster } from "./cluster.ts";
import type { Device } from "./device.ts";
import { listRaw, putRaw, type RawRecord, type StoreName } from "./raw-idb.ts";
import { turn } from "./turn.ts";

/** IndexedDB takes real time, in which simulated time must not pass. */
export class Busy {
  calls = 0;

  watch(storage: Storage): Storage {
    return new Proxy(storage, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name, target);
        if (typeof member !== "function") return member;
        return (...args: unknown[]) => {
          const result: unknown = Reflect.apply(member, target, args);
          if (!(result instanceof Promise)) return result;
          this.calls += 1;
          const done = (): void => {
            this.calls -= 1;
          };
          result.then(done, done);
          return result;
        };
      },
    });
  }

  async until(cluster: Cluster, condition: () => boolean, ms = 300_000): Promise<void> {
    const end = cluster.clock.now() + ms;
    for (;;) {
      do await turn();
      while (this.calls > 0);
      if (condition()) return;
      if (cluster.clock.now() >= end) throw new Error(`not so after ${ms} ms of simulated time`);
      cluster.clock.runNext();
    }
  }

  async settle<T>(cluster: Cluster, promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const done = (): void => {
      isSettled = true;
    };
    promise.then(done, done);
    await this.until(cluster, () => isSettled);
    return await promise;
  }
}

/** `wrap`: what is to be different about its storage. */
export async function openOn(
  cluster: Cluster,
  busy: Busy,
  name: string,
  secret: Uint8Array,
  wrap: (storage: Storage) => Storage = (storage) => storage,
): Promise<Device> {
  const idb = await openIdbStorage(name);
  const storage = busy.watch(wrap(idb));
  return await busy.settle(cluster, cluster.openDevice({ secret, ports: (ports) => ({ ...ports, storage }) }));
}

/** Both hold the same of it, durably and undamaged. */
export function isSame(one: Device, other: Device, id: DatabaseId): boolean {
  const [here, there] = [one, other].map((device) => device.instance.find(id));
  if (here === undefined || there === undefined) return false;
  const isDurable =
    here.replica.stored === here.replica.graph.size && there.replica.stored === there.replica.graph.size;
  return isDurable && here.healing.damaged === 0 && here.replica.digest() === there.replica.digest();
}

/** Every value that differs from this one in one byte, number or text. */
export function* flipsOf(
  value: unknown,
  where: string,
): Generator<{ readonly where: string; readonly value: unknown }> {
  if (value instanceof Uint8Array) {
    for (let i = 0; i < value.length; i++) {
      const copy = value.slice();
      copy[i] = (copy[i] as number) ^ (1 << (i % 8));
      yield { where: `${where}[${i}]`, value: copy };
    }
  } else if (typeof value === "number") yield { where, value: value + 1 };
  else if (typeof value === "string") yield { where, value: `${value.slice(0, -1)}${value.endsWith("x") ? "y" : "x"}` };
  else if (typeof value === "boolean") yield { where, value: !value };
  else if (Array.isArray(value)) {
    for (const [i, each] of value.entries())
      for (const flip of flipsOf(each, `${where}[${i}]`)) yield { ...flip, value: value.with(i, flip.value) };
  } else if (typeof value === "object" && value !== null) {
    for (const [field, each] of Object.entries(value))
      for (const flip of flipsOf(each, `${where}.${field}`))
        yield { ...flip, value: { ...value, [field]: flip.value } };
  }
}

/** What is on the disk, in these object stores. */
export type RawDisk = ReadonlyMap<StoreName, readonly RawRecord[]>;

export async function copyDisk(name: string, stores: readonly StoreName[]): Promise<RawDisk> {
  const records = new Map<StoreName, readonly RawRecord[]>();
  for (const store of stores) records.set(store, await listRaw(name, store));
  return records;
}

export async function restoreDisk(name: string, disk: RawDisk): Promise<void> {
  for (const [store, all] of disk) {
    for (const { key } of await listRaw(name, store)) await putRaw(name, store, { key, value: undefined });
    for (const record of all) await putRaw(name, store, record);
  }
}
