/**
 * Introductions through a relay: keeps one socket to it, stays in the rooms asked for, believes only what it can check.
 *
 * A relay can stay silent, forget, repeat and invent. It cannot make us meet somebody whose card no identity signed, nor
 * hear a note that was altered, repeated, or sealed by somebody else: those are ignored and reported, and a relay that
 * does it too often is left and tried again later.
 */
import { backOffMs } from "../core/back-off.ts";
import { type Failure, show, TidemarkError, unreachable } from "../core/errors.ts";
import type { PublicKey } from "../core/ids.ts";
import { backOffMsMax, noteBytesMax, relayFailuresMax, relayQueueMax } from "../core/limits.ts";
import { encodeClientMessage, type Room, roomFromBytes } from "../core/protocol/relay-message.ts";
import type { Clock } from "../ports/clock.ts";
import type { Introducer, IntroducerListener } from "../ports/introducer.ts";
import type { Identity } from "../ports/keys.ts";
import type { Random } from "../ports/random.ts";
import type { Sealer } from "../ports/sealer.ts";
import type { RelayStatus } from "../ports/transport.ts";
import { Presence } from "./presence.ts";
import { RelayOutbox } from "./relay-outbox.ts";
import { type OpenRelayMessage, RelaySocket, type SocketEnd, type WebSocketClass } from "./relay-socket.ts";

export interface RelayClientOptions {
  /** `wss://host[:port]`, or `ws://` for a relay on this machine. */
  readonly url: string;
  readonly identity: Identity;
  /** Called once for each connection. */
  readonly createSealer: () => Promise<Sealer>;
  readonly clock: Clock;
  readonly random: Random;
  /** Default: the platform's. Node 20 has none: give it the one of `ws`. */
  readonly WebSocket?: WebSocketClass;
  /** Told of everything the relay said that was not true, with RELAY_MESSAGE, and of notes dropped from a full queue. */
  readonly report?: (failure: Failure) => void;
}

/** Lies after which a relay is left: enough to tell an attack from a client whose clock or crypto is broken. */
const liesMax = 64;
/** Cards checked on one connection, so that a relay cannot keep us busy for ever. Stays below what a sealer remembers. */
const cardsMax = 4_000;
/** Peers present at once: 256 rooms of 32 would be more than anybody syncs with. */
const presentMax = 1_024;
/** When a room was full, until it is asked for again. */
const fullRetryMs = 30_000;
/** A connection that lasted this long ends a row of failures. */
const steadyMs: number = backOffMsMax;

/**
 * Starts to connect at once and keeps at it until closed; see `Introducer`. Throws ENVIRONMENT_UNSUPPORTED when there is no
 * WebSocket, and never because of the URL or the relay: those show in `status`.
 */
export function createRelayClient(options: RelayClientOptions): Introducer {
  const WebSocket: WebSocketClass | undefined = options.WebSocket ?? globalThis.WebSocket;
  if (WebSocket === undefined) throw new TidemarkError("ENVIRONMENT_UNSUPPORTED", { missing: "WebSocket" });
  const client = new RelayClient({ ...options, WebSocket });
  client.retry();
  return client;
}

/** What lasts as long as one connection whose proof was accepted. */
interface Connection {
  readonly sealer: Sealer;
  readonly outbox: RelayOutbox;
  /** Rooms the relay was told we enter. */
  readonly entered: Set<Room>;
  /** Rooms where what we want may differ from what the relay was told. */
  readonly changed: Set<Room>;
  readonly timers: (() => void)[];
  lies: number;
  cards: number;
}

interface WaitingNote {
  readonly to: PublicKey;
  readonly note: Uint8Array;
}

const silentListener: IntroducerListener = { met() {}, left() {}, noted() {}, statusChanged() {} };

