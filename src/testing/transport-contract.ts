/**
 * What every `Transport` does, as checks to run against an implementation: the rules TRANSPORT-1 to TRANSPORT-4 of
 * ports/transport.ts. Needs no test framework: a check that fails throws.
 */
import { TidemarkError } from "../core/errors.ts";
import type { Channel, Transport } from "../ports/transport.ts";

/** What a type of transport can do; checks of what it cannot do are left out. */
export interface TransportSubject {
  /** Two that reach each other. Neither was started. */
  readonly left: Transport;
  readonly right: Transport;
  /** Where nobody is, and what is no address at all; undefined for a type that cannot dial. */
  readonly dialling: { readonly empty: string; readonly malformed: string } | undefined;
  /** Where rooms are; undefined for a type without rooms. */
  readonly meeting: string | undefined;
  /** Lets things happen until the condition holds. Rejects when it does not come to hold. */
  until(condition: () => boolean): Promise<void>;
  /** Lets pass what an attempt that succeeds takes, and longer. */
  pass(): Promise<void>;
}

export interface TransportCheck {
  /** The title of a test. */
  readonly title: string;
  readonly needs: "nothing" | "dialling" | "meeting";
  check(subject: TransportSubject): Promise<void>;
}

/** One transport, and everything that became of it. */
class Side {
  readonly transport: Transport;
  /** Channels that others or rooms made. */
  readonly connected: Listened[] = [];

  constructor(transport: Transport) {
    this.transport = transport;
  }

  async start(): Promise<this> {
    await this.transport.start({
      connected: (channel) => this.connected.push(new Listened(channel)),
      relayChanged: () => {},
      stateChanged: () => {},
    });
    return this;
  }

  get open(): readonly Listened[] {
    return this.connected.filter((channel) => channel.isOpen);
  }
}

class Listened {
  readonly channel: Channel;
  readonly received: string[] = [];
  isOpen = true;

  constructor(channel: Channel) {
    this.channel = channel;
    channel.listen({
      message: (bytes) => this.received.push(bytes.join()),
      drained: () => {},
      closed: () => {
        this.isOpen = false;
      },
    });
  }
}

function expect(condition: boolean, what: string): void {
  if (!condition) throw new Error(`Not so: ${what}`);
}

const never: AbortSignal = new AbortController().signal;
const room: Uint8Array = new Uint8Array(32).fill(1);
const anotherRoom: Uint8Array = new Uint8Array(32).fill(2);

/** What became of a dial: the code that it failed with, or the channel. */
async function outcome(subject: TransportSubject, dialled: Promise<Channel>): Promise<string | Listened> {
  const results: (string | Listened)[] = [];
  dialled.then(
    (channel) => results.push(new Listened(channel)),
    (error: unknown) => results.push(error instanceof TidemarkError ? error.code : String(error)),
  );
  await subject.until(() => results.length > 0);
  return results[0] as string | Listened;
}

async function startBoth({ left, right }: TransportSubject): Promise<readonly [Side, Side]> {
  return [await new Side(left).start(), await new Side(right).start()];
}

/** `left` dials `right`, which lets it in. */
async function dialRight(subject: TransportSubject): Promise<readonly [Side, Side, Listened, Listened]> {
  const [left, right] = await startBoth(subject);
  subject.right.accept(true);
  const [address] = subject.right.addresses();
  expect(address !== undefined, "who lets others in has an address");
  const near = await outcome(subject, subject.left.dial(address as string, never));
  await subject.until(() => right.connected.length > 0);
  expect(near instanceof Listened, `the dial succeeds, got ${String(near)}`);
  return [left, right, near as Listened, right.connected[0] as Listened];
}

