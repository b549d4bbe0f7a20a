/**
 * The worker of the browser tests: both ends of a WebRTC channel, for one check of the channel contract at a time.
 * Posts `undefined` when the check held, else why it did not.
 */
import { publicKeyFromBytes } from "../core/ids.ts";
import type { Channel, Network } from "../ports/transport.ts";
import { createWebRtcNetwork } from "../transport/webrtc.ts";
import { systemClock as clock } from "../worker/clock.ts";
import { channelContract } from "./channel-contract.ts";
import { MemoryRelay } from "./memory-introducer.ts";
import { SeededRandom } from "./random.ts";

export interface WebRtcCheck {
  readonly title: string;
  /** Expected of the channel: how it is carried. */
  readonly path: string;
  /** Their other ends are held by two `PeerConnections`. */
  readonly left: MessagePort;
  readonly right: MessagePort;
}

const patienceMs = 20_000;
const room = new Uint8Array(32);

globalThis.onmessage = ({ data }: MessageEvent<WebRtcCheck>) => {
  run(data).then(
    () => globalThis.postMessage(undefined),
    (error: unknown) => globalThis.postMessage(String(error)),
  );
};

async function run({ title, path, left, right }: WebRtcCheck): Promise<void> {
  const relay = new MemoryRelay(clock, 0);
  const ends = [left, right].map((page, index) => {
    const self = publicKeyFromBytes(new Uint8Array(32).fill(index));
    const random = new SeededRandom(index);
    const introducer = relay.join(self);
    return createWebRtcNetwork({ introducer, page, self, clock, random, iceServers: [], peersMax: () => 1 });
  });
  const channels = ends.map((network) => firstChannel(network));
  for (const network of ends) network.seek(room);
  const [leftChannel, rightChannel] = (await Promise.all(channels)) as [Channel, Channel];
  const check = channelContract.find((one) => one.title === title);
  if (check === undefined || leftChannel.path !== path) throw new Error(`${title} by ${leftChannel.path}`);
  await check.check({ left: leftChannel, right: rightChannel, until });
  for (const network of ends) network.close();
}

function firstChannel(network: Network): Promise<Channel> {
  return new Promise((resolve) => network.listen({ connected: resolve, relayChanged: () => {} }));
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + patienceMs;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`not within ${patienceMs} ms: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
