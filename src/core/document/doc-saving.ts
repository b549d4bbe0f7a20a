/** What of a document goes into a part of its checkpoint, and how it gets back. [DOC-19], [DOC-23]. */
import { unwrap } from "../errors.ts";
import { isAfter, laterPart } from "../store/part-counts.ts";
import { payloadError } from "../store/payload.ts";
import { type ChangeHash, changeHashFromBytes } from "./change-bytes.ts";
import { type ChangeGraph, none, type Translation } from "./change-graph.ts";
import { digestBytes } from "./digest-table.ts";
import {
  changesIn,
  decodeSavedDoc,
  encodeSavedDoc,
  outsideFrom,
  type SavedChanges,
  type SavedDoc,
  type SavedWaiting,
} from "./doc-checkpoint.ts";
import type { DocIntake, Taken } from "./doc-intake.ts";
import type { EntryTable } from "./entry-table.ts";
import { ByteColumn, WordColumn } from "./growing-columns.ts";
import type { ChangeFault } from "./judging.ts";
import type { PartColumn } from "./part-column.ts";
import { decodeTail } from "./tail.ts";
import { splitKey, type WaitingChange, type WaitingChanges } from "./waiting-changes.ts";

/** By their number in a checkpoint: for ever. */
const reasons: readonly ChangeFault[] = [
  ...(["actor", "object", "element", "predecessor", "increment", "counter", "history"] as const),
];

export interface DocContents {
  readonly graph: ChangeGraph;
  readonly entries: EntryTable;
  readonly waiting: WaitingChanges;
  readonly intake: DocIntake;
  readonly parts: PartColumn;
}

/** Places given out anew, in the order in which they are asked for. */
class Renumbering {
  readonly #places = new Map<number, number>();

  of(old: number): number {
    const known = this.#places.get(old);
    if (known !== undefined) return known;
    this.#places.set(old, this.#places.size);
    return this.#places.size - 1;
  }

  /** In the order of their new places. */
  all(): readonly number[] {
    return [...this.#places.keys()];
  }
}

/** How much was altered since the part numbered `since`. */
export function sizeSince({ waiting, intake, parts }: DocContents, since: number): number {
  let size = parts.sizeSince(since);
  for (const { part } of waiting.all()) if (isAfter(part, since)) size++;
  for (const { part } of intake.faults.values()) if (isAfter(part, since)) size++;
  return size;
}

/** Marks all that was altered as held by part `number`. */
export function saveDoc(contents: DocContents, since: number, number: number): Uint8Array {
  const saving = new Saving(contents);
  const { parts, intake, waiting } = contents;
  for (let node = 0; node < parts.length; node++) {
    if (!isAfter(parts.at(node), since)) continue;
    saving.change(node);
    parts.set(node, number);
  }
  for (const [key, fault] of intake.faults) {
    if (!isAfter(fault.part, since)) continue;
    saving.fault(key, fault.reason);
    fault.part = number;
  }
  for (const change of waiting.all()) {
    // Those behind it have come with it, and are saved with it.
    if (change.deps === undefined || !isAnySince(change, since)) continue;
    for (let each: WaitingChange | undefined = change; each !== undefined; each = each.next) {
      saving.waiting(each);
      each.part = number;
    }
  }
  return saving.finish();
}

function isAnySince(change: WaitingChange, since: number): boolean {
  for (let each: WaitingChange | undefined = change; each !== undefined; each = each.next)
    if (isAfter(each.part, since)) return true;
  return false;
}

class Saving {
  readonly #graph: ChangeGraph;
  readonly #table: EntryTable;
  /** By change: its new place and 1, or 0. */
  readonly #places: Uint32Array;
  readonly #entries = new Renumbering();
  readonly #actors = new Renumbering();
  readonly #outside = new Renumbering();
  readonly #hashes = new ByteColumn();
  readonly #tails = new ByteColumn();
  readonly #befores = new WordColumn();
  readonly #actorsOf = new WordColumn();
  readonly #startOps = new WordColumn();
  readonly #ops = new WordColumn();
  readonly #entriesOf = new WordColumn();
  readonly #indexes = new WordColumn();
  readonly #depCounts = new WordColumn();
  readonly #deps = new WordColumn();
  readonly #tailEnds = new WordColumn();
  readonly #faults = new WordColumn();
  readonly #waiting: SavedWaiting[] = [];
  #count = 0;

