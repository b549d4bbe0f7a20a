/** The examples of docs/simulation.md, run. A test below compares the two texts. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { Cluster } from "./cluster.ts";
import { simulate } from "./simulation.ts";

test("[SIMULATION-15] what two devices wrote while they were apart is on both afterwards", async () => {
  const cluster = new Cluster(1);
  const { id, devices } = await cluster.addGroup(2);
  const [phone, laptop] = devices;
  if (phone === undefined || laptop === undefined) throw new Error("two were asked for");

  cluster.cut(phone.key, laptop.key);
  await cluster.settle(phone.write(id, "milk", { done: true }));
  await cluster.settle(laptop.write(id, "bread", { done: false }));
  expect(laptop.rows(id).has("milk")).toBe(false);

  cluster.heal(phone.key, laptop.key);
  await cluster.converge(id, devices);
  expect([...laptop.rows(id).keys()].sort()).toEqual(["bread", "milk"]);

  phone.crash();
  const again = await cluster.restart(phone);
  expect(again.rows(id).size).toBe(2);
});

test("[SIMULATION-15] a hundred lives go well", async () => {
  for (let seed = 1; seed <= 100; seed++) {
    const { problems } = await simulate({ seed, peers: 3, actions: 10 });
    expect(problems, `npm run sim -- --seed ${seed} --peers 3 --actions 10`).toEqual([]);
  }
});

test("[SIMULATION-15] the examples of docs/simulation.md are these", () => {
  const [own, guide] = ["example.test.ts", "../../docs/simulation.md"].map((path) =>
    readFileSync(new URL(path, import.meta.url), "utf8"),
  );
  const blocks = [...(guide ?? "").matchAll(/^```ts\n(?:import[^\n]*\n)+\n(.*?)^```$/gms)].map(
    ([, code]) => code ?? "",
  );
  expect(blocks.length).toBe(2);
  for (const block of blocks) expect(own?.replaceAll("[SIMULATION-15] ", "")).toContain(block.trim());
});
