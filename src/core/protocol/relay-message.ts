/**
 * The messages between a relay and its clients: positional CBOR arrays, the kind first, one per binary WebSocket frame.
 *
 *   relay → client
 *   challenge  the relay speaks; the client proves its key by signing the nonce and the host it dialled.
 *   welcome    the proof was accepted; from now on the client may enter rooms.
 *   present    these are in the room you entered; several follow each other when one message cannot hold all cards.
 *   entered    somebody else entered a room you are in.
 *   left       somebody else left it.
 *   full       you are not in the room: it, the relay or your share of it is full. Ask again later.
 *   deliver    a sealed note from somebody you have a room in common with.
 *   alive      sent at intervals, because browsers do not show the pings of the WebSocket layer.
 *   refused    why the relay closes the socket next.
 *
 *   client → relay
 *   prove      the card that notes for this client are sealed to, which starts with its key, and the signature.
 *   enter, leave   a room.
 *   send       a sealed note to somebody in a common room.
 *
 * [RELAY-1] Decoding is strict and bounded: any other form is refused with RELAY_MESSAGE or a CBOR_ code, and what is
 *           decoded encodes to the same bytes.
 *
 * Deliberately not here: who may send what when (relay/connection.ts), and whether a card or a seal is genuine: a relay is
 * trusted with nothing, so only clients check those.
 */
import { concatBytes } from "../bytes.ts";
import { CborReader } from "../cbor-reader.ts";
import { CborWriter } from "../cbor-writer.ts";
import { domainTags } from "../domain-tags.ts";
import { attempt, type Result, TidemarkError, unreachable } from "../errors.ts";
import { decodeHex, encodeHex, type PublicKey, publicKeyFromBytes } from "../ids.ts";
import { cardBytesMax, cardsPerMessageMax, relayMessageBytesMax, sealedNoteBytesMax } from "../limits.ts";
import { encodeUtf8 } from "../utf8.ts";

/** The version a `challenge` names. A client closes when it names another. */
export const relayVersion = 1;
const relayDomainTag: string = domainTags.relay;
export const nonceBytesLength = 32;
const roomBytesLength = 32;
const keyBytesLength = 32;
const signatureBytesLength = 64;
const refusalCodeBytesMax = 32;
const refusalTextBytesMax = 200;

declare const brand: unique symbol;
/** A room's 32 bytes as hex. They tell nothing about the database: see ticket and network. */
export type Room = string & { readonly [brand]: "Room" };

/** The door for rooms. Fails with INPUT_INVALID unless there are 32 bytes. */
export function roomFromBytes(bytes: Uint8Array): Room {
  if (bytes.length !== roomBytesLength) {
    throw new TidemarkError("INPUT_INVALID", { field: "room", got: `${bytes.length} bytes`, expected: "32 bytes" });
  }
  return encodeHex(bytes) as Room;
}

/** Why a relay closes a socket, with the WebSocket close code that says so too. */
export const refusalCloseCodes = {
  malformed: 4000,
  unexpected: 4001,
  proof: 4002,
  timeout: 4003,
  replaced: 4004,
  rate: 4005,
  slow: 4006,
  oversized: 1009,
} as const;
export type RefusalCode = keyof typeof refusalCloseCodes;

export interface ProveMessage {
  readonly type: "prove";
  /** Starts with the client's public key. At most `cardBytesMax`. */
  readonly card: Uint8Array;
  /** By that key over `proofBytes`. */
  readonly signature: Uint8Array;
}

export type ClientMessage =
  | ProveMessage
  | { readonly type: "enter"; readonly room: Room }
  | { readonly type: "leave"; readonly room: Room }
  | { readonly type: "send"; readonly to: PublicKey; readonly sealed: Uint8Array };

export type RelayMessage =
  | { readonly type: "challenge"; readonly version: number; readonly nonce: Uint8Array }
  | { readonly type: "welcome" }
  | { readonly type: "present"; readonly room: Room; readonly cards: readonly Uint8Array[] }
  | { readonly type: "entered"; readonly room: Room; readonly card: Uint8Array }
  | { readonly type: "left"; readonly room: Room; readonly key: PublicKey }
  | { readonly type: "full"; readonly room: Room }
  | { readonly type: "deliver"; readonly from: PublicKey; readonly sealed: Uint8Array }
  | { readonly type: "alive" }
  /** `code` is a `RefusalCode`, or one that a newer relay knows. */
  | { readonly type: "refused"; readonly code: string; readonly text: string };

type AnyMessage = ClientMessage | RelayMessage;
type Kind = AnyMessage["type"];

/** The number of a kind on the wire is its place here. */
const clientKinds = ["prove", "enter", "leave", "send"] as const;
const relayKinds = [
  "challenge",
  "welcome",
  "present",
  "entered",
  "left",
  "full",
  "deliver",
  "alive",
  "refused",
] as const;

/** How many items follow the kind. */
const fields: Readonly<Record<Kind, number>> = {
  prove: 2,
  enter: 1,
  leave: 1,
  send: 2,
  challenge: 2,
  welcome: 0,
  present: 2,
  entered: 2,
  left: 2,
  full: 1,
  deliver: 2,
  alive: 0,
  refused: 2,
};

/** What a client signs to prove its key. The host makes a proof worthless to a relay the client did not mean to dial. */
export function proofBytes(nonce: Uint8Array, host: string): Uint8Array {
  return concatBytes(encodeUtf8(relayDomainTag), nonce, encodeUtf8(host));
}

