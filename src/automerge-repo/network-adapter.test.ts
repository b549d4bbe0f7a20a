import type { Message, PeerId } from "@automerge/automerge-repo/slim";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, expectTypeOf, test, vi } from "vitest";
import type { Instance } from "../client/instance.ts";
import { CborWriter } from "../core/cbor-writer.ts";
import { TidemarkError } from "../core/errors.ts";
import { repoMessageBytesMax, repoPagesMax, repoReadyMs, repoRetryMs, repoWaitingMax } from "../core/limits.ts";
import { type Place, Places } from "../testing/repo-places.ts";
import { type ChannelSource, TidemarkNetworkAdapter } from "./network-adapter.ts";
import { decodePacket, encodePacket, type Packet, partBytesMax, splitMessage } from "./packet.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** Lets everything run that needs no time. */
async function settle(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve();
}

interface Heard {
  readonly adapter: TidemarkNetworkAdapter;
  readonly events: string[];
  readonly messages: Message[];
}

function join(place: Place, peerId: string, metadata = {}): Heard {
  const adapter = new TidemarkNetworkAdapter(place);
  const [events, messages]: [string[], Message[]] = [[], []];
  adapter.on("peer-candidate", (peer) => events.push(`+${peer.peerId}`));
  adapter.on("peer-disconnected", (peer) => events.push(`-${peer.peerId}`));
  adapter.on("message", (message) => messages.push(message));
  adapter.connect(peerId as PeerId, metadata);
  return { adapter, events, messages };
}

function message(from: string, to: string, fields: object = {}): Message {
  return { type: "sync", senderId: from as PeerId, targetId: to as PeerId, ...fields };
}

function encode(value: unknown): Uint8Array {
  const writer = new CborWriter();
  writer.writeValue(value, "test");
  return writer.finish();
}

const page = (n: number): string => n.toString(16).padStart(32, "0");

function greeting(from: string, peerId: string, number = 1): Uint8Array {
  const fields = { storageId: undefined, isEphemeral: undefined, answers: undefined };
  return encodePacket({ type: "greeting", from, number, peerId, ...fields });
}

/** The page of an adapter that this channel has heard of last. */
function pageIn(place: Place): string {
  return place.heard.map((bytes) => decodePacket(bytes)).findLast((packet) => packet?.type === "greeting")?.from ?? "";
}

test("an instance is all that an adapter needs, for the compiler", () => {
  expectTypeOf<Instance>().toExtend<ChannelSource>();
});

