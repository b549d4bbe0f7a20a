import { describe, expect, test } from "vitest";
import { channelContract } from "../testing/channel-contract.ts";
import type { WebRtcCheck } from "../testing/webrtc-worker.ts";
import { PeerConnections, type PeerConnectionsOptions } from "./simple-peer.ts";

/** Two pages' halves in this page, both workers' halves in one worker. */
async function runInWorker(title: string, options: PeerConnectionsOptions): Promise<unknown> {
  const worker = new Worker(new URL("../testing/webrtc-worker.ts", import.meta.url), { type: "module" });
  const ports = [new MessageChannel(), new MessageChannel()];
  const pages = ports.map(({ port1 }) => new PeerConnections(port1, options));
  const [left, right] = ports.map(({ port2 }) => port2) as [MessagePort, MessagePort];
  const answer = new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = ({ message }) => reject(new Error(message));
  });
  const path = options.transfer ? "webrtc" : "webrtc by port";
  worker.postMessage({ title, path, left, right } satisfies WebRtcCheck, [left, right]);
  const result = await answer;
  for (const page of pages) page.close();
  worker.terminate();
  return result;
}

for (const transfer of [true, false]) {
  describe(`a WebRTC channel, ${transfer ? "transferred to the worker" : "kept on the page"}`, () => {
    for (const { title } of channelContract) {
      test(title, { timeout: 60_000 }, async () => {
        expect(await runInWorker(title, { transfer })).toBe(undefined);
      });
    }
  });
}
