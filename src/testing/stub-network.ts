/** A network without anybody: a test makes the channels, and sits at their other ends. */
import type { PublicKey } from "../core/ids.ts";
import type { Network, NetworkListener } from "../ports/transport.ts";
import type { Cluster } from "./cluster.ts";
import { type ChannelPair, createChannelPair } from "./memory-channel.ts";

export class StubNetwork implements Network {
  listener: NetworkListener | undefined;
  readonly rooms: Uint8Array[] = [];
  retries = 0;
  isClosed = false;

  seek(room: Uint8Array): () => void {
    this.rooms.push(room);
    return () => {};
  }

  retry(): void {
    this.retries += 1;
  }

  listen(listener: NetworkListener): void {
    this.listener = listener;
  }

  close(): void {
    this.isClosed = true;
  }

  /** A channel to whoever has this key; the device is at its left end. Takes 1 ms each way. */
  connect(cluster: Cluster, peer: PublicKey): ChannelPair {
    const line = { clock: cluster.clock, latencyMs: () => 1, sent: () => {}, ended: () => {} };
    const pair = createChannelPair(line, cluster.random.bytes(32));
    this.listener?.connected(pair.left, peer);
    return pair;
  }
}
