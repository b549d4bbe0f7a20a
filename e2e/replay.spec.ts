/** A recorded session of two people writing at the same time, one person per browser, through the public API. */
import { openPair } from "./device.ts";
import { expect, test } from "./fixtures.ts";
import { readFriends, recordedMax, type SharedKeystroke } from "./recordings.ts";

const txns = readFriends().txns.slice(0, recordedMax);

test(`two recorded writers end with the same ${txns.length} rows, tips and state`, async ({ browser, app, relay }) => {
  test.setTimeout(120_000 + txns.length * 40);
  const devices = await openPair(browser, { site: app.url, relay: relay.url });
  await Promise.all(devices.map((device, agent) => device.run(replay, { txns, agent })));

  const [one, other] = await Promise.all(devices.map((device) => device.digest()));
  expect(one).toEqual(other);
  expect(one?.entries).toBe(txns.length + 3); // The root, the invite and the grant.
  const rows = await Promise.all(
    devices.map((device) => device.run(async () => JSON.stringify(await db.table("txns").all()))),
  );
  expect(rows[0]).toBe(rows[1]);
  expect(JSON.parse(rows[0] ?? "")).toEqual(txns.map((txn, i) => ({ ...txn, id: `t${String(i).padStart(6, "0")}` })));
  for (const device of devices) await device.close();
});

/** On the page: writes each of the agent's transactions once the rows of its parents have arrived here. */
async function replay({
  txns,
  agent,
}: {
  readonly txns: readonly SharedKeystroke[];
  readonly agent: number;
}): Promise<void> {
  const rowId = (index: number): string => `t${String(index).padStart(6, "0")}`;
  const table = db.table<SharedKeystroke>("txns");
  const arrived = new Set<string>();
  let wake = (): void => {};
  const stop = table.subscribe((rows) => {
    // Nothing is ever deleted, so the number tells whether there is something new; it is near the end of what was there.
    for (let i = rows.length - 1; arrived.size < rows.length; i--) arrived.add((rows[i] as { readonly id: string }).id);
    wake();
  });
  const until = async (isSo: () => boolean): Promise<void> => {
    while (!isSo()) await new Promise<void>((resolve) => (wake = resolve));
  };
  const written: Promise<void>[] = [];
  for (const [index, txn] of txns.entries()) {
    if (txn.agent !== agent) continue;
    await until(() => txn.parents.every((parent) => arrived.has(rowId(parent))));
    written.push(table.put(rowId(index), txn));
  }
  await Promise.all(written);
  await until(() => arrived.size === txns.length);
  stop();
}
