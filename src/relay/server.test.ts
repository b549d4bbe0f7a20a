import { connect } from "node:net";
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import type { PublicKey } from "../core/ids.ts";
import { type Room, roomFromBytes } from "../core/protocol/relay-message.ts";
import { platformRandom } from "../crypto/random.ts";
import type { Identity } from "../ports/keys.ts";
import { SimulatedClock } from "../testing/clock.ts";
import { RawRelayClient } from "../testing/raw-relay-client.ts";
import { createDevice, RelayMember, type TestDevice } from "../testing/relay-member.ts";
import { type Relay, type RelayOptions, startRelay } from "./server.ts";

const roomOf = (number: number): Room => roomFromBytes(new Uint8Array(32).fill(number));

async function start(options: RelayOptions = {}): Promise<{ relay: Relay; clock: SimulatedClock }> {
  const clock = new SimulatedClock();
  const relay = await startRelay({ port: 0, clock, ...options });
  onTestFinished(() => relay.close());
  return { relay, clock };
}

const dial = (relay: Relay) => new RawRelayClient(relay.url, WebSocket);
const join = (relay: Relay, device?: TestDevice) => RelayMember.join(relay.url, WebSocket, device);

/** Two members of a room of their own, to show that a relay still works after whatever happened to others. */
async function bystanders(relay: Relay): Promise<() => Promise<void>> {
  const [one, other] = [await join(relay), await join(relay)];
  const room = roomOf(255);
  await one.enter(room);
  await other.enter(room);
  let count = 0;
  return async () => {
    const text = `still here ${count++}`;
    await one.sendNote(other.device, text);
    expect(await other.nextNote(one.device)).toBe(text);
  };
}

test("[RELAY-3] who enters is told who is there, they are told who came, and who left", async () => {
  const { relay } = await start();
  const [a, b, c] = [await join(relay), await join(relay), await join(relay)];
  expect(await a.enter(roomOf(1))).toEqual([]);
  expect(await b.enter(roomOf(1))).toEqual([a.device.key]);
  expect(await a.next("entered")).toEqual({ type: "entered", room: roomOf(1), card: b.device.sealer.card });
  expect(new Set(await c.enter(roomOf(1)))).toEqual(new Set([a.device.key, b.device.key]));
  await a.next("entered");

  b.send({ type: "leave", room: roomOf(1) });
  expect(await a.next("left")).toEqual({ type: "left", room: roomOf(1), key: b.device.key });
  c.socket.close();
  expect(await a.next("left")).toEqual({ type: "left", room: roomOf(1), key: c.device.key });
  expect(await a.enter(roomOf(1))).toEqual([]);
  expect(a.unread).toEqual([]);
  expect(relay.stats).toMatchObject({ members: 2, rooms: 1 });
});

test("[RELAY-3] a room with more cards than one message holds is told in several", async () => {
  const { relay } = await start({ limits: { membersPerRoomMax: 60 } });
  const devices = await Promise.all(Array.from({ length: 50 }, createDevice));
  const crowd = await Promise.all(devices.map((device) => join(relay, device)));
  for (const member of crowd) await member.enter(roomOf(1));
  const late = await join(relay);
  const first = await late.enter(roomOf(1));
  const rest = await late.nextPresent();
  expect(first.length).toBe(48);
  expect([...first, ...rest].sort()).toEqual(devices.map(({ key }) => key).sort());
});

test("[RELAY-4] sealed notes pass between members of a common room, in order, and open at the other end", async () => {
  const { relay } = await start();
  const [a, b] = [await join(relay), await join(relay)];
  await a.enter(roomOf(1));
  await b.enter(roomOf(1));
  const texts = Array.from({ length: 20 }, (_, i) => `note ${i}`);
  for (const text of texts) await a.sendNote(b.device, text);
  const arrived: (string | undefined)[] = [];
  for (const _ of texts) arrived.push(await b.nextNote(a.device));
  expect(arrived).toEqual(texts);
});

