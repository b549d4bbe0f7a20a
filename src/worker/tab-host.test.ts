import { type Endpoint, wrap } from "comlink";
import { describe, expect, test } from "vitest";
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId } from "../core/ids.ts";
import { KvChanges } from "../core/store/kv-changes.ts";
import { READ, WRITE } from "../core/store/power.ts";
import { TableChanges } from "../core/store/table-changes.ts";
import { tabsChannelName } from "../tabs/names.ts";
import { type SitePage, TabSite } from "../testing/tab-site.ts";
import type { Realm } from "../testing/tabs-world.ts";
import { turn } from "../testing/turn.ts";
import type { StoreWrites, WorkerApi, WorkerEvent, WriteId } from "./api.ts";
import { ClientHost } from "./client-host.ts";
import { Leader } from "./leader.ts";

function row(id: string): readonly StoreWrites[] {
  const changes = new TableChanges("rows");
  changes.put(id, {});
  return [{ type: "table", store: "rows", payload: changes.encode(), updatedRows: [] }];
}

function key(name: string): readonly StoreWrites[] {
  const changes = new KvChanges("keys");
  changes.set(name, 1);
  return [{ type: "kv", store: "keys", payload: changes.encode(), updatedRows: [] }];
}

async function rowsOf(page: SitePage, database: DatabaseId): Promise<readonly string[]> {
  return (await page.call((api) => api.allRows(database, "rows"))).map(([id]) => id);
}

interface Scene {
  readonly site: TabSite;
  readonly leader: SitePage;
  readonly follower: SitePage;
  readonly database: DatabaseId;
}

function openSite(seed: number): Promise<TabSite> {
  return TabSite.open(seed, (endpoint) => wrap(endpoint as Endpoint));
}

async function setUp(seed: number): Promise<Scene> {
  const site = await openSite(seed);
  const leader = await site.addPage("a");
  await site.world.until(() => leader.standing.type === "leading");
  const follower = await site.addPage("b");
  const made = leader.write((api, write) => api.createDatabase({ name: "Board" }, write));
  const { id } = await site.world.settle(made);
  await site.world.settle(rowsOf(follower, id));
  return { site, leader, follower, database: id };
}

// --- Hand-over

type Ask = (api: WorkerApi, write: WriteId, scene: Scene) => Promise<unknown>;
/** What can be seen of it having been done once. */
type Check = (scene: Scene, answer: unknown) => Promise<void>;

async function entriesOf({ follower, database }: Scene): Promise<number> {
  return (await follower.call((api) => api.stateDigest(database))).entries;
}

const asks: Readonly<Record<string, readonly [Ask, Check]>> = {
  commit: [
    (api, write, { database }) => api.commit(database, row("r1"), write),
    async (scene) => {
      expect(await rowsOf(scene.follower, scene.database)).toEqual(["r1"]);
      expect(await entriesOf(scene)).toBe(2);
    },
  ],
  createDatabase: [
    (api, write) => api.createDatabase({ name: "New" }, write),
    async ({ follower, database }, answer) => {
      const others = (await follower.call((api) => api.databases())).filter(({ id }) => id !== database);
      expect(others).toEqual([answer]);
    },
  ],
  share: [
    (api, write, { database }) => api.share(database, { power: READ }, write),
    async (scene) => {
      expect(await scene.follower.call((api) => api.invites(scene.database))).toHaveLength(1);
      expect(await entriesOf(scene)).toBe(2);
    },
  ],
  setPermission: [
    (api, write, { database }) => api.setPermission(database, { key: "a".repeat(64) as never, power: WRITE }, write),
    async (scene) => {
      expect(await scene.follower.call((api) => api.members(scene.database))).toHaveLength(2);
      expect(await entriesOf(scene)).toBe(2);
    },
  ],
};

