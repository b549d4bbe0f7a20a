import { type AddressInfo, createServer } from "node:net";
import { expect, onTestFinished, test, vi } from "vitest";
import { WebSocket } from "ws";
import { TidemarkError } from "../core/errors.ts";
import { roomFromBytes } from "../core/protocol/relay-message.ts";
import { Sealer } from "../crypto/sealing.ts";
import { createVerifier } from "../crypto/verifier.ts";
import type { Introducer } from "../ports/introducer.ts";
import { type Relay, type RelayOptions, startRelay } from "../relay/server.ts";
import { SimulatedClock } from "../testing/clock.ts";
import { IntroducerRecorder } from "../testing/introducer-recorder.ts";
import { SeededRandom } from "../testing/random.ts";
import { createDevice, RelayMember, type TestDevice } from "../testing/relay-member.ts";
import { createRelayClient, type RelayClientOptions } from "./relay-client.ts";

const verifier = await createVerifier();
const room = (number: number) => new Uint8Array(32).fill(number);
const bytes = (text: string) => new TextEncoder().encode(text);
const text = (note: Uint8Array) => new TextDecoder().decode(note);

async function start(clock: SimulatedClock, options: RelayOptions = {}): Promise<Relay> {
  const relay = await startRelay({ port: 0, clock, ...options });
  onTestFinished(() => relay.close());
  return relay;
}

interface Client {
  readonly device: TestDevice;
  readonly introducer: Introducer;
  readonly recorder: IntroducerRecorder;
  readonly reports: string[];
}

async function connect(url: string, clock: SimulatedClock, given: Partial<RelayClientOptions> = {}): Promise<Client> {
  const device = await createDevice();
  const reports: string[] = [];
  const introducer = createRelayClient({
    url,
    identity: device.identity,
    createSealer: () => Sealer.create(device.identity, verifier),
    clock,
    random: new SeededRandom(1),
    WebSocket,
    report: (failure) => reports.push((failure.details as { got: string }).got),
    ...given,
  });
  onTestFinished(() => introducer.close());
  const recorder = new IntroducerRecorder();
  introducer.listen(recorder);
  return { device, introducer, recorder, reports };
}

const notesOf = ({ recorder }: Client) => recorder.of("noted").map(({ note }) => text(note));

test("[INTRODUCER-4] two clients in a room meet, exchange notes in order, and part when one leaves", async () => {
  const clock = new SimulatedClock();
  const relay = await start(clock);
  const [a, b] = [await connect(relay.url, clock), await connect(relay.url, clock)];
  const texts = Array.from({ length: 50 }, (_, i) => `note ${i}`);
  // Sent in the very moment of meeting: the other side may not have handled the introduction yet.
  const sent = a.recorder
    .until(() => a.recorder.of("met").length > 0)
    .then(() => {
      for (const each of texts) a.introducer.note(b.device.key, bytes(each));
    });
  a.introducer.enter(room(1));
  const leave = b.introducer.enter(room(1));
  await sent;
  await b.recorder.until(() => notesOf(b).length === texts.length);
  expect(notesOf(b)).toEqual(texts);
  expect(b.recorder.events.find(({ type }) => type !== "status")).toEqual({ type: "met", peer: a.device.key });
  expect(a.recorder.of("met")).toEqual([{ type: "met", peer: b.device.key }]);

  leave();
  await a.recorder.until(() => a.recorder.of("left").length > 0);
  expect(a.recorder.of("left")).toEqual([{ type: "left", peer: b.device.key }]);
  expect(b.recorder.of("left")).toEqual([{ type: "left", peer: a.device.key }]);
  expect([...a.reports, ...b.reports]).toEqual([]);
});