test("[RELAY-4] somebody who is in none of its rooms cannot send to a member, nor can one who has left", async () => {
  const { relay } = await start();
  const [a, b, stranger] = [await join(relay), await join(relay), await join(relay)];
  for (const member of [a, b]) await member.enter(roomOf(1));
  await stranger.enter(roomOf(2));
  await stranger.sendNote(b.device, "from another room");
  stranger.send({ type: "send", to: "0".repeat(64) as PublicKey, sealed: new Uint8Array(1) });
  await stranger.enter(roomOf(1));
  stranger.send({ type: "leave", room: roomOf(1) });
  await stranger.sendNote(b.device, "after leaving");
  // The answer shows that everything before it was handled.
  await stranger.enter(roomOf(2));
  await a.sendNote(b.device, "from a friend");
  expect(await b.nextNote(a.device)).toBe("from a friend");
  expect(relay.stats).toMatchObject({ notesDelivered: 1, notesDropped: 3 });
});

const otherKey = (await createDevice()).identity;
const wrongProofs = {
  "a nonce of another socket": { nonce: new Uint8Array(32) },
  "the host of another relay": { host: "relay.example" },
  "the signature of another key": { identity: otherKey },
};
for (const [what, { identity, ...instead }] of Object.entries<{
  identity?: Identity;
  nonce?: Uint8Array;
  host?: string;
}>(wrongProofs)) {
  test(`[RELAY-2] ${what} proves nothing`, async () => {
    const { relay } = await start();
    const device = await createDevice();
    const liar = dial(relay);
    await liar.prove(identity ?? device.identity, device.sealer.card, instead);
    expect(await liar.next("refused")).toMatchObject({ code: "proof" });
    expect(await liar.closed).toEqual({ code: 4002, reason: "proof" });
    expect(relay.stats).toMatchObject({ members: 0, refusals: { proof: 1 } });
  });
}

test("[RELAY-2] with `hosts` only proofs for these are good, whatever the Host header says", async () => {
  const { relay } = await start({ hosts: ["relay.example", "Relay2.example:444"] });
  const device = await createDevice();
  const passedOn = dial(relay);
  await passedOn.prove(device.identity, device.sealer.card);
  expect(await passedOn.closed).toMatchObject({ reason: "proof" });
  const meant = dial(relay);
  await meant.prove(device.identity, device.sealer.card, { host: "relay2.example:444" });
  await meant.next("welcome");
  meant.socket.close();
});

test("[RELAY-2] without a proof in 5 s the socket is refused, one with a proof stays", async () => {
  const { relay, clock } = await start();
  const works = await bystanders(relay);
  const silent = dial(relay);
  await silent.next("challenge");
  clock.advance(4_999);
  expect(silent.unread).toEqual([]);
  clock.advance(1);
  expect(await silent.closed).toEqual({ code: 4003, reason: "timeout" });
  await works();
});

test("[RELAY-2] before its proof is accepted a client may do nothing else, and it proves once", async () => {
  const { relay } = await start();
  const eager = dial(relay);
  await eager.next("challenge");
  eager.send({ type: "enter", room: roomOf(1) });
  expect(await eager.closed).toEqual({ code: 4001, reason: "unexpected" });

  const device = await createDevice();
  const hasty = dial(relay);
  await hasty.prove(device.identity, device.sealer.card);
  hasty.send({ type: "enter", room: roomOf(1) });
  expect(await hasty.closed).toEqual({ code: 4001, reason: "unexpected" });

  const again = await join(relay);
  again.send({ type: "prove", card: again.device.sealer.card, signature: new Uint8Array(64) });
  expect(await again.closed).toEqual({ code: 4001, reason: "unexpected" });
  expect(relay.stats.members).toBe(0);
});

test("[RELAY-5] a second socket with the same key takes the place of the first", async () => {
  const { relay } = await start();
  const [watcher, device] = [await join(relay), await createDevice()];
  await watcher.enter(roomOf(1));
  const first = await join(relay, device);
  await first.enter(roomOf(1));
  const second = await join(relay, device);
  expect(await first.next("refused")).toMatchObject({ code: "replaced" });
  expect(await first.closed).toEqual({ code: 4004, reason: "replaced" });
  expect(await watcher.next("left")).toMatchObject({ key: device.key });
  expect(await second.enter(roomOf(1))).toEqual([watcher.device.key]);
  await watcher.sendNote(device, "to the second");
  expect(await second.nextNote(watcher.device)).toBe("to the second");
  expect(relay.stats.members).toBe(2);
});

class DeafWebSocket extends WebSocket {
  constructor(url: string) {
    super(url, { autoPong: false });
  }
}

