/** What an app can ask and tell about sync, between two real browsers. */
import { openPair } from "./device.ts";
import { expect, test } from "./fixtures.ts";

test("[CLIENT-19] peers are known by their keys, with what the user calls them, and relations by the database's id", async ({
  browser,
  app,
  relay,
}) => {
  const [a, b] = await openPair(browser, { site: app.url, relay: relay.url });
  const key = await b.run(() => tide.publicKey);
  const seen = await a.run(async (peer) => {
    await tide.sync.peers.add(peer, { name: "Laptop" });
    await db.sync.peer(peer).whenSynced();
    return { relations: await tide.sync.relations({ peer }), id: db.id };
  }, key);
  // Both dial: for a moment there may be a second path.
  const paths = [{ path: "webrtc", carries: true }];
  const info = { key, name: "Laptop", state: "active", connection: "connected", paths };
  await expect.poll(() => a.run((peer) => tide.sync.peers.get(peer), key)).toMatchObject(info);
  expect(seen.relations).toMatchObject([{ peer: key, database: seen.id, state: "on", isSynced: true }]);
  await a.load();
  expect(await a.run((peer) => tide.sync.peers.get(peer), key), "remembered").toMatchObject({ name: "Laptop" });
  for (const device of [a, b]) await device.close();
});

test("whenSafe resolves when another device confirmed, and a copy too many is waited for until TIMEOUT", async ({
  browser,
  app,
  relay,
}) => {
  const [a, b] = await openPair(browser, { site: app.url, relay: relay.url });
  const late = await a.run(async () => {
    await db.table("notes").put("n1", { title: "not to be lost" });
    await db.whenSafe({ copies: 2 });
    return db.whenSafe({ copies: 3, timeoutMs: 50 }).catch(({ code, details }) => ({ code, details }));
  });
  expect(late).toEqual({ code: "TIMEOUT", details: { call: "whenSafe", afterMs: 50 } });
  expect(await b.run(() => db.table("notes").get("n1"))).toMatchObject({ title: "not to be lost" });
  for (const device of [a, b]) await device.close();
});

test("[CLIENT-15] a hook with a name goes on after a reload where it stopped, for its own and others' writes", async ({
  browser,
  app,
  relay,
}) => {
  const [a, b] = await openPair(browser, { site: app.url, relay: relay.url });
  await a.run(listenToRows, "search");
  await a.run(() => db.table("rows").put("r1", {}));
  await b.run(() => db.table("rows").put("r2", {}));
  const heard = () => a.run(() => globalThis.heard);
  await expect.poll(heard).toEqual(["local", "remote"]);
  await a.run(() => tide.sync.flush());
  await a.load();
  await b.run(() => db.table("rows").put("r3", {}));
  await a.page.waitForFunction(() => db.table("rows").get("r3"));
  await a.run(listenToRows, "search");
  await expect.poll(heard).toEqual(["remote"]);
  for (const device of [a, b]) await device.close();
});

test("[CLIENT-15] a hook whose cursor is none is told as a problem, and a hanging one holds up nobody", async ({
  browser,
  app,
  relay,
}) => {
  const [a, b] = await openPair(browser, { site: app.url, relay: relay.url });
  const code = await a.run(async () => {
    const problem = new Promise<string>((resolve) => tide.on("problem", (error) => resolve(error.code)));
    db.onWrite(() => {}, { after: "nonsense" });
    return problem;
  });
  expect(code).toBe("CURSOR_INVALID");
  await a.run(() => void db.onWrite(() => new Promise(() => {})));
  await a.run(listenToRows, "other");
  await a.run(() => db.table("rows").put("r1", {}));
  await a.run(() => db.table("rows").put("r2", {}));
  await expect.poll(() => a.run(() => globalThis.heard)).toEqual(["local", "local"]);
  await a.run(() => db.whenSafe());
  for (const device of [a, b]) await device.close();
});

test("a peer that is blocked gets nothing until it is active again", async ({ browser, app, relay }) => {
  const [a, b] = await openPair(browser, { site: app.url, relay: relay.url });
  const key = await b.run(() => tide.publicKey);
  await a.run((peer) => tide.sync.peers.update(peer, { state: "blocked" }), key);
  await a.run(() => db.table("notes").put("n1", {}));
  expect(await a.run((peer) => tide.sync.connect(peer).catch(({ code }) => code), key)).toBe("PEER_BLOCKED");
  expect(await a.run(() => db.whenSafe({ timeoutMs: 300 }).catch(({ code }) => code))).toBe("TIMEOUT");
  expect(await b.run(() => db.table("notes").get("n1"))).toBeUndefined();
  await a.run((peer) => tide.sync.peers.update(peer, { state: "active" }), key);
  await a.run(() => db.whenSafe());
  expect(await b.run(() => db.table("notes").get("n1"))).toBeDefined();
  for (const device of [a, b]) await device.close();
});

test("a database that is unrelated is not synced with that peer, until it is related again", async ({
  browser,
  app,
  relay,
}) => {
  const [a, b] = await openPair(browser, { site: app.url, relay: relay.url });
  const key = await b.run(() => tide.publicKey);
  await a.run((peer) => db.sync.peer(peer).unrelate(), key);
  await a.run(() => db.table("notes").put("n1", {}));
  expect(await a.run(() => db.whenSafe({ timeoutMs: 300 }).catch(({ code }) => code))).toBe("TIMEOUT");
  expect(await b.run(() => db.table("notes").get("n1"))).toBeUndefined();
  await a.run((peer) => db.sync.peer(peer).relate(), key);
  await a.run(() => db.whenSafe());
  expect(await b.run(() => db.table("notes").get("n1"))).toBeDefined();
  for (const device of [a, b]) await device.close();
});

