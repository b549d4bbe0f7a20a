/** M1: what connected peers cost in memory. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Group } from "./group.ts";
import { type Bench, type Figures, percentile, scaled, type Workload } from "./workload.ts";

const peerCount = 100;
const commits = 1_000;

export const memory: Workload = {
  name: "M1",
  what: "memory: an instance with 100 connected peers against the same with none, far ends included",
  run: connectedPeers,
  targets: [{ figure: "megabytes", atMost: 10 }],
};

async function connectedPeers(bench: Bench): Promise<Figures> {
  const [idle, used]: [number[], number[]] = [[], []];
  for (let i = 0; i < scaled(5, bench); i++) {
    const alone = await grow(false);
    const together = await grow(true);
    idle.push((together.connected - alone.connected) / 1e6);
    used.push((together.used - alone.used) / 1e6);
  }
  return { peers: peerCount, entries: commits, idleMegabytes: percentile(idle, 0.5), megabytes: percentile(used, 0.5) };
}

/** By how many bytes the heap has grown when the peers are there, and after the commits that they were sent. */
async function grow(withPeers: boolean): Promise<{ readonly connected: number; readonly used: number }> {
  const before = await liveBytes();
  const group = await Group.create(peerCount);
  if (withPeers) await group.connect();
  const connected = (await liveBytes()) - before;
  for (let i = 0; i < commits; i++) await group.commit();
  const used = (await liveBytes()) - before;
  await group.close();
  return { connected, used };
}

/** What is on the heap and reachable, buffers included. */
async function liveBytes(): Promise<number> {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  // What was freed by finalizers goes with the next collection.
  for (let i = 0; i < 3; i++) {
    collect();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