  constructor({ graph, entries }: DocContents) {
    this.#graph = graph;
    this.#table = entries;
    this.#places = new Uint32Array(graph.size);
  }

  change(node: number): void {
    const graph = this.#graph;
    const before = graph.beforeOf(node);
    const isChained = graph.originOf(node) !== node;
    this.#hashes.append(graph.hashBytes(node));
    this.#tails.append(graph.tailOf(node));
    this.#tailEnds.push(this.#tails.length);
    this.#befores.push(before === none ? 0 : this.#name(before) + 1);
    this.#actorsOf.push(this.#actors.of(graph.actorOf(node)));
    this.#startOps.push(graph.startOpOf(node));
    this.#ops.push(graph.opsOf(node));
    this.#entriesOf.push(this.#entries.of(graph.entryOf(node)));
    this.#indexes.push(graph.indexOf(node));
    const deps = isChained ? [] : graph.depsOf(node);
    this.#depCounts.push(isChained ? 0 : deps.length + 1);
    for (let i = 0; i < deps.length; i++) this.#deps.push(this.#name(deps[i] as number));
    this.#places[node] = ++this.#count;
  }

  fault(key: number, reason: ChangeFault): void {
    const { entry, index } = splitKey(key);
    this.#faults.append([this.#entries.of(entry), index, reasons.indexOf(reason)]);
  }

  waiting({ entry, index, actor, tail, deps }: WaitingChange): void {
    const saved = { entry: this.#entries.of(entry), actor: this.#actors.of(this.#graph.addActor(actor)) };
    this.#waiting.push({ ...saved, index, tail, deps });
  }

  finish(): Uint8Array {
    return encodeSavedDoc({
      entries: this.#savedEntries(),
      actors: this.#actors.all().map((actor) => this.#graph.actorBytes(actor)),
      changes: this.#savedChanges(),
      faults: this.#faults.view(),
      waiting: this.#waiting,
    });
  }

  #name(node: number): number {
    const place = this.#places[node] as number;
    return place > 0 ? place - 1 : outsideFrom + this.#outside.of(node);
  }

