/** Who may do what, between real browsers: coming in, asking, taking away, and what the app sees of it. */
import type { Browser } from "@playwright/test";
import type { PermissionsChange, RequestInfo } from "tidemark";
import { Device, type DeviceOptions } from "./device.ts";
import { expect, test } from "./fixtures.ts";

declare global {
  /** What `permissions` told since `listenToPermissions` was called. */
  var changes: PermissionsChange[];
  /** The rows that were there when an entry was told to be void. */
  var rowsWhenTold: Promise<number>[];
  /** The requests that were told of last. */
  var asked: readonly RequestInfo[];
}

/** The first owns the database; the others came in by a link each, in this order, and hold the same. */
async function openGroup(
  browser: Browser,
  options: DeviceOptions,
  permissions: readonly ("admin" | "write" | "read")[],
): Promise<readonly Device[]> {
  const owner = await Device.open(browser, options);
  await owner.run(async () => {
    globalThis.db = await tide.createDatabase({ name: "Together" });
  });
  const devices = [owner];
  for (const permission of permissions) {
    const device = await Device.open(browser, options);
    await device.join(await owner.run((permission) => db.share({ permission }), permission));
    devices.push(device);
  }
  await settle(devices);
  return devices;
}

/** Waits until all hold the same. */
async function settle(devices: readonly Device[]): Promise<void> {
  const states = async (): Promise<number> =>
    new Set(await Promise.all(devices.map(async (device) => JSON.stringify(await device.digest())))).size;
  await expect.poll(states).toBe(1);
}

async function closeAll(devices: readonly Device[]): Promise<void> {
  for (const device of devices) await device.close();
}

function keyOf(device: Device): Promise<string> {
  return device.run(() => tide.publicKey);
}

/** Writes a row and resolves with the id of its entry. */
function writeRow(device: Device, id: string): Promise<string> {
  return device.run(async (id) => {
    const written = new Promise<string>((resolve) => {
      const stop = db.onWrite(({ origin, entries }) => {
        const [entry] = entries;
        if (origin !== "local" || entry === undefined) return;
        stop();
        resolve(entry.id);
      });
    });
    await db.table("rows").put(id, { text: id });
    return written;
  }, id);
}

function rows(device: Device): Promise<readonly string[]> {
  return device.run(async () => (await db.table("rows").all()).map(({ id }) => id));
}

async function listenToPermissions(device: Device): Promise<void> {
  await device.run(() => {
    globalThis.changes = [];
    globalThis.rowsWhenTold = [];
    db.permissions.on("changed", (change) => {
      changes.push(change);
      if (change.voided.length > 0)
        rowsWhenTold.push(
          db
            .table("rows")
            .all()
            .then(({ length }) => length),
        );
    });
  });
}

/** All that was told so far. */
function told(device: Device): Promise<Pick<PermissionsChange, "voided" | "revived" | "because">> {
  return device.run(() => ({
    voided: changes.flatMap(({ voided }) => voided),
    revived: changes.flatMap(({ revived }) => revived),
    because: changes.flatMap(({ because }) => because),
  }));
}

