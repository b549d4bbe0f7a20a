/**
 * The three messages of the handshake: positional CBOR arrays, the kind first.
 *
 *   hello   initiator → responder   [0, versions, features, key, nonce, epoch, boot]
 *   answer  responder → initiator   [1, version, features, key, nonce, epoch, boot, signature]
 *   proof   initiator → responder   [2, signature]
 *
 * [HANDSHAKE-1] Decoding is strict and bounded: another form, order or number of items is refused with a code.
 *
 * Versions are ascending integers from 1, features ascending names of `a-z 0-9 / . -`; both are lists without repetition.
 * The form of `hello` never changes: it is what devices of different versions have in common.
 * Deliberately not here: which message may come when, and what is signed (handshake.ts).
 */
import { CborReader } from "../cbor-reader.ts";
import { CborWriter } from "../cbor-writer.ts";
import { attempt, type Result, show, TidemarkError, unreachable } from "../errors.ts";
import { decodeHex, encodeHex, type PublicKey } from "../ids.ts";
import { featureNameBytesMax, featuresMax, handshakeVersionsMax } from "../limits.ts";

export const nonceBytesLength = 32;
export const epochBytesLength = 16;
export const bootBytesLength = 8;
const signatureBytesLength = 64;
const versionMax = 65_535;
const featureName = /^[a-z0-9/.-]+$/;

/** What one side says of itself. */
export interface Introduction {
  readonly features: readonly string[];
  readonly key: PublicKey;
  readonly nonce: Uint8Array;
  /** Of its storage: another one means that it lost what it had stored. 32 hex digits. */
  readonly epoch: string;
  /** Of the instance as it was opened: paths to the same one can take each other's place. 16 hex digits. */
  readonly boot: string;
}

export interface HelloMessage extends Introduction {
  readonly type: "hello";
  readonly versions: readonly number[];
}

export interface AnswerMessage extends Introduction {
  readonly type: "answer";
  readonly version: number;
  readonly signature: Uint8Array;
}

export interface ProofMessage {
  readonly type: "proof";
  readonly signature: Uint8Array;
}

export type HandshakeMessage = HelloMessage | AnswerMessage | ProofMessage;

/** The number of a kind on the wire is its place here. */
const kinds = ["hello", "answer", "proof"] as const;
/** Items of a message, its kind included. */
const itemsByKind: Readonly<Record<HandshakeMessage["type"], number>> = { hello: 7, answer: 8, proof: 2 };

/** Versions and features must be in the form above; our own always are. */
export function encodeHandshakeMessage(message: HandshakeMessage): Uint8Array {
  const writer = new CborWriter();
  writer.array(itemsByKind[message.type]);
  writer.uint(kinds.indexOf(message.type));
  switch (message.type) {
    case "hello":
      writeVersions(writer, message.versions);
      writeIntroduction(writer, message);
      break;
    case "answer":
      writer.uint(message.version);
      writeIntroduction(writer, message);
      writer.bytes(message.signature);
      break;
    case "proof":
      writer.bytes(message.signature);
      break;
    default:
      unreachable(message);
  }
  return writer.finish();
}

/** Fails with MESSAGE_MALFORMED or a CBOR_ code. The result keeps no view of `bytes`. */
export function decodeHandshakeMessage(bytes: Uint8Array): Result<HandshakeMessage> {
  return attempt(() => {
    const reader = new CborReader(bytes);
    const items = reader.array();
    const kind = reader.uint();
    const type = kinds[kind];
    if (type === undefined) throw malformed("kind", kind, "0, 1 or 2");
    if (items !== itemsByKind[type]) throw malformed(type, `${items} items`, `${itemsByKind[type]} items`);
    const message = readMessage(reader, type);
    reader.end();
    return message;
  });
}

export function writeVersions(writer: CborWriter, versions: readonly number[]): void {
  writer.array(versions.length);
  for (const version of versions) writer.uint(version);
}

export function writeIntroduction(writer: CborWriter, { features, key, nonce, epoch, boot }: Introduction): void {
  writer.array(features.length);
  for (const feature of features) writer.text(feature);
  writer.publicKey(key);
  writer.bytes(nonce);
  writer.bytes(decodeHex(epoch));
  writer.bytes(decodeHex(boot));
}

function readMessage(reader: CborReader, type: HandshakeMessage["type"]): HandshakeMessage {
  switch (type) {
    case "hello":
      return { type, versions: readVersions(reader), ...readIntroduction(reader) };
    case "answer":
      return { type, version: readVersion(reader), ...readIntroduction(reader), signature: readSignature(reader) };
    case "proof":
      return { type, signature: readSignature(reader) };
    default:
      return unreachable(type);
  }
}

function readVersions(reader: CborReader): readonly number[] {
  const versions: number[] = [];
  for (let left = reader.array(handshakeVersionsMax); left > 0; left--) {
    const version = readVersion(reader);
    if (version <= (versions.at(-1) ?? 0)) throw malformed("versions", version, "ascending integers");
    versions.push(version);
  }
  if (versions.length === 0) throw malformed("versions", versions, "at least one");
  return versions;
}

function readVersion(reader: CborReader): number {
  const version = reader.uint(versionMax);
  if (version === 0) throw malformed("version", version, "an integer from 1");
  return version;
}

function readIntroduction(reader: CborReader): Introduction {
  return {
    features: readFeatures(reader),
    key: reader.publicKey(),
    nonce: reader.fixedBytes(nonceBytesLength).slice(),
    epoch: encodeHex(reader.fixedBytes(epochBytesLength)),
    boot: encodeHex(reader.fixedBytes(bootBytesLength)),
  };
}

function readFeatures(reader: CborReader): readonly string[] {
  const features: string[] = [];
  for (let left = reader.array(featuresMax); left > 0; left--) {
    const feature = reader.text(featureNameBytesMax);
    if (!featureName.test(feature)) throw malformed("features", show(feature), "a name of a-z 0-9 / . -");
    // The empty name, which is below all others, was refused above.
    if (feature <= (features.at(-1) ?? "")) throw malformed("features", show(feature), "ascending names");
    features.push(feature);
  }
  return features;
}

function readSignature(reader: CborReader): Uint8Array {
  return reader.fixedBytes(signatureBytesLength).slice();
}

function malformed(field: string, got: unknown, expected: string): TidemarkError {
  return new TidemarkError("MESSAGE_MALFORMED", { field, got: String(got), expected });
}
