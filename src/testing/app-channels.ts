/** Channels for messages of the app between devices of a cluster: everything but Comlink, with time passing by itself. */
import type { Line } from "../client/line.ts";
import { type Messages, OpenMessages } from "../client/messages.ts";
import type { PublicKey } from "../core/ids.ts";
import type { WorkerApi, WorkerEvent } from "../worker/api.ts";
import { PageMessages } from "../worker/page-messages.ts";
import { Cluster } from "./cluster.ts";
import type { Device } from "./device.ts";
import { turn } from "./turn.ts";

/** A page of a device, as far as it has channels. */
export class ChannelPage {
  readonly key: PublicKey;
  readonly #channels: OpenMessages;
  readonly #host: PageMessages;

  constructor({ instance, identity }: Device) {
    this.key = identity.publicKey;
    this.#host = new PageMessages(instance.messages, (event) => this.#take(structuredClone(event)));
    const api = {
      openMessages: async (number: number, channel: string) => this.#host.open(number, channel),
      sendMessage: (number: number, peer: PublicKey, bytes: Uint8Array) => this.#host.send(number, peer, bytes),
      tookMessage: async (number: number, length: number) => this.#host.took(number, length),
      closeMessages: async (number: number) => this.#host.close(number),
    } as unknown as WorkerApi;
    const line: Partial<Line> = {
      call: (_name, run) => run(api),
      send: (run) => void run(api),
      stand: (begin) => {
        begin({ api });
        return () => {};
      },
    };
    this.#channels = new OpenMessages(line as Line);
  }

  /** As an instance has it. */
  readonly sync: { messages(channel: string): Messages } = { messages: (channel) => this.#channels.open(channel) };

  /** The page is gone without a word. */
  end(): void {
    this.#host.closeAll();
  }

  #take(event: WorkerEvent): void {
    if (event.type !== "message" && event.type !== "messagesPeer") return;
    // As from a worker: in a task of its own.
    void turn().then(() => this.#channels.take(event));
  }
}

export interface ChannelDevices {
  readonly cluster: Cluster;
  readonly devices: readonly Device[];
  /** Nothing happens any more. */
  stop(): void;
}

/**
 * Devices that share a database and are connected, but for those pairs that are cut. On each, another page has the channel open already, so whoever
 * opens it finds everybody there.
 *
 * @param pass lets time pass for whoever uses the channels: a slow machine must not make it pass while a message is under way
 */
export async function openChannelDevices(
  channel: string,
  count: number,
  cuts: readonly (readonly [number, number])[],
  pass: (ms: number) => void,
): Promise<ChannelDevices> {
  const cluster = new Cluster(1);
  const { devices } = await cluster.addGroup(count);
  const keyOf = (i: number): PublicKey => (devices[i] as Device).identity.publicKey;
  for (const [one, other] of cuts) cluster.cut(keyOf(one), keyOf(other));
  const others = devices.map((device) => new ChannelPage(device).sync.messages(channel));
  const expected = devices.map((_, i) => count - 1 - cuts.filter((cut) => cut.includes(i)).length);
  await cluster.until(() => others.every((other, i) => other.peers().length === expected[i]));
  let isRunning = true;
  const run = async (): Promise<void> => {
    while (isRunning) {
      await turn();
      // The network is much faster than who uses it.
      cluster.clock.advance(50);
      pass(1);
    }
  };
  const running = run();
  running.catch(() => {});
  return {
    cluster,
    devices,
    stop: () => {
      isRunning = false;
    },
  };
}
