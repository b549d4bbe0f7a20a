import { describe, expect, test } from "vitest";
import { channelContract } from "../testing/channel-contract.ts";
import { SimulatedClock } from "../testing/clock.ts";
import { createDataChannelPair } from "../testing/memory-data-channel.ts";
import { createPortPair } from "../testing/memory-port.ts";
import { DataChannelPipe } from "./data-channel.ts";
import { FrameChannel } from "./frame-channel.ts";
import { type FramePipe, type FramePipeListener, pipeBytesLow, pipeBytesMax } from "./frame-pipe.ts";
import { FrameAssembler, frameBytesMax } from "./frames.ts";
import { joinPortToChannel, PortPipe } from "./port-pipe.ts";

/** Lets timers run, and microtasks between them, until the condition holds. */
async function runUntil(clock: SimulatedClock, condition: () => boolean): Promise<void> {
  await Promise.resolve();
  while (!condition()) {
    expect(clock.runNext()).toBe(true);
    await Promise.resolve();
  }
}

const binding = new Uint8Array(64).fill(3);

function createChannel(clock: SimulatedClock, pipe: FramePipe, initiator: boolean, log: string[] = []): FrameChannel {
  const path = "test";
  const [opened, ended] = [() => log.push("opened"), () => log.push("ended")];
  const channel = new FrameChannel(pipe, { initiator, path, clock, opened, ended });
  channel.bind(binding);
  return channel;
}

function portPipe(clock: SimulatedClock, channel: RTCDataChannel): PortPipe {
  const [page, worker] = createPortPair(clock);
  joinPortToChannel(page, channel);
  return new PortPipe(worker);
}

const pipes: Readonly<Record<string, (clock: SimulatedClock, channel: RTCDataChannel) => FramePipe>> = {
  "over a data channel": (_, channel) => new DataChannelPipe(channel),
  "over a port": portPipe,
};

for (const [name, createPipe] of Object.entries(pipes)) {
  describe(`a channel ${name}`, () => {
    for (const { title, check } of channelContract) {
      test(title, { timeout: 20_000 }, async () => {
        const clock = new SimulatedClock();
        const log: string[] = [];
        const ends = createDataChannelPair(clock, 20_000);
        const [left, right] = ends.map((channel, i) => createChannel(clock, createPipe(clock, channel), i === 0, log));
        await runUntil(clock, () => log.length === 2);
        if (left === undefined || right === undefined) throw new Error("two ends");
        await check({ left, right, until: (condition) => runUntil(clock, condition) });
      });
    }

    test("[CHANNEL-1] messages that go one at a time go on arriving", async () => {
      const clock = new SimulatedClock();
      const log: string[] = [];
      const ends = createDataChannelPair(clock, 20_000);
      const [left, right] = ends.map((channel, i) => createChannel(clock, createPipe(clock, channel), i === 0, log));
      let arrived = 0;
      right?.listen({ message: () => arrived++, drained: () => {}, closed: () => {} });
      await runUntil(clock, () => log.length === 2);
      for (let sent = 1; sent <= 40; sent++) {
        left?.send(new Uint8Array(30_000));
        await runUntil(clock, () => arrived === sent);
      }
    });

    test("[CHANNEL-2] a text message closes the channel with FRAME_MALFORMED", async () => {
      const clock = new SimulatedClock();
      const log: string[] = [];
      const [hostile, ours] = createDataChannelPair(clock, 1_000);
      const channel = createChannel(clock, createPipe(clock, ours), false, log);
      channel.listen({ message: () => log.push("message"), drained: () => {}, closed: (code) => log.push(`${code}`) });
      await runUntil(clock, () => log.includes("opened"));
      hostile.send("hello");
      await runUntil(clock, () => log.includes("ended"));
      expect(log).toEqual(["opened", "FRAME_MALFORMED", "ended"]);
    });
  });
}

/** A pipe whose other side takes nothing until it is told to. */
class StuckPipe implements FramePipe {
  readonly frames: Uint8Array[] = [];
  bufferedAmount = 0;
  closes = 0;
  #listener: FramePipeListener | undefined;

  listen(listener: FramePipeListener): void {
    this.#listener = listener;
  }

  send(frame: Uint8Array<ArrayBuffer>): void {
    this.frames.push(frame);
    this.bufferedAmount += frame.length;
  }

  close(): void {
    this.closes++;
  }

