/** Where the parts of an export file begin and end, and what is no such file. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { loadSha256 } from "../../crypto/sha256.ts";
import { concatBytes } from "../bytes.ts";
import { CborWriter } from "../cbor-writer.ts";
import { domainTags } from "../domain-tags.ts";
import { attempt } from "../errors.ts";
import { exportChunkBytesMax } from "../limits.ts";
import { encodeUtf8 } from "../utf8.ts";
import { ExportFrames, formatExportChunk, formatExportHeader, type SealFigures } from "./framing.ts";

const sha256 = await loadSha256();

const figures: SealFigures = {
  memoryKib: 65_536,
  passes: 3,
  lanes: 1,
  salt: new Uint8Array(16).fill(1),
  prefix: new Uint8Array(7).fill(2),
  check: new Uint8Array(16).fill(3),
};

interface Parts {
  readonly sealed: SealFigures | undefined;
  readonly chunks: readonly Uint8Array[];
}

function read(pieces: readonly Uint8Array[]): Parts {
  const frames = new ExportFrames(sha256);
  let sealed: SealFigures | undefined;
  const chunks: Uint8Array[] = [];
  for (const piece of pieces) {
    frames.push(piece);
    for (let frame = frames.next(); frame !== undefined; frame = frames.next()) {
      if (frame.type === "header") sealed = frame.header.sealed;
      else chunks.push(frame.bytes);
    }
  }
  frames.end();
  return { sealed, chunks };
}

function codeOf(...pieces: readonly Uint8Array[]): string | undefined {
  const result = attempt(() => read(pieces));
  return result.ok ? undefined : result.failure.code;
}

function write({ sealed, chunks }: Parts): Uint8Array {
  const framed = chunks.map((chunk, i) => formatExportChunk(chunk, i === chunks.length - 1));
  return concatBytes(formatExportHeader(sealed, sha256).bytes, ...framed);
}

/** A header that says this, with a check that is right. */
function headed(build: (writer: CborWriter) => void): Uint8Array {
  const writer = new CborWriter();
  build(writer);
  const header = writer.finish();
  const magic = formatExportHeader(undefined, sha256).bytes.slice(0, 8);
  const start = concatBytes(magic, Uint8Array.of(0, header.length), header);
  return concatBytes(start, sha256(concatBytes(encodeUtf8(domainTags.exportHeader), start)));
}

const chunksArbitrary = fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 5 });

test("[EXPORT-2] the same comes out, however the file is cut into pieces", () => {
  const property = fc.property(
    chunksArbitrary,
    fc.boolean(),
    fc.array(fc.nat(200), { maxLength: 8 }),
    (chunks, isSealed, cuts) => {
      const parts = { sealed: isSealed ? figures : undefined, chunks };
      const file = write(parts);
      const ends = [...cuts.filter((cut) => cut < file.length), file.length].sort((a, b) => a - b);
      const pieces = ends.map((end, i) => file.slice(ends[i - 1] ?? 0, end));
      expect(read(pieces)).toEqual(parts);
    },
  );
  fc.assert(property);
});

test("[EXPORT-2] a file that ends too early, or goes on, is refused", () => {
  const file = write({ sealed: figures, chunks: [Uint8Array.of(1, 2, 3), new Uint8Array(0)] });
  for (let length = 0; length < file.length; length++) expect(codeOf(file.slice(0, length))).toBe("EXPORT_MALFORMED");
  expect(codeOf(file)).toBeUndefined();
  expect(codeOf(concatBytes(file, Uint8Array.of(0)))).toBe("EXPORT_MALFORMED");
  expect(codeOf(file, Uint8Array.of(0))).toBe("EXPORT_MALFORMED");
});

test("[EXPORT-1] a header in which any bit was changed is refused", () => {
  const { bytes } = formatExportHeader(figures, sha256);
  const rest = formatExportChunk(Uint8Array.of(7), true);
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    const changed = concatBytes(bytes, rest);
    changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
    expect([bit, codeOf(changed)]).toEqual([bit, "EXPORT_MALFORMED"]);
  }
});

test("[EXPORT-1] of a later version nothing is read but that it is one", () => {
  const later = headed((writer) => {
    writer.array(3);
    writer.uint(2);
    writer.text("whatever it has");
    writer.null();
  });
  const result = attempt(() => read([later]));
  expect(result).toMatchObject({
    failure: { code: "EXPORT_MALFORMED", details: { got: "version 2", expected: "version 1: update the app" } },
  });
});

