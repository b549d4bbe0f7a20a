/** Two real browsers over WebRTC, introduced by the real relay. */
import { createHash, randomBytes } from "node:crypto";
import { formatTicket, parseTicket, type Ticket } from "../src/core/ticket.ts";
import { Device, openPair } from "./device.ts";
import { expect, startRelay, test } from "./fixtures.ts";

test("a row written in one browser is read in the other, over WebRTC", async ({ browser, app, relay }) => {
  const [a, b] = await openPair(browser, { site: app.url, relay: relay.url });
  await a.run(() => db.table("notes").put("n1", { title: "Hello", done: false }));
  await b.page.waitForFunction(() => db.table("notes").get("n1"));
  expect(await b.run(() => db.table("notes").all())).toEqual([{ id: "n1", title: "Hello", done: false }]);
  expect((await b.run(() => db.sync.status())).peers).toMatchObject([{ path: "webrtc" }]);
  for (const device of [a, b]) await device.close();
});

test("edits made offline on both sides meet when both are back", async ({ browser, app, relay }) => {
  const [a, b] = await openPair(browser, { site: app.url, relay: relay.url });
  await a.run(() => db.table("notes").put("shared", { title: "as it was", done: false }));
  await b.page.waitForFunction(() => db.table("notes").get("shared"));
  for (const device of [a, b]) await device.run(() => tide.goOffline());
  await a.run(() => db.table("notes").update("shared", { title: "changed by a" }));
  await b.run(() => db.table("notes").update("shared", { done: true }));
  await a.run(() => db.table("notes").put("a", { title: "only a" }));
  await b.run(() => db.table("notes").put("b", { title: "only b" }));
  expect(await b.run(() => db.table("notes").get("a")), "nothing crossed while they were apart").toBeUndefined();
  for (const device of [a, b]) await device.run(() => tide.goOnline());
  await expectSame(a, b);
  expect(await a.run(() => db.table("notes").all())).toEqual([
    { id: "a", title: "only a" },
    { id: "b", title: "only b" },
    { id: "shared", title: "changed by a", done: true },
  ]);
  for (const device of [a, b]) await device.close();
});

test("a reload in the middle of a transfer loses nothing and goes on where it was", async ({ browser, app, relay }) => {
  const options = { site: app.url, relay: relay.url };
  const [a, b] = await Promise.all([Device.open(browser, options), Device.open(browser, options)]);
  const ticket = await a.createAndShare();
  await a.run(writeRows, 4_000);
  await b.run(async (text) => {
    globalThis.db = await tide.join(text);
  }, ticket);
  const partly = async () => b.run(async () => (await db.sync.status()).saved);
  await expect.poll(partly, { intervals: [5] }).toBeGreaterThan(100);
  await b.load();
  const kept = await partly();
  expect(kept, "what was durable before the reload is there after it").toBeGreaterThan(100);
  await b.run(() => db.ready());
  await expectSame(a, b);
  expect(await b.run(async () => (await db.table("rows").all()).length)).toBe(4_000);
  for (const device of [a, b]) await device.close();
});

test("the writing side may reload too, and what it had acknowledged arrives", async ({ browser, app, relay }) => {
  const [a, b] = await openPair(browser, { site: app.url, relay: relay.url });
  await a.run(writeRows, 200);
  await a.load();
  await a.run(() => db.table("rows").put("after", { reloaded: true }));
  await expectSame(a, b);
  expect(await b.run(async () => (await db.table("rows").all()).length)).toBe(201);
  for (const device of [a, b]) await device.close();
});

test("a relay that goes down after connecting stops nothing", async ({ browser, app }) => {
  const relay = await startRelay();
  const [a, b] = await openPair(browser, { site: app.url, relay: relay.url });
  await relay.stop();
  await expect.poll(async () => (await a.run(() => db.sync.status())).relays[0]?.state).not.toBe("connected");
  await a.run(() => db.table("notes").put("n1", { title: "without a relay" }));
  await b.page.waitForFunction(() => db.table("notes").get("n1"));
  await b.run(() => db.table("notes").put("n2", { title: "and back" }));
  await a.page.waitForFunction(() => db.table("notes").get("n2"));
  for (const device of [a, b]) await device.close();
});

test("a relay restarted with nothing in memory introduces the peers again", async ({ browser, app }) => {
  const relay = await startRelay();
  const [a, b] = await openPair(browser, { site: app.url, relay: relay.url });
  await b.run(() => tide.goOffline());
  await relay.stop();
  await relay.restart();
  await a.run(() => db.table("notes").put("n1", { title: "written while apart" }));
  await b.run(() => tide.goOnline());
  await b.page.waitForFunction(() => db.table("notes").get("n1"));
  for (const device of [a, b]) await device.close();
  await relay.stop();
});

