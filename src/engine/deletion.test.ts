/** What is left of a database that was forgotten, or removed by its owner. */
import { beforeEach, describe, expect, test } from "vitest";
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId } from "../core/ids.ts";
import { ADMIN, READ } from "../core/store/power.ts";
import type { SettingsOp } from "../core/store/settings.ts";
import type { Storage } from "../ports/storage.ts";
import type { MemoryDisk } from "../storage/memory.ts";
import { readFile, writeFile } from "../testing/backup-files.ts";
import type { Cluster } from "../testing/cluster.ts";
import type { Device } from "../testing/device.ts";
import { sharingPair } from "../testing/sharing-pair.ts";
import { setPower, settingsParts } from "../testing/writers.ts";

let cluster: Cluster;
let ann: Device;
let bob: Device;
let id: DatabaseId;

beforeEach(async () => {
  ({ cluster, ann, bob, id } = await sharingPair("r"));
});

/** Where on a disk a text stands. */
function placesOf(text: string, disk: MemoryDisk): readonly string[] {
  const places: string[] = [];
  const look = (value: unknown, place: string): void => {
    if (typeof value === "string" && value.includes(text)) places.push(place);
    if (typeof value !== "object" || value === null || value instanceof Uint8Array) return;
    const inside = value instanceof Map ? [...value] : Object.entries(value);
    for (const [key, each] of inside) {
      if (String(key).includes(text)) places.push(place);
      look(each, `${place}/${String(key)}`);
    }
  };
  for (const [name, part] of Object.entries(disk)) look(part, name);
  return places;
}

