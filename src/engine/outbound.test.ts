import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { outboundMessagesMax } from "../core/limits.ts";
import type { Channel } from "../ports/transport.ts";
import { SimulatedClock } from "../testing/clock.ts";
import { turn } from "../testing/turn.ts";
import { Bandwidth } from "./bandwidth.ts";
import { type EntriesToSend, Outbound } from "./outbound.ts";
import { defaultSettings, type SyncSettings } from "./settings.ts";

/** One end of a channel with a short buffer that the test empties; being sent something while it is congested is a mistake. */
class ShortPipe implements Channel {
  readonly binding: Uint8Array = new Uint8Array(64);
  readonly initiator = true;
  readonly path = "test";
  readonly sent: Uint8Array[] = [];
  buffered = 0;
  room = Number.POSITIVE_INFINITY;
  isBroken = false;

  get congested(): boolean {
    return this.buffered >= this.room;
  }

  send(message: Uint8Array): void {
    if (this.isBroken) throw new Error("broken");
    expect(this.congested).toBe(false);
    this.buffered += 1;
    this.sent.push(message);
  }

  listen(): void {}
  limit(): void {}
  close(): void {}
}

/** Something that resolves when the test says so. */
interface Reading {
  readonly load: () => Promise<Uint8Array | undefined>;
  finish(bytes: Uint8Array | undefined): void;
  fail(error: Error): void;
}

function createReading(): Reading {
  let finish: (bytes: Uint8Array | undefined) => void = () => {};
  let fail: (error: Error) => void = () => {};
  const bytes = new Promise<Uint8Array | undefined>((resolve, reject) => {
    finish = resolve;
    fail = reject;
  });
  return { load: () => bytes, finish: (given) => finish(given), fail: (error) => fail(error) };
}

const kinds = { control: 1, entries: 2 } as const;

/** A message that says what it is: its kind and its number. */
function messageOf(kind: keyof typeof kinds, number: number, length = 3): Uint8Array {
  const bytes = new Uint8Array(length);
  bytes.set([kinds[kind], number >> 8, number & 255]);
  return bytes;
}

function numbersOf(kind: keyof typeof kinds, sent: readonly Uint8Array[]): readonly number[] {
  return sent
    .filter((bytes) => bytes[0] === kinds[kind])
    .map((bytes) => 256 * (bytes[1] as number) + (bytes[2] as number));
}

function kindsOf(sent: readonly Uint8Array[]): string {
  return sent.map((bytes) => (bytes[0] === kinds.control ? "c" : "e")).join("");
}

class Bench {
  readonly clock = new SimulatedClock();
  readonly channel = new ShortPipe();
  readonly errors: unknown[] = [];
  readonly outbound: Outbound;
  sentBytes = 0;
  withheld = 0;

  constructor(settings: Partial<SyncSettings> = {}) {
    this.outbound = new Outbound({
      channel: this.channel,
      bandwidth: new Bandwidth(this.clock, { ...defaultSettings, ...settings }).peer(),
      sent: (bytes) => (this.sentBytes += bytes),
      failed: (error) => this.errors.push(error),
    });
  }

  control(number: number): void {
    this.outbound.control(messageOf("control", number));
  }

  entries(number: number, length = 3): void {
    this.load(() => Promise.resolve(messageOf("entries", number, length)));
  }

  load(load: EntriesToSend["load"], mayGo = (): boolean => true): void {
    this.outbound.entries({ load, mayGo, withheld: () => (this.withheld += 1) });
  }

  drain(): void {
    this.channel.buffered = 0;
    this.outbound.drained();
  }
}

const act = fc.oneof(
  fc.record({ do: fc.constant("control" as const) }),
  fc.record({ do: fc.constant("entries" as const), isThere: fc.boolean() }),
  fc.record({ do: fc.constant("finish" as const), which: fc.nat(10) }),
  fc.record({ do: fc.constant("drain" as const) }),
  fc.record({ do: fc.constant("pass" as const), ms: fc.nat(500) }),
);

