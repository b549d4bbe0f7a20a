/** What holds the page and its worker together, in a real browser. */
import { reloadWithEverything } from "./both-browsers.ts";
import { Device } from "./device.ts";
import { expect, test } from "./fixtures.ts";
import { Tab } from "./tabs.ts";

test("[CLIENT-2] a worker script that does not load rejects open with WORKER_BOOT and says what to do", async ({
  page,
  app,
}) => {
  await page.goto(app.url);
  await page.waitForFunction(() => globalThis.tidemark !== undefined);
  const error = await page.evaluate(() =>
    tidemark
      .open({ name: "e2e", workerUrl: "./missing.js" })
      .catch(({ name, code, details, hint }) => ({ name, code, details, hint })),
  );
  expect(error).toMatchObject({ name: "TidemarkError", code: "WORKER_BOOT" });
  expect(error).toHaveProperty("hint", expect.stringContaining("workerUrl"));
});

test("[CLIENT-2] a worker that never answers rejects open after the boot time-out", async ({ page, app }) => {
  await page.goto(app.url);
  await page.waitForFunction(() => globalThis.tidemark !== undefined);
  const error = await page.evaluate(() => {
    const silent = URL.createObjectURL(new Blob([""], { type: "text/javascript" }));
    return tidemark
      .open({ name: "e2e", workerUrl: silent, bootTimeoutMs: 200 })
      .catch(({ code, details }) => ({ code, details }));
  });
  expect(error).toEqual({ code: "WORKER_BOOT", details: { reason: "no answer", afterMs: 200 } });
});

test("[CLIENT-3] calls under way as a worker ends are answered by the next; one that ends four times in a minute is WORKER_DEAD", async ({
  context,
  app,
}) => {
  const tab = await Tab.open(context, { site: app.url });
  await tab.createDatabase();
  const codes = await tab.run(async () => {
    const heard = new Promise((resolve) => tide.on("problem", ({ code }) => resolve(code)));
    const putAll = (round: number): Promise<readonly string[]> =>
      Promise.all(
        Array.from({ length: 20 }, (_, i) =>
          db
            .table("rows")
            .put(`${round} ${i}`, {})
            .then(
              () => "done",
              ({ code }) => code,
            ),
        ),
      );
    const rounds: string[] = [];
    for (let round = 0; round < 4; round++) {
      const underWay = putAll(round);
      tabWorker.terminate();
      rounds.push(...new Set(await underWay));
    }
    const later = await db
      .table("rows")
      .all()
      .catch(({ code }) => code);
    return { rounds, later, heard: await heard };
  });
  expect(codes).toEqual({
    rounds: ["done", "done", "done", "WORKER_DEAD"],
    later: "WORKER_DEAD",
    heard: "WORKER_DEAD",
  });
});

test("[CLIENT-4] errors cross the worker boundary with their code, details and hint", async ({
  browser,
  app,
  relay,
}) => {
  const device = await Device.open(browser, { site: app.url, relay: relay.url });
  await device.createAndShare();
  const caught = await device.run(() =>
    db
      .table("notes")
      .update("absent", { done: true })
      .catch((error) => ({
        isOurs: error instanceof tidemark.TidemarkError,
        code: error.code,
        details: error.details,
        hint: error.hint,
      })),
  );
  expect(caught).toMatchObject({ isOurs: true, code: "ROW_MISSING", details: { store: "notes", row: "absent" } });
  expect(caught).toHaveProperty("hint", expect.stringContaining("put()"));
  await device.close();
});

test("[CLIENT-5] a second tab has the same instance open, reads what the first wrote, and leads when that is closed", async ({
  context,
  app,
}) => {
  const first = await Tab.open(context, { site: app.url });
  await first.createDatabase();
  await first.run(() => db.table("rows").put("r", { by: "first" }));
  const second = await Tab.open(context, { site: app.url });
  expect(await second.run(() => tide.publicKey)).toBe(await first.run(() => tide.publicKey));
  expect(await second.run(() => db.table("rows").get("r"))).toEqual({ id: "r", by: "first" });
  await first.close();
  await second.run(() => db.table("rows").put("s", { by: "second" }));
  await expect.poll(() => second.standing()).toBe("leading");
});

test("[CLIENT-6] everything durable is there after a reload, under the same key", async ({ browser, app, relay }) => {
  await reloadWithEverything(await Device.open(browser, { site: app.url, relay: relay.url }));
});

test("[CLIENT-7] an aborted call rejects with ABORTED at once", async ({ browser, app, relay }) => {
  const a = await Device.open(browser, { site: app.url, relay: relay.url });
  const ticket = await a.createAndShare();
  await a.run(() => tide.goOffline());
  const b = await Device.open(browser, { site: app.url, relay: relay.url });
  const code = await b.run(async (text) => {
    const joined = await tide.join(text);
    return joined.ready({ signal: AbortSignal.timeout(50) }).catch((error) => error.code);
  }, ticket);
  expect(code).toBe("ABORTED");
  for (const device of [a, b]) await device.close();
});

test("[CLIENT-11] a database of whose record nothing can be read is reported, and opens with all its rows beside the others", async ({
  browser,
  app,
  relay,
}) => {
  const device = await Device.open(browser, { site: app.url, relay: relay.url });
  await device.createAndShare();
  const before = await device.run(async () => {
    const other = await tide.createDatabase({ name: "Whole" });
    await other.table("notes").put("n1", { title: "kept" });
    const digests = [db.id, other.id].map(async (id) => [id, await (await tide.database(id)).digest()] as const);
    return (await Promise.all(digests)).sort();
  });
  await device.run(async () => {
    await tide.close();
    const opening = indexedDB.open("tidemark/e2e");
    await new Promise((resolve) => (opening.onsuccess = resolve));
    // One record, and the second copies of both.
    const tx = opening.result.transaction(["databases", "spare"], "readwrite");
    const first = tx.objectStore("databases").openCursor();
    first.onsuccess = () => void first.result?.update(new Uint8Array(8));
    tx.objectStore("spare").clear();
    await new Promise((resolve) => (tx.oncomplete = resolve));
    opening.result.close();
  });
  const after = await device.run(async () => {
    globalThis.tide = await tidemark.open({ name: "e2e" });
    const code = await new Promise((resolve) => tide.on("problem", (error) => resolve(error.code)));
    const digests = (await tide.databases()).map(async (each) => [each.id, await each.digest()] as const);
    return { code, digests: (await Promise.all(digests)).sort() };
  });
  expect(after).toEqual({ code: "STORAGE_CORRUPT", digests: before });
  await device.close();
});