/** The key a card claims, unchecked, or undefined when the card is too short to hold one. */
export function keyOfCard(card: Uint8Array): PublicKey | undefined {
  return card.length < keyBytesLength ? undefined : publicKeyFromBytes(card.subarray(0, keyBytesLength));
}

export function encodeClientMessage(message: ClientMessage): Uint8Array {
  const writer = startMessage(clientKinds, message.type);
  switch (message.type) {
    case "prove":
      writer.bytes(message.card);
      writer.bytes(message.signature);
      break;
    case "enter":
    case "leave":
      writer.bytes(decodeHex(message.room));
      break;
    case "send":
      writer.publicKey(message.to);
      writer.bytes(message.sealed);
      break;
    default:
      unreachable(message);
  }
  return writer.finish();
}

export function encodeRelayMessage(message: RelayMessage): Uint8Array {
  const writer = startMessage(relayKinds, message.type);
  switch (message.type) {
    case "challenge":
      writer.uint(message.version);
      writer.bytes(message.nonce);
      break;
    case "present":
      writer.bytes(decodeHex(message.room));
      writer.array(message.cards.length);
      for (const card of message.cards) writer.bytes(card);
      break;
    case "entered":
      writer.bytes(decodeHex(message.room));
      writer.bytes(message.card);
      break;
    case "left":
      writer.bytes(decodeHex(message.room));
      writer.publicKey(message.key);
      break;
    case "full":
      writer.bytes(decodeHex(message.room));
      break;
    case "deliver":
      writer.publicKey(message.from);
      writer.bytes(message.sealed);
      break;
    case "refused":
      writer.text(message.code);
      writer.text(message.text);
      break;
    case "welcome":
    case "alive":
      break;
    default:
      unreachable(message);
  }
  return writer.finish();
}

/** Fails with RELAY_MESSAGE or a CBOR_ code. Byte strings of the result are views into `bytes`. */
export function decodeClientMessage(bytes: Uint8Array): Result<ClientMessage> {
  return decodeWith(clientKinds, bytes, readClientMessage);
}

/** Fails with RELAY_MESSAGE or a CBOR_ code. Byte strings of the result are views into `bytes`. */
export function decodeRelayMessage(bytes: Uint8Array): Result<RelayMessage> {
  return decodeWith(relayKinds, bytes, readRelayMessage);
}

function startMessage<K extends Kind>(kinds: readonly K[], type: K): CborWriter {
  const writer = new CborWriter();
  writer.array(1 + fields[type]);
  writer.uint(kinds.indexOf(type));
  return writer;
}

function decodeWith<K extends Kind, M>(
  kinds: readonly K[],
  bytes: Uint8Array,
  read: (reader: CborReader, type: K) => M,
): Result<M> {
  return attempt(() => {
    if (bytes.length > relayMessageBytesMax)
      throw malformed(`${bytes.length} bytes`, `${relayMessageBytesMax} at most`);
    const reader = new CborReader(bytes);
    const items = reader.array(1 + Math.max(...Object.values(fields)));
    const type = items === 0 ? undefined : kinds[reader.uint(kinds.length - 1)];
    if (type === undefined || items !== 1 + fields[type]) throw malformed(`${items} items`, "the items of its kind");
    const message = read(reader, type);
    reader.end();
    return message;
  });
}

function readClientMessage(reader: CborReader, type: ClientMessage["type"]): ClientMessage {
  switch (type) {
    case "prove":
      return { type, card: readCard(reader), signature: reader.fixedBytes(signatureBytesLength) };
    case "enter":
    case "leave":
      return { type, room: readRoom(reader) };
    case "send":
      return { type, to: reader.publicKey(), sealed: reader.bytes(sealedNoteBytesMax) };
    default:
      return unreachable(type);
  }
}

function readRelayMessage(reader: CborReader, type: RelayMessage["type"]): RelayMessage {
  switch (type) {
    case "challenge":
      return { type, version: reader.uint(), nonce: reader.fixedBytes(nonceBytesLength) };
    case "present":
      return { type, room: readRoom(reader), cards: readCards(reader) };
    case "entered":
      return { type, room: readRoom(reader), card: readCard(reader) };
    case "left":
      return { type, room: readRoom(reader), key: reader.publicKey() };
    case "full":
      return { type, room: readRoom(reader) };
    case "deliver":
      return { type, from: reader.publicKey(), sealed: reader.bytes(sealedNoteBytesMax) };
    case "refused":
      return { type, code: reader.text(refusalCodeBytesMax), text: reader.text(refusalTextBytesMax) };
    case "welcome":
    case "alive":
      return { type };
    default:
      return unreachable(type);
  }
}

function readCards(reader: CborReader): readonly Uint8Array[] {
  const cards: Uint8Array[] = [];
  for (let left = reader.array(cardsPerMessageMax); left > 0; left--) cards.push(readCard(reader));
  return cards;
}

function readCard(reader: CborReader): Uint8Array {
  const card = reader.bytes(cardBytesMax);
  if (card.length < keyBytesLength) throw malformed(`card of ${card.length} bytes`, `${keyBytesLength} at least`);
  return card;
}

function readRoom(reader: CborReader): Room {
  return roomFromBytes(reader.fixedBytes(roomBytesLength));
}

function malformed(got: string, expected: string): TidemarkError {
  return new TidemarkError("RELAY_MESSAGE", { got, expected });
}
