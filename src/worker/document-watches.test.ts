import { expect, test } from "vitest";
import { Cluster } from "../testing/cluster.ts";
import { soundPart } from "../testing/faulty-document.ts";
import { turn } from "../testing/turn.ts";
import type { WorkerEvent } from "./api.ts";
import { buffersOf, DocumentWatches } from "./document-watches.ts";

test("[DOC-33] nobody is told of a document whose page ended while it was opened, and what is told is nobody else's", async () => {
  const cluster = new Cluster(1);
  const { instance, ports } = await cluster.addDevice();
  const { id } = await cluster.settle(instance.createDatabase("Board"));
  const events: WorkerEvent[] = [];
  const watches = new DocumentWatches({ instance, ports, post: (event) => void events.push(event) });
  const options = { heads: [], nonce: new Uint8Array(16) };
  const opening = watches.open(1, id, "text", options);
  watches.end();
  await opening;
  await turn();
  expect(events).toEqual([]);
  await cluster.settle(instance.commit(id, () => [soundPart(new Uint8Array(16).fill(1), "hello")]));
  await watches.open(2, id, "text", options);
  await turn();
  expect(events).toMatchObject([{ type: "changes", watch: 2, isAnew: false, left: 0, ends: { length: 1 } }]);
  const [event] = events as [WorkerEvent];
  const sent = structuredClone(event);
  // The next event has it again.
  expect(structuredClone(event, { transfer: buffersOf(event) })).toEqual(sent);
  await watches.open(3, id, "text", options);
  await turn();
  expect(events[1]).toEqual({ ...sent, watch: 3 });
  await instance.close();
});
