/**
 * What every `Channel` does, as checks to run against an implementation: the rules CHANNEL-1 to CHANNEL-5
 * and CHANNEL-8 of ports/transport.ts. Needs no test framework: a check that fails throws.
 */
import { messageBytesMax, strangerMessageBytesMax } from "../core/limits.ts";
import type { Channel } from "../ports/transport.ts";
import { SeededRandom } from "./random.ts";

export interface ContractPair {
  /** The initiator's end. Nobody has listened on either end yet. */
  readonly left: Channel;
  readonly right: Channel;
  /** Lets things happen until the condition holds. Rejects when it does not come to hold. */
  until(condition: () => boolean): Promise<void>;
}

export interface ContractCheck {
  /** The title of a test. */
  readonly title: string;
  check(pair: ContractPair): Promise<void>;
}

/** Everything that happened at one end, in order. */
class End {
  readonly channel: Channel;
  readonly messages: Uint8Array[] = [];
  readonly closes: (string | undefined)[] = [];
  drains = 0;
  parts = 0;
  /** Runs for every message, after it was noted. */
  onMessage: (message: Uint8Array) => void = () => {};

  constructor(channel: Channel) {
    this.channel = channel;
  }

  listen(): this {
    this.channel.listen({
      message: (bytes) => {
        expect(this.closes.length === 0, "nothing arrives after closed");
        this.messages.push(bytes);
        this.onMessage(bytes);
      },
      part: () => {
        expect(this.closes.length === 0, "nothing comes after closed");
        this.parts++;
      },
      drained: () => {
        expect(this.closes.length === 0, "nothing drains after closed");
        this.drains++;
      },
      closed: (code) => this.closes.push(code),
    });
    return this;
  }
}

function expect(condition: boolean, what: string): void {
  if (!condition) throw new Error(`Not so: ${what}`);
}

function sameBytes(one: Uint8Array | undefined, other: Uint8Array | undefined): boolean {
  return one?.length === other?.length && one?.every((byte, index) => byte === other?.[index]) === true;
}

function expectSame(got: readonly Uint8Array[], expected: readonly Uint8Array[]): void {
  expect(got.length === expected.length, `${expected.length} messages, got ${got.length}`);
  for (const [index, one] of got.entries())
    expect(sameBytes(one, expected[index]), `message ${index} is as it was sent`);
}

function messagesOf(sizes: readonly number[]): Uint8Array[] {
  return sizes.map((size, index) => new SeededRandom(index).bytes(size));
}

function message(size: number): Uint8Array {
  return new Uint8Array(size).fill(7);
}

async function closeBothAndWait({ until }: ContractPair, left: End, right: End): Promise<void> {
  left.channel.close();
  right.channel.close();
  await until(() => left.closes.length > 0 && right.closes.length > 0);
}

/** Long enough that what `left` sent before has arrived: small messages the other way, each after the one before. */
async function passTime(pair: ContractPair, left: End): Promise<void> {
  for (let i = 0; i < 20; i++) {
    const before = left.messages.length;
    pair.right.send(message(1));
    await pair.until(() => left.messages.length > before);
  }
}

async function carriesAll(pair: ContractPair, sizes: readonly number[], limit: number): Promise<void> {
  const [left, right] = [new End(pair.left).listen(), new End(pair.right).listen()];
  const messages = messagesOf(sizes);
  for (const end of [left, right]) end.channel.limit(limit);
  for (const one of messages) {
    left.channel.send(one);
    right.channel.send(one);
  }
  await pair.until(() => left.messages.length >= sizes.length && right.messages.length >= sizes.length);
  expectSame(left.messages, messages);
  expectSame(right.messages, messages);
  await closeBothAndWait(pair, left, right);
}

const mixedSizes = [1, 0, 300, 65_531, 65_532, 65_533, 5, 200_000, 0, 65_536, 1_000_000, 2];