/** How the one that leads comes to its end. */
const ends: Readonly<Record<string, (scene: Scene) => void>> = {
  killed: ({ leader }) => leader.kill(),
  "its worker killed": ({ leader }) => leader.worker.kill(),
  closed: ({ leader }) => void leader.close(),
  suspended: ({ leader }) => void leader.host.suspend(),
  frozen: ({ leader }) => {
    leader.page.freeze();
    leader.worker.freeze();
  },
};

describe.each(Object.entries(ends))(
  "[CLIENT-38] when the tab that leads is %s while another's page waits",
  (_end, end) => {
    test.each(Object.entries(asks))("%s is done once, and answered", async (_ask, [ask, check]) => {
      for (let seed = 1; seed <= 12; seed++) {
        const scene = await setUp(seed);
        const { site, leader, follower, database } = scene;
        const { world } = site;
        const asked = follower.write((api, write) => ask(api, write, scene));
        await world.pass(seed - 1);
        end(scene);
        const answer = await world.settle(asked);
        await world.until(() => follower.standing.type === "leading");
        await world.settle(check(scene, answer));
        leader.page.thaw();
        leader.worker.thaw();
        await world.pass(5_000);
        expect(site.leaders).toEqual([follower]);
        await world.settle(check(scene, answer));
        await world.settle(follower.write((api, write) => api.commit(database, row("r1"), write)));
        expect([...leader.problems(), ...follower.problems()]).toEqual([]);
      }
    });
  },
);

test("[CLIENT-39] a leader that wakes and was fenced off writes nothing, says nothing of it, and follows", async () => {
  for (let seed = 1; seed <= 10; seed++) {
    const { site, leader, follower, database } = await setUp(seed);
    const { world, disk } = site;
    // Under way when it freezes.
    const own = leader.write((api, write) => api.commit(database, row("own"), write));
    await world.pass(seed % 5);
    leader.worker.freeze();
    await world.until(() => follower.standing.type === "leading");
    await world.settle(follower.write((api, write) => api.commit(database, row("theirs"), write)));
    const stored = disk.databases.get(database)?.bytes.length;
    leader.worker.thaw();
    // Its engine is at it again before it hears of anything.
    await world.settle(own);
    await world.until(() => leader.standing.type === "following");
    expect(await world.settle(rowsOf(leader, database))).toEqual(["own", "theirs"]);
    expect(disk.databases.get(database)?.bytes.length).toBeLessThanOrEqual((stored ?? 0) + 1);
    expect([leader.problems(), follower.problems()]).toEqual([[], []]);
  }
});

test("[CLIENT-39] whoever resigns does not wait for peers, and keeps what it was given", async () => {
  const { site, leader, follower, database } = await setUp(1);
  const { world } = site;
  const writes = Array.from({ length: 20 }, (_, i) =>
    leader.write((api, write) => api.commit(database, row(`r${10 + i}`), write)),
  );
  await world.pass(1);
  const before = world.clock.now();
  await world.settle(leader.host.suspend());
  expect(world.clock.now() - before).toBeLessThan(300);
  await world.until(() => follower.standing.type === "leading");
  expect(world.clock.now() - before).toBeLessThan(1_000);
  await leader.host.resume();
  await world.settle(Promise.all(writes));
  expect(await world.settle(rowsOf(follower, database))).toHaveLength(20);
});

test("[CLIENT-38] commits of one page stay in their order over any number of hand-overs", async () => {
  for (let seed = 1; seed <= 5; seed++) {
    const { site, follower, database } = await setUp(seed);
    const { world } = site;
    const done: number[] = [];
    const writes = Array.from({ length: 60 }, async (_, i) => {
      await follower.page.work(2 * i);
      await follower.write((api, write) => api.commit(database, key("k"), write));
      done.push(i);
    });
    for (let i = 0; i < 3; i++) {
      const next = await site.addPage(`n${i}`);
      await world.pass(20);
      const [leading] = site.leaders;
      if (leading !== follower && leading !== next) leading?.kill();
      await world.until(() => site.leaders.length === 1);
    }
    await world.settle(Promise.all(writes));
    expect((await world.settle(follower.call((api) => api.stateDigest(database)))).entries).toBe(61);
    expect(done).toEqual([...done].sort((a, b) => a - b));
  }
});