test("[CLIENT-24] an invite lets in as many as it says with no admin online, by whoever has the database", async ({
  browser,
  app,
  relay,
}) => {
  const options = { site: app.url, relay: relay.url };
  const [ada, ben] = (await openGroup(browser, options, ["write"])) as [Device, Device];
  const owner = await keyOf(ada);
  const ticket = await ada.run(() => db.share({ permission: "write", uses: 1, label: "for one" }));
  await settle([ada, ben]);
  await ada.close();

  const cleo = await Device.open(browser, options);
  await cleo.run(async (ticket) => {
    globalThis.db = await tide.join(ticket, { name: "Cleo" });
    await db.ready();
    await db.table("rows").put("from-cleo", {});
  }, ticket);
  await expect.poll(() => rows(ben)).toEqual(["from-cleo"]);
  const key = await keyOf(cleo);
  const [member] = await ben.run(async (key) => (await db.permissions.list()).filter((one) => one.key === key), key);
  expect(member).toMatchObject({ name: "Cleo", permission: "write", power: 100, via: "redeem", setBy: owner });
  expect(await ben.run(() => db.invites.list())).toMatchObject([
    { label: "for one", permission: "write", uses: 1, used: 1, by: owner, isValid: false },
    { label: undefined, uses: undefined, used: 1, isValid: true },
  ]);
  const why = await ben.run((key) => db.permissions.explain(key), key);
  expect(why).toMatchObject({ type: "key", power: 100, permission: "write", isPublic: false });
  expect(why.type === "key" && why.chain.map(({ via }) => via)).toEqual(["root", "redeem"]);

  const dan = await Device.open(browser, options);
  const state = await dan.run(async (ticket) => {
    globalThis.db = await tide.join(ticket);
    const code = await db.ready({ signal: AbortSignal.timeout(3_000) }).catch(({ code }) => code as string);
    return { code, access: await db.access(), ...(await db.digest()) };
  }, ticket);
  expect(state).toMatchObject({ code: "ABORTED", access: { state: "joining", permission: "none" }, entries: 0 });
  await closeAll([ben, cleo, dan]);
});

test("[CLIENT-25] late work of a revoked writer vanishes where it was seen; the event names it and explain says why", async ({
  browser,
  app,
  relay,
}) => {
  const options = { site: app.url, relay: relay.url };
  const [ada, ben, cleo] = (await openGroup(browser, options, ["write", "write"])) as [Device, Device, Device];
  await writeRow(ben, "early");
  await settle([ada, ben, cleo]);
  await ada.run(() => tide.goOffline());
  const late = await writeRow(ben, "late");
  await expect.poll(() => rows(cleo)).toEqual(["early", "late"]);
  await ben.run(() => tide.goOffline());
  await listenToPermissions(cleo);
  const revoked = await keyOf(ben);
  await ada.run((key) => db.permissions.revoke(key), revoked);
  await ada.run(() => tide.goOnline());

  await expect.poll(() => rows(cleo), "what was seen is no more").toEqual(["early"]);
  await expect.poll(async () => (await told(cleo)).voided).toEqual([late]);
  const { revived, because } = await told(cleo);
  expect(revived).toEqual([]);
  expect(await cleo.run(() => Promise.all(rowsWhenTold)), "what is read is right by then").toEqual([1]);
  expect(because).toHaveLength(1);
  const explained = await cleo.run((id) => db.permissions.explain(id), late);
  expect(explained).toMatchObject({ type: "void", entry: late, rule: "cut", by: because[0] });
  expect(await cleo.run((id) => db.permissions.explain(id), because[0] as string)).toMatchObject({ type: "counts" });
  const keys = await cleo.run(async () => (await db.permissions.list()).map(({ key }) => key));
  expect(keys).not.toContain(revoked);
  expect(await cleo.run((key) => db.permissions.explain(key), revoked)).toMatchObject({ permission: "none" });

  await ben.run(() => tide.goOnline());
  await writeRow(ada, "after");
  await expect.poll(() => rows(cleo)).toEqual(["after", "early"]);
  expect(await rows(ben), "what it had it keeps; nothing new reaches it").toEqual(["early", "late"]);
  await closeAll([ada, ben, cleo]);
});

