/**
 * Whether the ops of a change stand on what is there: that is, in the past of the change.
 *
 * [DOC-14] An op alters the root, or an object that an op in its past, or before it in its change, has made; by a key if that is a map, and by an
 *          element that was inserted into it if that is a sequence.
 * [DOC-15] What an op replaces, deletes or increments stands at the same key or element of the same object, is no mark, and is named in the order of
 *          counters and actors; of what an increment is for, one is a counter.
 * [DOC-16] The others that a change names are not its own actor, and its counters stay within 2^31.
 * Automerge takes most of what is refused here, and then panics, or cannot load what it saves. All of it depends on the past of the change alone.
 */
import { compareBytes } from "../bytes.ts";
import { opCounterMax } from "../limits.ts";
import { type ChangeGraph, type Line, none, type Placement } from "./change-graph.ts";
import { seqOn } from "./clocks.ts";
import type { LeastRecent } from "./least-recent.ts";
import { action, type Op, type OpId } from "./op.ts";
import { kindOf, type OpKind, type OpPlace, type OpPlaces, OpTable, opName, ShortOpTable } from "./op-table.ts";
import type { ChangeTail } from "./tail.ts";

/** What is wrong with a change. */
export type ReferenceFault = "actor" | "object" | "element" | "predecessor" | "increment" | "counter";

/** What a run of a column takes in memory for each byte that it has in the tail, at the most, and a table for itself. */
const weightPerByte = 24;
const tableOverheadBytes = 3_000;
/** A keystroke is one op, which the next names: its place is kept from when it was checked. */
const shortOpsMax = 8;
const shortOpBytes = 150;

export class References {
  readonly #graph: ChangeGraph;
  readonly #tables: LeastRecent<number, OpPlaces>;
  readonly #firstKey: number;
  #checked: readonly OpPlace[] | undefined;

  constructor(graph: ChangeGraph, tables: LeastRecent<number, OpPlaces>, firstKey: number) {
    this.#graph = graph;
    this.#tables = tables;
    this.#firstKey = firstKey;
  }

  /** Undefined: all is there. */
  check(tail: ChangeTail, placement: Placement): ReferenceFault | undefined {
    if (placement.startOp + tail.ops.length - 1 > opCounterMax) return "counter";
    const actors = [placement.actor];
    for (const bytes of tail.others) {
      const actor = this.#graph.findActor(bytes);
      if (actor === undefined || actor === placement.actor) return "actor";
      actors.push(actor);
    }
    const check = new Check(this.#graph, (node) => this.#tableOf(node), placement, tail.ops, actors);
    const fault = check.run();
    this.#checked = fault === undefined && tail.ops.length <= shortOpsMax ? check.places() : undefined;
    return fault;
  }

  /** What was checked last has come into the graph. */
  added(node: number): void {
    const places = this.#checked;
    if (places === undefined) return;
    const weight = shortOpBytes * (places.length + 1);
    this.#tables.set(this.#firstKey + node, new ShortOpTable(places), weight);
    this.#checked = undefined;
  }

  /** Of changes that were only tried. */
  forget(node: number): void {
    this.#tables.delete(this.#firstKey + node);
  }

  #tableOf(node: number): OpPlaces {
    const key = this.#firstKey + node;
    const known = this.#tables.get(key);
    if (known !== undefined) return known;
    const graph = this.#graph;
    const tail = graph.tailOf(node);
    const table = new OpTable(
      tail,
      graph.actorOf(node),
      graph.startOpOf(node),
      (bytes) => graph.findActor(bytes) ?? none,
    );
    this.#tables.set(key, table, weightPerByte * tail.length + tableOverheadBytes);
    return table;
  }
}

/** The changes of one actor in a past, as the lines that they are on, in the order of their numbers. */
interface Stretch {
  readonly line: Line;
  readonly count: number;
}

class Check {
  readonly #graph: ChangeGraph;
  readonly #tableOf: (node: number) => OpPlaces;
  readonly #placement: Placement;
  readonly #ops: readonly Op[];
  readonly #actors: readonly number[];
  readonly #stretches: (readonly Stretch[])[] = [];
  #obj: OpId | undefined;
  #objKind: OpKind = "map";

  constructor(
    graph: ChangeGraph,
    tableOf: (node: number) => OpPlaces,
    placement: Placement,
    ops: readonly Op[],
    actors: readonly number[],
  ) {
    this.#graph = graph;
    this.#tableOf = tableOf;
    this.#placement = placement;
    this.#ops = ops;
    this.#actors = actors;
  }

