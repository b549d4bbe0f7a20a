import type { AddressInfo } from "node:net";
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { unwrap } from "../core/errors.ts";
import type { PublicKey } from "../core/ids.ts";
import {
  type ClientMessage,
  decodeClientMessage,
  encodeRelayMessage,
  type RelayMessage,
  type Room,
  roomFromBytes,
} from "../core/protocol/relay-message.ts";
import type { Introducer } from "../ports/introducer.ts";
import type { Sealer } from "../ports/sealer.ts";
import { SimulatedClock } from "../testing/clock.ts";
import { IntroducerRecorder } from "../testing/introducer-recorder.ts";
import { SeededRandom } from "../testing/random.ts";
import { createDevice, type TestDevice } from "../testing/relay-member.ts";
import { createRelayClient } from "./relay-client.ts";

const roomBytes = new Uint8Array(32).fill(1);
const room: Room = roomFromBytes(roomBytes);
const bytes = (text: string) => new TextEncoder().encode(text);

/** A relay that believes any proof and says whatever the test wants. */
class LyingRelay {
  readonly #server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  readonly heard: ClientMessage[] = [];
  #socket: WebSocket | undefined;
  #wake: () => void = () => {};
  /** Sent to every client that dials, in place of a challenge. */
  greeting: readonly (RelayMessage | Uint8Array | string)[] = [
    { type: "challenge", version: 1, nonce: new Uint8Array(32) },
  ];

  constructor() {
    this.#server.on("connection", (socket) => {
      this.#socket = socket;
      for (const message of this.greeting) this.say(message);
      socket.on("error", () => {});
      socket.on("message", (data: Buffer) => {
        const message = unwrap(decodeClientMessage(new Uint8Array(data)));
        if (message.type === "prove") this.say({ type: "welcome" });
        this.heard.push(message);
        this.#wake();
      });
    });
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  say(message: RelayMessage | Uint8Array | string): void {
    this.#socket?.send(
      typeof message === "string" || message instanceof Uint8Array ? message : encodeRelayMessage(message),
    );
  }

  async hears(type: ClientMessage["type"]): Promise<void> {
    while (!this.heard.some((message) => message.type === type)) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  close(): void {
    this.#socket?.terminate();
    this.#server.close();
  }
}

interface Setting {
  readonly clock: SimulatedClock;
  readonly relay: LyingRelay;
  readonly self: TestDevice;
  readonly introducer: Introducer;
  readonly recorder: IntroducerRecorder;
  readonly reports: string[];
  /** Whom the client has met, and what it heard. */
  readonly believed: () => readonly string[];
}

async function connect(
  change: { readonly sealer?: (real: Sealer) => Sealer; readonly greeting?: LyingRelay["greeting"] } = {},
): Promise<Setting> {
  const [relay, self, clock] = [new LyingRelay(), await createDevice(), new SimulatedClock()];
  if (change.greeting !== undefined) relay.greeting = change.greeting;
  const reports: string[] = [];
  const sealer = change.sealer?.(self.sealer) ?? self.sealer;
  const introducer = createRelayClient({
    url: relay.url,
    identity: self.identity,
    createSealer: async () => sealer,
    clock,
    random: new SeededRandom(1),
    WebSocket,
    report: ({ code, details }) => reports.push(`${code} ${(details as { got: string }).got}`),
  });
  onTestFinished(() => {
    introducer.close();
    relay.close();
  });
  const recorder = new IntroducerRecorder();
  introducer.listen(recorder);
  introducer.enter(roomBytes);
  const believed = () =>
    recorder.events.flatMap((event) => {
      if (event.type === "status") return [];
      return event.type === "noted" ? [new TextDecoder().decode(event.note)] : [`${event.type} ${event.peer}`];
    });
  return { clock, relay, self, introducer, recorder, reports, believed };
}

async function entered(change: Parameters<typeof connect>[0] = {}): Promise<Setting> {
  const setting = await connect(change);
  await setting.relay.hears("enter");
  return setting;
}

type DeliverMessage = Extract<RelayMessage, { readonly type: "deliver" }>;

const noteFrom = async (from: TestDevice, to: TestDevice, text: string): Promise<DeliverMessage> => ({
  type: "deliver",
  from: from.key,
  sealed: await from.sealer.seal(to.sealer.card, bytes(text)),
});