describe("greetings", () => {
  test("[REPO-7] each knows the other by its peer id and its key, with its metadata", async () => {
    const places = new Places();
    const [one, other] = [places.open("a"), places.open("b")];
    const ann = join(one, "ann", { storageId: "s", isEphemeral: undefined });
    const candidates: unknown[] = [];
    const ben = new TidemarkNetworkAdapter(other);
    ben.on("peer-candidate", (candidate) => candidates.push(candidate));
    ben.connect("ben" as PeerId, { isEphemeral: true });
    await settle();
    expect(candidates).toEqual([{ peerId: "ann", peerMetadata: { storageId: "s" } }]);
    expect(ann.events).toEqual(["+ben"]);
    expect([ann.adapter.keyOf("ben"), ben.keyOf("ann"), ben.keyOf("ben")]).toEqual([other.key, one.key, undefined]);
  });

  test("[REPO-7] a peer id that another device has, or this repo, is refused until it is free", async () => {
    const places = new Places();
    const ann = join(places.open("a"), "ann");
    const ben = join(places.open("b"), "ben");
    const [third, fourth] = [places.open("c"), places.open("d")];
    const thief = join(third, "ben");
    join(fourth, "ann");
    await settle();
    expect(ann.events).toEqual(["+ben"]);
    expect(ann.adapter.keyOf("ben")).toBe("b");
    thief.adapter.send(message("ben", "ann"));
    await settle();
    expect(ann.messages).toEqual([]);
    ben.adapter.disconnect();
    thief.adapter.connect("ben" as PeerId);
    await settle();
    expect(ann.events).toEqual(["+ben", "-ben", "+ben"]);
    expect(ann.adapter.keyOf("ben")).toBe("c");
  });

  test("[REPO-9] pages of one device are peers of their own, and hear only what is for them", async () => {
    const places = new Places();
    const ann = join(places.open("a"), "ann");
    const [one, other] = [join(places.open("b"), "ben"), join(places.open("b"), "eve")];
    await settle();
    expect(ann.events.toSorted()).toEqual(["+ben", "+eve"]);
    ann.adapter.send(message("ann", "eve"));
    await settle();
    expect([one.messages.length, other.messages.length]).toEqual([0, 1]);
    expect(one.events).toEqual(["+ann"]);
    one.adapter.disconnect();
    await settle();
    expect(ann.events.slice(2)).toEqual(["-ben"]);
    expect(other.events).toEqual(["+ann"]);
  });

  test("[REPO-9] a page that is closed, or put into the cache, says so", async () => {
    const page = new EventTarget();
    vi.stubGlobal("addEventListener", page.addEventListener.bind(page));
    vi.stubGlobal("removeEventListener", page.removeEventListener.bind(page));
    try {
      const places = new Places();
      const [ann, ben] = [join(places.open("a"), "ann"), join(places.open("b"), "ben")];
      await settle();
      ben.adapter.disconnect();
      ben.adapter.connect("ben" as PeerId);
      await settle();
      page.dispatchEvent(new Event("pagehide"));
      await settle();
      expect(ann.events).toEqual(["+ben", "-ben", "+ben", "-ben"]);
    } finally {
      vi.unstubAllGlobals();
    }
  });

  test("[REPO-9] a device has no more pages than anybody opens", async () => {
    const places = new Places();
    const ann = join(places.open("a"), "ann");
    const many = places.open("b").sync.messages("automerge-repo");
    await settle();
    for (let i = 0; i < repoPagesMax + 5; i++) await many.send("a", greeting(page(i), `ben ${i}`));
    await settle();
    expect(ann.events.length).toBe(repoPagesMax);
  });

  test("[REPO-9] a page that greets again has forgotten what was said; one that repeats itself has not", async () => {
    const places = new Places();
    const ann = join(places.open("a"), "ann");
    const ben = places.open("b").sync.messages("automerge-repo");
    await settle();
    for (const number of [2, 2, 1, 3]) await ben.send("a", greeting(page(1), "ben", number));
    await settle();
    expect(ann.events).toEqual(["+ben", "-ben", "+ben"]);
  });
});

test("[REPO-10] it is ready when all who are there have answered, or after a second", async () => {
  const places = new Places();
  const [second, third] = [places.open("b"), places.open("c")];
  const silent = third.sync.messages("automerge-repo");
  const alone = join(new Places().open("a"), "ann").adapter;
  const { adapter, events } = join(places.open("a"), "ann");
  join(second, "ben");
  await settle();
  expect(events).toEqual(["+ben"]);
  expect([adapter.isReady(), alone.isReady()]).toEqual([false, false]);
  await silent.send("a", greeting(page(3), "cid"));
  await settle();
  expect([adapter.isReady(), alone.isReady()]).toEqual([true, false]);
  await adapter.whenReady();
  vi.advanceTimersByTime(repoReadyMs);
  expect(alone.isReady()).toBe(true);
  await alone.whenReady();
});

