/** Q1: what it costs to queue a new entry for a peer. */
import { performance } from "node:perf_hooks";
import type { PublicKey } from "../src/core/ids.ts";
import { Path } from "../src/engine/path.ts";
import { Group } from "./group.ts";
import { type Bench, type Figures, percentile, scaled, type Workload } from "./workload.ts";

const peerCounts = [1, 10, 100];
/** The first ones are compiled while they run. */
const warmUp = 200;
const bounded = [...peerCounts.map((peers) => `announced to ${peers}: p99Ms`), "by name: p99Ms"];

export const queue: Workload = {
  name: "Q1",
  what: "queue: a durable commit is queued and handed to the session of one connected peer; the same for an entry by name",
  run: queueOperations,
  targets: bounded.map((figure) => ({ figure, atMost: 1 })),
  ratios: bounded.map((figure) => ({
    figure,
    to: "hashes of 1 KiB",
    limit: ({ hashesPerSecond }) => 1_000 / hashesPerSecond,
  })),
};

async function queueOperations(bench: Bench): Promise<Figures> {
  const figures: Record<string, number> = {};
  const note = (name: string, times: number[]): void => {
    figures[`${name}: p50Ms`] = percentile(times, 0.5);
    figures[`${name}: p99Ms`] = percentile(times, 0.99);
  };
  for (const peers of peerCounts) {
    const { announced, byName } = await measure(peers, scaled(Math.min(5_000, 100_000 / peers), bench, 100));
    note(`announced to ${peers}`, announced);
    if (peers === 1) note("by name", byName);
  }
  return figures;
}

/** Every call of the engine's own function that does it is timed, on the clock of the machine. */
async function measure(peers: number, commits: number): Promise<{ announced: number[]; byName: number[] }> {
  const group = await Group.create(peers);
  await group.connect();
  for (let i = 0; i < warmUp; i++) await group.commit();
  const announced: number[] = [];
  const step = Path.prototype.step;
  Path.prototype.step = function (this: Path, event): void {
    if (event.type !== "announced") return step.call(this, event);
    const start = performance.now();
    step.call(this, event);
    announced.push(performance.now() - start);
  };
  for (let i = 0; i < commits; i++) await group.commit();
  Path.prototype.step = step;
  const [peer] = group.keys;
  const byName = peer === undefined || peers > 1 ? [] : await queueByName(group, peer, commits);
  await group.close();
  return { announced, byName };
}

/** The command as the app gives it, until it has been done; the peer takes the entry again before the next. */
async function queueByName(group: Group, peer: PublicKey, count: number): Promise<number[]> {
  const { database, sync } = { database: group.id, sync: group.subject.instance.sync };
  const { graph } = group.subject.instance.database(database).replica;
  const { signal } = new AbortController();
  const times: number[] = [];
  for (let i = -warmUp; i < count; i++) {
    const { received } = group;
    const { id } = graph.at(1 + ((i + warmUp) % (graph.size - 1)));
    const start = performance.now();
    const queued = sync.execute("queueEntry", { database, peer, id }, signal);
    const tookMs = performance.now() - start;
    if (i >= 0) times.push(tookMs);
    await queued;
    await group.reached(received + 1);
  }
  return times;
}
