import { beforeEach, describe, expect, test } from "vitest";
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId, EntryId } from "../core/ids.ts";
import { viewsMax } from "../core/limits.ts";
import { presentTips } from "../engine/past-state.ts";
import { Cluster } from "../testing/cluster.ts";
import type { Device } from "../testing/device.ts";
import { PastCalls } from "../testing/past-calls.ts";
import type { WorkerApi } from "../worker/api.ts";
import { compare, type Difference } from "./difference.ts";
import { LeaderLine } from "./leader-line.ts";
import { PastViews } from "./past-views.ts";
import { View } from "./view.ts";

let cluster: Cluster;
let device: Device;
let id: DatabaseId;
let line: LeaderLine;
let views: PastViews;
let leader: PastCalls;

beforeEach(async () => {
  cluster = new Cluster(1);
  device = await cluster.addDevice();
  ({ id } = await cluster.settle(device.instance.createDatabase("Board")));
  line = new LeaderLine({ tab: "t1", forget: async () => {}, began: () => {}, wrote: () => {} });
  views = new PastViews(line);
  leader = lead();
});

/** From now on another one leads, who knows of no view. */
function lead(): PastCalls {
  const next = new PastCalls(device, (event) => event.type === "folding" && views.progressed(event.view, event));
  line.hold();
  line.attach({ api: next as unknown as WorkerApi });
  return next;
}

function tips(): readonly EntryId[] {
  return presentTips(device.instance.database(id));
}

async function rowsOf(view: View): Promise<readonly string[]> {
  return (await view.table("rows").all()).map((row) => row.id);
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.catch((thrown: unknown) => thrown);
  return error instanceof TidemarkError ? error.code : "resolved";
}

async function take(differences: AsyncIterable<Difference>): Promise<readonly Difference[]> {
  const found: Difference[] = [];
  for await (const each of differences) found.push(each);
  return found;
}

describe("[HISTORY-12] a view", () => {
  test("is made anew by the next who leads when it is read, and not before, and gives the same", async () => {
    await cluster.settle(device.write(id, "before", {}));
    const view = new View(await views.open(id, tips(), {}));
    await cluster.settle(device.write(id, "after", {}));
    expect([await rowsOf(view), view.entries]).toEqual([["before"], 2]);
    expect(leader.calls).toEqual(["at", "view"]);
    leader = lead();
    expect(leader.calls).toEqual([]);
    expect(await rowsOf(view)).toEqual(["before"]);
    expect(await view.table("rows").get("before")).toEqual({ id: "before" });
    expect([await view.kv("keys").get("a"), await view.kv("keys").entries()]).toEqual([undefined, []]);
    expect(leader.calls).toEqual(["at", "view", "view", "view", "view"]);
  });

  test("that was closed is not made again, and reading it is VIEW_CLOSED", async () => {
    const view = new View(await views.open(id, tips(), {}));
    view.close();
    view.close();
    expect(leader.calls).toEqual(["at", "closeView"]);
    leader = lead();
    expect(await codeOf(view.table("rows").all())).toBe("VIEW_CLOSED");
    expect(await codeOf(view.kv("keys").get("a"))).toBe("VIEW_CLOSED");
    expect(leader.calls).toEqual([]);
  });

  test("that was closed hears of no more leaders", async () => {
    let standing = 0;
    const counted = new Proxy(line, {
      get: (target, name) => {
        if (name !== "stand") return Reflect.get(target, name, target).bind(target) as unknown;
        return (...given: Parameters<LeaderLine["stand"]>) => {
          const stop = target.stand(...given);
          standing += 1;
          return () => {
            standing -= 1;
            stop();
          };
        };
      },
    });
    const view = await new PastViews(counted).open(id, tips(), {});
    expect(standing).toBe(1);
    view.close();
    expect(standing).toBe(0);
  });

  test("that who leads now cannot make is made when it can be", async () => {
    const view = new View(await views.open(id, tips(), {}));
    leader = lead();
    for (let i = 0; i < viewsMax; i++) await leader.openView(100 + i, id, tips());
    expect(await codeOf(rowsOf(view))).toBe("VIEW_LIMIT");
    await leader.closeView(100);
    expect(await rowsOf(view)).toEqual([]);
  });

  test("that cannot be opened is not kept by anybody", async () => {
    for (let i = 0; i < viewsMax + 1; i++)
      expect(await codeOf(views.open(id, ["nothing" as EntryId], {}))).toBe("ENTRY_UNKNOWN");
    for (let i = 0; i < viewsMax; i++) await views.open(id, tips(), {});
    expect(await codeOf(views.open(id, tips(), {}))).toBe("VIEW_LIMIT");
    leader = lead();
    expect(leader.calls).toEqual([]);
  });

  test("whose signal is aborted while it is made ends with whoever makes it", async () => {
    const ending = new AbortController();
    const opening = codeOf(views.open(id, tips(), { signal: ending.signal, onProgress: () => ending.abort() }));
    expect(await opening).toBe("ABORTED");
    expect(leader.calls).toEqual(["at", "closeView"]);
    expect(await codeOf(views.open(id, tips(), { signal: ending.signal }))).toBe("ABORTED");
    expect(leader.calls).toHaveLength(2);
  });
});

describe("[HISTORY-10] comparing", () => {
  async function written(): Promise<readonly EntryId[]> {
    const before = tips();
    for (let i = 0; i < 250; i++) await cluster.settle(device.write(id, `${1000 + i}`, { i }));
    await cluster.settle(device.set(id, "theme", "dark"));
    return before;
  }

  function compared(before: readonly EntryId[], after?: readonly EntryId[]): AsyncGenerator<Difference, void> {
    return compare({ line, views, database: id, before, after }, {});
  }

  test("gives everything once, up to what is durable when it begins, over a change of who leads, and closes its views", async () => {
    const before = await written();
    const found: Difference[] = [];
    for await (const each of compared(before)) {
      found.push(each);
      if (found.length === 1) await cluster.settle(device.write(id, "2000", {}));
      if (found.length === 150) leader = lead();
    }
    expect(found[0]).toEqual({ type: "kv", store: "keys", key: "theme", before: undefined, after: "dark" });
    const rows = found.slice(1).map((each) => each.type === "table" && each.id);
    expect(rows).toEqual(Array.from({ length: 250 }, (_, i) => `${1000 + i}`));
    expect(found[7]).toMatchObject({ store: "rows", before: undefined, after: { id: "1006", i: 6 } });
    expect(leader.calls.filter((name) => name === "closeView")).toHaveLength(2);
    expect(await take(compared(tips(), tips()))).toEqual([]);
  });

  test("ends when nobody takes more, and costs nothing before anybody does", async () => {
    const before = await written();
    const all = compared(before, tips());
    expect(leader.calls).toEqual([]);
    for await (const _ of all) break;
    await Promise.resolve();
    expect(leader.calls).toEqual(["at", "at", "diff", "closeView", "closeView"]);
  });

  test("fails with what either state fails with, and leaves nothing open", async () => {
    for (let i = 0; i < viewsMax; i++)
      expect(await codeOf(take(compared(tips(), ["nothing" as EntryId])))).toBe("ENTRY_UNKNOWN");
    expect(await take(compared([], tips()))).toEqual([]);
  });

  test("tells how far both states are", async () => {
    const before = await written();
    const told: unknown[] = [];
    await take(compare({ line, views, database: id, before, after: tips() }, { onProgress: (all) => told.push(all) }));
    expect(told.at(-1)).toEqual({ entries: 253, total: 253 });
  });
});
