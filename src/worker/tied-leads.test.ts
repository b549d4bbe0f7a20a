import { type Endpoint, wrap } from "comlink";
import { expect, test } from "vitest";
import { TableChanges } from "../core/store/table-changes.ts";
import { type SitePage, TabSite } from "../testing/tab-site.ts";
import type { StoreWrites, WorkerApi } from "./api.ts";

const row: readonly StoreWrites[] = (() => {
  const changes = new TableChanges("rows");
  changes.put("r1", {});
  return [{ type: "table", store: "rows", payload: changes.encode(), updatedRows: [] }];
})();

interface Scene {
  readonly site: TabSite;
  readonly leader: SitePage;
  readonly follower: SitePage;
}

/** The leader is not seen, and the follower is. */
async function setUp(kind: TabSite["kind"] = "idb"): Promise<Scene> {
  const site = await TabSite.open(1, (endpoint) => wrap(endpoint as Endpoint));
  site.kind = kind;
  const leader = await site.addPage("a");
  await site.world.until(() => leader.standing.type === "leading");
  const follower = await site.addPage("b");
  await site.world.settle(follower.call((api) => api.databases()));
  leader.setVisible(false);
  return { site, leader, follower };
}

/** Whether the lead is where it was after the time in which it would be given to a tab that is seen. */
async function keepsLead({ site, leader }: Scene): Promise<boolean> {
  await site.world.pass(20_000);
  return site.leaders.length === 1 && site.leaders[0] === leader;
}

test("[TABS-9] a leader that is not seen and has nothing to do gives the lead to a tab that is seen", async () => {
  expect(await keepsLead(await setUp())).toBe(false);
});

test("[CLIENT-47] what is in a leader's memory alone is not given up because nobody sees it, or its page goes to sleep", async () => {
  const scene = await setUp("memory");
  const { site, leader, follower } = scene;
  const { world } = site;
  const { id } = await world.settle(follower.write((api, write) => api.createDatabase({ name: "Board" }, write)));
  expect(await keepsLead(scene)).toBe(true);
  leader.suspend(false);
  await world.pass(20_000);
  await world.settle(follower.write((api, write) => api.commit(id, row, write)));
  leader.resume();
  const rows = await world.settle(leader.call((api) => api.allRows(id, "rows")));
  expect([rows.map(([row]) => row), await keepsLead(scene)]).toEqual([["r1"], true]);
});

type Begin = (api: WorkerApi) => Promise<unknown>;
const streams: Readonly<Record<string, readonly [Begin, Begin]>> = {
  "a file is written": [(api) => api.exportOpen(1, {}), (api) => api.exportClose(1)],
  "a file is read": [(api) => api.importOpen(1), (api) => api.importClose(1)],
};

test.each(Object.entries(streams))(
  "[CLIENT-47] a leader is not given up while %s, and is when that is over",
  async (_what, [open, close]) => {
    const scene = await setUp();
    const { site, follower } = scene;
    await site.world.settle(follower.call(open));
    expect(await keepsLead(scene)).toBe(true);
    await site.world.settle(follower.call(close));
    expect(await keepsLead(scene)).toBe(false);
  },
);

const calls: Readonly<Record<string, readonly [string, Begin]>> = {
  "storage is verified": ["inspect", (api) => api.verify(1)],
  "a key is made": ["putValueOnce", (api) => api.createKey("second")],
};

test.each(Object.entries(calls))(
  "[CLIENT-47] a leader is not given up while %s, and is when that is over",
  async (_what, [method, begin]) => {
    const scene = await setUp();
    const { site, follower } = scene;
    const goOn = site.stall(method);
    const asked = follower.call(begin);
    expect(await keepsLead(scene)).toBe(true);
    goOn();
    await site.world.settle(asked);
    expect(await keepsLead(scene)).toBe(false);
  },
);

test.each([
  ["given to a tab that is seen", () => {}],
  ["given up for a page that is about to be frozen", ({ leader }: Scene) => void leader.host.suspend()],
  ["given up because its page closes", ({ leader }: Scene) => void leader.host.close()],
])("[CLIENT-47] a leader that deletes the instance is not %s before that is done and told", async (_how, end) => {
  const scene = await setUp();
  const { site, leader, follower } = scene;
  const { world } = site;
  const goOn = site.stall("deleteStored");
  const wiped = world.settle(follower.call((api) => api.wipe()));
  await world.pass(500);
  end(scene);
  await world.pass(2_000);
  expect([leader.events, follower.events].map((events) => events.some(({ type }) => type === "wiped"))).toEqual([
    false,
    false,
  ]);
  expect(follower.standing.type).not.toBe("leading");
  goOn();
  await wiped;
  await world.pass(100);
  expect(follower.events.map(({ type }) => type)).toContain("wiped");
});
