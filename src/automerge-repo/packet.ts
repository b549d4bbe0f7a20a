/**
 * What network adapters say to each other on their channel, as bytes.
 *
 * A device is one peer of the channel however many of its pages have a `Repo`, and all of them hear everything: so a packet says which page it is from
 * and, but for a greeting, which one it is for. A message is split, as a channel carries at most 1 MiB at a time.
 * Nothing that is malformed is more than ignored.
 */
import { CborReader } from "../core/cbor-reader.ts";
import { CborWriter } from "../core/cbor-writer.ts";
import { decodeHex, encodeHex } from "../core/ids.ts";
import { appMessageBytesMax } from "../core/limits.ts";

/** Of a repo: ours is short, and nobody's is long. A guess. */
const nameBytesMax = 256;
const pageBytesLength = 16;
/** Of a part of a message, beside its bytes: two pages and two numbers. */
const partOverheadBytes = 64;
export const partBytesMax: number = appMessageBytesMax - partOverheadBytes;

/** As hex: 16 random bytes, drawn whenever an adapter connects. */
export type PageId = string;

export interface Greeting {
  readonly type: "greeting";
  readonly from: PageId;
  /** Grows with each time that this page begins anew with the device: what was on its way is lost. */
  readonly number: number;
  readonly peerId: string;
  readonly storageId: string | undefined;
  readonly isEphemeral: boolean | undefined;
  /** The page that greeted first. Undefined: everybody is to answer. */
  readonly answers: PageId | undefined;
}

export interface Goodbye {
  readonly type: "goodbye";
  readonly from: PageId;
}

/** Of a message; the parts of one follow each other. */
export interface Part {
  readonly type: "part";
  readonly from: PageId;
  readonly to: PageId;
  /** Bytes of the message that come after this part. */
  readonly left: number;
  readonly bytes: Uint8Array;
}

export type Packet = Greeting | Goodbye | Part;

const types: readonly Packet["type"][] = ["greeting", "goodbye", "part"];

export function encodePacket(packet: Packet): Uint8Array {
  const writer = new CborWriter();
  writer.writeValue([types.indexOf(packet.type), decodeHex(packet.from), ...fieldsOf(packet)], packet.type);
  return writer.finish();
}

function fieldsOf(packet: Packet): readonly unknown[] {
  if (packet.type === "part") return [decodeHex(packet.to), packet.left, packet.bytes];
  if (packet.type === "goodbye") return [];
  const { number, peerId, storageId = null, isEphemeral = null, answers } = packet;
  return [number, peerId, storageId, isEphemeral, answers === undefined ? null : decodeHex(answers)];
}

/** Undefined for anything else. */
export function decodePacket(bytes: Uint8Array): Packet | undefined {
  const value = decodeValue(bytes);
  if (!Array.isArray(value)) return undefined;
  const [type, from, ...fields] = value as readonly unknown[];
  if (!isPage(from)) return undefined;
  const page = encodeHex(from);
  if (type === 0) return toGreeting(page, fields);
  if (type === 1) return fields.length === 0 ? { type: "goodbye", from: page } : undefined;
  return type === 2 ? toPart(page, fields) : undefined;
}

/** Undefined for what is no canonical CBOR. */
export function decodeValue(bytes: Uint8Array): unknown {
  try {
    const reader = new CborReader(bytes);
    const value = reader.value();
    reader.end();
    return value;
  } catch {
    return undefined;
  }
}

function toGreeting(from: PageId, fields: readonly unknown[]): Greeting | undefined {
  const [number, peerId, storageId, isEphemeral, answers] = fields;
  if (fields.length !== 5 || !isCount(number) || !isName(peerId)) return undefined;
  if (storageId !== null && !isName(storageId)) return undefined;
  if (isEphemeral !== null && typeof isEphemeral !== "boolean") return undefined;
  if (answers !== null && !isPage(answers)) return undefined;
  return {
    type: "greeting",
    ...{ from, number, peerId },
    storageId: storageId ?? undefined,
    isEphemeral: isEphemeral ?? undefined,
    answers: answers === null ? undefined : encodeHex(answers),
  };
}

function toPart(from: PageId, fields: readonly unknown[]): Part | undefined {
  const [to, left, bytes] = fields;
  if (fields.length !== 3 || !isPage(to) || !isCount(left) || !(bytes instanceof Uint8Array)) return undefined;
  return { type: "part", from, to: encodeHex(to), left, bytes };
}

function isPage(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array && value.length === pageBytesLength;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isName(value: unknown): value is string {
  return typeof value === "string" && value !== "" && value.length <= nameBytesMax;
}

/** The parts of a message, in their order; of an empty one, one. */
export function* splitMessage(from: PageId, to: PageId, message: Uint8Array): Generator<Part> {
  let at = 0;
  do {
    const bytes = message.subarray(at, at + partBytesMax);
    at += bytes.length;
    yield { type: "part", from, to, left: message.length - at, bytes };
  } while (at < message.length);
}