test("[INTRODUCER-4] a peer is met once however many rooms are shared, and has left only when none is", async () => {
  const clock = new SimulatedClock();
  const relay = await start(clock);
  const [a, b, last] = [
    await connect(relay.url, clock),
    await connect(relay.url, clock),
    await connect(relay.url, clock),
  ];
  for (const number of [1, 2, 3]) a.introducer.enter(room(number));
  const leaves = [1, 2].map((number) => b.introducer.enter(room(number)));
  await a.recorder.until(() => a.recorder.of("met").length === 1);
  leaves[0]?.();
  // What comes to a third room after it shows that everything before was handled.
  b.introducer.enter(room(4));
  await b.recorder.until(() => b.introducer.status.state === "connected");
  last.introducer.enter(room(3));
  await a.recorder.until(() => a.recorder.of("met").length === 2);
  expect(a.recorder.of("left")).toEqual([]);
  leaves[1]?.();
  await a.recorder.until(() => a.recorder.of("left").length === 1);
  expect(a.recorder.of("met").map(({ peer }) => peer)).toEqual([b.device.key, last.device.key]);
});

test("[INTRODUCER-1] a relay that restarts empty is entered again by itself, and a room that was left is not", async () => {
  const clock = new SimulatedClock();
  const first = await start(clock);
  const [a, b] = [await connect(first.url, clock), await connect(first.url, clock)];
  const leaves = [a, a, b].map(({ introducer }) => introducer.enter(room(1)));
  const leaveOther = a.introducer.enter(room(2));
  await b.recorder.until(() => b.recorder.of("met").length === 1);
  await a.recorder.until(() => a.recorder.of("met").length === 1);
  leaveOther();
  // Asked for twice, left once: still wanted.
  leaves[0]?.();
  leaves[0]?.();

  const ended = [a, b].map(({ recorder }) => recorder.reaches("waiting"));
  await first.close();
  expect((await Promise.all(ended)).map(({ reason }) => reason)).toEqual([
    "closed with 1001 closing",
    "closed with 1001 closing",
  ]);
  expect(a.recorder.of("left")).toEqual([{ type: "left", peer: b.device.key }]);
  const second = await start(clock, { port: first.port });
  clock.advance(1_000);
  for (const { recorder } of [a, b]) await recorder.until(() => recorder.of("met").length === 2);
  a.introducer.note(b.device.key, bytes("again"));
  await b.recorder.until(() => notesOf(b).length === 1);
  expect(second.stats).toMatchObject({ members: 2, rooms: 1 });
});

test("[INTRODUCER-3] notes to somebody absent and notes too many are dropped, too large ones are a mistake", async () => {
  const clock = new SimulatedClock();
  const relay = await start(clock);
  const [a, b, absent] = [await connect(relay.url, clock), await connect(relay.url, clock), await createDevice()];
  for (const { introducer } of [a, b]) introducer.enter(room(1));
  for (const { recorder } of [a, b]) await recorder.until(() => recorder.of("met").length === 1);
  a.introducer.note(absent.key, bytes("nobody"));
  for (let i = 0; i < 300; i++) a.introducer.note(b.device.key, bytes(String(i)));
  expect(a.reports.length).toBeGreaterThanOrEqual(300 - 256 - 1);
  expect(() => a.introducer.note(b.device.key, new Uint8Array(16 * 1024 + 1))).toThrow(TidemarkError);
  await b.recorder.until(() => notesOf(b).length >= 100);
  expect(notesOf(b).slice(0, 100)).toEqual(Array.from({ length: 100 }, (_, i) => String(i)));
  expect(relay.stats.notesDropped).toBe(0);
});

test("[INTRODUCER-8] rooms beyond the burst are entered as fast as every relay takes, and the relay never objects", async () => {
  const clock = new SimulatedClock();
  const relay = await start(clock);
  const watcher = await RelayMember.join(relay.url, WebSocket);
  for (const number of [199, 255]) await watcher.enter(roomFromBytes(room(number)));
  const { introducer } = await connect(relay.url, clock);
  for (let number = 0; number < 256; number++) introducer.enter(room(number));
  expect(await watcher.next("entered")).toMatchObject({ room: roomFromBytes(room(199)) });
  // A few round trips in which the client could have gone on.
  for (let trip = 0; trip < 5; trip++) await watcher.enter(roomFromBytes(room(255)));
  expect(relay.stats.rooms).toBe(201);
  clock.advance((56 / 40) * 1_000);
  expect(await watcher.next("entered")).toMatchObject({ room: roomFromBytes(room(255)) });
  expect(relay.stats).toMatchObject({ rooms: 256, refusals: {} });
});

