import { publicKeyFromBytes } from "../core/ids.ts";
import { createWebRtcNetwork } from "../transport/webrtc.ts";
import { SeededRandom } from "./random.ts";
const clock = { now: () => Date.now(), after: (ms: number, a: () => void) => { const t = setTimeout(a, ms); return () => clearTimeout(t); } };
globalThis.onmessage = ({ data }: MessageEvent) => {
  const { index, page, bridge, jobs } = data;
  const self = publicKeyFromBytes(new Uint8Array(32).fill(index));
  const other = publicKeyFromBytes(new Uint8Array(32).fill(1 - index));
  let l: any;
  bridge.onmessage = ({ data }: MessageEvent) => l.noted(other, data);
  const introducer: any = { status: { url: "", state: "connected" }, listen(x: any) { l = x; }, enter() { setTimeout(() => l.met(other), 50); return () => {}; }, note(_: any, n: any) { bridge.postMessage(n); }, retry() {}, close() {} };
  const net = createWebRtcNetwork({ introducer, page, self, clock, random: new SeededRandom(index), iceServers: [] });
  const t0 = performance.now();
  net.listen({ relayChanged() {}, connected(channel) {
    const connectMs = performance.now() - t0 - 50;
    channel.limit(2 ** 31);
    if (index === 1) {
      let bytes = 0, want = 0;
      channel.listen({ closed() {}, drained() {}, message(m) {
        if (m.length === 100) { channel.send(m); return; }
        if (m.length === 8) { bytes = 0; want = new DataView(m.buffer, m.byteOffset).getFloat64(0); return; }
        bytes += m.length;
        if (bytes >= want) { want = Infinity; channel.send(new Uint8Array(1)); }
      } });
      return;
    }
    let drained = () => {}; let got = (_: Uint8Array) => {};
    channel.listen({ closed(c) { globalThis.postMessage("closed " + c); }, drained() { drained(); }, message(m) { got(m); } });
    (async () => {
      const out: any = { path: channel.path, connectMs: Math.round(connectMs) };
      for (const [size, total] of jobs) {
        const hdr = new Uint8Array(8); new DataView(hdr.buffer).setFloat64(0, total); channel.send(hdr);
        const m = new Uint8Array(size);
        const done = new Promise<void>((r) => { got = () => r(); });
        const s = performance.now();
        for (let sent = 0; sent < total; sent += size) {
          if (channel.congested) await new Promise<void>((r) => { drained = r; });
          channel.send(m);
        }
        await done;
        out[`${size}B MB/s`] = Math.round(total / 1e3 / (performance.now() - s) * 10) / 10;
      }
      for (const size of [100, 1000]) {
        const total = 5e6, hdr = new Uint8Array(8); new DataView(hdr.buffer).setFloat64(0, total); channel.send(hdr);
        const m = new Uint8Array(size === 100 ? 101 : size); const { port1, port2 } = new MessageChannel();
        const done = new Promise<void>((r) => { got = () => r(); });
        const s = performance.now(); let sent = 0;
        await new Promise<void>((r) => { port1.onmessage = async () => { if (sent >= total) return r(); if (channel.congested) await new Promise<void>((r) => { drained = r; }); sent += m.length; channel.send(m); port2.postMessage(0); }; port2.postMessage(0); });
        await done;
        out[`${size}B one per task MB/s`] = Math.round(total / 1e3 / (performance.now() - s) * 10) / 10;
      }
      const times: number[] = [];
      for (let i = 0; i < 400; i++) {
        const s = performance.now();
        await new Promise<void>((r) => { got = () => r(); channel.send(new Uint8Array(100)); });
        times.push(performance.now() - s);
      }
      times.sort((a, b) => a - b);
      out.rtt50 = times[200]?.toFixed(2); out.rtt99 = times[396]?.toFixed(2);
      globalThis.postMessage(JSON.stringify(out));
    })();
  } });
  net.seek(new Uint8Array(32));
};