class RelayClient implements Introducer {
  readonly #options: RelayClientOptions & { readonly WebSocket: WebSocketClass };
  /** How many asked for a room. */
  readonly #wanted = new Map<Room, number>();
  readonly #presence = new Presence();
  readonly #notes: WaitingNote[] = [];
  #listener = silentListener;
  #status: RelayStatus;
  #socket: RelaySocket | undefined;
  #connection: Connection | undefined;
  #failures = 0;
  #cancelRetry: () => void = () => {};
  #isClosed = false;

  constructor(options: RelayClientOptions & { readonly WebSocket: WebSocketClass }) {
    this.#options = options;
    this.#status = { url: options.url, state: "connecting" };
  }

  get status(): RelayStatus {
    return this.#status;
  }

  listen(listener: IntroducerListener): void {
    this.#listener = listener;
  }

  enter(bytes: Uint8Array): () => void {
    const room = roomFromBytes(bytes);
    this.#want(room, 1);
    let isLeft = false;
    return () => {
      if (!isLeft) this.#want(room, -1);
      isLeft = true;
    };
  }

  note(peer: PublicKey, note: Uint8Array): void {
    if (note.length > noteBytesMax) {
      throw new TidemarkError("INPUT_INVALID", {
        field: "note",
        got: show(note),
        expected: `at most ${noteBytesMax} bytes`,
      });
    }
    if (this.#presence.cardOf(peer) === undefined) return;
    if (this.#notes.length < relayQueueMax) {
      this.#notes.push({ to: peer, note: note.slice() });
      this.#connection?.outbox.kick();
    } else {
      this.#report("one note more", `${relayQueueMax} waiting at most`);
    }
  }

  retry(): void {
    this.#failures = 0;
    if (this.#socket === undefined && !this.#isClosed) this.#dial();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#listener = silentListener;
    this.#cancelRetry();
    this.#socket?.close();
    this.#disconnect();
    this.#setStatus("waiting", "closed");
  }

  #dial(): void {
    this.#cancelRetry();
    this.#setStatus("connecting");
    try {
      const socket: RelaySocket = new RelaySocket(this.#options, {
        welcomed: (sealer) => this.#connect(socket, sealer),
        said: (message) => this.#handle(message),
        ended: (end) => this.#ended(end),
      });
      this.#socket = socket;
    } catch (error) {
      // Dialling the same URL again would fail the same way: only `retry` does.
      this.#setStatus("refused", `cannot be dialled: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  #connect(socket: RelaySocket, sealer: Sealer): void {
    const outbox = new RelayOutbox(socket, this.#options.clock, () => this.#nextFrame());
    const steady = this.#options.clock.after(steadyMs, () => {
      this.#failures = 0;
    });
    const changed = new Set(this.#wanted.keys());
    this.#connection = { sealer, outbox, entered: new Set(), changed, timers: [steady], lies: 0, cards: 0 };
    this.#setStatus("connected");
    outbox.kick();
  }

  #ended({ reason, refusal }: SocketEnd): void {
    const gone = this.#disconnect();
    const { clock, random } = this.#options;
    // Two devices with one key would take turns for ever if both came back at once.
    const failures = Math.min(this.#failures++, relayFailuresMax);
    const delayMs = refusal === "replaced" ? backOffMsMax : backOffMs(failures, random.bytes(2));
    this.#cancelRetry = clock.after(delayMs, () => this.#dial());
    // Listeners come last: they may well ask for a retry.
    this.#setStatus(refusal === undefined ? "waiting" : "refused", reason);
    for (const peer of gone) this.#listener.left(peer);
  }

  /** Forgets the connection and returns who was present. */
  #disconnect(): readonly PublicKey[] {
    this.#socket = undefined;
    this.#connection?.outbox.close();
    for (const cancel of this.#connection?.timers ?? []) cancel();
    this.#connection = undefined;
    this.#notes.length = 0;
    return this.#presence.clear();
  }

  #setStatus(state: RelayStatus["state"], reason?: string): void {
    this.#status = { url: this.#options.url, state, ...(reason !== undefined && { reason }) };
    this.#listener.statusChanged(this.#status);
  }

