import { deflateRawSync } from "node:zlib";
import * as A from "@automerge/automerge";
import fc from "fast-check";
import { expect, test, vi } from "vitest";
import { concatBytes } from "../../core/bytes.ts";
import { docImportBytesMax, docImportValuesMax } from "../../core/limits.ts";
import { plainSha256 } from "../../crypto/plain-sha256.ts";
import { arbitraryEdits, listEdits, playEdits } from "../../testing/automerge-edits.ts";
import { uleb } from "../../testing/document-tail.ts";
import { weighFile } from "./file-weight.ts";

const limits = { bytesMax: docImportBytesMax, valuesMax: docImportValuesMax };

/** A part of a file. The checksum of a compressed change is that of the plain one. */
function partOf(type: number, contents: Uint8Array, plain: Uint8Array = contents): Uint8Array {
  const digest = plainSha256(Uint8Array.from([type === 2 ? 1 : type, ...uleb(plain.length), ...plain]));
  const head = [0x85, 0x6f, 0x4a, 0x83, ...digest.subarray(0, 4), type, ...uleb(contents.length)];
  return concatBytes(Uint8Array.from(head), contents);
}

function compress(change: Uint8Array): Uint8Array {
  let at = 9;
  while ((change[at++] as number) >= 0x80);
  const plain = change.subarray(at);
  return partOf(2, deflateRawSync(plain), plain);
}

function documentOf(changes: readonly number[], ops: readonly number[], data: readonly number[]): Uint8Array {
  return partOf(0, Uint8Array.from([0, 0, ...changes, ...ops, ...data]));
}

async function verdictOf(bytes: Uint8Array, given: Parameters<typeof weighFile>[1] = limits): Promise<string> {
  return weighFile(bytes, given).then(
    () => "taken",
    ({ code, message }) => `${code} ${message}`,
  );
}

test("[DOC-54] whatever Automerge saves is weighed and taken: documents, changes, compressed ones, and several behind each other", async () => {
  await fc.assert(
    fc.asyncProperty(arbitraryEdits, async (edits) => {
      for (const doc of playEdits(edits)) {
        const changes = A.getAllChanges(doc);
        const forms = [A.save(doc), A.saveSince(doc, []), ...changes, ...changes.map(compress)];
        for (const bytes of forms) expect(await verdictOf(bytes)).toBe("taken");
        expect(await verdictOf(concatBytes(...forms))).toBe("taken");
        A.free(doc);
      }
    }),
    { examples: [[listEdits()]], numRuns: 5 },
  );
});

const doc = A.change(A.init<Record<string, unknown>>({ actor: "aa" }), { time: 0 }, (draft) => {
  draft.text = "many letters ".repeat(25);
});
const saved = A.save(doc);
const [change = new Uint8Array()] = A.getAllChanges(doc);

test("[DOC-54] what is damaged anywhere is refused, also behind a part that is sound", async () => {
  for (const file of [saved, change]) {
    for (let at = 0; at < file.length; at++) {
      const damaged = file.map((byte, i) => (i === at ? byte ^ (1 << (at % 8)) : byte));
      expect(await verdictOf(damaged)).toContain("INPUT_INVALID");
      expect(await verdictOf(concatBytes(saved, damaged))).toContain("INPUT_INVALID");
    }
  }
});

test.each<[string, Uint8Array, string]>([
  ["nothing", new Uint8Array(), "end early"],
  ["half a file", saved.subarray(0, -1), "end early"],
  ["a bundle", partOf(3, Uint8Array.of(1)), "a part of type 3"],
  ["compressed bytes that are none", partOf(2, Uint8Array.of(0xff, 0xff)), "damaged"],
  ["a compressed change with another's checksum", partOf(2, deflateRawSync(change)), "checksum"],
  ["a run of 2^40 changes", documentOf([1, 0x01, 7], [0], [...uleb(2 ** 40), 0]), "values"],
  ["a run of 2^40 ops", documentOf([0], [1, 0x42, 7], [...uleb(2 ** 40), 1]), "values"],
  ["2^40 nulls", documentOf([0], [1, 0x15, 7], [0, ...uleb(2 ** 40)]), "values"],
  ["2^40 falses", documentOf([0], [1, 0x34, 6], uleb(2 ** 40)), "values"],
  ["an op with 2^40 successors", documentOf([0], [1, 0x80, 1, 7], [0x7f, ...uleb(2 ** 40)]), "values"],
  ["columns that are not there", documentOf([1, 0x01, 9], [0], []), "end early"],
])("[DOC-54] %s: refused", async (_, bytes, reason) => {
  expect(await verdictOf(bytes)).toMatch(new RegExp(`INPUT_INVALID.*${reason}`));
});

test("[DOC-54] a text that stands for many bytes counts as many as it repeats", async () => {
  const keys = [...uleb(1_000), 100, ...new Uint8Array(100).fill(0x61)];
  const bytes = documentOf([0], [1, 0x15, keys.length], keys);
  expect(await verdictOf(bytes, { ...limits, bytesMax: 100_000 })).toBe("taken");
  expect(await verdictOf(bytes, { ...limits, bytesMax: 99_999 })).toContain("INPUT_INVALID");
});

/** How many bytes were inflated while this ran. */
async function inflatedBy(run: () => Promise<void>): Promise<number> {
  let inflated = 0;
  const count = new TransformStream<Uint8Array, Uint8Array>({
    transform(piece, controller) {
      inflated += piece.length;
      controller.enqueue(piece);
    },
  });
  const Inflation = DecompressionStream;
  vi.stubGlobal(
    "DecompressionStream",
    class {
      readonly writable: WritableStream;
      readonly readable: ReadableStream;
      constructor(format: CompressionFormat) {
        const inflation = new Inflation(format);
        this.writable = inflation.writable;
        this.readable = inflation.readable.pipeThrough(count);
      }
    },
  );
  try {
    await run();
  } finally {
    vi.unstubAllGlobals();
  }
  return inflated;
}

test("[DOC-54] of 20 kB that inflate to 20 MB no more is inflated than may be, and a little", async () => {
  const deflated = deflateRawSync(new Uint8Array(20_000_000));
  const column = documentOf([0], [1, 0x5f, ...uleb(deflated.length)], [...deflated]);
  for (const bomb of [partOf(2, deflated, new Uint8Array()), column]) {
    expect(bomb.length).toBeLessThan(20_000);
    const bytesMax = 1_048_576;
    const inflated = await inflatedBy(async () => {
      expect(await verdictOf(bomb, { ...limits, bytesMax })).toMatch(/INPUT_INVALID.*bytes inflated/);
    });
    expect(inflated).toBeGreaterThan(bytesMax);
    expect(inflated).toBeLessThan(2 * bytesMax);
  }
});
