/** Relays that lie, and somebody between two real browsers. */
import { generateKeyPairSync } from "node:crypto";
import type { Browser } from "@playwright/test";
import { Device } from "./device.ts";
import { expect, test } from "./fixtures.ts";
import { betray, HostileRelay, type Lies, prepareAttacker } from "./hostile-relay.ts";

/** Two devices: the one shares a database with one row, the other asks to join; nobody has waited for anything. */
async function openJoining(
  browser: Browser,
  site: string,
  relay: string,
  prepare: (device: Awaited<ReturnType<Browser["newContext"]>>) => Promise<void> = async () => {},
): Promise<readonly [Device, Device]> {
  const contexts = await Promise.all([browser.newContext(), browser.newContext()]);
  for (const context of contexts) await prepare(context);
  const [a, b] = (await Promise.all(contexts.map((context) => Device.openIn(context, { site, relay })))) as [
    Device,
    Device,
  ];
  for (const device of [a, b])
    await device.run(() => {
      const codes: string[] = [];
      Object.assign(globalThis, { codes });
      tide.on("problem", ({ code }) => codes.push(code));
    });
  const ticket = await a.createAndShare();
  await a.run(() => db.table("notes").put("n1", { title: "secret" }));
  await b.run(async (text) => {
    globalThis.db = await tide.join(text);
  }, ticket);
  return [a, b];
}

function codesOf(device: Device): Promise<readonly string[]> {
  return device.run(() => (globalThis as unknown as { codes: readonly string[] }).codes);
}

function titleAt(device: Device): Promise<unknown> {
  return device.run(async () => (await db.table("notes").get("n1"))?.title);
}

test("[HOSTILE-10] somebody who swaps the session descriptions of two browsers carries their handshake and no word more", async ({
  browser,
  app,
}) => {
  // A relay that could read and write notes: what is swapped is what the browsers are told.
  const relay = await HostileRelay.start();
  const attacker = await browser.newPage();
  await attacker.goto(app.url);
  await prepareAttacker(attacker);
  const [a, b] = await openJoining(browser, app.url, relay.url, (context) => betray(context, attacker));
  await expect.poll(async () => [...(await codesOf(a)), ...(await codesOf(b))]).toContain("HANDSHAKE_SIGNATURE");
  const opened = (): Promise<number> => attacker.evaluate(() => globalThis.middle.opened);
  await expect.poll(opened, "the attacker holds a connection to each").toBeGreaterThanOrEqual(4);
  const carried = await attacker.evaluate(() => globalThis.middle.carried);
  expect(carried.length, "hello and answer of at least one attempt").toBeGreaterThanOrEqual(2);
  // Hello and answer of each attempt, and never the proof: whoever dialled finds out first.
  expect(Math.max(...carried)).toBeLessThan(400);
  expect(await titleAt(b)).toBeUndefined();
  expect((await a.run(() => db.sync.status())).peers).toEqual([]);
  for (const device of [a, b]) await device.close();
  await attacker.close();
  relay.close();
});

test.describe("[HOSTILE-11] a relay", () => {
  const flipped = (bytes: Uint8Array): Uint8Array =>
    bytes.map((byte, i) => (i === bytes.length - 20 ? byte ^ 1 : byte));
  /** The half of a key pair whose other half is the relay's: what is sealed for it the relay can read. */
  const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const point = publicKey.export({ type: "spki", format: "der" }).subarray(-65);

  for (const [title, lies] of [
    [
      "that shows cards with a sealing key of its own",
      { card: (card) => Uint8Array.of(...card.subarray(0, 32), ...point, ...card.subarray(97)) },
    ],
    [
      "that shows cards whose signature it made up",
      { card: (card) => Uint8Array.of(...card.subarray(0, 97), ...new Uint8Array(64).fill(9)) },
    ],
    ["that alters notes", { note: (sealed) => [flipped(sealed)] }],
  ] as readonly (readonly [string, Lies])[])
    test(`${title} connects nobody`, async ({ browser, app }) => {
      const relay = await HostileRelay.start(lies);
      const [a, b] = await openJoining(browser, app.url, relay.url);
      // Shown to both, again and again, or told them in several attempts.
      const isTold = async (): Promise<boolean> => {
        if (lies.note !== undefined) return relay.notes.length >= 6;
        for (const device of [a, b]) await device.run(() => tide.goOffline());
        for (const device of [a, b]) await device.run(() => tide.goOnline());
        return relay.shown >= 6;
      };
      await expect.poll(isTold, { timeout: 60_000, intervals: [1_000] }).toBe(true);
      if (lies.card !== undefined) expect(relay.notes, "nothing is sealed for whoever is not proven").toEqual([]);
      expect((await a.run(() => db.sync.status())).peers).toEqual([]);
      expect(await titleAt(b)).toBeUndefined();
      for (const device of [a, b]) await device.close();
      relay.close();
    });

  test("that says every note twice connects as one that does not, and can read none of them", async ({
    browser,
    app,
  }) => {
    const relay = await HostileRelay.start({ note: (sealed) => [sealed, sealed] });
    const [a, b] = await openJoining(browser, app.url, relay.url);
    await b.run(() => db.ready());
    await expect.poll(() => titleAt(b)).toBe("secret");
    expect(relay.notes.length).toBeGreaterThan(2);
    const all = relay.notes.map((note) => new TextDecoder("latin1").decode(note)).join();
    for (const word of ["fingerprint", "candidate", "ice-ufrag", "secret"]) expect(all).not.toContain(word);
    for (const device of [a, b]) await device.close();
    relay.close();
  });
});
