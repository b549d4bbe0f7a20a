import { expect, test } from "vitest";
import { opOf, tailOfMany } from "../../testing/document-tail.ts";
import { stateContext } from "../../testing/states.ts";
import { unwrap } from "../errors.ts";
import { decodeHex } from "../ids.ts";
import { buildChange } from "./change-bytes.ts";
import { ChangeGraph } from "./change-graph.ts";
import { DocCaches } from "./doc-caches.ts";
import { type Judged, type JudgingParts, judgeChange } from "./judging.ts";
import { References } from "./references.ts";
import { decodeTail } from "./tail.ts";

const [one, two] = [tailOfMany(1), tailOfMany(2)];

class Scene {
  readonly parts: JudgingParts;
  readonly #graph: ChangeGraph;

  constructor() {
    const { clocks, tables } = new DocCaches();
    this.#graph = new ChangeGraph(clocks, 0);
    this.parts = { graph: this.#graph, references: new References(this.#graph, tables, 0), ...stateContext };
  }

  judge(tail: Uint8Array, deps: readonly number[], author: number, decoded = unwrap(decodeTail("", tail))): Judged {
    return judgeChange(this.parts, { tail, decoded }, deps, this.#graph.addActor(new Uint8Array(16).fill(author)));
  }

  /** Its place: it is sound. */
  add(tail: Uint8Array, deps: readonly number[], author: number): number {
    const judged = this.judge(tail, deps, author);
    if (judged.type !== "sound") throw new Error(judged.type);
    return this.#graph.add(judged.digest, judged.placement, { tail, ops: 1, entry: 0, index: 0 });
  }
}

test("[DOC-22] a change that is here is known, by its place, whoever sends it again", () => {
  const scene = new Scene();
  const first = scene.add(one, [], 1);
  expect(scene.add(one, [first], 1)).toBe(1);
  expect(scene.judge(one, [], 1)).toEqual({ type: "known", node: first });
  expect(scene.judge(one, [first], 1)).toEqual({ type: "known", node: 1 });
  expect(scene.judge(one, [], 2).type).toBe("sound");
});

test("[DOC-13] a change whose past holds two of one number is at fault for that, whatever its ops say", () => {
  const scene = new Scene();
  const twins = [scene.add(one, [], 1), scene.add(two, [], 1)];
  expect(scene.judge(one, twins, 2)).toEqual({ type: "fault", reason: "history" });
  const unsound = { time: 0, message: "", others: [], ops: [opOf({ obj: { counter: 9, actor: 0 } })] };
  expect(scene.judge(one, twins, 2, unsound)).toEqual({ type: "fault", reason: "history" });
  expect(scene.judge(one, [], 2, unsound)).toEqual({ type: "fault", reason: "object" });
});

test("[DOC-12] a sound change has the hash that its past and its tail give it", () => {
  const scene = new Scene();
  const first = scene.add(one, [], 1);
  const deps = [scene.parts.graph.hashOf(first)];
  const { hash } = buildChange(
    { deps, actor: new Uint8Array(16).fill(2), seq: 1, startOp: 2 },
    two,
    stateContext.sha256,
  );
  expect(scene.judge(two, [first], 2)).toMatchObject({ digest: decodeHex(hash), placement: { seq: 1, startOp: 2 } });
});

test("a tail is judged as it was read, and not read again", () => {
  const unreadable = Uint8Array.of(0xff);
  expect(new Scene().judge(unreadable, [], 1, unwrap(decodeTail("", one)))).toMatchObject({
    ...{ type: "sound", placement: { seq: 1, startOp: 1 } },
    places: [{ obj: 0, key: "x", insert: false, kind: "value" }],
  });
});