  #savedEntries(): SavedDoc["entries"] {
    const entries = this.#entries.all();
    const authors = new Renumbering();
    const ids = new Uint8Array(entries.length * digestBytes);
    for (const [i, entry] of entries.entries()) ids.set(this.#table.idBytes(entry), i * digestBytes);
    return {
      ids,
      times: Float64Array.from(entries, (entry) => this.#table.timeOf(entry)),
      authors: Uint32Array.from(entries, (entry) => authors.of(this.#table.authorOf(entry))),
      keys: authors.all().map((author) => this.#table.keyOf(author)),
    };
  }

  #savedChanges(): SavedChanges {
    const others = this.#outside.all();
    const outside = new Uint8Array(others.length * digestBytes);
    for (const [i, node] of others.entries()) outside.set(this.#graph.hashBytes(node), i * digestBytes);
    return {
      hashes: this.#hashes.view(),
      outside,
      befores: this.#befores.view(),
      actors: this.#actorsOf.view(),
      startOps: this.#startOps.view(),
      ops: this.#ops.view(),
      entries: this.#entriesOf.view(),
      indexes: this.#indexes.view(),
      depCounts: this.#depCounts.view(),
      deps: this.#deps.view(),
      tailEnds: this.#tailEnds.view(),
      tails: this.#tails.view(),
    };
  }
}

/** Merges bytes that `saveDoc` returned. Throws a CBOR_ code or ENTRY_PAYLOAD. */
export function restoreDoc(contents: DocContents, bytes: Uint8Array, number: number): void {
  new Restoring(contents, decodeSavedDoc(bytes), number).run();
}

class Restoring {
  readonly #contents: DocContents;
  readonly #saved: SavedDoc;
  readonly #number: number;
  /** By their place in the part: their places here. */
  readonly #entries: readonly number[];

  constructor(contents: DocContents, saved: SavedDoc, number: number) {
    this.#contents = contents;
    this.#saved = saved;
    this.#number = number;
    this.#entries = restoreEntries(contents.entries, saved.entries);
  }

  run(): void {
    const outside = this.#nodesOf(this.#saved.changes.outside);
    if (outside.includes(none)) this.#takeAgain();
    else this.#restoreChanges(outside);
    this.#restoreFaults();
    this.#restoreWaiting();
  }

  /** What they follow is here. */
  #restoreChanges(outside: readonly number[]): void {
    const { graph, intake, waiting } = this.#contents;
    const { changes, actors } = this.#saved;
    const translation = { actors: actors.map((actor) => graph.addActor(actor)), entries: this.#entries, outside };
    const from = graph.size;
    const isNew = from === 0 || this.#nodesOf(changes.hashes).every((node) => node === none);
    const nodes = isNew ? this.#appendChanges(translation) : this.#mergeChanges(translation);
    if (waiting.size > 0) for (const node of nodes) intake.release(node);
  }

  /** None of them is here. */
  #appendChanges(translation: Translation): readonly number[] {
    const { graph, parts } = this.#contents;
    const from = graph.size;
    graph.restoreAll(this.#saved.changes, translation);
    parts.push(this.#number, graph.size - from);
    return Array.from({ length: graph.size - from }, (_, i) => from + i);
  }

  #mergeChanges({ actors, outside }: Translation): readonly number[] {
    const { graph, parts, intake } = this.#contents;
    const nodes: number[] = [];
    const nodeOf = (name: number): number => (name < outsideFrom ? nodes[name] : outside[name - outsideFrom]) as number;
    for (const each of changesIn(this.#saved.changes)) {
      const { before, actor, deps, startOp, hash, ops, index, tail } = each;
      const entry = this.#entries[each.entry] as number;
      let node = graph.findBytes(hash);
      if (node === none) {
        const stands = { before: before === none ? none : nodeOf(before), actor: actors[actor] as number, startOp };
        node = graph.restore(hash, { ...stands, deps: deps && Array.from(deps, nodeOf) }, { tail, ops, entry, index });
        parts.push(this.#number);
      } else {
        parts.set(node, laterPart(parts.at(node), this.#number));
        intake.attribute(node, entry, index);
      }
      nodes.push(node);
    }
    return nodes;
  }

  #nodesOf(hashes: Uint8Array): readonly number[] {
    const { graph } = this.#contents;
    return Array.from({ length: hashes.length / digestBytes }, (_, i) => graph.findBytes(hashes, i * digestBytes));
  }

  /** A part before it has not come: its changes wait, and are judged as if they came from entries. */
  #takeAgain(): void {
    const { hashes, outside } = this.#saved.changes;
    const hashOf = (name: number): ChangeHash =>
      name < outsideFrom ? hashAt(hashes, name) : hashAt(outside, name - outsideFrom);
    for (const { before, deps, ...each } of changesIn(this.#saved.changes))
      this.#take({ ...each, deps: Array.from(deps ?? [before], hashOf).sort() }, undefined);
  }

  #restoreFaults(): void {
    const { faults } = this.#saved;
    for (let i = 0; i < faults.length; i += 3) {
      const [entry = 0, index = 0, number = 0] = faults.subarray(i, i + 3);
      const reason = reasons[number];
      if (reason === undefined) throw payloadError("checkpoint", `fault ${number}`, "a known one");
      this.#contents.intake.keepFault(this.#entries[entry] as number, index, { reason, part: this.#number });
    }
  }

  #restoreWaiting(): void {
    let previous: Taken;
    for (const each of this.#saved.waiting) previous = this.#take(each, previous);
  }

  #take({ entry, index, actor, tail, deps }: SavedWaiting, previous: Taken): Taken {
    const decoded = unwrap(decodeTail("checkpoint", tail));
    const bytes = this.#saved.actors[actor] as Uint8Array;
    const sent = { entry: this.#entries[entry] as number, index, actor: bytes, tail, deps, ops: decoded.ops.length };
    return this.#contents.intake.take(sent, previous, this.#number);
  }
}

function restoreEntries(table: EntryTable, { ids, times, authors, keys }: SavedDoc["entries"]): readonly number[] {
  const places = keys.map((key) => table.addAuthor(key));
  return Array.from(times, (time, i) =>
    table.addBytes(ids, i * digestBytes, time, places[authors[i] as number] as number),
  );
}

function hashAt(hashes: Uint8Array, place: number): ChangeHash {
  return changeHashFromBytes(hashes.subarray(place * digestBytes, (place + 1) * digestBytes));
}
