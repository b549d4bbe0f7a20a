/** What a person does with keys: a backup, a loss, a recovery, each device in a browser context of its own. */
import { Device } from "./device.ts";
import { expect, test } from "./fixtures.ts";

const passphrase = "seven words that nobody else would think of";

test("[RECOVERY-5] a device is lost with the only admin's key, and its backup administers the database on another", async ({
  browser,
  relay,
  app,
}) => {
  const options = { site: app.url, relay: relay.url };
  const [ann, cem] = await Promise.all([Device.open(browser, options), Device.open(browser, options)]);
  await cem.join(await ann.createAndShare());
  const text = await ann.run(async (passphrase) => {
    await db.table("notes").put("n1", { by: "ann" });
    const { text, databases } = await tide.keys.backup({ passphrase });
    if (databases[0]?.permission !== "admin") throw new Error(JSON.stringify(databases));
    await db.whenSafe({ copies: 2 });
    return text;
  }, passphrase);
  expect(text).toMatch(/^-----BEGIN TIDEMARK KEY BACKUP-----\n/);
  await ann.close();

  const ben = await Device.open(browser, options);
  const wrong = await ben.run(
    ({ text, passphrase }) => tide.keys.restore(text, passphrase).catch((error: { code: string }) => error.code),
    { text, passphrase: passphrase.toUpperCase() },
  );
  expect(wrong).toBe("BACKUP_PASSPHRASE");
  const restored = await ben.run(
    async ({ text, passphrase }) => {
      const { databases } = await tide.keys.restore(text, passphrase);
      globalThis.db = await tide.database(databases[0]?.id ?? "");
      await db.ready();
      return databases;
    },
    { text, passphrase },
  );
  expect(restored).toMatchObject([{ name: "Together", state: "joined" }]);

  const cemsKey = await cem.run(() => tide.publicKey);
  const [note, permission] = await ben.run(async (key) => {
    await db.permissions.set(key, "read");
    await db.table("notes").put("n2", { by: "ben" });
    const status = await db.sync.status();
    return [await db.table<{ by: string }>("notes").get("n1"), status.permission] as const;
  }, cemsKey);
  expect([note?.by, permission]).toEqual(["ann", "admin"]);
  await expect.poll(() => cem.run(() => db.table("notes").get("n2"))).toMatchObject({ by: "ben" });
  await expect.poll(() => cem.run(async () => (await db.sync.status()).permission)).toBe("read");

  // It is this device's for good, and another backup follows from it.
  await ben.load();
  const next = await ben.run(async (passphrase) => {
    const { databases } = await tide.keys.backup({ passphrase });
    return [databases[0]?.permission, (await tide.keys.list()).map(({ name }) => name)];
  }, passphrase);
  expect(next).toEqual(["admin", ["device", "recovery"]]);
  await Promise.all([ben.close(), cem.close()]);
});

test("[KEYS-16] a database is owned by a key that was made with a backup, and another device owns it after the first is lost", async ({
  browser,
  relay,
  app,
}) => {
  const options = { site: app.url, relay: relay.url };
  const [ann, cem] = await Promise.all([Device.open(browser, options), Device.open(browser, options)]);
  const made = await ann.run(async (passphrase) => {
    const { key, backup } = await tide.keys.create("owner", { passphrase });
    globalThis.db = await tide.createDatabase({ name: "Albums", key: "owner" });
    const [invite, address] = [await db.share({ permission: "read" }), await db.ticket()];
    return { key, backup, invite, address };
  }, passphrase);
  await cem.join(made.invite);
  await ann.run(() => db.whenSafe({ copies: 2 }));
  await ann.close();

  const ben = await Device.open(browser, options);
  const members = await ben.run(
    async ({ backup, address, passphrase }) => {
      await tide.keys.restore(backup, passphrase);
      globalThis.db = await tide.join(address, { key: "owner" });
      await db.ready();
      await db.table("albums").put("a1", { title: "Blue" });
      return (await db.permissions.list()).filter(({ isYou }) => isYou);
    },
    { ...made, passphrase },
  );
  expect(members).toMatchObject([{ key: made.key.publicKey, permission: "owner" }]);
  await expect.poll(() => cem.run(() => db.table("albums").get("a1"))).toMatchObject({ title: "Blue" });
  await Promise.all([ben.close(), cem.close()]);
});