test("[CLIENT-38] changed settings, and whether sync is on, live on at the next leader", async () => {
  const { site, leader, follower, database } = await setUp(2);
  const { world } = site;
  await world.settle(follower.call((api) => api.command("changeSettings", { attemptsMax: 3 }, { id: 1 })));
  await world.settle(leader.call((api) => api.command("changeSettings", { peersMax: 7 }, { id: 1 })));
  await world.settle(follower.call((api) => api.setOnline(false)));
  await world.pass(2_000);
  leader.kill();
  await world.until(() => follower.standing.type === "leading");
  const settings = await world.settle(follower.call((api) => api.command("settings", {}, { id: 2 })));
  expect(settings).toMatchObject({ attemptsMax: 3, peersMax: 7, batchEntries: 1_000 });
  const status = await world.settle(follower.call((api) => api.status(database)));
  expect(JSON.stringify(status)).toContain("offline");
});

test("[CLIENT-38] a worker that is started again goes on as the last leader was told, though no other tab has heard it", async () => {
  const site = await openSite(2);
  const { world } = site;
  const page = await site.addPage("a");
  await world.until(() => page.standing.type === "leading");
  await world.settle(page.call((api) => api.command("changeSettings", { attemptsMax: 3 }, { id: 1 })));
  await world.settle(page.call((api) => api.setOnline(false)));
  await world.settle(page.call((api) => api.setOnline(false)));
  const { id } = await world.settle(page.write((api, write) => api.createDatabase({ name: "Board" }, write)));
  page.restart();
  await world.until(() => page.standing.type === "leading");
  const settings = await world.settle(page.call((api) => api.command("settings", {}, { id: 2 })));
  expect(settings).toMatchObject({ attemptsMax: 3 });
  expect(JSON.stringify(await world.settle(page.call((api) => api.status(id))))).toContain("offline");
  expect(page.events.filter(({ type }) => type === "carry")).toHaveLength(2);
});

test("[CLIENT-38] a page hears what is carried from its own worker, also when another tab leads", async () => {
  const { site, leader, follower } = await setUp(2);
  const { world } = site;
  await world.settle(follower.call((api) => api.command("changeSettings", { attemptsMax: 3 }, { id: 1 })));
  await world.settle(leader.call((api) => api.setOnline(false)));
  await world.pass(5_000);
  const carries = [leader, follower].map(({ events }) =>
    events.flatMap((event) => (event.type === "carry" ? [event.carry] : [])),
  );
  const told = [
    { online: true, settings: { attemptsMax: 3 } },
    { online: false, settings: { attemptsMax: 3 } },
  ];
  expect(carries).toEqual([told, told]);
});

// --- Pages that come and go

test("[CLIENT-1] [CLIENT-33] a worker that does not serve its page says so, and a page that is let go gets no other answer", async () => {
  const { site, leader, follower, database } = await setUp(3);
  const { world } = site;
  await expect(follower.host.databases()).rejects.toMatchObject({ code: "CALL_INTERRUPTED" });
  const waiting = leader.host.command("whenSafe", { database, copies: 2 }, { id: 1 });
  const told = expect(waiting).rejects.toMatchObject({ code: "CALL_INTERRUPTED", details: { call: "whenSafe" } });
  await world.settle(leader.host.suspend());
  await told;
  await expect(leader.host.databases()).rejects.toMatchObject({ code: "CALL_INTERRUPTED" });
  await expect(leader.host.attach()).rejects.toMatchObject({ code: "CALL_INTERRUPTED" });
});