/** The checks, each for a pair of its own. */
export const channelContract: readonly ContractCheck[] = [
  {
    title: "[CHANNEL-1] messages of all sizes arrive whole and in order, both ways at once",
    check: (pair) => carriesAll(pair, mixedSizes, messageBytesMax),
  },
  {
    title: "[CHANNEL-1] thousands of small messages sent at once arrive in order",
    check: (pair) =>
      carriesAll(
        pair,
        Array.from({ length: 3_000 }, (_, index) => index % 700),
        messageBytesMax,
      ),
  },
  {
    title: "[CHANNEL-1] a message of the largest size arrives, sent while the channel is congested",
    check: (pair) => carriesAll(pair, [600_000, messageBytesMax, 1], messageBytesMax),
  },
  {
    title: "[CHANNEL-1] a congested channel says when it has drained",
    async check(pair) {
      const [left, right] = [new End(pair.left).listen(), new End(pair.right).listen()];
      right.channel.limit(messageBytesMax);
      expect(!left.channel.congested, "a new channel is not congested");
      let sent = 0;
      while (!left.channel.congested && sent < 1_000) {
        left.channel.send(message(50_000));
        sent++;
      }
      expect(left.channel.congested, "50 MB at once congest a channel");
      await pair.until(() => left.drains > 0);
      expect(!left.channel.congested, "a channel that has drained is not congested");
      await pair.until(() => right.messages.length === sent);
      await closeBothAndWait(pair, left, right);
    },
  },
  {
    title: "[CHANNEL-1] what was sent before close is carried",
    async check(pair) {
      const [left, right] = [new End(pair.left).listen(), new End(pair.right).listen()];
      right.channel.limit(messageBytesMax);
      const messages = messagesOf([10, 3_000_000, 20]);
      for (const one of messages) left.channel.send(one);
      left.channel.close("HANDSHAKE_PEER");
      await pair.until(() => right.closes.length > 0);
      expectSame(right.messages, messages);
      expect(left.closes.join() === "HANDSHAKE_PEER", "the closing end hears its own code");
      expect(right.closes.length === 1 && right.closes[0] === undefined, "the other end hears no code");
    },
  },
  {
    title: "[CHANNEL-2] a message above the limit closes the channel and is not delivered",
    async check(pair) {
      const [left, right] = [new End(pair.left).listen(), new End(pair.right).listen()];
      left.channel.send(message(strangerMessageBytesMax));
      left.channel.send(message(strangerMessageBytesMax + 1));
      left.channel.send(message(1));
      await pair.until(() => left.closes.length > 0 && right.closes.length > 0);
      expectSame(right.messages, [message(strangerMessageBytesMax)]);
      expect(right.closes.join() === "MESSAGE_TOO_LARGE", "the refusing end hears why");
    },
  },
  {
    title: "[CHANNEL-2] a limit counts from the next message on, also when it is changed while one is delivered",
    async check(pair) {
      const [left, right] = [new End(pair.left).listen(), new End(pair.right).listen()];
      right.onMessage = (bytes) => right.channel.limit(bytes.length === 10 ? messageBytesMax : 5);
      for (const size of [10, 70_000, 5, 6]) left.channel.send(message(size));
      await pair.until(() => right.closes.length > 0);
      expectSame(right.messages, [message(10), message(70_000), message(5)]);
      expect(right.closes.join() === "MESSAGE_TOO_LARGE", "the lowered limit counts");
    },
  },
  {
    title: "[CHANNEL-3] after closed nothing arrives, and send, limit and close do nothing",
    async check(pair) {
      const [left, right] = [new End(pair.left).listen(), new End(pair.right).listen()];
      right.onMessage = () => right.channel.close("MESSAGE_MALFORMED");
      for (let i = 0; i < 5; i++) left.channel.send(message(100));
      await pair.until(() => left.closes.length > 0 && right.closes.length > 0);
      expect(right.messages.length === 1, "the messages behind the one that made it close do not arrive");
      for (const end of [left, right]) {
        end.channel.send(message(10));
        end.channel.limit(10);
        end.channel.close("INTERNAL");
      }
      expect(right.closes.join() === "MESSAGE_MALFORMED" && left.closes.length === 1, "closed is heard once");
    },
  },
  {
    title: "[CHANNEL-3] who closes while early messages are delivered gets no more of them",
    async check(pair) {
      const left = new End(pair.left).listen();
      for (let i = 0; i < 3; i++) left.channel.send(message(10));
      await passTime(pair, left);
      const right = new End(pair.right);
      right.onMessage = () => right.channel.close();
      right.listen();
      await pair.until(() => left.closes.length > 0);
      expect(right.messages.length === 1 && right.closes.length === 1, "one message, then closed");
    },
  },
  {
    title: "[CHANNEL-3] who listens after the channel was closed is told so",
    async check(pair) {
      const left = new End(pair.left).listen();
      pair.right.close("HANDSHAKE_SELF");
      await pair.until(() => left.closes.length > 0);
      const right = new End(pair.right).listen();
      expect(right.closes.join() === "HANDSHAKE_SELF", "the late listener hears the code");
    },
  },
  {
    title: "[CHANNEL-4] messages that arrive before anybody listens are delivered first, in order",
    async check(pair) {
      const left = new End(pair.left).listen();
      const messages = messagesOf([100, 0, 2_000, 30_000, 7]);
      for (const one of messages.slice(0, 3)) left.channel.send(one);
      await passTime(pair, left);
      for (const one of messages.slice(3)) left.channel.send(one);
      const right = new End(pair.right).listen();
      await pair.until(() => right.messages.length >= messages.length);
      expectSame(right.messages, messages);
      await closeBothAndWait(pair, left, right);
    },
  },
  {
    title: "[CHANNEL-4] what waits for a listener is bounded by the limit",
    async check(pair) {
      const left = new End(pair.left).listen();
      for (let i = 0; i < 3; i++) left.channel.send(message(strangerMessageBytesMax / 2));
      await pair.until(() => left.closes.length > 0);
      const right = new End(pair.right).listen();
      expect(right.closes.join() === "MESSAGE_TOO_LARGE", "the flooded end closed");
    },
  },
  {
    title: "[CHANNEL-8] of a large message the other end hears while it comes, of small ones when they are there",
    async check(pair) {
      const [left, right] = [new End(pair.left).listen(), new End(pair.right).listen()];
      right.channel.limit(messageBytesMax);
      for (let i = 0; i < 10; i++) left.channel.send(message(100));
      await pair.until(() => right.messages.length === 10);
      expect(right.parts === 0, "small messages are whole at once");
      left.channel.send(message(messageBytesMax));
      await pair.until(() => right.parts >= 3 || right.messages.length > 10);
      expect(right.parts >= 3 && right.messages.length === 10, "parts are heard of before the message is whole");
      await pair.until(() => right.messages.length === 11);
      await closeBothAndWait(pair, left, right);
    },
  },
  {
    title: "[CHANNEL-5] both ends have the same binding, and one of them is the initiator",
    async check({ left, right }) {
      expect(left.binding.length >= 32 && sameBytes(left.binding, right.binding), "the bindings are equal");
      expect(left.initiator && !right.initiator, "left alone is the initiator");
      left.close();
      right.close();
    },
  },
];