test("[INTRODUCER-5] forged and stolen cards, our own, and what is said about rooms we are not in, are ignored", async () => {
  const { relay, self, recorder, reports, believed } = await entered();
  const [friend, stranger] = [await createDevice(), await createDevice()];
  const forged = stranger.sealer.card.with(40, (stranger.sealer.card[40] ?? 0) ^ 1);
  const stolen = Uint8Array.of(...friend.sealer.card.subarray(0, 32), ...stranger.sealer.card.subarray(32));
  const otherRoom = roomFromBytes(new Uint8Array(32));
  relay.say({ type: "present", room, cards: [forged, friend.sealer.card, stolen, self.sealer.card] });
  relay.say({ type: "entered", room: otherRoom, card: stranger.sealer.card });
  relay.say({ type: "left", room, key: stranger.key });
  relay.say({ type: "left", room: otherRoom, key: friend.key });
  relay.say({ type: "full", room: otherRoom });
  relay.say(await noteFrom(friend, self, "one"));
  await recorder.until(() => believed().includes("one"));
  expect(believed()).toEqual([`met ${friend.key}`, "one"]);
  expect(reports).toEqual([
    "RELAY_MESSAGE a card that nobody signed",
    "RELAY_MESSAGE a card that nobody signed",
    "RELAY_MESSAGE our own card",
  ]);
});

test("[INTRODUCER-2] notes that are altered, repeated, misdirected or from another than they say are not heard", async () => {
  const { relay, self, recorder, reports, believed } = await entered();
  const [friend, other, stranger] = [await createDevice(), await createDevice(), await createDevice()];
  relay.say({ type: "present", room, cards: [friend.sealer.card, other.sealer.card] });
  const note = await noteFrom(friend, self, "one");
  relay.say({ ...note, from: other.key });
  relay.say({ ...note, sealed: note.sealed.with(20, (note.sealed[20] ?? 0) ^ 1) });
  relay.say({ ...note, sealed: new Uint8Array(0) });
  relay.say(note);
  relay.say(note);
  relay.say(await noteFrom(friend, other, "for somebody else"));
  relay.say(await noteFrom(stranger, self, "from somebody never introduced"));
  relay.say(await noteFrom(self, self, "from yourself"));
  relay.say(await noteFrom(friend, self, "two"));
  await recorder.until(() => believed().includes("two"));
  expect(believed()).toEqual([`met ${friend.key}`, `met ${other.key}`, "one", "two"]);
  expect(reports).toEqual(new Array<string>(5).fill("RELAY_MESSAGE a note that does not open"));
});

test("[INTRODUCER-4] a note that comes while its sender's card is still being checked is heard after the introduction", async () => {
  let release: () => void = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const slow = (real: Sealer): Sealer => ({
    card: real.card,
    seal: (to, note) => real.seal(to, note),
    open: (from, sealed) => real.open(from, sealed),
    verifyCard: (card) => held.then(() => real.verifyCard(card)),
  });
  const { relay, self, recorder, believed, reports } = await entered({ sealer: slow });
  const friend = await createDevice();
  relay.say({ type: "entered", room, card: friend.sealer.card });
  relay.say(await noteFrom(friend, self, "one"));
  relay.say(await noteFrom(friend, self, "two"));
  relay.say({ type: "left", room, key: friend.key });
  release();
  await recorder.until(() => recorder.of("left").length === 1);
  expect(believed()).toEqual([`met ${friend.key}`, "one", "two", `left ${friend.key}`]);
  expect(reports).toEqual([]);
});

test("[INTRODUCER-5] a relay that lies too often is left, and tried again later", async () => {
  const { relay, recorder, reports, introducer, clock } = await entered();
  const failed = recorder.reaches("waiting");
  for (let i = 0; i < 64; i++) relay.say({ type: "entered", room, card: new Uint8Array(161).fill(i) });
  expect((await failed).reason).toBe("the relay said too much that is not true");
  expect(reports.length).toBe(64);
  const again = recorder.reaches("connected");
  clock.advance(1_000);
  await again;
  expect(introducer.status.state).toBe("connected");
});