describe("messages", () => {
  const documentId = "4NMNnkMhL8jXrdJ9jamS58PAVdXu";

  test.each([
    { type: "sync", data: new Uint8Array([1, 2]), documentId },
    { type: "request", data: new Uint8Array(), documentId },
    { type: "ephemeral", data: new Uint8Array([1]), documentId, count: 3, sessionId: "x" },
    { type: "doc-unavailable", documentId },
    { type: "remote-subscription-change", add: ["s"], remove: undefined },
    { type: "remote-heads-changed", documentId, newHeads: { s: { heads: ["h"], timestamp: 1_700_000_000_000 } } },
  ])("[REPO-8] $type is carried whole", async (fields) => {
    const places = new Places();
    const [ann, ben] = [join(places.open("a"), "ann"), join(places.open("b"), "ben")];
    await settle();
    ann.adapter.send(message("ann", "ben", fields));
    await settle();
    expect(ben.messages).toEqual([message("ann", "ben", fields)]);
  });

  test("[REPO-8] one that is larger than a channel takes comes in parts, between those of another page", async () => {
    const places = new Places();
    const ben = join(places.open("b"), "ben");
    const two = [join(places.open("a"), "ann"), join(places.open("a"), "eve")];
    await settle();
    const large = [2 * partBytesMax, 3 * partBytesMax + 1].map((size, i) => new Uint8Array(size).fill(i + 1));
    for (const [i, { adapter }] of two.entries())
      adapter.send(message(i === 0 ? "ann" : "eve", "ben", { data: large[i] }));
    await settle();
    const got = ben.messages.map(({ senderId, data }) => [senderId, data?.length, data?.every((x) => x === data[0])]);
    expect(got.toSorted()).toEqual([
      ["ann", 2 * partBytesMax, true],
      ["eve", 3 * partBytesMax + 1, true],
    ]);
    expect(places.largest).toBeLessThanOrEqual(2 ** 20);
  });

  test("[REPO-7] nobody speaks in another's name, but what is told to everybody is passed on", async () => {
    const places = new Places();
    const ben = join(places.open("b"), "ben");
    const cheat = places.open("a");
    const channel = cheat.sync.messages("automerge-repo");
    await settle();
    const say = async (value: unknown): Promise<void> => {
      await channel.send("b", greeting(page(1), "ann", Date.now() + places.sent));
      for (const part of splitMessage(page(1), pageIn(cheat), encode(value)))
        await channel.send("b", encodePacket(part));
      await settle();
    };
    await say(message("ann", "ben"));
    expect(ben.messages.length).toBe(1);
    for (const value of [message("eve", "ben"), message("ann", "eve"), { type: "sync" }, [1], null, new Uint8Array(3)])
      await say(value);
    await say(message("ann", "ben", { data: "text" }));
    await say(message("ann", "ben", { documentId: 7 }));
    expect(ben.messages.length).toBe(1);
    await say(message("eve", "ben", { type: "ephemeral", count: 1, sessionId: "x", data: new Uint8Array() }));
    expect(ben.messages.length).toBe(2);
  });

  test.each([
    [
      "a part that does not follow",
      [
        [10, 3],
        [8, 1],
      ],
    ],
    [
      "a part without bytes",
      [
        [10, 3],
        [10, 0],
      ],
    ],
    ["a message that is too long", [[repoMessageBytesMax, 1]]],
    ["a beginning without bytes", [[10, 0]]],
  ])("[REPO-8] after %s the peer is gone", async (_, parts) => {
    const places = new Places();
    const ben = join(places.open("b"), "ben");
    const cheat = places.open("a");
    const channel = cheat.sync.messages("automerge-repo");
    await settle();
    await channel.send("b", greeting(page(1), "ann"));
    const to = pageIn(cheat);
    for (const [left = 0, length = 0] of parts)
      await channel.send("b", encodePacket({ type: "part", from: page(1), to, left, bytes: new Uint8Array(length) }));
    await settle();
    expect(ben.events).toEqual(["+ann", "-ann"]);
  });

  test("[REPO-8] when something is lost the peer is disconnected, and comes anew while it is there", async () => {
    const places = new Places();
    const one = places.open("a");
    const [ann, ben] = [join(one, "ann"), join(places.open("b"), "ben")];
    await settle();
    one.failure = new TidemarkError("MESSAGE_QUEUE_FULL", { peer: "b", max: 1 });
    ann.adapter.send(message("ann", "ben"));
    ann.adapter.send(message("ann", "ben"));
    await settle();
    expect(ann.events).toEqual(["+ben", "-ben"]);
    vi.advanceTimersByTime(repoRetryMs);
    await settle();
    one.failure = undefined;
    expect(ann.events.length).toBe(2);
    vi.advanceTimersByTime(repoRetryMs);
    await settle();
    expect(ann.events).toEqual(["+ben", "-ben", "+ben"]);
    expect(ben.events).toEqual(["+ann", "-ann", "+ann"]);
    expect(ben.messages).toEqual([]);
    one.failure = new TidemarkError("INSTANCE_CLOSED", { name: "x" });
    ann.adapter.send(message("ann", "ben"));
    await settle();
    expect(vi.getTimerCount()).toBe(0);
  });

  test("[REPO-8] a peer that takes nothing is not waited for without end: what is told to everybody is left out, the rest begins anew", async () => {
    const places = new Places();
    const one = places.open("a");
    const [ann, ben] = [join(one, "ann"), join(places.open("b"), "ben")];
    await settle();
    let goOn = (): void => {};
    one.stuck = new Promise((resolve) => {
      goOn = resolve;
    });
    for (let i = 0; i <= repoWaitingMax; i++) ann.adapter.send(message("ann", "ben"));
    ann.adapter.send(message("ann", "ben", { type: "ephemeral" }));
    expect(ann.events).toEqual(["+ben"]);
    ann.adapter.send(message("ann", "ben"));
    expect(ann.events).toEqual(["+ben", "-ben"]);
    one.stuck = undefined;
    goOn();
    await settle();
    expect(ann.events).toEqual(["+ben", "-ben", "+ben"]);
    // The one that was on its way already.
    expect(ben.messages.length).toBe(1);
  });
});

