/**
 * The frame of an export file: where its parts begin and end, before anything of them means something.
 *
 *   file     magic (8 bytes), length of the header (2), header, check (32), then chunks
 *   header   CBOR [version, null], or [version, [memory KiB, passes, lanes, salt (16), prefix (7), check (16)]] of a sealed one
 *   check    SHA-256 of a domain tag and all that stands before it
 *   chunk    0, or 1 for the last one (1 byte), length (4), and so many bytes: opened by running-check.ts, or by a cipher
 *
 * Lengths are big-endian. The magic finds transfers that change line ends or the eighth bit, as PNG's does.
 *
 * [EXPORT-1] A file of a later version, of anything else, or with another header than was written is refused with EXPORT_MALFORMED.
 * [EXPORT-2] So is one that ends before its last chunk does, or goes on after it.
 *
 * Nothing is held but the part that is not whole yet. Deliberately not here: what the chunks say (records.ts).
 */
import { concatBytes, equalBytes } from "../bytes.ts";
import { CborReader } from "../cbor-reader.ts";
import { CborWriter } from "../cbor-writer.ts";
import { domainTags } from "../domain-tags.ts";
import { assert, attempt, TidemarkError, unreachable, unwrap } from "../errors.ts";
import type { Sha256 } from "../ids.ts";
import {
  backupLanesMax,
  backupMemoryKibMax,
  backupPassesMax,
  exportChunkBytesMax,
  exportHeaderBytesMax,
} from "../limits.ts";
import { encodeUtf8 } from "../utf8.ts";

/** What stands in clear at the beginning of a sealed file. */
export interface SealFigures {
  /** The cost of every guess at the passphrase, as Argon2id has it. */
  readonly memoryKib: number;
  readonly passes: number;
  readonly lanes: number;
  readonly salt: Uint8Array;
  /** With which every nonce begins. */
  readonly prefix: Uint8Array;
  /** Tells the right passphrase from a wrong one. */
  readonly check: Uint8Array;
}

export interface ExportHeader {
  /** Undefined: anybody can read the file. */
  readonly sealed: SealFigures | undefined;
  /** What every chunk is bound to. */
  readonly check: Uint8Array;
}

export type ExportFrame =
  | { readonly type: "header"; readonly header: ExportHeader }
  | { readonly type: "chunk"; readonly bytes: Uint8Array; readonly isLast: boolean };

export const saltBytesLength = 16;
export const prefixBytesLength = 7;
export const keyCheckBytesLength = 16;

const version = 1;
const magic: Uint8Array = Uint8Array.of(0x89, 0x54, 0x49, 0x44, 0x45, 0x0d, 0x0a, 0x1a);
const startBytesLength: number = magic.length + 2;
const checkBytesLength = 32;
const chunkHeadBytesLength = 5;
const headerTag = encodeUtf8(domainTags.exportHeader);

/** The beginning of a file, with the check that its chunks are bound to. */
export function formatExportHeader(
  sealed: SealFigures | undefined,
  sha256: Sha256,
): { readonly bytes: Uint8Array; readonly check: Uint8Array } {
  const header = encodeHeader(sealed);
  const start = concatBytes(magic, Uint8Array.of(header.length >> 8, header.length & 255), header);
  const check = sha256(concatBytes(headerTag, start));
  return { bytes: concatBytes(start, check), check };
}

export function formatExportChunk(bytes: Uint8Array, isLast: boolean): Uint8Array {
  assert(bytes.length <= exportChunkBytesMax, "a chunk is as large as a reader takes it");
  const head = new Uint8Array(chunkHeadBytesLength);
  head[0] = isLast ? 1 : 0;
  new DataView(head.buffer).setUint32(1, bytes.length);
  return concatBytes(head, bytes);
}

/** What comes next, and how many bytes of it are needed. */
type Part =
  | { readonly type: "start" }
  | { readonly type: "header"; readonly start: Uint8Array }
  | { readonly type: "chunkHead" }
  | { readonly type: "chunk"; readonly isLast: boolean }
  | { readonly type: "over" };

export class ExportFrames {
  readonly #sha256: Sha256;
  #pieces: Uint8Array[] = [];
  #held = 0;
  #part: Part = { type: "start" };
  #need: number = startBytesLength;

  constructor(sha256: Sha256) {
    this.#sha256 = sha256;
  }

  /** More of the file. The bytes may not be altered until they were taken. */
  push(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#pieces.push(bytes);
    this.#held += bytes.length;
  }

  /** The next part that is whole; undefined: more is needed. Throws EXPORT_MALFORMED. */
  next(): ExportFrame | undefined {
    while (this.#held >= this.#need) {
      const frame = this.#take(this.#part, this.#read(this.#need));
      if (frame !== undefined) return frame;
    }
    return undefined;
  }