test("[CLIENT-34] a page that attaches twice begins anew: what it waited for before ends, and its watches are told nothing", async () => {
  const { site, leader, database } = await setUp(4);
  const { world } = site;
  const { host } = leader;
  await host.watch(1, database, "table", "rows");
  const waiting = host.command("whenSafe", { database, copies: 2 }, { id: 1 });
  const told = expect(waiting).rejects.toMatchObject({ code: "CALL_INTERRUPTED" });
  await host.addHook(1, database, { name: "search" });
  await world.settle(host.attach());
  await told;
  await world.pass(50);
  leader.events.length = 0;
  await host.addHook(1, database, { name: "search" });
  await world.settle(leader.write((api, write) => api.commit(database, row("r1"), write)));
  await world.pass(50);
  expect(leader.events.filter(({ type }) => type === "items" || type === "written").map(({ type }) => type)).toEqual([
    "written",
  ]);
});

test("[CLIENT-34] the hook of a page that is gone leaves its name to the next page's", async () => {
  const { site, leader, follower, database } = await setUp(5);
  const { world } = site;
  await world.settle(follower.call((api) => api.addHook(1, database, { name: "search" })));
  let began: string | undefined;
  const waiting = leader
    .call((api) => api.addHook(1, database, { name: "search" }))
    .then((cursor) => {
      began = cursor;
    });
  await world.pass(1_000);
  expect(began).toBeUndefined();
  follower.kill();
  await world.settle(waiting);
  expect(began).toEqual(expect.any(String));
});

test("[CLIENT-38] a page that comes later hears of the relays as they are", async () => {
  const { site, leader } = await setUp(6);
  const { world } = site;
  await world.settle(leader.write((api, write) => api.createDatabase({ name: "Synced", sync: true }, write)));
  await world.pass(1_000);
  const later = await site.addPage("c");
  await world.settle(later.call((api) => api.databases()));
  await world.pass(100);
  const last = (page: SitePage): unknown => page.events.filter(({ type }) => type === "relay").at(-1);
  expect(last(later)).toBeDefined();
  expect(last(later)).toEqual(last(leader));
});

// --- Edits that were left

/** As the page puts it into the outbox when it goes. */
function leave({ site, database }: Scene, { tab }: SitePage, number: number, id: string): void {
  site.outbox.push({ tab, number, edit: { database, stores: row(id) } });
}

test("[CLIENT-36] an edit without an answer is done once by whoever leads next, whether the last leader had done it or not", async () => {
  for (let seed = 1; seed <= 12; seed++) {
    const scene = await setUp(seed);
    const { site, leader, follower, database } = scene;
    const { world } = site;
    // Number 1 made the database.
    for (const [i, id] of ["r1", "r2", "r3"].entries()) {
      void leader.write((api, write) => api.commit(database, row(id), write));
      leave(scene, leader, i + 2, id);
    }
    await world.pass(seed - 1);
    leader.kill();
    await world.until(() => follower.standing.type === "leading");
    expect(await world.settle(rowsOf(follower, database))).toEqual(["r1", "r2", "r3"]);
    expect(await world.settle(entriesOf(scene))).toBe(4);
    await world.pass(1_000);
    expect([site.outbox, follower.problems()]).toEqual([[], []]);
  }
});

test("[CLIENT-36] [CLIENT-37] a page that was taken for ended and comes back is answered, and nothing is done twice", async () => {
  const scene = await setUp(1);
  const { site, leader, follower, database } = scene;
  const { world } = site;
  const sent: WriteId = { tab: follower.tab, number: 1, settledBelow: 0 };
  const shared = { ...sent, number: 2 };
  const ticket = await world.settle(follower.call((api) => api.share(database, { power: READ }, shared)));
  leave(scene, follower, 1, "r1");
  follower.letGo();
  await world.until(() => site.outbox.length === 0);
  expect(await world.settle(rowsOf(leader, database))).toEqual(["r1"]);
  await world.settle(follower.hold());
  follower.attachAgain();
  await world.settle(follower.call((api) => api.commit(database, row("r1"), sent)));
  expect(await world.settle(follower.call((api) => api.share(database, { power: READ }, shared)))).toBe(ticket);
  expect(await world.settle(entriesOf(scene))).toBe(3);
});