/** Lets nothing go. */
function keeping(storage: Storage): Storage {
  const refuse = (): Promise<never> => Promise.reject(new TidemarkError("STORAGE_UNAVAILABLE", { reason: "broken" }));
  return new Proxy(storage, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (name === "deleteDatabase") return refuse;
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** As much as there can be about a database, beside its entries. */
async function useEverything(): Promise<void> {
  const { sync } = ann.instance;
  const { signal } = new AbortController();
  sync.addHook({ database: id, name: "index", write: () => {} });
  await sync.execute(
    "setPreferences",
    { database: id, user: "app", enabled: true, onCommit: true, intervalMs: 60_000, properties: {} },
    signal,
  );
  await sync.execute("startJob", { database: id, peer: bob.key }, signal);
  const write = { tab: "ab", number: 1, settledBelow: 0 };
  await cluster.settle(ann.instance.share(id, { power: READ }, write));
  const asking = await cluster.addDevice();
  await cluster.settle(asking.instance.join(await ann.instance.ticket(id), { note: "Please" }));
  await cluster.until(() => ann.instance.requests(id).length === 1);
  await cluster.settle(bob.write(id, "of bob", {}));
  await cluster.converge(id, [ann, bob]);
  await cluster.pass(5_000);
}

describe("[DELETION-1] a forgotten database", () => {
  test("leaves nothing on the disk", async () => {
    await useEverything();
    const kinds = new Set(
      placesOf(id, ann.disk).map((place) => place.replace(/^(databases|writes|records\/[a-z]+).*/, "$1")),
    );
    expect([...kinds].sort()).toEqual(
      [
        "databases",
        "records/history",
        "records/hook",
        "records/job",
        "records/preferences",
        "records/relation",
        "records/request",
        "writes",
      ].sort(),
    );
    await cluster.settle(ann.instance.forget(id));
    expect(placesOf(id, ann.disk)).toEqual([]);
    // What was under way, and what happens later, brings nothing back.
    await cluster.pass(120_000);
    expect(placesOf(id, ann.disk)).toEqual([]);
    expect((await cluster.restart(ann)).instance.records()).toEqual([]);
  });

  test("is unknown to every call from then on", async () => {
    await cluster.settle(ann.instance.forget(id));
    const unknown = { code: "DATABASE_UNKNOWN" };
    await expect(ann.write(id, "r", {})).rejects.toMatchObject(unknown);
    await expect(ann.instance.share(id, { power: READ })).rejects.toMatchObject(unknown);
    await expect(ann.instance.setSync(id, true)).rejects.toMatchObject(unknown);
    expect(() => ann.instance.status(id)).toThrow(expect.objectContaining(unknown));
    expect(() => ann.instance.permissions.members(id)).toThrow(expect.objectContaining(unknown));
    expect(ann.instance.records()).toEqual([]);
    await cluster.settle(ann.instance.forget(id));
  });

  test("tells whoever waits for something about it", async () => {
    cluster.cut(ann.key, bob.key);
    const other = await cluster.addDevice();
    const ticket = await cluster.settle(ann.instance.share(id, { power: READ }));
    await cluster.settle(ann.instance.setSync(id, false));
    await cluster.settle(other.instance.join(ticket));
    const { signal } = new AbortController();
    const waiting = [
      other.instance.ready(id),
      ann.instance.sync.execute("whenSafe", { database: id, copies: 3 }, signal),
      ann.instance.sync.execute("whenSynced", { database: id, peer: bob.key }, signal),
    ].map((call) => expect(call).rejects.toMatchObject({ code: "DATABASE_UNKNOWN" }));
    await cluster.pass(1_000);
    await cluster.settle(Promise.all([ann.instance.forget(id), other.instance.forget(id)]));
    await cluster.settle(Promise.all(waiting));
    expect([placesOf(id, ann.disk), placesOf(id, other.disk)]).toEqual([[], []]);
  });

  test("has stored what was under way, and nothing after it", async () => {
    const slow = await cluster.restart(ann, { writeMs: () => 50 });
    const before = slow.write(id, "before", {});
    const forgotten = slow.instance.forget(id);
    const after = expect(slow.write(id, "after", {})).rejects.toMatchObject({ code: "DATABASE_UNKNOWN" });
    await cluster.settle(Promise.allSettled([before, forgotten, after]));
    await forgotten;
    await after;
    expect(placesOf(id, slow.disk)).toEqual([]);
    expect(slow.problems).toEqual([]);
  });

  test("is there as it was when storage would not let it go", async () => {
    const stubborn = await cluster.restart(ann, { ports: (ports) => ({ ...ports, storage: keeping(ports.storage) }) });
    const digest = stubborn.stateDigest(id);
    await expect(cluster.settle(stubborn.instance.forget(id))).rejects.toMatchObject({ code: "STORAGE_UNAVAILABLE" });
    expect(stubborn.stateDigest(id)).toBe(digest);
    await cluster.settle(stubborn.write(id, "still", {}));
  });
});

describe("[DELETION-1] what is under way while a database is forgotten", () => {
  test("does not bring it back: somebody is let in, it is renamed, its switch is turned", async () => {
    const slow = await cluster.restart(ann, { writeMs: () => 20 });
    const ops: SettingsOp[] = [
      { type: "name", name: "Another" },
      { type: "public", power: READ },
    ];
    for (const pauseMs of [0, 5, 15, 25, 45, 70]) {
      const { id: other } = await cluster.settle(slow.instance.createDatabase("Other"));
      const calls = [slow.instance.commit(other, () => settingsParts(...ops)), slow.instance.setSync(other, true)];
      await cluster.pass(pauseMs);
      await cluster.settle(Promise.allSettled([...calls, slow.instance.forget(other)]));
      await cluster.pass(1_000);
      expect([pauseMs, placesOf(other, slow.disk)]).toEqual([pauseMs, []]);
    }
  });
});

describe("[DELETION-2] to peers a forgotten database", () => {
  test("is as one that was never here, and what they hold stays theirs", async () => {
    await cluster.settle(ann.instance.forget(id));
    await cluster.settle(bob.write(id, "alone", {}));
    await cluster.pass(30_000);
    expect(ann.instance.find(id)).toBeUndefined();
    expect([...bob.rows(id).keys()]).toEqual(["alone", "r"]);
    expect(bob.instance.status(id).peers).toEqual([]);
    expect(placesOf(id, ann.disk)).toEqual([]);
  });

  test("costs no connection with somebody who shares only another", async () => {
    const other = await cluster.addDevice();
    const second = await cluster.settle(other.instance.createDatabase("Second"));
    const ticket = await cluster.settle(other.instance.share(second.id, { power: READ }));
    await cluster.settle(ann.instance.join(ticket));
    await cluster.settle(ann.instance.ready(second.id));
    const channels = cluster.network.channels;
    cluster.cut(ann.key, bob.key);
    await cluster.settle(ann.instance.forget(id));
    await cluster.pass(5_000);
    expect(cluster.network.channels).toBe(channels);
  });
});

describe("[DELETION-3] a forgotten database comes again", () => {
  test("by a ticket, whole, and syncs as before", async () => {
    const ticket = await cluster.settle(bob.instance.ticket(id));
    await cluster.settle(ann.instance.forget(id));
    await cluster.settle(bob.write(id, "meanwhile", {}));
    await cluster.settle(ann.instance.join(ticket));
    await cluster.settle(ann.instance.ready(id));
    await cluster.settle(ann.write(id, "again", {}));
    await cluster.converge(id, [ann, bob]);
    expect([...ann.rows(id).keys()]).toEqual(["again", "meanwhile", "r"]);
    expect(ann.instance.database(id).replica.graph.tips()).toHaveLength(1);
  });

  test("in the same session as in which it was forgotten, without a word of what was before", async () => {
    const ticket = await cluster.settle(bob.instance.ticket(id));
    for (let round = 0; round < 5; round++) {
      const forgetting = ann.instance.forget(id);
      const joining = ann.instance.join(ticket);
      await cluster.settle(Promise.all([forgetting, joining]));
      await cluster.settle(ann.instance.ready(id));
      await cluster.settle(ann.write(id, `round ${round}`, {}));
      await cluster.converge(id, [ann, bob]);
    }
    expect(ann.problems).toEqual([]);
    expect(bob.problems.filter(({ code }) => code !== "PEER_LOST_DATA")).toEqual([]);
  });

  test("from a file, also while it is being forgotten", async () => {
    const file = await writeFile(ann);
    const forgetting = ann.instance.forget(id);
    const imported = readFile(ann, file);
    await cluster.settle(Promise.all([forgetting, imported]));
    expect((await imported).databases).toMatchObject([{ state: "created" }]);
    expect(ann.stateDigest(id)).toBe(bob.stateDigest(id));
  });
});

describe("[DELETION-4] removing a database", () => {
  test("is its owner's to do, and nobody else's", async () => {
    await cluster.settle(ann.instance.commit(id, () => settingsParts(setPower(bob.key, ADMIN))));
    await cluster.converge(id, [ann, bob]);
    await expect(cluster.settle(bob.instance.remove(id))).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
    const denied = bob.instance.commit(id, () => settingsParts({ type: "remove" }));
    await expect(cluster.settle(denied)).rejects.toMatchObject({ code: "ENTRY_PERMISSION" });
    await cluster.settle(ann.instance.remove(id));
    expect(ann.instance.access(id)).toMatchObject({ removed: true });
  });

  test("once more writes nothing", async () => {
    await cluster.settle(ann.instance.remove(id));
    const { size } = ann.instance.database(id).replica.graph;
    await cluster.settle(ann.instance.remove(id));
    expect(ann.instance.database(id).replica.graph.size).toBe(size);
  });
});

describe("[DELETION-5] whoever has heard that a database was removed", () => {
  test("reads it, and writes no more; others hear it from them", async () => {
    const carl = await cluster.addDevice();
    const ticket = await cluster.settle(ann.instance.share(id, { power: READ }));
    await cluster.settle(carl.instance.join(ticket));
    await cluster.settle(carl.instance.ready(id));
    cluster.cut(ann.key, carl.key);
    expect(carl.instance.access(id).removed).toBeUndefined();
    await cluster.settle(ann.instance.remove(id));
    await cluster.until(() => carl.instance.access(id).removed === true);
    const removed = { code: "DATABASE_REMOVED", details: { database: id } };
    for (const device of [ann, bob]) {
      await expect(cluster.settle(device.write(id, "late", {}))).rejects.toMatchObject(removed);
      expect([...device.rows(id).keys()]).toEqual(["r"]);
    }
    await expect(cluster.settle(ann.instance.share(id, { power: READ }))).rejects.toMatchObject(removed);
    const again = await cluster.restart(bob);
    await expect(cluster.settle(again.write(id, "late", {}))).rejects.toMatchObject(removed);
  });

  test("has what was written before it was heard, by everybody", async () => {
    cluster.cut(ann.key, bob.key);
    await cluster.settle(ann.instance.remove(id));
    await cluster.settle(bob.write(id, "not heard yet", {}));
    cluster.healAll();
    await cluster.converge(id, [ann, bob]);
    expect(ann.stateDigest(id)).toBe(bob.stateDigest(id));
    expect([...ann.rows(id).keys()]).toEqual(["not heard yet", "r"]);
    expect(bob.instance.access(id)).toEqual({ state: "member", permission: "write", removed: true });
  });

  test("of an encrypted one gives no keys any more, and reports nothing", async () => {
    const secret = await cluster.settle(ann.instance.createDatabase("Secret", { encrypted: true }));
    const ticket = await cluster.settle(ann.instance.share(secret.id, { power: READ }));
    await cluster.settle(ann.instance.remove(secret.id));
    await cluster.settle(bob.instance.join(ticket));
    await cluster.until(() => bob.instance.access(secret.id).removed === true);
    await cluster.pass(60_000);
    expect([ann.problems, bob.problems]).toEqual([[], []]);
  });
});

describe("[DELETION-6] a removed database", () => {
  test("that was forgotten and comes again is still removed", async () => {
    const ticket = await cluster.settle(bob.instance.ticket(id));
    await cluster.settle(ann.instance.remove(id));
    await cluster.converge(id, [ann, bob]);
    const file = await writeFile(bob);
    await cluster.settle(ann.instance.forget(id));
    await cluster.settle(ann.instance.join(ticket));
    await cluster.settle(ann.instance.ready(id));
    expect(ann.instance.access(id).removed).toBe(true);
    await cluster.settle(bob.instance.forget(id));
    await readFile(bob, file);
    expect(bob.instance.access(id).removed).toBe(true);
  });
});