test("[INTRODUCER-5] a relay that introduces without end is left", async () => {
  const { relay, recorder } = await entered();
  const failed = recorder.reaches("waiting");
  const { card } = (await createDevice()).sealer;
  for (let i = 0; i < 84; i++) relay.say({ type: "present", room, cards: new Array<Uint8Array>(48).fill(card) });
  expect((await failed).reason).toBe("the relay introduced too many");
  expect(recorder.of("met").length).toBe(1);
});

test("[INTRODUCER-5] a relay that says more than can wait for its turn is left", async () => {
  const never = new Promise<undefined>(() => {});
  const stuck = (real: Sealer): Sealer => ({ ...real, card: real.card, verifyCard: () => never }) as Sealer;
  const { relay, recorder } = await entered({ sealer: stuck });
  const failed = recorder.reaches("waiting");
  const { card } = (await createDevice()).sealer;
  for (let i = 0; i < 1_100; i++) relay.say({ type: "entered", room, card });
  expect((await failed).reason).toBe("the relay sent too much");
});

const challenge = { type: "challenge", version: 1, nonce: new Uint8Array(32) } as const;
const outOfPlace: Readonly<Record<string, readonly [LyingRelay["greeting"], RegExp]>> = {
  "a welcome without a challenge": [[{ type: "welcome" }], /MESSAGE_UNEXPECTED: got welcome/],
  "an introduction before the challenge": [[{ type: "present", room, cards: [] }], /MESSAGE_UNEXPECTED: got present/],
  "a note before the proof": [
    [challenge, { type: "deliver", from: "0".repeat(64) as PublicKey, sealed: new Uint8Array(0) }],
    /MESSAGE_UNEXPECTED: got deliver/,
  ],
  "a second challenge": [[challenge, challenge], /MESSAGE_UNEXPECTED: got challenge/],
  text: [["challenge"], /sent text/],
  "an empty frame": [[new Uint8Array(0)], /CBOR_TRUNCATED/],
  "a frame too large": [[new Uint8Array(40_000)], /too large/],
};
for (const [what, [greeting, reason]] of Object.entries(outOfPlace)) {
  test(`[INTRODUCER-5] ${what} ends the connection, which is tried again`, async () => {
    const { recorder, clock } = await connect({ greeting });
    expect((await recorder.reaches("waiting")).reason).toMatch(reason);
    const again = recorder.reaches("waiting");
    clock.advance(1_000);
    expect((await again).reason).toMatch(reason);
  });
}

test("[INTRODUCER-5] a relay of another version shows as refused", async () => {
  const { recorder } = await connect({ greeting: [{ type: "challenge", version: 2, nonce: new Uint8Array(32) }] });
  expect((await recorder.reaches("refused")).reason).toBe("the relay speaks version 2");
});

test("[INTRODUCER-5] whatever bytes a relay sends, before or after the proof, the client lives and meets nobody", async () => {
  const { relay, recorder, introducer, clock, believed } = await entered();
  const honest = relay.greeting;
  const kinds = fc.constantFrom(...Array.from({ length: 10 }, (_, kind) => kind));
  const near = fc.tuple(fc.constantFrom(0x81, 0x82, 0x83), kinds, fc.uint8Array({ maxLength: 120 }));
  const frame = fc.oneof(
    fc.uint8Array({ maxLength: 100 }),
    near.map(([head, kind, rest]) => Uint8Array.of(head, kind, ...rest)),
  );
  relay.say("the end");
  await recorder.reaches("waiting");
  let endings = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(frame, { minLength: 1, maxLength: 4 }), fc.boolean(), async (frames, isProven) => {
      // Text ends a connection, if what came before did not.
      relay.greeting = isProven ? honest : [...frames, "the end"];
      introducer.retry();
      if (isProven) {
        await recorder.until(() => introducer.status.state === "connected");
        for (const each of [...frames, "the end"]) relay.say(each);
      }
      await recorder.until(() => ["waiting", "refused"].includes(introducer.status.state));
      endings++;
    }),
    { numRuns: 150 },
  );
  expect(endings).toBe(150);
  expect(believed()).toEqual([]);
  relay.greeting = honest;
  const connected = recorder.reaches("connected");
  clock.advance(1_000);
  await connected;
});