test("[CLIENT-36] what cannot be done any more is told to whoever is there first", async () => {
  const scene = await setUp(1);
  const { site, leader, follower } = scene;
  const { world } = site;
  const gone = "e".repeat(64) as DatabaseId;
  site.outbox.push({ tab: leader.tab, number: 9, edit: { database: gone, stores: row("r1") } });
  leader.kill();
  await world.until(() => follower.problems().length > 0);
  const [problem] = follower.events.filter(({ type }) => type === "problem");
  expect(problem).toMatchObject({
    database: gone,
    error: { code: "EDIT_LOST", details: { code: "DATABASE_UNKNOWN" } },
  });
});

test("[TABS-19] [TABS-21] the calls of a page that was refused reject, until it is served again without doing anything", async () => {
  const { site, leader, follower, database } = await setUp(19);
  const { world } = site;
  const channel = world.realm("leader").channels.open(tabsChannelName("notes"));
  const { lead } = leader.standing as { readonly lead: string };
  channel.post({ type: "detach", lead, tab: follower.tab });
  channel.post({ type: "refuse", lead, tab: follower.tab });
  const commit = (id: string): Promise<void> =>
    follower.write((api, write) => api.commit(database, row(id), write), { database, stores: row(id) });
  const early = commit("r1").catch(({ code }: TidemarkError) => code);
  await world.pass(1_000);
  expect(follower.standing).toMatchObject({ type: "failed", error: { code: "INSTANCE_IN_USE" } });
  expect(await world.settle(early)).toBe("CALL_INTERRUPTED");
  await expect(world.settle(commit("r2"))).rejects.toMatchObject({ code: "INSTANCE_IN_USE" });
  await expect(world.settle(rowsOf(follower, database))).rejects.toMatchObject({ code: "INSTANCE_IN_USE" });
  await world.pass(70_000);
  await world.settle(commit("r3"));
  // The first was on its way as the leader forgot the page.
  expect(await world.settle(rowsOf(follower, database))).toEqual(["r1", "r3"]);
});

// --- Leaders themselves

interface Led {
  readonly site: TabSite;
  readonly realm: Realm;
  readonly leader: Leader;
}

async function lead(site: TabSite, signal: AbortSignal = new AbortController().signal): Promise<Led> {
  const realm = site.world.realm("alone");
  const options = { ...site.platform(realm), name: "notes", own: "0a" };
  const told = { carryChanged: () => {}, fenced: () => {}, lost: () => {}, stopped: () => {} };
  const start = { id: "lead", carry: { online: true, settings: {} }, signal };
  return { site, realm, leader: await site.world.settle(Leader.start({ ...options, ...told }, start)) };
}

test("[CLIENT-34] hundreds of pages that came and went leave nothing behind", async () => {
  const { site, realm, leader } = await lead(await openSite(1));
  const own = new ClientHost(leader.attachOwn("0a", () => {}));
  const { id } = await site.world.settle(own.createDatabase({ name: "Board" }));
  for (let i = 0; i < 300; i++) {
    const tab = `b${i.toString(16)}`;
    let isOpen = true;
    const sent: unknown[] = [];
    const listeners: ((message: unknown) => void)[] = [];
    leader.attach(tab, {
      post: (message) => void sent.push(message),
      listen: (listener) => void listeners.push(listener),
      close: () => {
        isOpen = false;
      },
    });
    expect(sent.at(-1)).toMatchObject({ type: "attached", info: leader.info });
    const ask = (path: string, ...args: unknown[]): void => {
      const argumentList = args.map((value) => ({ type: "RAW", value }));
      for (const hear of listeners)
        hear({ type: "call", data: { id: path, type: "APPLY", path: [path], argumentList } });
    };
    ask("watch", 1, id, "table", "rows");
    ask("addHook", 1, id, { name: "search" });
    ask("ready", id);
    ask("command", "whenSafe", { database: id, copies: 2 }, { id: 1 });
    if (i % 30 === 0) await turn();
    leader.detach(tab);
    expect(isOpen).toBe(false);
  }
  let began = false;
  const hooked = own.addHook(1, id, { name: "search" }).then(() => {
    began = true;
  });
  await site.world.pass(5_000);
  await hooked;
  expect([began, site.world.browser.locksInUse]).toEqual([true, []]);
  await site.world.settle(leader.stop("resigned"));
  expect(realm.state).toBe("running");
});

