/** The examples of docs/hostile-peers.md, run. A test below compares the two texts. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { Cluster } from "./cluster.ts";
import { flood } from "./hostile-floods.ts";
import { Middle } from "./hostile-middle.ts";
import { HostilePeer } from "./hostile-peer.ts";
import { rowParts } from "./writers.ts";

test("[HOSTILE-12] a stranger gets nothing, whatever it asks for", async () => {
  const cluster = new Cluster(1);
  const { id, devices } = await cluster.addGroup(2);
  const [phone, laptop] = devices;
  if (phone === undefined || laptop === undefined) throw new Error("two were asked for");

  const mallory = await HostilePeer.join(cluster, { database: id });
  const talk = await mallory.meet(phone.key);
  talk.say({ type: "want", database: id, ids: [id] });
  talk.say({ type: "frontier", database: id, asks: true, since: "", frontier: new Map() });
  await cluster.pass(10_000);
  expect(talk.heard("entries")).toEqual([]);
  expect(talk.heard("frontier")).toEqual([]);

  const forger = mallory.forger({ database: id });
  talk.offer(id, [await forger.forge(rowParts("forged"))]);
  flood(talk, "pings", { database: id, random: cluster.random }, 500);
  await cluster.settle(laptop.write(id, "milk", { done: true }));
  await cluster.converge(id, devices);
  expect([...phone.rows(id).keys()]).toEqual(["milk"]);
});

test("[HOSTILE-12] whoever sits in the middle is found out", async () => {
  const cluster = new Cluster(2);
  const middle = new Middle(cluster);
  const { devices } = await cluster.addGroup(2, { openNetwork: middle.openNetwork });
  middle.script = (message) => message.pass();
  await cluster.pass(30_000);
  expect(middle.passing.length).toBeGreaterThan(0);
  for (const device of devices) expect(device.problems.map(({ code }) => code)).not.toContain("INTERNAL");
  expect(devices.some((device) => device.problems.some(({ code }) => code === "HANDSHAKE_SIGNATURE"))).toBe(true);
});

test("[HOSTILE-12] the examples of docs/hostile-peers.md are these", () => {
  const [own, guide] = ["hostile-example.test.ts", "../../docs/hostile-peers.md"].map((path) =>
    readFileSync(new URL(path, import.meta.url), "utf8"),
  );
  const blocks = [...(guide ?? "").matchAll(/^```ts\n(?:import[^\n]*\n)+\n(.*?)^```$/gms)].map(
    ([, code]) => code ?? "",
  );
  expect(blocks.length).toBe(2);
  for (const block of blocks) expect(own?.replaceAll("[HOSTILE-12] ", "")).toContain(block.trim());
});
