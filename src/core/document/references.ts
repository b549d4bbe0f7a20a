/**
 * Whether the ops of a change stand on what is there: that is, in the past of the change.
 *
 * [DOC-14] An op alters the root, or an object that an op in its past, or before it in its change, has made; by a key if that is a map, and by an
 *          element that was inserted into it if that is a sequence.
 * [DOC-15] What an op replaces, deletes or increments stands at the same key or element of the same object, is no mark, and is named in the order of
 *          counters and actors; of what an increment is for, the last is a counter.
 * [DOC-16] The others that a change names have written in its past and are not its own actor, and its counters stay within 2^31.
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
/** What was just typed is what the next change names: its places are kept from when they were checked. More of them take less memory as runs. */
const shortOpsMax = 32;
const shortOpBytes = 150;
const noPlaces: readonly OpPlace[] = [];

export class References {
  readonly #graph: ChangeGraph;
  readonly #tables: LeastRecent<number, OpPlaces>;
  readonly #firstKey: number;

  constructor(graph: ChangeGraph, tables: LeastRecent<number, OpPlaces>, firstKey: number) {
    this.#graph = graph;
    this.#tables = tables;
    this.#firstKey = firstKey;
  }

  /** What is wrong; if nothing is, what its ops are for those that name them, where they are few. */
  check(tail: ChangeTail, placement: Placement): ReferenceFault | readonly OpPlace[] {
    if (placement.startOp + tail.ops.length - 1 > opCounterMax) return "counter";
    const actors = [placement.actor];
    for (const bytes of tail.others) {
      const actor = this.#graph.findActor(bytes);
      // Not only in the document: what has come from elsewhere is not to make another reason of it.
      if (actor === undefined || actor === placement.actor || !this.#hasWritten(actor, placement)) return "actor";
      actors.push(actor);
    }
    const check = new Check(this.#graph, (node) => this.#tableOf(node), placement, tail.ops, actors);
    return check.run() ?? (tail.ops.length <= shortOpsMax ? check.places() : noPlaces);
  }

  #hasWritten(actor: number, { past }: Placement): boolean {
    return this.#graph.linesOf(actor).some((line) => seqOn(past, line) > 0);
  }

  /** What was checked has come into the graph. */
  added(node: number, places: readonly OpPlace[]): void {
    if (places.length === 0) return;
    const weight = shortOpBytes * (places.length + 1);
    this.#tables.set(this.#firstKey + node, new ShortOpTable(places), weight);
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
  /** The op that was looked up last, and the change that it was found in: what is named next is mostly that, or its neighbour. */
  #lastId: OpId | undefined;
  #lastPlace: OpPlace | undefined;
  #lastNode = none;
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
    const own = this.#ownOp(key, i);
    if (own !== undefined) {
      if (!own.insert || this.#nameOf(own.obj) !== obj) return false;
      return isInsert || own.action !== action.mark;
    }
    const element = this.#find(key, i);
    if (element === undefined || !element.insert || element.obj !== obj) return false;
    // A mark has a place, and no value that could be altered.
    return isInsert || element.kind !== "mark";
  }

  #checkPreds(op: Op, obj: number, i: number): ReferenceFault | undefined {
    const key = typeof op.key === "string" ? op.key : this.#nameOf(op.key);
    let before: OpId | undefined;
    let isCounter = false;
    for (const pred of op.preds) {
      if (before !== undefined && this.#compare(before, pred) >= 0) return "predecessor";
      before = pred;
      const place = this.#find(pred, i);
      if (place === undefined || place.obj !== obj || place.key !== key) return "predecessor";
      if (place.kind === "mark" || place.kind === "nothing") return "predecessor";
      isCounter = place.kind === "counter";
    }
    // The last is what is shown. Automerge fails where that is no counter, and one beneath it is incremented.
    return op.action === action.increment && !isCounter ? "increment" : undefined;
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

  /** Of this change, before op `i`. */
  #ownOp({ actor, counter }: OpId, i: number): Op | undefined {
    const own = counter - this.#placement.startOp;
    return actor === 0 && own >= 0 && own < i ? this.#ops[own] : undefined;
  }

  /** Undefined: nothing of that name is before op `i`. */
  #find(id: OpId, i: number): OpPlace | undefined {
    const { startOp } = this.#placement;
    if (id.actor === 0 && id.counter >= startOp)
      return id.counter - startOp < i ? this.#ownPlace(id.counter - startOp) : undefined;
    const last = this.#lastId;
    if (last === undefined || last.actor !== id.actor || last.counter !== id.counter) {
      this.#lastPlace = this.#findBefore(id);
      this.#lastId = id;
    }
    return this.#lastPlace;
  }

  /** Of another change. */
  #findBefore(id: OpId): OpPlace | undefined {
    const isNear =
      this.#lastNode !== none && this.#lastId?.actor === id.actor && this.#placeIn(this.#lastNode, id) >= 0;
    if (!isNear) this.#lastNode = this.#changeOf(id);
    const node = this.#lastNode;
    const place = node === none ? none : this.#placeIn(node, id);
    return place < 0 ? undefined : this.#tableOf(node).place(place);
  }

  /** Negative: it is not one of its ops. */
  #placeIn(node: number, { counter }: OpId): number {
    const place = counter - this.#graph.startOpOf(node);
    return place < this.#graph.opsOf(node) ? place : none;
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