  #want(room: Room, difference: 1 | -1): void {
    const count = (this.#wanted.get(room) ?? 0) + difference;
    if (count > 0) this.#wanted.set(room, count);
    else this.#wanted.delete(room);
    if (count === 0) for (const peer of this.#presence.removeRoom(room)) this.#listener.left(peer);
    this.#connection?.changed.add(room);
    this.#connection?.outbox.kick();
  }

  #nextFrame(): Promise<Uint8Array> | undefined {
    const connection = this.#connection;
    if (connection === undefined) return undefined;
    for (const room of connection.changed) {
      connection.changed.delete(room);
      const isWanted = this.#wanted.has(room);
      if (isWanted === connection.entered.has(room)) continue;
      if (isWanted) connection.entered.add(room);
      else connection.entered.delete(room);
      return Promise.resolve(encodeClientMessage({ type: isWanted ? "enter" : "leave", room }));
    }
    return this.#nextNote(connection.sealer);
  }

  #nextNote(sealer: Sealer): Promise<Uint8Array> | undefined {
    for (let waiting = this.#notes.shift(); waiting !== undefined; waiting = this.#notes.shift()) {
      const { to, note } = waiting;
      const card = this.#presence.cardOf(to);
      if (card === undefined) continue;
      return sealer.seal(card, note).then((sealed) => encodeClientMessage({ type: "send", to, sealed }));
    }
    return undefined;
  }

  async #handle(message: OpenRelayMessage): Promise<void> {
    const connection = this.#connection;
    if (connection === undefined) return;
    switch (message.type) {
      case "present":
        for (const card of message.cards) await this.#meet(connection, message.room, card);
        break;
      case "entered":
        await this.#meet(connection, message.room, message.card);
        break;
      case "left":
        if (this.#presence.remove(message.key, message.room)) this.#listener.left(message.key);
        break;
      case "full":
        this.#enterLater(connection, message.room);
        break;
      case "deliver":
        await this.#deliver(connection, message.from, message.sealed);
        break;
      default:
        unreachable(message);
    }
  }

  async #meet(connection: Connection, room: Room, card: Uint8Array): Promise<void> {
    if (++connection.cards > cardsMax) return this.#socket?.abandon("the relay introduced too many");
    const peer = await connection.sealer.verifyCard(card);
    // The socket may have ended and the room may have been left in the meantime.
    if (this.#connection !== connection || !this.#wanted.has(room)) return;
    if (peer === undefined) return this.#lie(connection, "a card that nobody signed", "a card signed by its key");
    if (peer === this.#options.identity.publicKey) return this.#lie(connection, "our own card", "a peer's card");
    if (this.#presence.count >= presentMax && this.#presence.cardOf(peer) === undefined) return;
    if (this.#presence.add(peer, room, card)) this.#listener.met(peer);
  }

  async #deliver(connection: Connection, from: PublicKey, sealed: Uint8Array): Promise<void> {
    const card = this.#presence.cardOf(from);
    // No lie when we have just left the room.
    if (card === undefined) return;
    const note = await connection.sealer.open(card, sealed);
    if (this.#connection !== connection) return;
    if (note === undefined) return this.#lie(connection, "a note that does not open", "a note its sender sealed once");
    this.#listener.noted(from, note);
  }

  #enterLater(connection: Connection, room: Room): void {
    if (!connection.entered.delete(room)) return;
    const cancel = this.#options.clock.after(fullRetryMs, () => {
      connection.timers.splice(connection.timers.indexOf(cancel), 1);
      connection.changed.add(room);
      connection.outbox.kick();
    });
    connection.timers.push(cancel);
  }

  #lie(connection: Connection, got: string, expected: string): void {
    this.#report(got, expected);
    if (++connection.lies >= liesMax) this.#socket?.abandon("the relay said too much that is not true");
  }

  #report(got: string, expected: string): void {
    this.#options.report?.({ code: "RELAY_MESSAGE", details: { got, expected } });
  }
}
