import { test } from "vitest";
import { SeededRandom } from "../testing/random.ts";
import { StoredEntries } from "../testing/stored-entries.ts";
import { openIdbStorage } from "./idb.ts";
function q(xs: number[], p: number) { const s = [...xs].sort((a, b) => a - b); return (s[Math.floor(s.length * p)] as number).toFixed(2); }
test("ab", { timeout: 600000 }, async () => {
  let force: IDBTransactionDurability | undefined;
  const original = IDBDatabase.prototype.transaction;
  IDBDatabase.prototype.transaction = function (this: IDBDatabase, s: any, m?: any, o?: any) { return original.call(this, s, m, force && o?.durability === "strict" ? { durability: force } : o); } as any;
  const open = async (seed: number) => { const src = new StoredEntries(new SeededRandom(seed)); const s = await openIdbStorage(`ab-${Math.random()}`); await s.putDatabase({ id: src.database, name: "x", relays: [] }); return { src, s, n: 0, xs: [] as number[] }; };
  const strict = await open(1), relaxed = await open(2);
  for (let i = 0; i < 1500; i++) for (const [d, f] of [[strict, undefined], [relaxed, "relaxed"]] as const) {
    force = f; const entries = d.src.take(1, 600); const t = performance.now();
    await d.s.commit({ database: d.src.database, position: d.n++, entries }); d.xs.push(performance.now() - t);
  }
  for (const [n, d] of [["strict", strict], ["relaxed", relaxed]] as const) console.log("single", n, "p10", q(d.xs, .1), "p50", q(d.xs, .5), "p90", q(d.xs, .9), "p99", q(d.xs, .99));
  const bs = await open(3), br = await open(4); 
  for (let i = 0; i < 60; i++) for (const [d, f] of [[bs, undefined], [br, "relaxed"]] as const) {
    force = f; const entries = d.src.take(1000, 600); const t = performance.now();
    await d.s.commit({ database: d.src.database, position: d.n, entries }); d.n += 1000; d.xs.push(performance.now() - t);
  }
  for (const [n, d] of [["strict", bs], ["relaxed", br]] as const) console.log("batch 1000", n, "p10", q(d.xs, .1), "p50", q(d.xs, .5), "p90", q(d.xs, .9), "mean", (d.xs.reduce((a, b) => a + b) / d.xs.length).toFixed(1));
  IDBDatabase.prototype.transaction = original;
});
