import { sha256 } from "@noble/hashes/sha2.js";
import fc from "fast-check";
import { expect, test } from "vitest";
import { keyOf, rowParts, sealRoot, Writer } from "../../testing/writers.ts";
import { headsPerAuthorMax, samplesMax } from "../limits.ts";
import { decodeMessage, encodeMessage } from "./message.ts";
import { aboveSamples, sampleChain } from "./skeleton.ts";

const author = keyOf(0);
const root = sealRoot(author, sha256, rowParts("r"));

function extended(from: Writer | undefined, count: number, mark: number): Writer {
  const writer = new Writer(author, root.id, sha256);
  writer.receive(from?.entries ?? [root]);
  for (let i = 0; i < count; i++) writer.write(rowParts("r", { mark, i }));
  writer.store();
  return writer;
}

function above(one: Writer, other: Writer): number {
  const samples = sampleChain(other.replica.graph, author, other.replica.stored);
  return aboveSamples(one.replica.graph, author, samples, one.replica.stored).length;
}

test("[SKELETON-1] samples are at distances 0, 1, 2, 4, 8 … from the head", () => {
  const { graph } = extended(undefined, 1_000, 0).replica;
  const seqs = sampleChain(graph, author, graph.size).map(({ seq }) => 1_000 - seq);
  expect(seqs).toEqual([0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512]);
});

test("[SKELETON-1] what is not durable is not sampled", () => {
  const { graph } = extended(undefined, 100, 0).replica;
  expect(sampleChain(graph, author, 50)[0]).toMatchObject({ seq: 49 });
});

test("[SKELETON-1] many branches fit a message, the newest first", () => {
  const trunk = extended(undefined, 30, 0);
  const writer = extended(trunk, 0, 0);
  for (let i = 1; i <= headsPerAuthorMax + 20; i++) writer.receive(extended(trunk, 1 + (i % 7), i).entries);
  const samples = sampleChain(writer.replica.graph, author, writer.replica.graph.size);
  expect(samples.length).toBeLessThanOrEqual(samplesMax);
  expect(samples[0]?.seq).toBe(37);
  expect(decodeMessage(encodeMessage({ type: "skeleton", database: root.id, author, samples })).ok).toBe(true);
});

test("[SKELETON-2] all that is missed is sent, and below the fork at most as much as the other side has above it", () => {
  const length = fc.integer({ min: 0, max: 60 });
  fc.assert(
    fc.property(length, length, length, (trunkLength, ours, theirs) => {
      const trunk = extended(undefined, trunkLength, 0);
      const [one, other] = [extended(trunk, ours, 1), extended(trunk, theirs, 2)];
      expect(above(one, other)).toBeGreaterThanOrEqual(ours);
      expect(above(one, other)).toBeLessThanOrEqual(ours + theirs);
    }),
    { numRuns: 60 },
  );
});

test("[SKELETON-2] samples that are all unknown, or another author's, lead to the whole chain", () => {
  const one = extended(undefined, 9, 1);
  expect(aboveSamples(one.replica.graph, author, [{ seq: 3, id: keyOf(3) as never }], one.replica.stored)).toHaveLength(
    10,
  );
  expect(aboveSamples(one.replica.graph, keyOf(1), [], one.replica.stored)).toEqual([]);
});