test("[OUTBOUND-1] [OUTBOUND-2] whatever comes when, each class keeps its order, and nothing is lost or sent while congested", async () => {
  const run = fc.record({
    room: fc.integer({ min: 1, max: 5 }),
    cap: fc.constantFrom(0, 1_024),
    acts: fc.array(act, { maxLength: 80 }),
  });
  await fc.assert(
    fc.asyncProperty(run, async ({ room, cap, acts }) => {
      const bench = new Bench({ sendBytesPerSecond: cap });
      bench.channel.room = room;
      const open: { readonly reading: Reading; readonly bytes: Uint8Array | undefined }[] = [];
      let [controls, entries] = [0, 0];
      for (const one of acts) {
        if (one.do === "control") bench.control(controls++);
        else if (one.do === "entries") {
          const reading = createReading();
          open.push({ reading, bytes: one.isThere ? messageOf("entries", entries++, 300) : undefined });
          bench.load(reading.load);
        } else if (one.do === "finish") {
          const [first] = open.splice(one.which % Math.max(1, open.length), 1);
          first?.reading.finish(first.bytes);
        } else if (one.do === "drain") bench.drain();
        else bench.clock.advance(one.ms);
        await turn();
      }
      for (const { reading, bytes } of open) reading.finish(bytes);
      while (bench.outbound.waiting > 0) {
        await turn();
        bench.drain();
        bench.clock.advance(100);
      }
      expect(numbersOf("control", bench.channel.sent)).toEqual(Array.from({ length: controls }, (_, n) => n));
      expect(numbersOf("entries", bench.channel.sent)).toEqual(Array.from({ length: entries }, (_, n) => n));
      expect(bench.sentBytes).toBe(3 * controls + 300 * entries);
      expect(bench.errors).toEqual([]);
    }),
  );
});

test("[OUTBOUND-1] control that comes while batches wait goes before all of them", async () => {
  const bench = new Bench();
  bench.channel.room = 1;
  for (let n = 0; n < 5; n++) bench.entries(n);
  await turn();
  bench.control(0);
  bench.control(1);
  for (let n = 0; n < 10; n++) bench.drain();
  expect(kindsOf(bench.channel.sent)).toBe("ecceeee");
});

test("[OUTBOUND-1] while both wait without end one of sixteen messages is entries", async () => {
  const bench = new Bench();
  bench.channel.room = 1;
  bench.control(0);
  for (let n = 0; n < 10; n++) bench.entries(n);
  await turn();
  for (let n = 1; n < 200; n++) {
    bench.control(n);
    bench.control(n);
    bench.drain();
  }
  expect(kindsOf(bench.channel.sent).slice(0, 160)).toMatch(/^c(c{15}e){9}c{15}$/);
});

test("[OUTBOUND-1] what is sent in one turn is handed over in that turn", () => {
  const bench = new Bench();
  for (let n = 0; n < 3; n++) bench.control(n);
  expect(bench.channel.sent).toHaveLength(3);
  expect(bench.outbound.waiting).toBe(0);
});

test("[OUTBOUND-2] under a cap messages leave as the cap allows, control first", async () => {
  const bench = new Bench({ peerSendBytesPerSecond: 1_024 });
  for (let n = 0; n < 4; n++) bench.entries(n, 512);
  await turn();
  expect(kindsOf(bench.channel.sent)).toBe("e");
  for (let n = 0; n < 3; n++) bench.control(n);
  bench.clock.advance(490);
  await turn();
  expect(kindsOf(bench.channel.sent)).toBe("e");
  for (let n = 0; n < 6; n++) {
    bench.clock.advance(10);
    await turn();
  }
  // The second batch was being handed over already.
  expect(kindsOf(bench.channel.sent)).toBe("eeccc");
  for (let n = 0; n < 200; n++) {
    bench.clock.advance(10);
    await turn();
  }
  expect(kindsOf(bench.channel.sent)).toBe("eecccee");
});

test("[OUTBOUND-2] a channel that is congested when the cap allows a message gets it when it has drained", async () => {
  const bench = new Bench({ peerSendBytesPerSecond: 1_024 });
  bench.entries(0, 512);
  bench.entries(1, 512);
  await turn();
  bench.channel.room = 1;
  bench.clock.advance(1_000);
  await turn();
  expect(bench.channel.sent).toHaveLength(1);
  bench.drain();
  expect(bench.channel.sent).toHaveLength(2);
});