  run(): ReferenceFault | undefined {
    for (let i = 0; i < this.#ops.length; i++) {
      const fault = this.#checkOp(i);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }

  places(): readonly OpPlace[] {
    return this.#ops.map((_, i) => this.#ownPlace(i));
  }

  #checkOp(i: number): ReferenceFault | undefined {
    const op = this.#ops[i] as Op;
    const kind = this.#kindOfObj(op.obj, i);
    if (kind !== "map" && kind !== "sequence") return "object";
    const isSequence = kind === "sequence";
    if (isSequence === (typeof op.key === "string")) return "element";
    if (!isSequence && (op.insert || op.action === action.mark)) return "element";
    const obj = this.#nameOf(op.obj);
    if (typeof op.key === "object" && !this.#isElement(op.key, obj, op.insert, i)) return "element";
    return op.preds.length === 0 ? undefined : this.#checkPreds(op, obj, i);
  }

  /** Ops next to each other mostly alter one object, which their reader names by one value then. */
  #kindOfObj(obj: OpId | undefined, i: number): OpKind {
    if (obj === undefined) return "map";
    if (obj !== this.#obj) {
      this.#obj = obj;
      this.#objKind = this.#find(obj, i)?.kind ?? "nothing";
    }
    return this.#objKind;
  }

  #isElement(key: OpId, obj: number, isInsert: boolean, i: number): boolean {
    const element = this.#find(key, i);
    if (element === undefined || !element.insert || element.obj !== obj) return false;
    // A mark has a place, and no value that could be altered.
    return isInsert || element.kind !== "mark";
  }

  #checkPreds(op: Op, obj: number, i: number): ReferenceFault | undefined {
    const key = typeof op.key === "string" ? op.key : this.#nameOf(op.key);
    let before: OpId | undefined;
    let counters = 0;
    for (const pred of op.preds) {
      if (before !== undefined && this.#compare(before, pred) >= 0) return "predecessor";
      before = pred;
      const place = this.#find(pred, i);
      if (place === undefined || place.obj !== obj || place.key !== key) return "predecessor";
      if (place.kind === "mark" || place.kind === "nothing") return "predecessor";
      if (place.kind === "counter") counters++;
    }
    return op.action === action.increment && counters === 0 ? "increment" : undefined;
  }

  #compare(a: OpId, b: OpId): number {
    if (a.counter !== b.counter) return a.counter - b.counter;
    return compareBytes(this.#graph.actorBytes(this.#actorOf(a)), this.#graph.actorBytes(this.#actorOf(b)));
  }

  #actorOf({ actor }: OpId): number {
    return this.#actors[actor] as number;
  }

  /** 0: the root, or the head of a sequence. */
  #nameOf(id: OpId | undefined): number {
    return id === undefined ? 0 : opName(this.#actorOf(id), id.counter);
  }

  /** Undefined: nothing of that name is before op `i`. */
  #find(id: OpId, i: number): OpPlace | undefined {
    const { startOp } = this.#placement;
    if (id.actor === 0 && id.counter >= startOp) {
      const own = id.counter - startOp;
      return own < i ? this.#ownPlace(own) : undefined;
    }
    const node = this.#changeOf(id);
    if (node === none) return undefined;
    const place = id.counter - this.#graph.startOpOf(node);
    return place < this.#graph.opsOf(node) ? this.#tableOf(node).place(place) : undefined;
  }

  #ownPlace(i: number): OpPlace {
    const op = this.#ops[i] as Op;
    const { actor, startOp } = this.#placement;
    const key = typeof op.key === "string" ? op.key : this.#nameOf(op.key);
    return {
      obj: this.#nameOf(op.obj),
      key: op.insert ? opName(actor, startOp + i) : key,
      insert: op.insert,
      kind: kindOf(op),
    };
  }

  /** The last change of the actor in the past that begins at or before a counter. */
  #changeOf({ actor, counter }: OpId): number {
    const stretches = this.#stretchesOf(actor);
    const startOf = (stretch: Stretch): number => this.#graph.startOpOf(stretch.line.nodes[0] as number);
    const stretch = stretches[lastUpTo(stretches.length, (place) => startOf(stretches[place] as Stretch), counter)];
    if (stretch === undefined) return none;
    const { nodes } = stretch.line;
    return nodes[lastUpTo(stretch.count, (place) => this.#graph.startOpOf(nodes[place] as number), counter)] ?? none;
  }

  #stretchesOf(actor: number): readonly Stretch[] {
    const known = this.#stretches[actor];
    if (known !== undefined) return known;
    const stretches: Stretch[] = [];
    for (const number of this.#graph.linesOf(this.#actors[actor] as number)) {
      const line = this.#graph.line(number);
      const seq = seqOn(this.#placement.past, number);
      if (seq > 0) stretches.push({ line, count: seq - line.first + 1 });
    }
    stretches.sort((a, b) => a.line.first - b.line.first);
    this.#stretches[actor] = stretches;
    return stretches;
  }
}

/** The last place from 0 below `count` that holds at most `limit`, of those that ascend; −1: none. */
function lastUpTo(count: number, at: (place: number) => number, limit: number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (at(middle) <= limit) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