test("[RELAY-10] a socket that leaves a ping unanswered is ended at the next, one that answers hears `alive`", async () => {
  const { relay, clock } = await start();
  const watcher = await join(relay);
  const deaf = await RelayMember.join(relay.url, DeafWebSocket);
  for (const member of [watcher, deaf]) await member.enter(roomOf(1));
  clock.advance(30_000);
  await watcher.next("alive");
  // The pong left before `alive` was read, so the answer shows that it arrived.
  expect(await watcher.enter(roomOf(1))).toEqual([deaf.device.key]);
  clock.advance(30_000);
  expect(await deaf.closed).toMatchObject({ code: 1006 });
  expect(await watcher.next("left")).toMatchObject({ key: deaf.device.key });
  await watcher.next("alive");
  expect(relay.stats).toMatchObject({ members: 1, refusals: { dead: 1 } });
});

test("[RELAY-9] closing tells clients with 1001, frees the port and leaves no timer", async () => {
  const { relay, clock } = await start();
  const members = [await join(relay), await join(relay)];
  const unproven = dial(relay);
  await unproven.next("challenge");
  expect(clock.nextAt).toBeDefined();
  const { port } = relay;
  await Promise.all([relay.close(), relay.close()]);
  for (const { closed } of [...members, unproven]) expect(await closed).toEqual({ code: 1001, reason: "closing" });
  expect(clock.nextAt).toBeUndefined();
  expect(process.getActiveResourcesInfo()).not.toContain("TCPServerWrap");
  expect(relay.stats).toMatchObject({ sockets: 0, members: 0, rooms: 0 });
  const next = await start({ port });
  expect(next.relay.port).toBe(port);
});

test("[RELAY-9] closing is done after 2 s even when clients do not answer", async () => {
  const { relay, clock } = await start();
  const raw = await upgradedSocket(relay.port);
  const half = connect(relay.port, "127.0.0.1");
  half.write("GET /healthz HTTP/1.1\r\n");
  await (await fetch(`http://127.0.0.1:${relay.port}/healthz`)).text();
  let isClosed = false;
  const closed = relay.close().then(() => {
    isClosed = true;
  });
  clock.advance(1_999);
  await new Promise((resolve) => setImmediate(resolve));
  expect(isClosed).toBe(false);
  clock.advance(1);
  await closed;
  raw.destroy();
  half.destroy();
});

/** A WebSocket as far as the relay knows, behind which nobody answers. */
async function upgradedSocket(port: number): Promise<ReturnType<typeof connect>> {
  const socket = connect(port, "127.0.0.1");
  const key = Buffer.from(platformRandom.bytes(16)).toString("base64");
  socket.write(
    `GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
  );
  await new Promise((resolve) => socket.once("data", resolve));
  return socket;
}

const badFrame: fc.Arbitrary<string | Uint8Array<ArrayBuffer>> = fc.oneof(
  fc.string(),
  fc.uint8Array({ maxLength: 200 }).map((value) => new Uint8Array(value)),
);

test("[RELAY-6] whatever comes in a frame ends at most its own socket, and the others go on", async () => {
  const { relay } = await start();
  const works = await bystanders(relay);
  await fc.assert(
    fc.asyncProperty(badFrame, fc.boolean(), async (frame, isProven) => {
      const device = await createDevice();
      const fuzzer = dial(relay);
      if (isProven) await fuzzer.prove(device.identity, device.sealer.card);
      await fuzzer.next(isProven ? "welcome" : "challenge");
      (fuzzer.socket as WebSocket).send(frame);
      expect(await fuzzer.closed).toEqual({ code: 4000, reason: "malformed" });
    }),
    { numRuns: 100 },
  );
  await works();
  expect(relay.stats).toMatchObject({ members: 2, refusals: { malformed: 100 } });
});

test("[RELAY-6] whatever bytes come instead of HTTP or of WebSocket frames, the others go on", async () => {
  const { relay } = await start();
  const works = await bystanders(relay);
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 300 }), fc.boolean(), async (garbage, isUpgraded) => {
      const socket = isUpgraded ? await upgradedSocket(relay.port) : connect(relay.port, "127.0.0.1");
      const ended = new Promise((resolve) => socket.once("close", resolve));
      socket.on("error", () => {}).resume();
      socket.end(garbage);
      await ended;
    }),
    { numRuns: 100 },
  );
  await works();
  expect(relay.stats.sockets).toBe(2);
});