test("[INTRODUCER-1] a room that is full is asked for again later", async () => {
  const clock = new SimulatedClock();
  const relay = await start(clock, { limits: { membersPerRoomMax: 1 } });
  const first = await RelayMember.join(relay.url, WebSocket);
  const wanted = roomFromBytes(room(1));
  await first.enter(wanted);
  const { introducer } = await connect(relay.url, clock);
  introducer.enter(room(1));
  while (relay.stats.refusals.membersPerRoom === undefined) await first.enter(wanted);
  first.send({ type: "leave", room: wanted });
  await first.enter(roomFromBytes(room(2)));
  while (relay.stats.rooms < 2) {
    clock.advance(1_000);
    await first.enter(roomFromBytes(room(2)));
  }
  first.send({ type: "enter", room: wanted });
  expect(await first.next("full")).toEqual({ type: "full", room: wanted });
});

/** A port where nobody listens. */
async function deadUrl(): Promise<string> {
  const relay = await startRelay({ port: 0 });
  await relay.close();
  return relay.url;
}

/** Milliseconds until the client dials again. Nothing else may be waiting. */
const nextWaitMs = (clock: SimulatedClock) => (clock.nextAt ?? Number.NaN) - clock.now();

test("[INTRODUCER-6] an absent relay is dialled less and less often, at once after `retry`, and then often again", async () => {
  const clock = new SimulatedClock();
  const { introducer, recorder } = await connect(await deadUrl(), clock);
  await recorder.reaches("waiting");
  for (let failures = 0; failures < 9; failures++) {
    const fullMs = Math.min(16_000, 2 ** failures * 1_000);
    const waitMs = nextWaitMs(clock);
    expect(waitMs).toBeGreaterThanOrEqual(fullMs / 2);
    expect(waitMs).toBeLessThanOrEqual(fullMs);
    const failed = recorder.reaches("waiting");
    clock.advance(waitMs - 1);
    expect(introducer.status.state).toBe("waiting");
    clock.advance(1);
    await failed;
  }
  const failed = recorder.reaches("waiting");
  introducer.retry();
  expect(introducer.status.state).toBe("connecting");
  introducer.retry();
  await failed;
  expect(nextWaitMs(clock)).toBeLessThanOrEqual(1_000);
});

for (const [lastsMs, waitMsMax, what] of [
  [64_000, 1_000, "ends the row of failures"],
  [63_999, 8_000, "does not end it when it lasted less"],
] as const) {
  test(`[INTRODUCER-6] a connection of ${lastsMs} ms ${what}`, async () => {
    const clock = new SimulatedClock();
    const url = await deadUrl();
    const { recorder } = await connect(url, clock);
    await recorder.reaches("waiting");
    for (let failures = 0; failures < 2; failures++) {
      const failed = recorder.reaches("waiting");
      clock.advance(nextWaitMs(clock));
      await failed;
    }
    const relay = await start(clock, { port: Number(new URL(url).port), limits: { pingEveryMs: 1_000_000 } });
    const connected = recorder.reaches("connected");
    clock.advance(nextWaitMs(clock));
    await connected;
    clock.advance(lastsMs);
    const failed = recorder.reaches("waiting");
    await relay.close();
    await failed;
    expect(nextWaitMs(clock)).toBeLessThanOrEqual(waitMsMax);
    expect(nextWaitMs(clock)).toBeGreaterThanOrEqual(waitMsMax / 2);
  });
}

test("[INTRODUCER-7] a relay that accepts the connection and never answers is given up after 10 s", async () => {
  const clock = new SimulatedClock();
  const server = createServer(() => {});
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const { introducer } = await connect(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, clock);
  clock.advance(9_999);
  expect(introducer.status.state).toBe("connecting");
  clock.advance(1);
  expect(introducer.status).toMatchObject({ state: "waiting", reason: "no answer in time" });
});