const anyPacket: fc.Arbitrary<Packet> = fc.oneof(
  fc.record({
    type: fc.constant("greeting" as const),
    from: fc.nat().map(page),
    number: fc.nat(),
    peerId: fc.string({ minLength: 1, maxLength: 256, unit: "grapheme-ascii" }),
    storageId: fc.option(fc.constant("s"), { nil: undefined }),
    isEphemeral: fc.option(fc.boolean(), { nil: undefined }),
    answers: fc.option(fc.nat().map(page), { nil: undefined }),
  }),
  fc.record({ type: fc.constant("goodbye" as const), from: fc.nat().map(page) }),
  fc.record({
    type: fc.constant("part" as const),
    from: fc.nat().map(page),
    to: fc.nat().map(page),
    left: fc.nat(),
    bytes: fc.uint8Array({ maxLength: 20 }),
  }),
);

test("[REPO-8] a packet reads as it was written, and what one byte more, less or else makes of it is a packet or nothing", async () => {
  const places = new Places();
  const ann = join(places.open("a"), "ann");
  const other = places.open("b").sync.messages("automerge-repo");
  await settle();
  const property = fc.asyncProperty(anyPacket, fc.nat(), fc.nat(255), async (packet, at, byte) => {
    const bytes = encodePacket(packet);
    expect(decodePacket(bytes)).toEqual(packet);
    expect(decodePacket(new Uint8Array([...bytes, byte]))).toBeUndefined();
    expect(decodePacket(bytes.subarray(0, at % bytes.length))).toBeUndefined();
    const mutant = bytes.with(at % bytes.length, byte);
    const read = decodePacket(mutant);
    if (read !== undefined) expect(encodePacket(read)).toEqual(mutant);
    await other.send("a", mutant);
    await settle();
  });
  await fc.assert(property, { numRuns: 300 });
  expect(ann.messages).toEqual([]);
});

test("to nobody nothing is sent, and to a peer nothing that is longer than it would take", async () => {
  const places = new Places();
  const ann = join(places.open("a"), "ann");
  join(places.open("b"), "ben");
  await settle();
  const before = places.sent;
  ann.adapter.send(message("ann", "nobody"));
  const uncaught: unknown[] = [];
  const others = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  process.on("uncaughtException", (error) => uncaught.push(error));
  ann.adapter.send(message("ann", "ben", { data: new Uint8Array(repoMessageBytesMax) }));
  await new Promise((resolve) => setImmediate(resolve));
  process.removeAllListeners("uncaughtException");
  for (const other of others) process.on("uncaughtException", other);
  expect(uncaught).toMatchObject([{ code: "MESSAGE_TOO_LARGE" }]);
  expect(places.sent).toBe(before);
});