const dialling: readonly TransportCheck[] = [
  {
    title: "[TRANSPORT-2] nobody who dials is let in before `accept`, and nobody after it is taken back",
    needs: "dialling",
    async check(subject) {
      const [, right] = await startBoth(subject);
      expect(subject.right.addresses().length === 0, "who lets nobody in has no address");
      subject.right.accept(true);
      const [address] = subject.right.addresses() as [string];
      subject.right.accept(false);
      const refused = await outcome(subject, subject.left.dial(address, never));
      expect(refused === "CONNECT_REFUSED" || refused === "CONNECT_FAILED", `refused, got ${String(refused)}`);
      expect(right.connected.length === 0, "nobody came in");
    },
  },
  {
    title: "[TRANSPORT-3] both ends of a dialled channel come up once and carry messages both ways",
    needs: "dialling",
    async check(subject) {
      const [left, right, near, far] = await dialRight(subject);
      expect(near.channel.initiator !== far.channel.initiator, "one of them is the initiator");
      expect(near.channel.binding.join() === far.channel.binding.join(), "they have the same binding");
      near.channel.send(Uint8Array.of(1));
      far.channel.send(Uint8Array.of(2));
      await subject.until(() => near.received.length > 0 && far.received.length > 0);
      expect(near.received.join() === "2" && far.received.join() === "1", "messages arrive");
      await subject.pass();
      expect(left.connected.length === 0 && right.connected.length === 1, "only who was dialled is told");
    },
  },
  {
    title: "[TRANSPORT-4] a dial to nobody, or to what is no address, fails with its code",
    needs: "dialling",
    async check(subject) {
      await startBoth(subject);
      const { empty, malformed } = subject.dialling as { readonly empty: string; readonly malformed: string };
      const [nobody, nothing] = [
        await outcome(subject, subject.left.dial(empty, never)),
        await outcome(subject, subject.left.dial(malformed, never)),
      ];
      expect(nobody === "CONNECT_FAILED", `CONNECT_FAILED, got ${String(nobody)}`);
      expect(nothing === "ADDRESS_INVALID", `ADDRESS_INVALID, got ${String(nothing)}`);
    },
  },
  {
    title: "[TRANSPORT-4] an aborted dial rejects at once and leaves no channel behind",
    needs: "dialling",
    async check(subject) {
      const [, right] = await startBoth(subject);
      subject.right.accept(true);
      const [address] = subject.right.addresses() as [string];
      const controller = new AbortController();
      const dialled = outcome(subject, subject.left.dial(address, controller.signal));
      controller.abort();
      expect((await dialled) === "ABORTED", "the dial rejects with ABORTED");
      const late = await outcome(subject, subject.left.dial(address, controller.signal));
      expect(late === "ABORTED", "so does one with a signal that was aborted before");
      await subject.pass();
      expect(right.open.length === 0, "no channel is left");
    },
  },
  {
    title: "[TRANSPORT-1] stopping closes dialled channels, and afterwards nobody can be dialled or dial",
    needs: "dialling",
    async check(subject) {
      const [, right, near, far] = await dialRight(subject);
      const [address] = subject.right.addresses() as [string];
      await subject.right.stop();
      await subject.until(() => !near.isOpen && !far.isOpen);
      expect(subject.right.addresses().length === 0, "who is stopped has no address");
      const before = await outcome(subject, subject.left.dial(address, never));
      expect(before === "CONNECT_FAILED", `nobody is there, got ${String(before)}`);
      await subject.left.stop();
      await right.start();
      const stopped = await outcome(subject, subject.left.dial(address, never));
      expect(typeof stopped === "string", "who is stopped cannot dial");
      expect(right.connected.length === 1, "nobody came in");
    },
  },
  {
    title: "[TRANSPORT-1] who was stopped can be started again",
    needs: "dialling",
    async check(subject) {
      await new Side(subject.left).start();
      await subject.left.stop();
      await new Side(subject.right).start();
      await subject.right.stop();
      await dialRight(subject);
    },
  },
];

const meeting: readonly TransportCheck[] = [
  {
    title: "[TRANSPORT-2] those who seek a room at one address meet there once, without `accept`",
    needs: "meeting",
    async check(subject) {
      const [left, right] = await startBoth(subject);
      const address = subject.meeting as string;
      subject.left.seek(address, anotherRoom);
      subject.right.seek(address, room);
      await subject.pass();
      expect(left.connected.length === 0 && right.connected.length === 0, "those of different rooms do not meet");
      subject.left.seek(address, room);
      await subject.until(() => left.open.length > 0 && right.open.length > 0);
      await subject.pass();
      expect(left.connected.length === 1 && right.connected.length === 1, "they meet once");
    },
  },
  {
    title: "[TRANSPORT-1] stopping closes the channels that rooms made, and forgets the rooms",
    needs: "meeting",
    async check(subject) {
      const [left, right] = await startBoth(subject);
      const address = subject.meeting as string;
      subject.left.seek(address, room);
      subject.right.seek(address, room);
      await subject.until(() => left.open.length > 0 && right.open.length > 0);
      await subject.left.stop();
      await subject.until(() => left.open.length === 0 && right.open.length === 0);
      await left.start();
      await subject.pass();
      expect(left.connected.length === 1, "nobody is met who is not sought");
      subject.left.seek(address, room);
      await subject.until(() => left.open.length > 0);
    },
  },
];

/** The checks, each for a subject of its own. */
export const transportContract: readonly TransportCheck[] = [
  ...dialling,
  ...meeting,
  {
    title: "[TRANSPORT-1] before it is started it has no address, and no room is entered",
    needs: "nothing",
    async check(subject) {
      const { left, right } = subject;
      left.accept(true);
      if (subject.meeting !== undefined) left.seek(subject.meeting, room);
      expect(left.addresses().length === 0, "who is not started has no address");
      const side = await new Side(right).start();
      if (subject.meeting !== undefined) right.seek(subject.meeting, room);
      await subject.pass();
      expect(side.connected.length === 0, "nobody is met");
    },
  },
];

/** Those of the checks that are about what this type of transport can do. */
export function checksFor(subject: Pick<TransportSubject, "dialling" | "meeting">): readonly TransportCheck[] {
  return transportContract.filter(({ needs }) => needs === "nothing" || subject[needs] !== undefined);
}