test("[CLIENT-21] a job tells how far it is and when it is done", async ({ browser, app, relay }) => {
  const [a, b] = await openPair(browser, { site: app.url, relay: relay.url });
  await b.run(() => tide.goOffline());
  await a.run(async () => {
    const text = "x".repeat(200);
    await Promise.all(Array.from({ length: 3_000 }, (_, i) => db.table("rows").put(`r${i}`, { i, text })));
  });
  const done = await b.run(async () => {
    globalThis.noted = [];
    db.sync.on("progress", ({ receivedBytes, totalBytes }) => noted.push(receivedBytes / totalBytes));
    const job = await new Promise<Awaited<ReturnType<typeof db.sync.start>>>((resolve, reject) => {
      const stop = db.sync.on("job", ({ id }) => {
        stop();
        db.sync.jobs().then((jobs) => resolve(jobs.find((one) => one.id === id) as (typeof jobs)[number]), reject);
      });
      tide.goOnline().catch(reject);
    });
    return { info: await job.done(), id: db.id };
  });
  expect(done.info).toMatchObject({ database: done.id, type: "backfill", state: "done", receivedEntries: 3_000 });
  expect(done.info.receivedBytes).toBe(done.info.totalBytes);
  await expect.poll(() => b.run(() => noted.at(-1))).toBe(1);
  const again = await b.run(async () => {
    const [last] = (await db.sync.jobs()).slice(-1);
    return { state: (await last?.info())?.state, code: await last?.pause().catch(({ code }) => code) };
  });
  expect(again).toEqual({ state: "done", code: "JOB_STATE" });
  for (const device of [a, b]) await device.close();
});

test("preferences of two parts of an app are combined", async ({ browser, app, relay }) => {
  const [a, b] = await openPair(browser, { site: app.url, relay: relay.url });
  const combined = await a.run(async () => {
    await db.sync.setPreferences("board", { enabled: false, onCommit: false, intervalMs: 60_000 });
    await db.sync.setPreferences("chat", { intervalMs: 5_000 });
    const both = await db.sync.preferences();
    await db.sync.removePreferences("chat");
    return { both, one: await db.sync.preferences() };
  });
  expect(combined.both).toMatchObject({ enabled: true, onCommit: true, intervalMs: 5_000 });
  expect(combined.one).toMatchObject({ enabled: false, onCommit: false, intervalMs: 60_000 });
  for (const device of [a, b]) await device.close();
});

test("who helps others finds what is going on: history, log, metrics, diagnosis, settings", async ({
  browser,
  app,
  relay,
}) => {
  const [a, b] = await openPair(browser, { site: app.url, relay: relay.url });
  const key = await b.run(() => tide.publicKey);
  await a.run(() => db.table("notes").put("n1", {}));
  await a.run(() => db.whenSafe());
  await a.run(() => tide.sync.syncNow());
  await a.run(() => tide.sync.flush());
  const seen = await a.run(async (peer) => {
    return {
      history: await db.sync.history(),
      log: await tide.sync.log(),
      metrics: await tide.sync.metrics(),
      whole: await tide.sync.diagnose(),
      one: await tide.sync.diagnose(peer),
      settings: await tide.sync.changeSettings("lan"),
      transports: await tide.sync.transports.list(),
    };
  }, key);
  expect(seen.history).toContainEqual(expect.objectContaining({ peer: key, error: undefined }));
  expect(seen.log.length).toBeGreaterThan(0);
  expect(JSON.stringify(seen.log), "keys are shortened").not.toContain(key);
  expect(Object.keys(seen.metrics.counters).length).toBeGreaterThan(0);
  for (const { findings, summary } of [seen.whole, seen.one]) {
    expect(summary).not.toBe("");
    expect(findings.filter(({ state }) => state === "failed")).toEqual([]);
  }
  expect(seen.settings).toMatchObject({ antiEntropyMs: 60_000, attemptsMax: 10 });
  expect(seen.transports.some(({ isRunning }) => isRunning)).toBe(true);
  for (const device of [a, b]) await device.close();
});

test("[CLIENT-7] calls about sync reject with INSTANCE_CLOSED after close, with their codes for what is not there", async ({
  browser,
  app,
  relay,
}) => {
  const [a, b] = await openPair(browser, { site: app.url, relay: relay.url });
  const codes = await a.run(async () => {
    const stranger = "0".repeat(64);
    const codeOf = (call: Promise<unknown>) => call.then(() => "no error").catch(({ code }) => code as string);
    const before = await Promise.all([
      codeOf(tide.sync.peers.update(stranger, { name: "?" })),
      codeOf(tide.sync.peers.remove(stranger)),
      codeOf(tide.sync.transports.start("roof")),
      codeOf(tide.sync.connect("pigeon:roof")),
      codeOf(db.sync.peer(stranger).whenSynced({ signal: AbortSignal.abort() })),
    ]);
    const waiting = codeOf(db.whenSafe({ copies: 9 }));
    await tide.close();
    return { before, waiting: await waiting, after: await codeOf(tide.sync.metrics()) };
  });
  expect(codes.before).toEqual(["PEER_UNKNOWN", "PEER_UNKNOWN", "TRANSPORT_UNKNOWN", "ADDRESS_INVALID", "ABORTED"]);
  expect([codes.waiting, codes.after]).toEqual(["INSTANCE_CLOSED", "INSTANCE_CLOSED"]);
  for (const device of [a, b]) await device.close();
});

declare global {
  /** The origins of the entries that wrote to `rows`, one by one, since the page was loaded. */
  var heard: string[];
}

function listenToRows(name: string): void {
  globalThis.heard = [];
  db.onWrite(
    ({ entries, origin }) => {
      for (const { stores } of entries) if (stores.some((store) => store.name === "rows")) heard.push(origin);
    },
    { name },
  );
}
