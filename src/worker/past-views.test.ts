import { beforeEach, expect, test } from "vitest";
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId, EntryId } from "../core/ids.ts";
import { differencesAtOnce, viewsMax } from "../core/limits.ts";
import type { DifferentPlace, StateDifference } from "../core/store/state-difference.ts";
import { presentTips } from "../engine/past-state.ts";
import { Cluster } from "../testing/cluster.ts";
import type { Device } from "../testing/device.ts";
import { PastCalls } from "../testing/past-calls.ts";

let cluster: Cluster;
let device: Device;
let id: DatabaseId;
let calls: PastCalls;

beforeEach(async () => {
  cluster = new Cluster(1);
  device = await cluster.addDevice();
  ({ id } = await cluster.settle(device.instance.createDatabase("Board")));
  calls = new PastCalls(device);
});

function tips(): readonly EntryId[] {
  return presentTips(device.instance.database(id));
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.catch((thrown: unknown) => thrown);
  return error instanceof TidemarkError ? error.code : "resolved";
}

test("[HISTORY-11] as many views are open as the limit says; what is closed makes room, and cannot be read", async () => {
  await cluster.settle(device.write(id, "r", { n: 1 }));
  await cluster.settle(device.set(id, "theme", "dark"));
  for (let view = 1; view <= viewsMax; view++) await calls.openView(view, id, tips());
  expect(await codeOf(calls.openView(99, id, tips()))).toBe("VIEW_LIMIT");
  expect(await calls.viewRow(1, "rows", "r")).toEqual({ n: 1 });
  expect(await calls.viewRows(1, "rows")).toEqual([["r", { n: 1 }]]);
  expect([await calls.viewValue(2, "keys", "theme"), await calls.viewValues(2, "keys", "th")]).toEqual([
    "dark",
    [["theme", "dark"]],
  ]);
  expect(await calls.viewRows(1, "none")).toEqual([]);
  await calls.closeView(1);
  expect(await codeOf(calls.viewRow(1, "rows", "r"))).toBe("VIEW_CLOSED");
  expect(await calls.openView(99, id, tips())).toEqual({
    tips: tips(),
    stores: [
      { name: "keys", type: "kv", isKnown: true },
      { name: "rows", type: "table", isKnown: true },
    ],
    entries: 3,
    sealed: 0,
    damaged: 0,
  });
  calls.past.end();
  for (const view of [2, 99]) expect(await codeOf(calls.viewRows(view, "rows"))).toBe("VIEW_CLOSED");
});

test("[HISTORY-11] one that fails takes no place, and one with a number that is in use takes the place of the other", async () => {
  const [before] = tips();
  await cluster.settle(device.write(id, "r", {}));
  for (let i = 0; i < 2 * viewsMax; i++)
    expect(await codeOf(calls.openView(i, id, ["nothing" as EntryId]))).toBe("ENTRY_UNKNOWN");
  for (let i = 0; i < 2 * viewsMax; i++) await calls.openView(1, id, tips());
  await calls.openView(1, id, [before as EntryId]);
  expect(await calls.viewRows(1, "rows")).toEqual([]);
});

test("[HISTORY-11] one that is closed while it is made rejects with ABORTED, and the next of its number is not ended by it", async () => {
  await cluster.settle(device.write(id, "r", {}));
  const first = codeOf(calls.openView(1, id, tips()));
  await calls.closeView(1);
  const second = calls.openView(1, id, tips());
  expect([await first, (await second).entries]).toEqual(["ABORTED", 2]);
  expect(await calls.viewRows(1, "rows")).toEqual([["r", {}]]);
});

test("[HISTORY-11] with its database all of a view goes, and not while that is loaded anew", async () => {
  await cluster.settle(device.write(id, "r", {}));
  await calls.openView(1, id, tips());
  await cluster.settle(device.instance.forget(id));
  expect(await codeOf(calls.viewRows(1, "rows"))).toBe("DATABASE_UNKNOWN");
  expect(await codeOf(calls.viewRows(1, "rows"))).toBe("VIEW_CLOSED");
});

test("[HISTORY-9] the page is told how far a view is", async () => {
  await cluster.settle(device.write(id, "r", {}));
  await calls.openView(7, id, tips());
  expect(calls.told).toEqual([
    { type: "folding", view: 7, entries: 0, total: 2 },
    { type: "folding", view: 7, entries: 2, total: 2 },
  ]);
});

test("[HISTORY-10] differences come in portions, from any of them on, also for two that ask by turns", async () => {
  const start = tips();
  const rows = 2 * differencesAtOnce + 5;
  for (let i = 0; i < rows; i++) await cluster.settle(device.write(id, `${i}`.padStart(4, "0"), { i }));
  const end = tips();
  await calls.openView(1, id, start);
  await calls.openView(2, id, end);
  const take = async (one: number, other: number): Promise<readonly StateDifference[]> => {
    const found: StateDifference[] = [];
    for (let last: DifferentPlace | undefined; ; ) {
      const some = await calls.compareViews(one, other, last);
      expect(some.length).toBeLessThanOrEqual(differencesAtOnce);
      found.push(...some);
      const place = some.at(-1);
      if (place === undefined) return found;
      last = { type: place.type, store: place.store, id: place.id };
    }
  };
  const [there, back] = await Promise.all([take(1, 2), take(2, 1)]);
  expect(there.map((each) => each.id)).toEqual([...new Array(rows).keys()].map((i) => `${i}`.padStart(4, "0")));
  expect(there[3]).toEqual({ type: "table", store: "rows", id: "0003", before: undefined, after: { i: 3 } });
  expect(back).toEqual(there.map((each) => ({ ...each, before: each.after, after: each.before })));
  const middle = { type: "table", store: "rows", id: "0399" } as const;
  for (let again = 0; again < 2; again++) {
    const rest = await calls.compareViews(1, 2, middle);
    expect(rest.map((each) => each.id)).toEqual(["0400", "0401", "0402", "0403", "0404"]);
  }
  await calls.closeView(2);
  expect(await codeOf(calls.compareViews(1, 2, undefined))).toBe("VIEW_CLOSED");
});