test("[OUTBOUND-3] control does not wait for entries that are being read, and entries wait for those before them", async () => {
  const bench = new Bench();
  const slow = createReading();
  bench.load(slow.load);
  bench.entries(1);
  await turn();
  for (let n = 0; n < 40; n++) bench.control(n);
  expect(kindsOf(bench.channel.sent)).toBe("c".repeat(40));
  slow.finish(messageOf("entries", 0));
  await turn();
  expect(numbersOf("entries", bench.channel.sent)).toEqual([0, 1]);
});

test("[OUTBOUND-4] entries that cannot be read fail it once, and nothing is handed over any more", async () => {
  const bench = new Bench();
  const readings = [createReading(), createReading()];
  for (const { load } of readings) bench.load(load);
  bench.load(() => {
    throw new Error("at once");
  });
  for (const { fail } of readings) fail(new Error("later"));
  await turn();
  bench.control(0);
  bench.entries(0);
  await turn();
  expect(bench.errors).toEqual([new Error("at once")]);
  expect(bench.channel.sent).toEqual([]);
  expect(bench.outbound.waiting).toBe(0);
});

test("[OUTBOUND-4] a channel that throws fails it once", async () => {
  const bench = new Bench();
  bench.channel.isBroken = true;
  bench.control(0);
  bench.control(1);
  bench.entries(0);
  await turn();
  expect(bench.errors).toEqual([new Error("broken")]);
});

test("[OUTBOUND-5] settles when fewer than half of what may wait waits, or when it is closed", async () => {
  const bench = new Bench();
  bench.channel.room = 1;
  let settled = 0;
  await bench.outbound.settled();
  for (let n = 0; n <= outboundMessagesMax; n++) bench.control(n);
  void bench.outbound.settled().then(() => settled++);
  while (bench.outbound.waiting >= outboundMessagesMax / 2) {
    await turn();
    expect(settled).toBe(0);
    bench.drain();
  }
  await turn();
  expect(settled).toBe(1);
  for (let n = 0; n <= outboundMessagesMax; n++) bench.control(n);
  void bench.outbound.settled().then(() => settled++);
  await turn();
  expect(settled).toBe(1);
  bench.outbound.close();
  await turn();
  expect(settled).toBe(2);
});

test("[OUTBOUND-5] closing drops what waits, also what waits for the cap, and what is being read", async () => {
  const bench = new Bench({ sendBytesPerSecond: 1_024 });
  const reading = createReading();
  bench.entries(0, 512);
  bench.entries(1, 512);
  await turn();
  bench.load(reading.load);
  bench.control(0);
  expect(bench.outbound.waiting).toBe(3);
  bench.outbound.close();
  bench.outbound.close();
  reading.finish(messageOf("entries", 2));
  bench.clock.advance(10_000);
  await turn();
  bench.drain();
  expect(bench.channel.sent).toHaveLength(1);
  expect(bench.outbound.waiting).toBe(0);
  expect(bench.errors).toEqual([]);
});

describe("[OUTBOUND-6] entries that may not be sent any more", () => {
  test.each([
    ["while they are read", 0],
    ["while they wait for the channel", 1],
    ["while they wait for the cap", 2],
  ])("%s are dropped with all that waits, and that is told once", async (_when, which) => {
    const bench = new Bench(which === 2 ? { sendBytesPerSecond: 1_024 } : {});
    let mayGo = true;
    const readings = [createReading(), createReading(), createReading()];
    for (const { load } of readings) bench.load(load, () => mayGo);
    readings[0]?.finish(messageOf("entries", 0, 1_000));
    await turn();
    expect(bench.channel.sent).toHaveLength(1);
    if (which === 1) bench.channel.buffered = bench.channel.room;
    if (which > 0) readings[1]?.finish(messageOf("entries", 1, 1_000));
    await turn();
    mayGo = false;
    for (const { finish } of readings.slice(1)) finish(messageOf("entries", 1, 1_000));
    await turn();
    bench.drain();
    bench.clock.advance(10_000);
    await turn();
    bench.control(0);
    expect([bench.channel.sent.length, bench.withheld, bench.outbound.waiting, bench.errors]).toEqual([1, 1, 0, []]);
  });

  test("are sent when they may again at their turn", async () => {
    const bench = new Bench();
    let mayGo = false;
    const reading = createReading();
    bench.load(reading.load, () => mayGo);
    await turn();
    mayGo = true;
    reading.finish(messageOf("entries", 0));
    await turn();
    expect([bench.channel.sent.length, bench.withheld]).toEqual([1, 0]);
  });
});