  drain(): void {
    this.bufferedAmount = 0;
    this.#listener?.low();
  }

  frame(bytes: Uint8Array): void {
    this.#listener?.frame(bytes);
  }

  end(): void {
    this.#listener?.closed();
  }
}

test("[CHANNEL-6] messages sent in one turn share frames", async () => {
  const pipe = new StuckPipe();
  const channel = createChannel(new SimulatedClock(), pipe, true);
  for (let i = 0; i < 100; i++) channel.send(new Uint8Array(100));
  expect(pipe.frames).toHaveLength(0);
  await Promise.resolve();
  expect(pipe.frames.map(({ length }) => length)).toEqual([10_400]);
  channel.send(new Uint8Array(1));
  await Promise.resolve();
  expect(pipe.frames).toHaveLength(2);
});

test("[CHANNEL-6] a frame that is not full waits while the pipe is busy", async () => {
  const pipe = new StuckPipe();
  const channel = createChannel(new SimulatedClock(), pipe, true);
  for (let i = 0; i < 5_000; i++) {
    channel.send(new Uint8Array(100));
    await Promise.resolve();
  }
  const small = pipe.frames.filter(({ length }) => length < frameBytesMax - 104);
  expect(small.reduce((sum, { length }) => sum + length, 0)).toBeLessThan(pipeBytesLow + 200);
  expect(pipe.bufferedAmount).toBeGreaterThan(pipeBytesMax - 2 * frameBytesMax);
  for (let frames = 0; frames < pipe.frames.length; ) {
    frames = pipe.frames.length;
    pipe.drain();
  }
  const assembler = new FrameAssembler(100);
  let messages = 0;
  for (const frame of pipe.frames) {
    assembler.push(frame);
    for (let next = assembler.next(); next.ok && next.value !== undefined; next = assembler.next()) messages++;
  }
  expect(messages).toBe(5_000);
});

test("[CHANNEL-6] the pipe is never filled above its mark, however much is sent", async () => {
  const pipe = new StuckPipe();
  const channel = createChannel(new SimulatedClock(), pipe, true);
  for (let i = 0; i < 10; i++) channel.send(new Uint8Array(1_000_000));
  await Promise.resolve();
  let peak = 0;
  for (let frames = 0; frames < pipe.frames.length; pipe.drain()) {
    frames = pipe.frames.length;
    peak = Math.max(peak, pipe.bufferedAmount);
  }
  expect(peak).toBe(pipeBytesMax);
  expect(pipe.frames.reduce((sum, { length }) => sum + length, 0)).toBeGreaterThan(10_000_000);
});

test("[CHANNEL-7] a closed channel carries what was sent, then closes its pipe, and ends when the pipe has", () => {
  const log: string[] = [];
  const pipe = new StuckPipe();
  const channel = createChannel(new SimulatedClock(), pipe, true, log);
  channel.send(new Uint8Array(2 * pipeBytesMax));
  channel.close();
  expect(pipe.closes).toBe(0);
  for (let frames = 0; frames < pipe.frames.length; pipe.drain()) frames = pipe.frames.length;
  expect(pipe.closes).toBeGreaterThan(0);
  expect(log).toEqual([]);
  pipe.end();
  expect(log).toEqual(["ended"]);
});

test("[CHANNEL-7] a closed channel whose peer takes nothing ends after 5 s", () => {
  const log: string[] = [];
  const clock = new SimulatedClock();
  const channel = createChannel(clock, new StuckPipe(), true, log);
  channel.send(new Uint8Array(2 * pipeBytesMax));
  channel.close();
  clock.advance(4_999);
  expect(log).toEqual([]);
  clock.advance(1);
  expect(log).toEqual(["ended"]);
});

test("[CHANNEL-3] frames and sends after the end are of no effect", async () => {
  const log: string[] = [];
  const pipe = new StuckPipe();
  const channel = createChannel(new SimulatedClock(), pipe, true, log);
  channel.listen({
    message: () => log.push("message"),
    drained: () => log.push("drained"),
    closed: () => log.push("closed"),
  });
  channel.abandon();
  channel.abandon();
  channel.send(new Uint8Array(1));
  pipe.frame(Uint8Array.of(0, 0, 0, 0));
  pipe.drain();
  await Promise.resolve();
  expect(log).toEqual(["closed", "ended"]);
  expect(pipe.frames).toHaveLength(0);
});
