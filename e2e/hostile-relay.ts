/**
 * A relay that lies, as a real WebSocket server: it believes every proof, and hands on cards and notes as the test wants. Beside it, an
 * attacker with connections of its own, for what would follow if a relay could read and write notes after all.
 */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import type { BrowserContext, Page } from "@playwright/test";
import { type WebSocket, WebSocketServer } from "ws";
import { unwrap } from "../src/core/errors.ts";
import type { PublicKey } from "../src/core/ids.ts";
import {
  type ClientMessage,
  decodeClientMessage,
  encodeRelayMessage,
  keyOfCard,
  type RelayMessage,
  type Room,
} from "../src/core/protocol/relay-message.ts";

/** What becomes of the card of somebody who is shown to another, and of a note on its way. */
export interface Lies {
  readonly card?: (card: Uint8Array) => Uint8Array;
  readonly note?: (sealed: Uint8Array) => readonly Uint8Array[];
}

interface Client {
  readonly socket: WebSocket;
  readonly rooms: Set<Room>;
  card: Uint8Array | undefined;
  key: PublicKey | undefined;
}

export class HostileRelay {
  /** Every note that passed, as it came. */
  readonly notes: Uint8Array[] = [];
  /** How many cards were shown to somebody. */
  shown = 0;
  readonly #lies: Lies;
  readonly #server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  readonly #clients = new Set<Client>();

  constructor(lies: Lies) {
    this.#lies = lies;
    this.#server.on("connection", (socket) => this.#welcome(socket));
  }

  static async start(lies: Lies = {}): Promise<HostileRelay> {
    const relay = new HostileRelay(lies);
    await once(relay.#server, "listening");
    return relay;
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    for (const { socket } of this.#clients) socket.terminate();
    this.#server.close();
  }

  #welcome(socket: WebSocket): void {
    const client: Client = { socket, rooms: new Set(), card: undefined, key: undefined };
    this.#clients.add(client);
    socket.on("close", () => this.#clients.delete(client));
    socket.on("message", (data: Buffer) => this.#hear(client, unwrap(decodeClientMessage(new Uint8Array(data)))));
    say(client, { type: "challenge", version: 1, nonce: new Uint8Array(32) });
  }

  #hear(client: Client, message: ClientMessage): void {
    switch (message.type) {
      case "prove":
        [client.card, client.key] = [message.card.slice(), keyOfCard(message.card)];
        return say(client, { type: "welcome" });
      case "enter":
        return this.#enter(client, message.room);
      case "leave":
        client.rooms.delete(message.room);
        return;
      case "send":
        return this.#pass(client, message.to, message.sealed.slice());
    }
  }

  #enter(client: Client, room: Room): void {
    const { card: lie = (card: Uint8Array) => card } = this.#lies;
    const show = (card: Uint8Array): Uint8Array => {
      this.shown += 1;
      return lie(card);
    };
    const present = [...this.#clients].filter((other) => other !== client && other.rooms.has(room));
    client.rooms.add(room);
    say(client, {
      type: "present",
      room,
      cards: present.flatMap(({ card }) => (card === undefined ? [] : [show(card)])),
    });
    if (client.card === undefined) return;
    for (const other of present) say(other, { type: "entered", room, card: show(client.card) });
  }

  #pass(from: Client, to: PublicKey, sealed: Uint8Array): void {
    const { note: hand = (note: Uint8Array) => [note] } = this.#lies;
    this.notes.push(sealed);
    const receiver = [...this.#clients].find(({ key }) => key === to);
    if (receiver === undefined || from.key === undefined) return;
    for (const each of hand(sealed)) say(receiver, { type: "deliver", from: from.key, sealed: each });
  }
}

function say({ socket }: Client, message: RelayMessage): void {
  socket.send(encodeRelayMessage(message));
}

declare global {
  /** Of the attacker's page. */
  var middle: { describe(type: "offer" | "answer", sdp: string): Promise<string>; carried: number[]; opened: number };
  /** Of a victim's page: what its browser is told in place of what the other one said. */
  var swapped: (type: "offer" | "answer", sdp: string) => Promise<string>;
}

/** Makes every connection of this context's pages end at the attacker, who is on a page of its own. */
export async function betray(victims: BrowserContext, attacker: Page): Promise<void> {
  await victims.exposeBinding("swapped", (_source, type: "offer" | "answer", sdp: string) =>
    attacker.evaluate(([kind, text]) => globalThis.middle.describe(kind, text), [type, sdp] as const),
  );
  await victims.addInitScript(() => {
    const Real = globalThis.RTCPeerConnection;
    globalThis.RTCPeerConnection = class extends Real {
      override async setRemoteDescription(said: RTCSessionDescriptionInit): Promise<void> {
        const { type, sdp = "" } = said;
        if (type !== "offer" && type !== "answer") return super.setRemoteDescription(said);
        return super.setRemoteDescription({ type, sdp: await globalThis.swapped(type, sdp) });
      }

      /** Those of the other victim lead nowhere: the attacker's are in its description. */
      override async addIceCandidate(): Promise<void> {}
    };
  });
}

/** The attacker's half: two connections, and everything that comes on the one goes out on the other. */
export async function prepareAttacker(page: Page): Promise<void> {
  await page.evaluate(() => {
    interface End {
      readonly connection: RTCPeerConnection;
      readonly channels: readonly RTCDataChannel[];
    }
    let towardsAnswerer: End | undefined;
    let answerForOfferer = "";
    const open = (): End => {
      const connection = new RTCPeerConnection({ iceServers: [] });
      const channels = [1, 7].map((id) => connection.createDataChannel(String(id), { negotiated: true, id }));
      return { connection, channels };
    };
    const described = async (connection: RTCPeerConnection): Promise<string> => {
      if (connection.iceGatheringState !== "complete")
        await new Promise<void>((resolve) => {
          connection.onicegatheringstatechange = () => connection.iceGatheringState === "complete" && resolve();
        });
      return connection.localDescription?.sdp ?? "";
    };
    const join = (from: RTCDataChannel | undefined, to: RTCDataChannel | undefined): void => {
      if (from === undefined || to === undefined) return;
      const waiting: ArrayBuffer[] = [];
      const flush = (): void => {
        for (const data of waiting.splice(0)) to.send(data);
      };
      from.binaryType = "arraybuffer";
      from.onopen = () => {
        globalThis.middle.opened += 1;
      };
      from.onmessage = ({ data }: MessageEvent<ArrayBuffer>) => {
        globalThis.middle.carried.push(data.byteLength);
        waiting.push(data);
        if (to.readyState === "open") flush();
      };
      to.addEventListener("open", flush);
      from.onclose = () => to.close();
    };
    globalThis.middle = {
      carried: [],
      opened: 0,
      async describe(type, sdp) {
        if (type === "answer") {
          await towardsAnswerer?.connection.setRemoteDescription({ type, sdp });
          return answerForOfferer;
        }
        const [offerer, answerer] = [open(), open()];
        towardsAnswerer = answerer;
        for (const i of [0, 1]) {
          join(offerer.channels[i], answerer.channels[i]);
          join(answerer.channels[i], offerer.channels[i]);
        }
        await offerer.connection.setRemoteDescription({ type, sdp });
        await offerer.connection.setLocalDescription(await offerer.connection.createAnswer());
        answerForOfferer = await described(offerer.connection);
        await answerer.connection.setLocalDescription(await answerer.connection.createOffer());
        return await described(answerer.connection);
      },
    };
  });
}
