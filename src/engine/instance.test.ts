import { expect, test } from "vitest";
import { READ, WRITE } from "../core/store/power.ts";
import { Cluster } from "../testing/cluster.ts";

test("[ENGINE-1] a row written on one device is read on another that joined with a ticket", async () => {
  const cluster = new Cluster(1);
  const [ann, ben] = [await cluster.addDevice(), await cluster.addDevice()];
  const { id } = await ann.instance.createDatabase("Board");
  await ann.write(id, "r1", { title: "Hello" });
  const ticket = await ann.instance.share(id, WRITE);
  await ben.instance.join(ticket);
  await Promise.all([ben.instance.ready(id), cluster.until(() => ben.rows(id).size === 1)]);
  expect(ben.rows(id)).toEqual(new Map([["r1", { title: "Hello" }]]));
  await ben.write(id, "r2", { title: "Hi" });
  await cluster.until(() => ann.rows(id).size === 2);
  expect(ann.stateDigest(id)).toBe(ben.stateDigest(id));
  expect(ann.instance.status(id).peers).toMatchObject([
    { key: ben.identity.publicKey, state: "upToDate", unconfirmed: 0 },
  ]);
  expect(ann.problems).toEqual([]);
  expect(ben.problems).toEqual([]);
});

test("[SESSION-9] a joiner that may only read is served and its own writes are refused", async () => {
  const cluster = new Cluster(2);
  const [ann, ben] = [await cluster.addDevice(), await cluster.addDevice()];
  const { id } = await ann.instance.createDatabase("Board");
  await ben.instance.join(await ann.instance.share(id, READ));
  await Promise.all([ben.instance.ready(id), cluster.pass(2_000)]);
  await expect(ben.write(id, "r1", {})).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
});
