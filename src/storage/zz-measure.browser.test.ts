import { test } from "vitest";
import { SeededRandom } from "../testing/random.ts";
import { StoredEntries } from "../testing/stored-entries.ts";
import { openIdbStorage } from "./idb.ts";
import { decodeIndex, encodeIndex } from "./index-record.ts";
import { packSegments } from "./pack.ts";

function q(xs: number[], p: number) {
  const s = [...xs].sort((a, b) => a - b);
  return (s[Math.floor(s.length * p)] as number).toFixed(2);
}

test("measure", { timeout: 600000 }, async () => {
  const src = new StoredEntries(new SeededRandom(3));
  const all = src.take(100_000, 600);
  let t = performance.now();
  const packed = [];
  for (let i = 0; i < 100; i++) packed.push(...packSegments(i * 1000, all.slice(i * 1000, i * 1000 + 1000)));
  console.log(
    "pack 100k",
    (performance.now() - t).toFixed(0),
    "index bytes/entry",
    packed.reduce((s, p) => s + p.index.length, 0) / 100000,
  );
  for (let r = 0; r < 4; r++) {
    t = performance.now();
    const x = packed.map((p) => decodeIndex(p.index));
    console.log("decode 100k", (performance.now() - t).toFixed(0));
  }
  for (const batch of [1000, 250]) {
    const name = `m${batch}-${Math.random()}`;
    let s = await openIdbStorage(name);
    const id = src.database;
    await s.putDatabase({ id, name: "x", relays: [] });
    t = performance.now();
    for (let i = 0; i < all.length; i += batch)
      await s.commit({ database: id, position: i, entries: all.slice(i, i + batch) });
    const ms = performance.now() - t;
    console.log(`commit 100k by ${batch}: ${ms.toFixed(0)} ms, ${((100000 / ms) * 1000).toFixed(0)} /s`);
    await s.close();
    for (let r = 0; r < 5; r++) {
      s = await openIdbStorage(name);
      t = performance.now();
      const l = await s.load(id);
      const loadMs = performance.now() - t;
      t = performance.now();
      new Map(l!.index.map((e, i) => [e.id, i]));
      const mapMs = performance.now() - t;
      t = performance.now();
      for (let i = 0; i < 100000; i += 1000) await s.read(id, i, i + 1000);
      const readMs = performance.now() - t;
      t = performance.now();
      await s.readById(id, all[50000]!.id);
      const byId = performance.now() - t;
      console.log(
        `load ${loadMs.toFixed(0)} map ${mapMs.toFixed(0)} read all ${readMs.toFixed(0)} byId ${byId.toFixed(1)}`,
      );
      await s.close();
    }
  }
  {
    const name = `single-${Math.random()}`;
    const s = await openIdbStorage(name);
    const src2 = new StoredEntries(new SeededRandom(4));
    const id = src2.database;
    await s.putDatabase({ id, name: "x", relays: [] });
    const es = src2.take(3000, 600);
    const xs: number[] = [];
    for (const [i, e] of es.entries()) {
      t = performance.now();
      await s.commit({ database: id, position: i, entries: [e] });
      xs.push(performance.now() - t);
    }
    console.log("single commit p50", q(xs, 0.5), "p90", q(xs, 0.9), "p99", q(xs, 0.99), "max", q(xs, 0.9999));
    await s.close();
  }
});
