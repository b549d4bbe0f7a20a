/** What people do to a document in a simulated life. */
import type { Automerge } from "../client/documents/automerge.ts";
import type { Doc } from "../client/documents/doc.ts";
import type { Board } from "./life-page.ts";
import type { SeededRandom } from "./random.ts";

/** Automerge, with the type that apps make counters with. */
export interface LifeAutomerge extends Automerge {
  readonly Counter: new (value: number) => { increment(by: number): unknown };
}

/** Each change has a key of its own in the document, by its name, and does something else beside. */
export function editDocument(automerge: LifeAutomerge, doc: Doc<Board>, name: string, random: SeededRandom): void {
  doc.change((draft) => draftEdit(automerge, draft, name, random));
  if (typeof doc.value.text !== "string" || !random.chance(0.5)) return;
  // Typed key by key, as an editor does.
  const at = random.int(doc.value.text.length + 1);
  for (let i = random.int(4); i >= 0; i--) doc.splice(["text"], at, 0, "x");
  if (random.chance(0.2)) doc.splice(["text"], at, 1);
}

/** The same, of one change. */
export function draftEdit(automerge: LifeAutomerge, draft: Board, name: string, random: SeededRandom): void {
  draft[name] = random.int(1_000);
  const edits: readonly (() => void)[] = [
    () => type(automerge, draft, name, random),
    () => setIn(draft, random),
    () => alterList(draft, random),
    () => count(automerge, draft, random),
  ];
  random.pick(edits)();
}

function type(automerge: LifeAutomerge, draft: Board, name: string, random: SeededRandom): void {
  if (typeof draft.text !== "string") draft.text = "";
  const { length } = draft.text as string;
  const at = random.int(length + 1);
  automerge.splice(draft, ["text"], at, random.int(Math.min(3, length - at + 1)), `${name} `);
}

function setIn(draft: Board, random: SeededRandom): void {
  if (typeof draft.map !== "object") draft.map = {};
  const map = draft.map as Board;
  const key = random.pick(["a", "b", "c"]);
  if (random.chance(0.2)) delete map[key];
  else map[key] = random.chance(0.3) ? { inner: [random.int(9)] } : random.int(1_000);
}

function alterList(draft: Board, random: SeededRandom): void {
  if (!Array.isArray(draft.list)) draft.list = [];
  const list = draft.list as unknown[];
  const at = random.int(list.length + 1);
  if (random.chance(0.3) && at < list.length) list.splice(at, 1);
  else list.splice(at, 0, random.int(1_000));
}

function count(automerge: LifeAutomerge, draft: Board, random: SeededRandom): void {
  if (draft.counter === undefined) draft.counter = new automerge.Counter(random.int(10));
  else (draft.counter as InstanceType<LifeAutomerge["Counter"]>).increment(1 + random.int(5));
}
