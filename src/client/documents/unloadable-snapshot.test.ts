import { expect, test } from "vitest";
import { actorOf } from "../../core/document/actor.ts";
import { buildChange, type ChangeHash } from "../../core/document/change-bytes.ts";
import { encodeDocPayload } from "../../core/document/doc-payload.ts";
import { plainSha256 } from "../../crypto/plain-sha256.ts";
import { automerge, DocEngine, docDatabase } from "../../testing/doc-engine.ts";
import { noLabel } from "../../testing/document-entries.ts";
import { encodeTail, markOps } from "../../testing/document-tail.ts";

test("[DOC-44] a document with a mark that ends before it begins is made of its changes where its snapshot cannot be loaded, and goes on", async () => {
  const engine = new DocEngine();
  const one = await engine.page("a").open();
  // Op 1 makes the text, 2 to 6 its letters.
  one.change((draft) => Object.assign(draft, { text: "hello" }));
  await engine.settle();
  await markBackwards(engine, one.replica.heads, one.replica.actor);
  expect(one.value.text).toBe("hello");

  const bytes = automerge.save(one.replica.doc);
  expect(() => automerge.load(bytes, { actor: "00".repeat(16) })).toThrow("invalid mark operation order");
  engine.snapshot = { heads: one.replica.heads, bytes };
  const two = await engine.page("b").open();
  expect([two.value.text, two.replica.heads]).toEqual(["hello", one.replica.heads]);
  two.splice(5, 0, " you");
  one.splice(0, 0, "> ");
  await engine.settle();
  expect([one.value.text, two.value.text]).toEqual(["> hello you", "> hello you"]);
  expect(two.replica.undo()).toBe(true);
  await engine.settle();
  expect([one.value.text, two.replica.heads]).toEqual(["> hello", one.replica.heads]);
  expect([one.problems, two.problems]).toEqual([[], []]);
});

/** By somebody whose page writes what no call of Automerge does. */
async function markBackwards(engine: DocEngine, heads: readonly string[], writer: Uint8Array): Promise<void> {
  const cheat = engine.page("c");
  const nonce = new Uint8Array(16).fill(0xcc);
  const [text, from, to] = [1, 5, 3].map((counter) => ({ counter, actor: 1 })) as [Id, Id, Id];
  const tail = encodeTail({ time: 0, message: "", others: [writer], ops: markOps(text, from, to) });
  const actor = actorOf(docDatabase, cheat.author, nonce, noLabel, plainSha256);
  const deps = heads as readonly ChangeHash[];
  const { hash } = buildChange({ deps, actor, seq: 1, startOp: 7 }, tail, plainSha256);
  const payload = encodeDocPayload(nonce, [{ tail, deps, label: noLabel }]);
  const write = { type: "doc", store: "page", payload, updatedRows: [], last: hash } as const;
  await engine.apiFor(cheat).commit(docDatabase, [write], { tab: "", number: 1, settledBelow: 0 });
  await engine.settle();
}

interface Id {
  readonly counter: number;
  readonly actor: number;
}