test("5 MB of rows in one transaction arrive whole", async ({ browser, app, relay }) => {
  const [a, b] = await openPair(browser, { site: app.url, relay: relay.url });
  const written = await a.run(async () => {
    const texts = Array.from({ length: 5_000 }, (_, i) => `${i} ${Math.random()} `.repeat(60).slice(0, 1_000));
    await db.transact((tx) => {
      for (const [i, text] of texts.entries()) tx.table("rows").put(`r${i}`, { text });
    });
    return texts.reduce((total, text) => total + text.length, 0);
  });
  expect(written).toBe(5_000_000);
  await expectSame(a, b);
  const read = await b.run(async () =>
    (await db.table<{ text: string }>("rows").all()).reduce((total, { text }) => total + text.length, 0),
  );
  expect(read).toBe(written);
  for (const device of [a, b]) await device.close();
});

test("where a data channel cannot be transferred to the worker, frames are handed over and everything works", async ({
  browser,
  app,
  relay,
}) => {
  const options = { site: app.url, relay: relay.url };
  const context = await browser.newContext();
  await context.addInitScript(() => {
    const { postMessage } = MessagePort.prototype;
    MessagePort.prototype.postMessage = function (message: unknown, transfer?: unknown): void {
      if (Array.isArray(transfer) && transfer.some((object) => object instanceof RTCDataChannel)) {
        throw new DOMException("an RTCDataChannel could not be cloned", "DataCloneError");
      }
      postMessage.call(this, message, transfer as StructuredSerializeOptions);
    };
  });
  const [a, b] = await Promise.all([Device.openIn(context, options), Device.open(browser, options)]);
  await b.join(await a.createAndShare());
  await a.run(writeRows, 2_000);
  await expectSame(a, b);
  expect((await a.run(() => db.sync.status())).peers).toMatchObject([{ path: "webrtc by port" }]);
  expect((await b.run(() => db.sync.status())).peers).toMatchObject([{ path: "webrtc" }]);
  await b.run(() => db.table("rows").put("back", {}));
  await a.page.waitForFunction(() => db.table("rows").get("back"));
  for (const device of [a, b]) await device.close();
});

test("a third person gets everything from the owner, and edits reach everyone", async ({ browser, app, relay }) => {
  const options = { site: app.url, relay: relay.url };
  const [a, b] = await openPair(browser, options);
  const c = await Device.open(browser, options);
  await b.run(() => db.table("notes").put("b", { title: "from b" }));
  await c.join(await a.run(() => db.share({ permission: "read" })));
  await c.page.waitForFunction(() => db.table("notes").get("b"));
  expect(
    await c.run(() =>
      db
        .table("notes")
        .put("c", {})
        .catch((error) => error.code),
    ),
  ).toBe("PERMISSION_DENIED");
  expect(await b.run(() => db.share({ permission: "write" }).catch((error) => error.code))).toBe("PERMISSION_DENIED");
  await expectSame(a, c);
  await expectSame(a, b);
  for (const device of [a, b, c]) await device.close();
});

test("a ticket whose secret belongs to none of the database's invites is refused, and nothing is disclosed", async ({
  browser,
  app,
  relay,
}) => {
  const options = { site: app.url, relay: relay.url };
  const a = await Device.open(browser, options);
  const good = parse(await a.createAndShare());
  await a.run(() => db.table("secrets").put("s1", { text: "not for you" }));
  const forged = formatTicket({ ...good, secret: randomBytes(32) }, sha256);

  const b = await Device.open(browser, options);
  const outcome = await b.run(async (text) => {
    globalThis.db = await tide.join(text);
    const code = await db.ready().catch((error) => error.code);
    return { code, status: await db.sync.status(), rows: await db.table("secrets").all() };
  }, forged);
  expect(outcome).toMatchObject({ code: "JOIN_REFUSED", status: { name: "", entries: 0 }, rows: [] });

  await b.join(formatTicket(good, sha256));
  await b.page.waitForFunction(() => db.table("secrets").get("s1"));
  for (const device of [a, b]) await device.close();
});

function sha256(bytes: Uint8Array): Uint8Array {
  return createHash("sha256").update(bytes).digest();
}

function parse(text: string): Ticket {
  const ticket = parseTicket(text, sha256);
  if (!ticket.ok) throw new Error(ticket.failure.code);
  return ticket.value;
}

async function writeRows(count: number): Promise<void> {
  const table = db.table("rows");
  const text = "x".repeat(200);
  await Promise.all(Array.from({ length: count }, (_, i) => table.put(`row-${i}`, { i, text })));
}

/** Until both hold the same entries, tips and state. */
async function expectSame(a: Device, b: Device): Promise<void> {
  const isSame = async () => JSON.stringify(await a.digest()) === JSON.stringify(await b.digest());
  await expect.poll(isSame).toBe(true);
}
