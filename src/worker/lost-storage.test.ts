import { type Endpoint, wrap } from "comlink";
import { expect, test } from "vitest";
import { type SitePage, TabSite } from "../testing/tab-site.ts";

interface Scene {
  readonly site: TabSite;
  readonly leader: SitePage;
  readonly follower: SitePage;
}

async function setUp(): Promise<Scene> {
  const site = await TabSite.open(1, (endpoint) => wrap(endpoint as Endpoint));
  const leader = await site.addPage("a");
  await site.world.until(() => leader.standing.type === "leading");
  const follower = await site.addPage("b");
  await site.world.settle(follower.call((api) => api.databases()));
  return { site, leader, follower };
}

test("[CLIENT-48] a leader that loses its storage steps down, and whoever leads next opens it anew", async () => {
  const { site, leader, follower } = await setUp();
  const { world } = site;
  const { id } = await world.settle(follower.write((api, write) => api.createDatabase({ name: "Board" }, write)));
  site.loseStorage(false);
  for (const page of [leader, follower]) {
    const found = await world.settle(page.call((api) => api.databases()));
    expect(found.map((each) => each.id)).toEqual([id]);
  }
  expect(site.leaders).toEqual([follower]);
});

test("[CLIENT-48] the only tab opens it anew after a pause, and finds nothing where all was cleared, under another key", async () => {
  const { site, leader, follower } = await setUp();
  const { world } = site;
  await world.settle(follower.close());
  const { id } = await world.settle(leader.write((api, write) => api.createDatabase({ name: "Board" }, write)));
  site.loseStorage(false);
  await world.pass(100);
  expect(leader.standing).toMatchObject({ type: "failed", error: { code: "STORAGE_CLOSED" } });
  expect((await world.settle(leader.call((api) => api.databases()))).map((each) => each.id)).toEqual([id]);
  const { publicKey } = site;
  expect((await world.settle(leader.host.attach()))?.publicKey).toBe(publicKey);
  site.loseStorage(true);
  expect(await world.settle(leader.call((api) => api.databases()))).toEqual([]);
  expect((await world.settle(leader.host.attach()))?.publicKey).not.toBe(publicKey);
});

test("[CLIENT-48] what is lost again each time is not tried in a hurry", async () => {
  const { site, leader, follower } = await setUp();
  const { world } = site;
  await world.settle(follower.close());
  let opened = 0;
  for (let second = 0; second < 600; second++) {
    await world.pass(1_000);
    if (leader.standing.type !== "leading") continue;
    opened++;
    site.loseStorage(false);
  }
  // Between 600 / 64 and 600 / 32, and the first few.
  expect(opened).toBeGreaterThan(8);
  expect(opened).toBeLessThan(30);
  // What went well for long counts as the first again.
  await world.until(() => leader.standing.type === "leading", 100_000);
  await world.pass(100_000);
  site.loseStorage(false);
  await world.pass(100);
  expect(leader.standing.type).toBe("failed");
  await world.until(() => leader.standing.type === "leading", 1_500);
});
