import { test } from "vitest";
import { PeerConnections } from "./simple-peer.ts";
test("perf", { timeout: 120_000 }, async () => {
  for (const transfer of [true, false, true, false]) {
    const bridge = new MessageChannel();
    const got: string = await new Promise((resolve) => {
      for (const index of [0, 1]) {
        const w = new Worker(new URL("../testing/tmp-perf-worker.ts", import.meta.url), { type: "module" });
        const { port1, port2 } = new MessageChannel();
        new PeerConnections(port1, { transfer });
        const b = index ? bridge.port1 : bridge.port2;
        w.onmessage = ({ data }) => resolve(data);
        w.postMessage({ index, page: port2, bridge: b, jobs: [[262144, 64e6], [262144, 64e6], [300, 10e6]] }, [port2, b]);
      }
    });
    console.log("RESULT " + got);
  }
});
