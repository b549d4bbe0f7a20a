import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeTail, opOf, tailOfMany, tailOfText } from "../../testing/document-tail.ts";
import { concatBytes } from "../bytes.ts";
import { CborWriter } from "../cbor-writer.ts";
import { changeOpsMax, docChangesMax, docTailsBytesMax } from "../limits.ts";
import type { ChangeHash } from "./change-bytes.ts";
import { decodeDocPayload, encodeDocPayload, type SentChange } from "./doc-payload.ts";

const nonce = new Uint8Array(16).fill(7);
const tail = encodeTail({ time: 0, message: "", others: [], ops: [opOf()] });
const hash = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString("hex"));
const deps = fc.uniqueArray(hash, { maxLength: 4 }).map((all) => all.sort() as ChangeHash[]);
const change: fc.Arbitrary<SentChange> = fc.record({
  tail: fc.nat(9).map((time) => encodeTail({ time, message: "", others: [], ops: [opOf()] })),
  deps: fc.option(deps, { nil: undefined }),
  label: fc.uint8Array({ maxLength: 8 }),
});
const changes = fc
  .tuple(fc.record({ tail: fc.constant(tail), deps, label: fc.constant(new Uint8Array(0)) }), fc.array(change))
  .map(([first, rest]) => [first, ...rest]);

function outcome(bytes: Uint8Array): string {
  const result = decodeDocPayload("page", bytes);
  return result.ok ? "accepted" : result.failure.code;
}

/** Changes as raw items behind a nonce. */
function payload(items: readonly ((writer: CborWriter) => void)[], head = nonce): Uint8Array {
  return whole(
    (writer) => writer.bytes(head),
    (writer) => writeAll(writer, items),
  );
}

function writeAll(writer: CborWriter, items: readonly ((writer: CborWriter) => void)[]): void {
  writer.array(items.length);
  for (const item of items) item(writer);
}

function item(...parts: readonly (Uint8Array | null | readonly Uint8Array[])[]): (writer: CborWriter) => void {
  return (writer) => {
    writer.array(parts.length);
    for (const part of parts) {
      if (part === null) writer.null();
      else if (part instanceof Uint8Array) writer.bytes(part);
      else {
        writer.array(part.length);
        for (const each of part) writer.bytes(each);
      }
    }
  };
}

test("[DOC-11] what a tail was read as is kept until it is judged, unless it is many ops in few bytes", () => {
  const kept = (bytes: Uint8Array): unknown => {
    const sent = [{ tail: bytes, deps: [], label: new Uint8Array(0) }];
    const result = decodeDocPayload("page", encodeDocPayload(nonce, sent));
    return result.ok ? result.value.changes.map(({ ops, decoded }) => [ops, decoded?.ops.length]) : result.failure;
  };
  expect(kept(tail)).toEqual([[1, 1]]);
  expect(kept(tailOfMany(5_000))).toEqual([[5_000, undefined]]);
});

test("[DOC-10] a payload reads back as it was written, and every other form of its bytes is refused", () => {
  fc.assert(
    fc.property(changes, fc.nat(), fc.nat(255), (all, at, byte) => {
      const bytes = encodeDocPayload(nonce, all);
      const result = decodeDocPayload("page", bytes);
      expect(result).toMatchObject({ ok: true, value: { nonce, changes: all } });
      const altered = bytes.slice();
      altered[at % bytes.length] = byte;
      const again = decodeDocPayload("page", altered);
      if (again.ok) expect(encodeDocPayload(again.value.nonce, again.value.changes)).toEqual(altered);
      else expect(again.failure.code).toMatch(/^(CBOR_[A-Z_]+|ENTRY_PAYLOAD)$/);
    }),
  );
});

/** An array of these items. */
function whole(...items: readonly ((writer: CborWriter) => void)[]): Uint8Array {
  const writer = new CborWriter();
  writeAll(writer, items);
  return writer.finish();
}

function hashes(count: number): readonly Uint8Array[] {
  return Array.from({ length: count }, (_, i) => new Uint8Array(32).map((_, at) => (at < 2 ? i >> (8 - 8 * at) : 0)));
}

const [one, two] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
const first = item(tail, []);

test.each<[string, Uint8Array, string]>([
  ["a plain change", payload([first]), "accepted"],
  ["two deps in order", payload([item(tail, [one, two])]), "accepted"],
  ["the change before, with a label", payload([first, item(tail, null, one.subarray(0, 8))]), "accepted"],
  ["a nonce alone", whole((writer) => writer.bytes(nonce)), "ENTRY_PAYLOAD"],
  ["something beside", whole((writer) => writer.bytes(nonce), first, first), "CBOR_TOO_LARGE"],
  ["a byte behind", concatBytes(payload([first]), Uint8Array.of(0)), "CBOR_TRAILING"],
  ["no changes", payload([]), "ENTRY_PAYLOAD"],
  ["as many changes as there may be", payload(new Array(docChangesMax).fill(first)), "accepted"],
  ["more changes than there may be", payload(new Array(docChangesMax + 1).fill(first)), "CBOR_TOO_LARGE"],
  ["a nonce of 15 bytes", payload([first], nonce.subarray(1)), "CBOR_UNEXPECTED"],
  ["nothing before the first", payload([item(tail)]), "ENTRY_PAYLOAD"],
  ["null before the first", payload([item(tail, null, one.subarray(0, 8))]), "ENTRY_PAYLOAD"],
  ["a change of nothing", payload([item()]), "ENTRY_PAYLOAD"],
  ["a change of four", payload([item(tail, [], one.subarray(0, 8), one)]), "CBOR_TOO_LARGE"],
  ["null without a label", payload([first, item(tail, null)]), "CBOR_UNEXPECTED"],
  ["an empty label", payload([first, item(tail, null, new Uint8Array(0))]), "ENTRY_PAYLOAD"],
  ["a label of 9 bytes", payload([first, item(tail, null, one.subarray(0, 9))]), "CBOR_TOO_LARGE"],
  ["deps out of order", payload([item(tail, [two, one])]), "ENTRY_PAYLOAD"],
  ["a dep twice", payload([item(tail, [one, one])]), "ENTRY_PAYLOAD"],
  ["half a dep", payload([item(tail, [one.subarray(0, 16)])]), "CBOR_UNEXPECTED"],
  ["256 deps", payload([item(tail, hashes(256))]), "accepted"],
  ["257 deps", payload([item(tail, hashes(257))]), "CBOR_TOO_LARGE"],
])("[DOC-10] %s: %#", (_, bytes, expected) => {
  expect(outcome(bytes)).toBe(expected);
});

test("[DOC-10] tails have as many bytes in all as they may, and not one more", () => {
  const eighth = docTailsBytesMax / 8;
  const large = tailOfText(eighth - (tailOfText(eighth - 100).length - eighth + 100));
  expect(large.length).toBe(eighth);
  const all = new Array(8).fill(item(large, []));
  expect(outcome(payload(all))).toBe("accepted");
  expect(outcome(payload([...all, first]))).toBe("ENTRY_PAYLOAD");
});

test("[DOC-11] a tail that is none is refused, and tails with more ops in all than there may be", () => {
  expect(outcome(payload([item(tail.subarray(1), [])]))).toBe("ENTRY_PAYLOAD");
  const most = item(tailOfMany(changeOpsMax), []);
  expect(outcome(payload([most, most]))).toBe("accepted");
  expect(outcome(payload([most, most, first]))).toBe("ENTRY_PAYLOAD");
});