test.each<readonly [string, (writer: CborWriter) => void]>([
  ["version 0", (writer) => writeHeader(writer, 0, () => writer.null())],
  ["more fields", (writer) => writeHeader(writer, 1, () => writer.null(), 3)],
  ["no figures", (writer) => writeHeader(writer, 1, () => writer.array(0))],
  ["figures that would take all memory", (writer) => writeHeader(writer, 1, () => writeFigures(writer, 2 ** 30, 3))],
  ["figures that would take hours", (writer) => writeHeader(writer, 1, () => writeFigures(writer, 65_536, 1_000))],
  [
    "figures that would take all processors",
    (writer) => writeHeader(writer, 1, () => writeFigures(writer, 2 ** 10, 3, 5)),
  ],
  ["figures that Argon2id does not have", (writer) => writeHeader(writer, 1, () => writeFigures(writer, 7, 1))],
  ["less memory than its lanes need", (writer) => writeHeader(writer, 1, () => writeFigures(writer, 15, 1, 2))],
  ["no passes", (writer) => writeHeader(writer, 1, () => writeFigures(writer, 65_536, 0))],
  ["no lanes", (writer) => writeHeader(writer, 1, () => writeFigures(writer, 65_536, 3, 0))],
  ["more figures than there are", (writer) => writeHeader(writer, 1, () => writeFigures(writer, 65_536, 3, 1, 7))],
  ["fewer fields than there are", (writer) => writeHeader(writer, 1, () => writer.null(), 1)],
  ["something after it", (writer) => writeHeader(writer, 1, () => [writer.null(), writer.null()])],
])("[EXPORT-1] a header with %s is refused", (_what, build) => {
  expect(codeOf(headed(build), formatExportChunk(Uint8Array.of(7), true))).toBe("EXPORT_MALFORMED");
});

test("[EXPORT-1] what is wrong with a header is said as it was found", () => {
  const result = attempt(() => read([headed((writer) => writeHeader(writer, 0, () => writer.null()))]));
  expect(result).toMatchObject({ failure: { details: { got: "another form", expected: "version 1" } } });
});

test("[EXPORT-1] another kind of file, and one whose header is too long, is refused by its first ten bytes", () => {
  const { bytes } = formatExportHeader(undefined, sha256);
  const long = concatBytes(bytes.slice(0, 8), Uint8Array.of(255, 255));
  const other = concatBytes(Uint8Array.of(0x89, 0x50), bytes.slice(2, 10));
  for (const [start, got] of [
    [other, "another kind of file"],
    [long, "a header of 65535 bytes"],
  ] as const) {
    const frames = new ExportFrames(sha256);
    frames.push(start);
    expect(attempt(() => frames.next())).toMatchObject({ failure: { code: "EXPORT_MALFORMED", details: { got } } });
  }
});

function writeHeader(writer: CborWriter, version: number, writeRest: () => void, fields = 2): void {
  writer.array(fields);
  writer.uint(version);
  writeRest();
  for (let more = 2; more < fields; more++) writer.null();
}

function writeFigures(writer: CborWriter, memoryKib: number, passes: number, lanes = 1, fields = 6): void {
  writer.array(fields);
  writer.uint(memoryKib);
  writer.uint(passes);
  writer.uint(lanes);
  writer.bytes(figures.salt);
  writer.bytes(figures.prefix);
  writer.bytes(figures.check);
}

test("[EXPORT-2] a chunk that claims to be larger than any is refused before it has come", () => {
  const head = Uint8Array.of(0, 0, 0, 0, 0);
  new DataView(head.buffer).setUint32(1, exportChunkBytesMax + 1);
  const { bytes } = formatExportHeader(undefined, sha256);
  const frames = new ExportFrames(sha256);
  frames.push(concatBytes(bytes, head));
  expect(frames.next()).toMatchObject({ type: "header" });
  expect(() => frames.next()).toThrow(expect.objectContaining({ code: "EXPORT_MALFORMED" }));
});

test("[EXPORT-2] a chunk that no reader takes is not made", () => {
  expect(formatExportChunk(new Uint8Array(exportChunkBytesMax), true)).toHaveLength(exportChunkBytesMax + 5);
  expect(() => formatExportChunk(new Uint8Array(exportChunkBytesMax + 1), true)).toThrow("as large as a reader takes");
});

test("[EXPORT-2] a chunk is marked as the last one or not, and in no other way", () => {
  const file = write({ sealed: undefined, chunks: [Uint8Array.of(1), Uint8Array.of(2)] });
  const at = formatExportHeader(undefined, sha256).bytes.length;
  for (const mark of [1, 2, 255]) {
    const changed = file.slice();
    changed[at] = mark;
    expect(codeOf(changed)).toBe("EXPORT_MALFORMED");
  }
});