test("[CLIENT-25] what a removed admin had cut comes back, and the event names it", async ({ browser, app, relay }) => {
  const options = { site: app.url, relay: relay.url };
  const group = await openGroup(browser, options, ["admin", "write", "write"]);
  const [ada, dan, ben, cleo] = group as [Device, Device, Device, Device];
  for (const device of [ada, dan]) await device.run(() => tide.goOffline());
  const late = await writeRow(ben, "late");
  await expect.poll(() => rows(cleo)).toEqual(["late"]);
  await ben.run(() => tide.goOffline());
  await listenToPermissions(cleo);
  await dan.run(async (key) => db.permissions.revoke(key), await keyOf(ben));
  await ada.run(async (key) => db.permissions.revoke(key), await keyOf(dan));

  await dan.run(() => tide.goOnline());
  await expect.poll(() => rows(cleo)).toEqual([]);
  await expect.poll(() => told(cleo)).toMatchObject({ voided: [late], revived: [] });
  await dan.run(() => tide.goOffline());
  await ada.run(() => tide.goOnline());
  await expect.poll(() => rows(cleo)).toEqual(["late"]);
  await expect.poll(async () => (await told(cleo)).revived).toContain(late);
  expect(await cleo.run((id) => db.permissions.explain(id), late)).toMatchObject({ type: "counts" });
  await closeAll(group);
});

test("[CLIENT-26] who asks is heard, approved, and gets in at once; who, when and the note are kept", async ({
  browser,
  app,
  relay,
}) => {
  const options = { site: app.url, relay: relay.url };
  const [ada] = (await openGroup(browser, options, [])) as [Device];
  await writeRow(ada, "r1");
  const ticket = await ada.run(() => {
    db.requests.on("changed", (requests) => {
      globalThis.asked = requests;
    });
    return db.ticket();
  });
  expect(ticket).not.toContain("in=");
  const ben = await Device.open(browser, options);
  await ben.run(async (ticket) => {
    globalThis.db = await tide.join(ticket, { name: "Ben", note: "It is me, from the choir." });
  }, ticket);
  await expect.poll(() => ben.run(async () => (await db.access()).state)).toBe("pending");
  const key = await keyOf(ben);
  await expect
    .poll(() => ada.run(() => db.requests.list()))
    .toMatchObject([{ key, name: "Ben", note: "It is me, from the choir.", permission: "write", state: "pending" }]);
  await expect.poll(() => ada.run(() => globalThis.asked), "told").toMatchObject([{ key }]);

  await ada.run((key) => db.requests.approve(key, { permission: "read" }), key);
  await ben.run(() => db.ready());
  await expect.poll(() => rows(ben)).toEqual(["r1"]);
  expect(await ben.run(() => db.access())).toEqual({ state: "member", permission: "read" });
  const owner = await keyOf(ada);
  expect(await ada.run(() => db.requests.list())).toMatchObject([{ key, state: "approved", decidedBy: owner }]);
  const codes = await ada.run(async (key) => {
    const codeOf = (call: Promise<unknown>) => call.then(() => "no error").catch(({ code }) => code as string);
    return [
      await codeOf(db.requests.approve(key)),
      await codeOf(db.requests.reject(key)),
      await codeOf(db.requests.reject("0".repeat(64))),
    ];
  }, key);
  expect(codes).toEqual(["REQUEST_DECIDED", "REQUEST_DECIDED", "REQUEST_UNKNOWN"]);
  await closeAll([ada, ben]);
});

test("[CLIENT-26] who is turned down is told so, also after coming back", async ({ browser, app, relay }) => {
  const options = { site: app.url, relay: relay.url };
  const [ada] = (await openGroup(browser, options, [])) as [Device];
  const ticket = await ada.run(() => db.ticket());
  const ben = await Device.open(browser, options);
  await ben.run(async (ticket) => {
    globalThis.db = await tide.join(ticket);
  }, ticket);
  const key = await keyOf(ben);
  await expect.poll(() => ada.run(() => db.requests.list())).toMatchObject([{ key, state: "pending" }]);
  const waiting = ben.run(() => db.ready().catch(({ code }) => code as string));
  await ada.run((key) => db.requests.reject(key), key);
  expect(await waiting).toBe("JOIN_REFUSED");
  const refused = { state: "rejected", permission: "none", reason: "rejected" };
  expect(await ben.run(() => db.access())).toEqual(refused);
  await ben.load();
  expect(await ben.run(() => db.ready().catch(({ code }) => code as string)), "remembered").toBe("JOIN_REFUSED");
  expect((await ben.run(() => db.sync.status())).access).toEqual(refused);
  expect((await ben.digest()).entries).toBe(0);
  await closeAll([ada, ben]);
});

