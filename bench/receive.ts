/** R1: what one device takes in, when nothing else takes of its time. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Received } from "./receive-worker.ts";
import { scaled, type Workload } from "./workload.ts";

export const workerSource: string = join(fileURLToPath(new URL(".", import.meta.url)), "receive-worker.ts");

export const receive: Workload = {
  name: "R1",
  what: "receive: entries of one peer, received, checked and durable, without a sender and a network beside it",
  run: (bench) =>
    bench.withWorkerPage(async (context, url) => {
      const page = await context.newPage();
      await page.goto(url);
      const received = await page.evaluate(receiveInWorker, scaled(50_000, bench, 1_000));
      const { entries, totalMs, decodeMs, judgeMs, packMs, checkpointMs } = received;
      const otherMs = totalMs - decodeMs - judgeMs - packMs - checkpointMs;
      return {
        entries,
        bytesPerEntry: received.bytesPerEntry,
        entriesPerSecond: (entries * 1_000) / totalMs,
        decodeMicros: (decodeMs * 1_000) / entries,
        judgeMicros: (judgeMs * 1_000) / entries,
        packMicros: (packMs * 1_000) / entries,
        checkpointMicros: (checkpointMs * 1_000) / entries,
        otherMicros: (otherMs * 1_000) / entries,
      };
    }),
  targets: [{ figure: "entriesPerSecond", atLeast: 20_000 }],
  ratios: [
    { figure: "entriesPerSecond", to: "its signature checks", limit: ({ verifiesPerSecond }) => verifiesPerSecond },
    { figure: "entriesPerSecond", to: "packed stores", limit: ({ storedPerSecond }) => storedPerSecond },
  ],
};

/** On the page. */
function receiveInWorker(count: number): Promise<Received> {
  const worker = new Worker("./receive-worker.js", { type: "module" });
  return new Promise<Received>((resolve, reject) => {
    worker.onmessage = ({ data }: MessageEvent<Received | string>) =>
      typeof data === "string" ? reject(new Error(data)) : resolve(data);
    worker.onerror = ({ message }) => reject(new Error(message));
    worker.postMessage(count);
  }).finally(() => worker.terminate());
}