test("[CLIENT-38] storage is not claimed by one whose lock was lost before, and everything is closed again", async () => {
  const site = await openSite(2);
  const lost = new AbortController();
  lost.abort();
  await expect(lead(site, lost.signal)).rejects.toMatchObject({ code: "ABORTED" });
  expect(site.disk.term).toBe(0);
  await lead(site);
  expect(site.disk.term).toBe(1);
});

test.each([
  ["lost the lead writes nothing from that moment on, though nobody has claimed the storage yet", "lost"],
  ["resigns writes what it was given", "resigned"],
] as const)("[CLIENT-35] [CLIENT-39] who %s", async (_what, reason) => {
  const { site, leader } = await lead(await openSite(5));
  const { world } = site;
  const own = new ClientHost(leader.attachOwn("0a", () => {}));
  const { id } = await world.settle(own.createDatabase({ name: "Board" }));
  await world.pass(2_000);
  const given = own.commit(id, row("r1")).then(
    () => "done",
    ({ code }: { readonly code: string }) => code,
  );
  const written: string[] = [];
  site.watcher = { stored: (method) => written.push(method), refused: () => {} };
  await world.settle(leader.stop(reason));
  await world.pass(5_000);
  const isLost = reason === "lost";
  expect([await given, written.includes("commit")]).toEqual(isLost ? ["CALL_INTERRUPTED", false] : ["done", true]);
  if (isLost) expect(written).toEqual([]);
});

test("[CLIENT-39] who resigns while peers hold back does not wait for them, who closes does for two seconds", async () => {
  const { site, leader } = await lead(await openSite(3));
  const { world } = site;
  const before = world.clock.now();
  await world.settle(leader.drain());
  expect(world.clock.now() - before).toBeLessThan(100);
  await world.settle(leader.stop("resigned"));
  expect(world.clock.now() - before).toBeLessThan(300);
});

test("[CLIENT-33] a call that hangs ends with its page, and one that was let go asks nothing more", async () => {
  const { site, leader } = await lead(await openSite(4));
  const told: WorkerEvent[] = [];
  const client = leader.attachOwn("0a", (event) => told.push(event));
  const hanging = client.run("hang", () => new Promise<never>(() => {}));
  const ended = expect(hanging).rejects.toMatchObject({ code: "CALL_INTERRUPTED", details: { call: "hang" } });
  client.post({ type: "peers" });
  leader.detach("0a");
  await ended;
  client.post({ type: "peers" });
  expect(told.filter(({ type }) => type === "peers")).toHaveLength(1);
  await expect(client.run("late", () => 1)).rejects.toMatchObject({ code: "CALL_INTERRUPTED" });
  await site.world.settle(leader.stop("resigned"));
});

test("[CLIENT-45] a call about a database that is being loaded anew waits until it is", async () => {
  const { site, leader, follower, database } = await setUp(45);
  await site.world.settle(leader.write((api, write) => api.commit(database, row("r1"), write)));
  site.failing.set("commit", new TidemarkError("STORAGE_QUOTA", { reason: "full" }));
  const failed = leader.write((api, write) => api.commit(database, row("r2"), write));
  await expect(site.world.settle(failed)).rejects.toMatchObject({ code: "STORAGE_QUOTA" });
  const asked = Promise.all([
    rowsOf(leader, database),
    rowsOf(follower, database),
    leader.call((api) => api.databases()),
  ]);
  const [own, theirs, listed] = await site.world.settle(asked);
  expect([own, theirs, listed.map(({ id }) => id)]).toEqual([["r1"], ["r1"], [database]]);
});