test("[INTRODUCER-7] a relay that falls silent is given up after 75 s, one that shows life is kept", async () => {
  const clock = new SimulatedClock();
  const relay = await start(clock);
  const watcher = await RelayMember.join(relay.url, WebSocket);
  await watcher.enter(roomFromBytes(room(1)));
  const { introducer, recorder, device } = await connect(relay.url, clock);
  introducer.enter(room(1));
  const { card } = await watcher.next("entered");
  for (let minutes = 0; minutes < 5; minutes += 0.5) {
    clock.advance(30_000);
    await watcher.next("alive");
    // Behind the ping on the way there, and behind the pong on the way back.
    watcher.send({ type: "send", to: device.key, sealed: await watcher.device.sealer.seal(card, bytes("there?")) });
    await recorder.until(() => recorder.of("noted").length > 2 * minutes);
    introducer.note(watcher.device.key, bytes("here"));
    await watcher.next("deliver");
  }
  expect(introducer.status.state).toBe("connected");

  const silent = await start(clock, { limits: { pingEveryMs: 1_000_000 } });
  const other = await connect(silent.url, clock);
  await other.recorder.reaches("connected");
  clock.advance(74_999);
  expect(other.introducer.status.state).toBe("connected");
  clock.advance(1);
  expect(other.introducer.status).toMatchObject({ state: "waiting", reason: "silent for too long" });
});

for (const url of ["nonsense", "ftp://relay.example", "ws://", "ws://127.0.0.1:99999", "ws://host/#fragment"]) {
  test(`[INTRODUCER-7] the URL ${url} shows as refused, is not tried by itself, and does not throw`, async () => {
    const clock = new SimulatedClock();
    const { introducer } = await connect(url, clock);
    expect(introducer.status).toMatchObject({
      url,
      state: "refused",
      reason: expect.stringContaining("cannot be dialled"),
    });
    introducer.enter(room(1))();
    introducer.retry();
    expect(introducer.status.state).toBe("refused");
    expect(clock.nextAt).toBeUndefined();
  });
}

test("[INTRODUCER-7] without a WebSocket class there is no client", async () => {
  vi.stubGlobal("WebSocket", undefined);
  onTestFinished(() => void vi.unstubAllGlobals());
  const { identity, sealer } = await createDevice();
  const options = { url: "ws://127.0.0.1", identity, createSealer: async () => sealer };
  const create = () => createRelayClient({ ...options, clock: new SimulatedClock(), random: new SeededRandom(1) });
  expect(create).toThrow(/ENVIRONMENT_UNSUPPORTED: missing WebSocket/);
});

test("[INTRODUCER-7] a relay that does not accept the proof shows as refused with its reason", async () => {
  const clock = new SimulatedClock();
  const relay = await start(clock, { hosts: ["relay.example"] });
  const { recorder } = await connect(relay.url, clock);
  expect((await recorder.reaches("refused")).reason).toMatch(/^proof: /);
  expect(nextWaitMs(clock)).toBeLessThanOrEqual(1_000);
});

test("[INTRODUCER-6] a client whose key was proved elsewhere waits 64 s before it takes its place back", async () => {
  const clock = new SimulatedClock();
  const relay = await start(clock);
  const { device, recorder, introducer } = await connect(relay.url, clock);
  await recorder.reaches("connected");
  const replaced = recorder.reaches("refused");
  const twin = await RelayMember.join(relay.url, WebSocket, device);
  expect((await replaced).reason).toMatch(/^replaced: /);
  // The relay pings after 30 s and again after 60 s.
  clock.advance(30_000);
  await twin.next("alive");
  await twin.enter(roomFromBytes(room(1)));
  clock.advance(33_999);
  expect(introducer.status.state).toBe("refused");
  clock.advance(1);
  await recorder.reaches("connected");
  expect(await twin.closed).toMatchObject({ reason: "replaced" });
});

test("[INTRODUCER-3] after `close` nothing is told, sent or tried any more", async () => {
  const clock = new SimulatedClock();
  const relay = await start(clock);
  const watcher = await RelayMember.join(relay.url, WebSocket);
  await watcher.enter(roomFromBytes(room(1)));
  const { introducer, recorder, device } = await connect(relay.url, clock);
  introducer.enter(room(1));
  await recorder.until(() => recorder.of("met").length === 1);
  const told = recorder.events.length;
  introducer.close();
  introducer.close();
  introducer.retry();
  introducer.enter(room(2));
  introducer.note(watcher.device.key, bytes("too late"));
  expect(await watcher.next("left")).toMatchObject({ key: device.key });
  expect(recorder.events.length).toBe(told);
  await relay.close();
  expect(clock.nextAt).toBeUndefined();
});
