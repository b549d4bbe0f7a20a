/** Two real browsers over WebRTC, introduced by the real relay. */
import { Device, openPair } from "./device.ts";
import { expect, startRelay, test } from "./fixtures.ts";

test("a row written in one browser is read in the other, over WebRTC", async ({ browser, app, relay }) => {
  const [a, b] = await openPair(browser, { site: app.url, relay: relay.url });
  await a.run(() => db.table("notes").put("n1", { title: "Hello", done: false }));
  await b.page.waitForFunction(() => db.table("notes").get("n1"));
  expect(await b.run(() => db.table("notes").all())).toEqual([{ id: "n1", title: "Hello", done: false }]);
  const status = await b.run(() => db.sync.status());
  expect(status.peers).toMatchObject([{ path: "webrtc" }]);
  for (const device of [a, b]) await device.close();
});