test("a device that takes no requests answers alike and keeps none", async ({ browser, app, relay }) => {
  const options = { site: app.url, relay: relay.url };
  const [ada] = (await openGroup(browser, options, [])) as [Device];
  const ticket = await ada.run(async () => {
    await db.requests.accept(false);
    return db.ticket();
  });
  const ben = await Device.open(browser, options);
  await ben.run(async (ticket) => {
    globalThis.db = await tide.join(ticket);
  }, ticket);
  const heard = async (): Promise<number> =>
    ben.run(async () => (await tide.sync.log()).filter(({ event }) => event === "join.heardKnock").length);
  await expect.poll(heard, "answered like anybody").toBe(1);
  await expect.poll(() => ben.run(async () => (await db.access()).state)).toBe("pending");
  expect(await ada.run(() => db.requests.list())).toEqual([]);
  await ada.run(() => db.requests.accept(true));
  await ben.run(() => tide.goOffline());
  await ben.run(() => tide.goOnline());
  await expect.poll(() => ada.run(() => db.requests.list())).toMatchObject([{ state: "pending" }]);
  await closeAll([ada, ben]);
});

test("an invite that was revoked lets nobody in, and who came in by it stays", async ({ browser, app, relay }) => {
  const options = { site: app.url, relay: relay.url };
  const [ada] = (await openGroup(browser, options, [])) as [Device];
  const ticket = await ada.run(() => db.share({ permission: "write", label: "for all" }));
  const ben = await Device.open(browser, options);
  await ben.join(ticket);
  const left = await ada.run(async () => {
    for (const { key, label } of await db.invites.list()) if (label === "for all") await db.invites.revoke(key);
    const again = db.invites.revoke("0".repeat(64)).catch(({ code }) => code as string);
    return [await db.invites.list(), await again];
  });
  expect(left).toEqual([[], "INVITE_UNKNOWN"]);
  const cleo = await Device.open(browser, options);
  const code = await cleo.run(async (ticket) => {
    globalThis.db = await tide.join(ticket);
    return db.ready().catch(({ code }) => code as string);
  }, ticket);
  expect(code).toBe("JOIN_REFUSED");
  await writeRow(ben, "still here");
  await expect.poll(() => rows(ada)).toEqual(["still here"]);
  await closeAll([ada, ben, cleo]);
});

test("a public database opens for whoever has its address, and only as far as it says", async ({
  browser,
  app,
  relay,
}) => {
  const options = { site: app.url, relay: relay.url };
  const [ada] = (await openGroup(browser, options, [])) as [Device];
  await writeRow(ada, "r1");
  const ticket = await ada.run(async () => {
    await db.permissions.setPublic("read");
    return db.ticket();
  });
  const ben = await Device.open(browser, options);
  const seen = await ben.run(async (ticket) => {
    globalThis.db = await tide.join(ticket);
    await db.ready();
    const code = await db
      .table("rows")
      .put("r2", {})
      .catch(({ code }) => code as string);
    return { code, access: await db.access(), public: await db.permissions.public() };
  }, ticket);
  const access = { state: "member", permission: "read" };
  expect(seen).toEqual({ code: "PERMISSION_DENIED", access, public: "read" });
  const why = await ben.run(async () => db.permissions.explain(tide.publicKey));
  expect(why).toMatchObject({ type: "key", permission: "read", isPublic: true });
  expect(await ada.run(() => db.permissions.list()), "everybody is no member").toHaveLength(1);

  await ada.run(async () => {
    await db.permissions.setPublic("none");
    await db.table("rows").put("r2", {});
    await tide.sync.flush();
  });
  expect(await rows(ben)).toEqual(["r1"]);
  await closeAll([ada, ben]);
});