  /** Nothing more comes. Throws EXPORT_MALFORMED unless that was all. */
  end(): void {
    if (this.#part.type !== "over") throw malformed("the end", "more: a part of the file is missing");
  }

  #take(part: Part, bytes: Uint8Array): ExportFrame | undefined {
    switch (part.type) {
      case "start":
        this.#expect({ type: "header", start: bytes }, headerLengthIn(bytes) + checkBytesLength);
        return undefined;
      case "header":
        this.#expect({ type: "chunkHead" }, chunkHeadBytesLength);
        return { type: "header", header: readHeader(part.start, bytes, this.#sha256) };
      case "chunkHead": {
        const { isLast, length } = readChunkHead(bytes);
        this.#expect({ type: "chunk", isLast }, length);
        return undefined;
      }
      case "chunk":
        if (part.isLast) this.#expect({ type: "over" }, 1);
        else this.#expect({ type: "chunkHead" }, chunkHeadBytesLength);
        return { type: "chunk", bytes, isLast: part.isLast };
      case "over":
        throw malformed("more bytes", "nothing after the last chunk");
      default:
        return unreachable(part);
    }
  }

  #expect(part: Part, need: number): void {
    this.#part = part;
    this.#need = need;
  }

  #read(length: number): Uint8Array {
    const parts: Uint8Array[] = [];
    for (let left = length; left > 0; ) {
      const piece = this.#pieces[0] as Uint8Array;
      parts.push(piece.subarray(0, left));
      if (piece.length > left) this.#pieces[0] = piece.subarray(left);
      else this.#pieces.shift();
      left -= Math.min(left, piece.length);
    }
    this.#held -= length;
    return concatBytes(...parts);
  }
}

function encodeHeader(sealed: SealFigures | undefined): Uint8Array {
  const writer = new CborWriter();
  writer.array(2);
  writer.uint(version);
  if (sealed === undefined) writer.null();
  else {
    writer.array(6);
    writer.uint(sealed.memoryKib);
    writer.uint(sealed.passes);
    writer.uint(sealed.lanes);
    writer.bytes(sealed.salt);
    writer.bytes(sealed.prefix);
    writer.bytes(sealed.check);
  }
  return writer.finish();
}

function headerLengthIn(start: Uint8Array): number {
  if (!equalBytes(start.subarray(0, magic.length), magic)) throw malformed("another kind of file", "a Tidemark export");
  const length = ((start[magic.length] as number) << 8) | (start[magic.length + 1] as number);
  if (length > exportHeaderBytesMax) throw malformed(`a header of ${length} bytes`, `at most ${exportHeaderBytesMax}`);
  return length;
}

function readHeader(start: Uint8Array, bytes: Uint8Array, sha256: Sha256): ExportHeader {
  const header = bytes.subarray(0, -checkBytesLength);
  const check = bytes.subarray(-checkBytesLength);
  // Whatever its header looks like: who reads this is told that the app is too old, and not that the file is broken.
  const got = attempt(() => versionIn(new CborReader(header)));
  if (got.ok && got.value > version) throw malformed(`version ${got.value}`, `version ${version}: update the app`);
  if (!equalBytes(sha256(concatBytes(headerTag, start, header)), check))
    throw malformed("another header", "the header that was written: a part was lost or changed");
  return orMalformed("its header", () => ({ sealed: decodeHeader(header), check }));
}

function versionIn(reader: CborReader): number {
  reader.array();
  return reader.uint();
}

function decodeHeader(bytes: Uint8Array): SealFigures | undefined {
  const reader = new CborReader(bytes);
  if (reader.array() !== 2 || reader.uint() !== version) throw malformed("another form", `version ${version}`);
  const sealed = reader.null() ? undefined : readFigures(reader);
  reader.end();
  return sealed;
}

function readFigures(reader: CborReader): SealFigures {
  if (reader.array() !== 6) throw malformed("another number of fields", "6");
  const memoryKib = reader.uint(backupMemoryKibMax);
  const passes = reader.uint(backupPassesMax);
  const lanes = reader.uint(backupLanesMax);
  // RFC 9106: at least 8 KiB for each lane.
  if (passes < 1 || lanes < 1 || memoryKib < 8 * lanes) throw malformed("figures too small", "Argon2id's own minimum");
  const salt = reader.fixedBytes(saltBytesLength).slice();
  const prefix = reader.fixedBytes(prefixBytesLength).slice();
  return { memoryKib, passes, lanes, salt, prefix, check: reader.fixedBytes(keyCheckBytesLength).slice() };
}

function readChunkHead(bytes: Uint8Array): { readonly isLast: boolean; readonly length: number } {
  const flag = bytes[0] as number;
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(1);
  if (flag > 1) throw malformed("another mark", "0 or 1 before a chunk");
  if (length > exportChunkBytesMax) throw malformed(`a chunk of ${length} bytes`, `at most ${exportChunkBytesMax}`);
  return { isLast: flag === 1, length };
}

/** What fails to be read is no export, whichever byte of it is to blame. */
export function orMalformed<T>(what: string, read: () => T): T {
  const result = attempt(read);
  if (result.ok || result.failure.code === "EXPORT_MALFORMED") return unwrap(result);
  throw malformed(`${what}: ${result.failure.code}`, "what an export says");
}

export function malformed(got: string, expected: string): TidemarkError<"EXPORT_MALFORMED"> {
  return new TidemarkError("EXPORT_MALFORMED", { got, expected });
}
