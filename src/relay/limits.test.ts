import { expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import { type Room, roomFromBytes } from "../core/protocol/relay-message.ts";
import { SimulatedClock } from "../testing/clock.ts";
import { RawRelayClient } from "../testing/raw-relay-client.ts";
import { RelayMember } from "../testing/relay-member.ts";
import { addressGroup } from "./address.ts";
import { type RelayLimits, resolveLimits } from "./limits.ts";
import { type Relay, type RelayOptions, startRelay } from "./server.ts";

const roomOf = (number: number): Room => roomFromBytes(new Uint8Array(32).fill(number));

async function start(options: RelayOptions = {}): Promise<{ relay: Relay; clock: SimulatedClock }> {
  const clock = new SimulatedClock();
  const relay = await startRelay({ port: 0, clock, ...options });
  onTestFinished(() => relay.close());
  return { relay, clock };
}

const join = (relay: Relay) => RelayMember.join(relay.url, WebSocket);

/** Two members of a room of their own; the function shows that the relay still works for them. */
async function bystanders(relay: Relay): Promise<() => Promise<void>> {
  const [one, other] = [await join(relay), await join(relay)];
  for (const member of [one, other]) await member.enter(roomOf(255));
  return async () => {
    await one.sendNote(other.device, "still here");
    expect(await other.nextNote(one.device)).toBe("still here");
  };
}

interface Excess {
  readonly limits: Partial<RelayLimits>;
  readonly close: { readonly code: number; readonly reason: string };
  readonly act: (member: RelayMember) => void;
}

const sendOften = (member: RelayMember, times: number) => {
  for (let i = 0; i < times; i++) member.send({ type: "leave", room: roomOf(1) });
};
const excesses: Readonly<Record<string, Excess>> = {
  "more messages than the rate allows": {
    limits: { messagesBurst: 20, messagesPerSecond: 1 },
    close: { code: 4005, reason: "rate" },
    act: (member) => sendOften(member, 20),
  },
  "more bytes than the rate allows": {
    limits: { bytesBurst: 4_000, bytesPerSecond: 1 },
    close: { code: 4005, reason: "rate" },
    act: (member) => member.send({ type: "send", to: member.device.key, sealed: new Uint8Array(4_000) }),
  },
  "more pings than the rate allows": {
    limits: { messagesBurst: 20, messagesPerSecond: 1 },
    close: { code: 4005, reason: "rate" },
    act: (member) => {
      for (let i = 0; i < 20; i++) (member.socket as WebSocket).ping();
    },
  },
  "a message that is too large": {
    limits: { messageBytesMax: 1_000 },
    close: { code: 1009, reason: "" },
    act: (member) => member.send({ type: "send", to: member.device.key, sealed: new Uint8Array(1_000) }),
  },
};

for (const [what, { limits, close, act }] of Object.entries(excesses)) {
  test(`[RELAY-7] ${what} ends that socket with a code, and the others go on`, async () => {
    const { relay } = await start({ limits });
    const works = await bystanders(relay);
    const greedy = await join(relay);
    act(greedy);
    expect(await greedy.closed).toEqual(close);
    await works();
    const code = close.reason === "" ? "oversized" : close.reason;
    expect(relay.stats).toMatchObject({ members: 2, refusals: { [code]: 1 } });
  });
}

test("[RELAY-3] the others are told at once that a refused member has left, even when it does not answer the close", async () => {
  const { relay } = await start({ limits: { messagesBurst: 20, messagesPerSecond: 1 } });
  const [watcher, greedy] = [await join(relay), await join(relay)];
  for (const member of [watcher, greedy]) await member.enter(roomOf(1));
  (greedy.socket as WebSocket).pause();
  sendOften(greedy, 20);
  expect(await watcher.next("left")).toMatchObject({ key: greedy.device.key });
  expect(relay.stats).toMatchObject({ sockets: 2, members: 1 });
  (greedy.socket as WebSocket).terminate();
});

test("[RELAY-7] a rate fills up again with time", async () => {
  const { relay, clock } = await start({ limits: { messagesBurst: 5, messagesPerSecond: 2 } });
  const member = await join(relay);
  for (let second = 0; second < 10; second++) {
    await member.enter(roomOf(1));
    await member.enter(roomOf(1));
    clock.advance(1_000);
  }
  sendOften(member, 6);
  expect(await member.closed).toMatchObject({ reason: "rate" });
});

test("[RELAY-7] who reads too slowly is ended when too much waits for it, and its place in the room is given up", async () => {
  const { relay } = await start({
    limits: { outgoingBytesMax: 64 * 1024, bytesBurst: 1e9, messagesBurst: 1_000_000 },
  });
  const [sender, slow] = [await join(relay), await join(relay)];
  for (const member of [slow, sender]) await member.enter(roomOf(1));
  (slow.socket as WebSocket).pause();
  // The kernel buffers megabytes first. The answer to `enter` keeps the sender from running ahead.
  for (let sent = 0; sender.unread.length === 0; sent++) {
    sender.send({ type: "send", to: slow.device.key, sealed: new Uint8Array(20_000) });
    await sender.enter(roomOf(1));
    expect(sent).toBeLessThan(5_000);
  }
  expect(await sender.next("left")).toMatchObject({ key: slow.device.key });
  (slow.socket as WebSocket).resume();
  expect(await slow.closed).toMatchObject({ code: 1006 });
  expect(await sender.enter(roomOf(1))).toEqual([]);
  expect(relay.stats.refusals).toEqual({ slow: 1 });
});

const fullRooms: Readonly<Record<string, { readonly limits: Partial<RelayLimits>; readonly mine: readonly number[] }>> =
  {
    membersPerRoom: { limits: { membersPerRoomMax: 2 }, mine: [] },
    roomsPerSocket: { limits: { roomsPerSocketMax: 2 }, mine: [3, 4] },
    rooms: { limits: { roomsMax: 2 }, mine: [3] },
  };
for (const [limit, { limits, mine }] of Object.entries(fullRooms)) {
  test(`[RELAY-7] past the limit of ${limit} the answer is "full", and what is entered stays entered`, async () => {
    const { relay } = await start({ limits });
    const works = await bystanders(relay);
    const member = await join(relay);
    for (const room of mine) await member.enter(roomOf(room));
    const wanted = limit === "membersPerRoom" ? roomOf(255) : roomOf(5);
    member.send({ type: "enter", room: wanted });
    expect(await member.next("full")).toEqual({ type: "full", room: wanted });
    await works();
    for (const room of mine) expect(await member.enter(roomOf(room))).toEqual([]);
    const [left] = mine;
    if (left !== undefined) {
      member.send({ type: "leave", room: roomOf(left) });
      expect(await member.enter(wanted)).toEqual([]);
    }
    expect(relay.stats.refusals).toEqual({ [limit]: 1 });
  });
}

for (const limits of [{ socketsMax: 3 }, { socketsPerAddressMax: 3 }] satisfies Partial<RelayLimits>[]) {
  test(`[RELAY-7] past ${Object.keys(limits)} no socket opens until one has closed`, async () => {
    const { relay } = await start({ limits });
    const works = await bystanders(relay);
    const third = await join(relay);
    expect(await new RawRelayClient(relay.url, WebSocket).closed).toMatchObject({ code: 1006 });
    await works();
    third.socket.close();
    await third.closed;
    await join(relay);
    expect(relay.stats).toMatchObject({
      sockets: 3,
      refusals: { ["socketsMax" in limits ? "sockets" : "address"]: 1 },
    });
  });
}

test("[RELAY-7] limits that are no positive integers are refused", () => {
  for (const socketsMax of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    expect(() => resolveLimits({ socketsMax })).toThrow(/INPUT_INVALID: field socketsMax/);
  }
});

test("[RELAY-12] addresses are counted one by one for IPv4 and by /64 for IPv6", () => {
  expect(addressGroup("192.0.2.1")).toBe("192.0.2.1");
  expect(addressGroup("::ffff:192.0.2.1")).toBe("192.0.2.1");
  expect(addressGroup("::FFFF:192.0.2.2")).not.toBe(addressGroup("::ffff:192.0.2.1"));
  expect(addressGroup("2001:db8::1")).toBe(addressGroup("2001:0DB8:0:0:ffff:ffff:ffff:ffff"));
  expect(addressGroup("2001:db8:0:1::")).not.toBe(addressGroup("2001:db8::1"));
  expect(addressGroup("fe80::1%eth0")).toBe(addressGroup("fe80::2"));
  expect(addressGroup("::1")).toBe("0:0:0:0");
  expect(addressGroup("; drop")).toBe("unknown");
});

/** Dials with a header and says whether the socket opened. */
async function opensWith(relay: Relay, headers: Readonly<Record<string, string>>): Promise<boolean> {
  const socket = new WebSocket(relay.url, { headers });
  onTestFinished(() => socket.terminate());
  return new Promise((resolve) => {
    socket.once("open", () => resolve(true));
    socket.once("error", () => resolve(false));
  });
}

test("[RELAY-12] with `addressHeader` the address that the proxy wrote last counts, whatever the client put before", async () => {
  const { relay } = await start({ addressHeader: "X-Forwarded-For", limits: { socketsPerAddressMax: 1 } });
  expect(await opensWith(relay, { "x-forwarded-for": "192.0.2.1" })).toBe(true);
  expect(await opensWith(relay, { "x-forwarded-for": "192.0.2.2" })).toBe(true);
  expect(await opensWith(relay, { "x-forwarded-for": "198.51.100.9, 192.0.2.1" })).toBe(false);
  expect(relay.stats.refusals).toEqual({ address: 1 });
});

test("[HOSTILE-13] an address that opens sockets again and again is made to wait, and others are not", async () => {
  const limits = { socketsPerAddressPerSecond: 2, socketsPerAddressBurst: 5 };
  const { relay, clock } = await start({ addressHeader: "X-Forwarded-For", limits });
  const opens = (address: string) => opensWith(relay, { "x-forwarded-for": address });
  const tries: boolean[] = [];
  for (let i = 0; i < 8; i++) tries.push(await opens("192.0.2.1"));
  expect(tries).toEqual([true, true, true, true, true, false, false, false]);
  expect(await opens("192.0.2.2")).toBe(true);
  clock.advance(1_000);
  expect([await opens("192.0.2.1"), await opens("192.0.2.1"), await opens("192.0.2.1")]).toEqual([true, true, false]);
  expect(relay.stats.refusals).toEqual({ address: 4 });
});

test("[RELAY-12] with `allowedOrigins` other web pages cannot connect, and clients without an origin can", async () => {
  const { relay } = await start({ allowedOrigins: ["https://app.example"] });
  expect(await opensWith(relay, { origin: "https://app.example" })).toBe(true);
  expect(await opensWith(relay, { origin: "https://app.example.evil" })).toBe(false);
  expect(await opensWith(relay, {})).toBe(true);
  expect(relay.stats.refusals).toEqual({ origin: 1 });
});