test("[CLIENT-27] a database that was never shared does not sync until it is, and not while it is switched off", async ({
  browser,
  app,
  relay,
}) => {
  const options = { site: app.url, relay: relay.url };
  const ada = await Device.open(browser, options);
  const blocks = (): Promise<readonly string[]> =>
    ada.run(async () => (await db.sync.status()).blockedBy.map(({ type }) => type));
  await ada.run(async () => {
    globalThis.db = await tide.createDatabase({ name: "Mine" });
  });
  expect(await blocks()).toContain("disabled");
  const ticket = await ada.run(() => db.share({ permission: "write" }));
  expect(await blocks()).not.toContain("disabled");
  const ben = await Device.open(browser, options);
  await ben.join(ticket);
  await ada.run(() => db.sync.disable());
  await writeRow(ada, "hidden");
  expect(await ada.run(() => db.whenSafe({ timeoutMs: 500 }).catch(({ code }) => code as string))).toBe("TIMEOUT");
  await ada.load();
  expect(await blocks(), "remembered").toContain("disabled");
  expect(await rows(ben)).toEqual([]);
  await ada.run(() => db.sync.enable());
  await expect.poll(() => rows(ben)).toEqual(["hidden"]);
  await closeAll([ada, ben]);
});

test("what is no key, permission, time, number or name is told at the call, and who may not is told what is needed", async ({
  browser,
  app,
  relay,
}) => {
  const options = { site: app.url, relay: relay.url };
  const [ada, ben] = (await openGroup(browser, options, ["write"])) as [Device, Device];
  const key = await keyOf(ada);
  const fields = await ada.run(async (key) => {
    const fieldOf = (call: () => Promise<unknown>) =>
      call()
        .then(() => "no error")
        .catch(({ code, details }) => `${code} ${details.field}`);
    const calls: (() => Promise<unknown>)[] = [
      () => db.permissions.set("nobody", "write"),
      () => db.permissions.set(key, "boss" as "write"),
      () => db.permissions.set(key, 0),
      () => db.permissions.set(key, 1_000),
      () => db.permissions.set(key, "write", { name: "" }),
      () => db.permissions.setPublic("admin" as "write"),
      () => db.permissions.explain("nothing"),
      () => db.share({ permission: "owner" as "write" }),
      () => db.share({ permission: "write", expiresAt: 1_000 }),
      () => db.share({ permission: "write", expiresAt: new Date("never") }),
      () => db.share({ permission: "write", uses: 0 }),
      () => db.share({ permission: "write", label: "" }),
      () => db.invites.revoke("nothing"),
      () => db.requests.approve("nobody"),
      () => db.requests.accept("yes" as unknown as boolean),
      () => tide.join("tidemark:?", { note: "n".repeat(513) }),
    ];
    return Promise.all(calls.map(fieldOf));
  }, key);
  expect(fields).toEqual(
    [
      "key",
      "permission",
      "permission",
      "permission",
      "name",
      "permission",
      "key or entry",
      "permission",
      "expiresAt",
      "expiresAt",
      "uses",
      "label",
      "key",
      "key",
      "on",
      "note",
    ].map((field) => `INPUT_INVALID ${field}`),
  );
  const denied = await ben.run(async (owner) => {
    const codeOf = (call: Promise<unknown>) => call.then(() => "no error").catch(({ code }) => code as string);
    return [
      await codeOf(db.permissions.set(owner, "none")),
      await codeOf(db.permissions.set("0".repeat(64), "read")),
      await codeOf(db.permissions.setPublic("read")),
      await codeOf(db.share({ permission: "read" })),
      await codeOf(db.invites.revoke((await db.invites.list())[0]?.key ?? "")),
    ];
  }, key);
  expect(denied).toEqual(Array(5).fill("PERMISSION_DENIED"));
  await closeAll([ada, ben]);
});
