/** Everything as a file, taken by a browser that has nothing, and what is left after a wipe. */
import { Device } from "./device.ts";
import { expect, test } from "./fixtures.ts";

const passphrase = "seven words that nobody else would think of";

/** The file of a whole instance, as text: that is what crosses from page to page here. */
function save(device: Device, options: { readonly passphrase?: string } = {}): Promise<string> {
  return device.run(async (given) => {
    const bytes = new Uint8Array(await new Response(tide.export(given)).arrayBuffer());
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  }, options);
}

function restore(device: Device, file: string, options: { readonly passphrase?: string } = {}): Promise<unknown> {
  return device.run(
    async ({ file, options }) => {
      const bytes = Uint8Array.from(file.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
      const report = await tide.import(new Blob([bytes]), options).catch((error: { code: string }) => error.code);
      if (typeof report === "string") return report;
      for (const { id } of report.databases) globalThis.db = await tide.database(id);
      return report;
    },
    { file, options },
  );
}

test("[EXPORT-10] [IMPORT-2] what one browser saved as a file another takes up whole, and nothing else", async ({
  browser,
  relay,
  app,
}) => {
  const options = { site: app.url, relay: relay.url };
  const ann = await Device.open(browser, options);
  await ann.run(async () => {
    globalThis.db = await tide.createDatabase({ name: "Notes" });
    for (let i = 0; i < 20; i++) await db.table("notes").put(`n${i}`, { text: "x".repeat(40_000) });
  });
  const file = await save(ann);
  const ben = await Device.open(browser, options);
  expect(await restore(ben, `${file.slice(0, -2)}00`)).toBe("EXPORT_MALFORMED");
  expect(await restore(ben, file)).toMatchObject({
    databases: [{ name: "Notes", state: "here", known: 21, refused: 0 }],
  });
  expect(await ben.digest()).toEqual(await ann.digest());
  // It is stored, and not synced with anybody until somebody wants that.
  await ben.load();
  expect(await ben.digest()).toEqual(await ann.digest());
  expect(await ben.run(async () => (await db.sync.status()).blockedBy.map(({ type }) => type))).toContain("disabled");
  await Promise.all([ann.close(), ben.close()]);
});

test("[IMPORT-6] [DELETION-7] a sealed file brings everything back after a wipe, what was encrypted too", async ({
  browser,
  relay,
  app,
}) => {
  const options = { site: app.url, relay: relay.url };
  const ann = await Device.open(browser, options);
  await ann.run(async () => {
    globalThis.db = await tide.createDatabase({ name: "Secret", encrypted: true });
    await db.table("notes").put("n1", { by: "ann" });
  });
  const file = await save(ann, { passphrase });
  const before = await ann.digest();

  // Another tab has it open as well, and follows.
  const beside = await Device.openIn(ann.context, options);
  const keys = await Promise.all([ann, beside].map((device) => device.run(() => tide.publicKey)));
  expect(keys[1]).toBe(keys[0]);
  await beside.run(() => {
    tide.on("problem", ({ code }) => {
      document.title = code;
    });
  });
  await ann.run(() => tide.wipe());
  await expect.poll(() => beside.page.title()).toBe("INSTANCE_WIPED");
  const codes = [ann, beside].map((device) => device.run(() => tide.databases().catch(({ code }) => code)));
  expect(await Promise.all(codes)).toEqual(["INSTANCE_WIPED", "INSTANCE_WIPED"]);
  await expect.poll(() => ann.run(async () => (await indexedDB.databases()).map(({ name }) => name))).toEqual([]);

  await ann.load();
  const [key, databases] = await ann.run(async () => [tide.publicKey, (await tide.databases()).length] as const);
  expect([key === keys[0], databases]).toEqual([false, 0]);
  expect(await restore(ann, file, { passphrase: "not the one" })).toBe("BACKUP_PASSPHRASE");
  expect(await restore(ann, file, { passphrase })).toMatchObject({
    databases: [{ name: "Secret", state: "created" }],
    recovery: { key: { name: "recovery" }, databases: [{ name: "Secret", state: "here" }] },
  });
  expect((await ann.digest()).state).toBe(before.state);
  expect(await ann.run(() => db.table("notes").get("n1"))).toMatchObject({ by: "ann" });
  await ann.run(() => db.table("notes").put("n2", { by: "ann, again" }));

  // What is forgotten is gone in every tab.
  await beside.load();
  await ann.run(() => db.forget());
  const forgotten = [ann, beside].map((device) =>
    device.run(() =>
      db
        .table("notes")
        .get("n1")
        .catch(({ code }: { code: string }) => code),
    ),
  );
  expect(await Promise.all(forgotten)).toEqual(["DATABASE_UNKNOWN", "DATABASE_UNKNOWN"]);
  await Promise.all([ann.close(), beside.close()]);
});
