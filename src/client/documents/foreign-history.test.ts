import fc from "fast-check";
import { expect, test } from "vitest";
import { compareBytes } from "../../core/bytes.ts";
import { actorOf } from "../../core/document/actor.ts";
import { buildChange } from "../../core/document/change-bytes.ts";
import { type DatabaseId, encodeHex, type PublicKey } from "../../core/ids.ts";
import { plainSha256 } from "../../crypto/plain-sha256.ts";
import { encodeTail, opOf } from "../../testing/document-tail.ts";
import { type ForeignHistory, importNonce, renameHistory } from "./foreign-history.ts";

const importer = { database: "d".repeat(64) as DatabaseId, author: "a".repeat(64) as PublicKey };
const tail = encodeTail({ time: 0, message: "", others: [], ops: [opOf()] });

/** One change by each, of none of which the others know. */
function historyBy(actors: readonly Uint8Array[]): ForeignHistory {
  const built = actors.map((actor) => buildChange({ deps: [], actor, seq: 1, startOp: 1 }, tail, plainSha256));
  return { changes: built.map(({ bytes }) => bytes), heads: built.map(({ hash }) => hash) };
}

test("[DOC-50] actors of any length keep their order, as numbers of one width behind the importer's own actor", () => {
  const actors = fc.uniqueArray(fc.uint8Array({ minLength: 1, maxLength: 40 }), { minLength: 1, selector: encodeHex });
  fc.assert(
    fc.property(actors, (actors) => {
      const changes = [...renameHistory(historyBy(actors), importer)];
      const order = [...changes.keys()].sort((a, b) => compareBytes(actors[a] as Uint8Array, actors[b] as Uint8Array));
      expect(order.map((at) => changes[at]?.label)).toEqual(order.map((_, number) => Uint8Array.of(number)));
    }),
  );
});

test.each([
  [256, "ff"],
  [257, "0100"],
])("[DOC-50] the last of %i actors is number %s", (count, last) => {
  const actors = Array.from({ length: count }, (_, i) => Uint8Array.of(i >> 8, i & 0xff));
  const history = historyBy(actors);
  const labels = [...renameHistory(history, importer)].map(({ label }) => encodeHex(label));
  expect([labels.at(-1), new Set(labels).size, [...labels].sort()]).toEqual([last, count, labels]);
});

test("[DOC-51] an import's changes follow from heads, key and database, and are those of the importer's actor", () => {
  const history = historyBy([Uint8Array.of(1), Uint8Array.of(2)]);
  const nonce = importNonce(history);
  expect(encodeHex(nonce)).toBe("7e1fb888e96b3e82047209086d238bc9");
  expect(importNonce({ ...history, heads: [...history.heads].reverse() })).toEqual(nonce);
  const [first] = renameHistory(history, importer);
  const actor = actorOf(importer.database, importer.author, nonce, Uint8Array.of(0), plainSha256);
  expect(first?.hash).toBe(buildChange({ deps: [], actor, seq: 1, startOp: 1 }, tail, plainSha256).hash);
  const others = [
    { ...importer, author: "b".repeat(64) as PublicKey },
    { ...importer, database: "c".repeat(64) as DatabaseId },
  ];
  for (const other of others) expect(renameHistory(history, other).next().value?.hash).not.toBe(first?.hash);
});

test("[DOC-52] a change before what it follows, and an actor that wrote nothing, are DOC_CHANGE", () => {
  const actor = Uint8Array.of(1);
  const first = buildChange({ deps: [], actor, seq: 1, startOp: 1 }, tail, plainSha256);
  const next = buildChange({ deps: [first.hash], actor, seq: 2, startOp: 2 }, tail, plainSha256);
  const naming = encodeTail({ time: 0, message: "", others: [Uint8Array.of(9)], ops: [opOf()] });
  const stranger = buildChange({ deps: [], actor, seq: 1, startOp: 1 }, naming, plainSha256);
  for (const changes of [[next.bytes, first.bytes], [stranger.bytes]])
    expect(() => [...renameHistory({ changes, heads: [] }, importer)]).toThrow(/DOC_CHANGE.*in change [0-9a-f]{64}/);
});
