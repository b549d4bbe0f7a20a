import { test } from "vitest";
import { WRITE } from "../core/store/power.ts";
import { Cluster } from "./cluster.ts";
import { BulkCheck } from "../core/chain.ts";
import { decodeBatch, encodeBatch } from "../core/protocol/batch.ts";
import { Replica } from "../core/replica.ts";
import { loadSha256 } from "../crypto/sha256.ts";
import { createVerifier } from "../crypto/verifier.ts";

test("perf", async () => {
  const cluster = new Cluster(1);
  const ann = await cluster.addDevice();
  const { id } = await ann.instance.createDatabase("Board");
  const N = 20000;
  let t = performance.now();
  const row = (i: number) => ({ title: `Note number ${i}`, text: "x".repeat(120), done: false, order: i, by: "abcdefgh", at: 1700000000000 + i });
  const all: Promise<void>[] = [];
  for (let i = 0; i < N; i++) all.push(ann.write(id, `row-${i}`, row(i)));
  await Promise.all(all);
  console.log("commit us/entry", ((performance.now() - t) * 1000) / N);
  const db = ann.instance.database(id);
  const nodes = Array.from({ length: N + 1 }, (_, i) => db.replica.graph.at(i));
  t = performance.now();
  const entries = [...(await db.read(nodes))];
  console.log("read us/entry", ((performance.now() - t) * 1000) / N, entries[5]!.bytes.length);
  for (let round = 0; round < 3; round++) {
  t = performance.now();
  const batches: Uint8Array[] = [];
  for (let i = 0; i < entries.length; i += 700) batches.push(encodeBatch(entries.slice(i, i + 700)));
  console.log("encodeBatch us/entry", ((performance.now() - t) * 1000) / N, batches.reduce((s, b) => s + b.length, 0) / N);
  const sha = await loadSha256();
  t = performance.now();
  const decoded = batches.map((b) => { const r = decodeBatch(b, id, sha); if (!r.ok) throw new Error(r.failure.code); return r.value; });
  console.log("decodeBatch us/entry", ((performance.now() - t) * 1000) / N);
  const verifier = await createVerifier();
  t = performance.now();
  const vouched = [];
  for (const d of decoded) { const c = new BulkCheck(d, () => false); for (let k = c.next(); k.length; k = c.next()) c.answer(await Promise.all(k.map((x) => verifier.verify(x.publicKey, x.message, x.signature)))); vouched.push(c.outcome.vouched); }
  console.log("check us/entry", ((performance.now() - t) * 1000) / N);
  const replica = new Replica(id, sha);
  t = performance.now();
  for (const v of vouched) replica.step({ type: "received", entries: v, nowMs: cluster.clock.now() + 1e6 });
  console.log("step us/entry", ((performance.now() - t) * 1000) / N, replica.graph.size);
  t = performance.now();
  replica.state.checkpoint(0, 1);
  console.log("checkpoint us/entry", ((performance.now() - t) * 1000) / N);
  }
}, 100000);
