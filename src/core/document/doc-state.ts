/**
 * A document: its changes, of which those are applied that Automerge takes without harm, the same on every replica.
 *
 * [DOC-20] A change is applied once those that it follows are, if its ops stand on what is in its past (references.ts), and it does not lose to another
 *          of its number (collisions.ts). All of it follows from the set of merged parts, whatever came first.
 * [DOC-21] A change that follows one which is not here waits, and nobody is told. One that does not stand on its past is left out for ever, with what
 *          follows it: a fault.
 * [DOC-22] A change that stands in several entries is one, of the earliest of them.
 * [DOC-23] A checkpoint holds what is sound, what waits, and faults; restoring it hashes nothing and decodes no tail of what is sound.
 *
 * Deliberately not here: what the changes come to. That is for Automerge to say, on the page.
 */
import { assert, attempt, type Result, unwrap } from "../errors.ts";
import { type EntryId, encodeHex, type PublicKey } from "../ids.ts";
import { docFaultsMax } from "../limits.ts";
import type { Origin, StateContext, StoreState } from "../store/kind.ts";
import { unsaved } from "../store/part-counts.ts";
import { actorOf } from "./actor.ts";
import type { ChangeHash } from "./change-bytes.ts";
import { ChangeGraph, none } from "./change-graph.ts";
import { seqOn } from "./clocks.ts";
import { Collisions, type Decision } from "./collisions.ts";
import { DocCaches } from "./doc-caches.ts";
import { encodeDoc, type KeyedFault } from "./doc-digest.ts";
import { DocIntake, type Taken } from "./doc-intake.ts";
import type { DocPayload, DocPayloadChange } from "./doc-payload.ts";
import { type DocContents, restoreDoc, saveDoc, sizeSince } from "./doc-saving.ts";
import { EntryTable } from "./entry-table.ts";
import { type ChangeFault, type Judged, type JudgingParts, judgeChange } from "./judging.ts";
import { PartColumn } from "./part-column.ts";
import { References } from "./references.ts";
import { decodeTail } from "./tail.ts";
import { splitKey, WaitingChanges } from "./waiting-changes.ts";

/** Why a change is left out for ever; `repeated`: another of its actor and number is applied. */
export type DocFaultReason = ChangeFault | "repeated";

export interface DocFault {
  readonly entry: EntryId;
  readonly author: PublicKey;
  readonly reason: DocFaultReason;
}

/** What a merge altered. */
export interface DocChange {
  /** Something that was applied is so no longer: whoever has the document begins it anew, with `since([])`. */
  readonly isAnew: boolean;
  /** Applied now and not before, each behind those that it follows. */
  readonly added: readonly ChangeHash[];
  /** New ones, at most `docFaultsMax`. */
  readonly faults: readonly DocFault[];
}

/** One applied change, for whoever asks who wrote what. */
export interface DocRecord {
  /** Its place among the changes here, from 0: behind those that it follows. Differs between replicas. */
  readonly position: number;
  readonly hash: ChangeHash;
  readonly entry: EntryId;
  readonly author: PublicKey;
  /** Hex. */
  readonly actor: string;
  readonly seq: number;
  readonly ops: number;
  /** Seconds since 1970, as its author says. */
  readonly time: number;
  readonly message: string;
}

/** A payload that would be applied whole, by this author, to the document as it is. */
interface Tried {
  readonly payload: DocPayload;
  readonly author: PublicKey;
  readonly judged: readonly Judged[];
}

export class DocState implements StoreState<DocPayload, DocChange> {
  readonly #context: StateContext;
  readonly #graph: ChangeGraph;
  readonly #references: References;
  readonly #contents: DocContents;
  readonly #collisions: Collisions;
  readonly #judging: JudgingParts;
  #heads = new Set<number>();
  /** What was found when the payload was tried that comes next. Whatever alters the document forgets it. */
  #tried: Tried | undefined;

  constructor(context: StateContext, caches: DocCaches = new DocCaches()) {
    const firstKey = caches.claimKeys();
    const graph = new ChangeGraph(caches.clocks, firstKey);
    const references = new References(graph, caches.tables, firstKey);
    const [entries, waiting, parts] = [new EntryTable(), new WaitingChanges(), new PartColumn()];
    this.#judging = { graph, references, sha256: context.sha256 };
    const intake = new DocIntake({
      ...{ ...this.#judging, entries, waiting },
      added: (node) => {
        parts.push(unsaved);
        this.#enter(node);
      },
      attributed: (node) => {
        parts.set(node, unsaved);
        this.#collisions.reopen();
      },
    });
    this.#context = context;
    this.#graph = graph;
    this.#references = references;
    this.#contents = { graph, entries, waiting, intake, parts };
    this.#collisions = new Collisions(graph, entries);
  }

  /** How many changes are applied. */
  get size(): number {
    return this.#graph.size - this.#collisions.leftOut.size;
  }

  /** How many wait for others. */
  get waiting(): number {
    return this.#contents.waiting.size;
  }

  /** Sorted. */
  heads(): readonly ChangeHash[] {
    return [...this.#heads].map((node) => this.#graph.hashOf(node)).sort();
  }

  isApplied(hash: ChangeHash): boolean {
    return this.#find(hash) !== none;
  }

  /** The actor of an applied change, as hex. */
  actorOf(hash: ChangeHash): string | undefined {
    const node = this.#find(hash);
    return node === none ? undefined : this.#graph.actorName(this.#graph.actorOf(node));
  }

  /** What is left out, by entry; at most `docFaultsMax` of them. */
  faults(): readonly DocFault[] {
    return this.#allFaults()
      .slice(0, docFaultsMax)
      .map(({ entry, reason }) => this.#faultIn(entry, reason));
  }

  /** The changes as Automerge takes them. They are applied here. */
  bytesOf(hashes: readonly ChangeHash[]): readonly Uint8Array[] {
    return hashes.map((hash) => {
      const node = this.#find(hash);
      assert(node !== none, "only what is applied is asked for");
      return this.#graph.bytesOf(node);
    });
  }

  /** Applied and not in the past of these, each behind those that it follows. Undefined: one of them is not applied here. */
  since(heads: readonly ChangeHash[]): readonly ChangeHash[] | undefined {
    const graph = this.#graph;
    const known = heads.map((head) => this.#find(head));
    if (known.includes(none)) return undefined;
    const past = graph.pastAbove(known);
    const nodes: number[] = [];
    for (let number = 0; number < graph.lineCount; number++) {
      const line = graph.line(number);
      const from = Math.max(0, seqOn(past, number) - line.first + 1);
      for (const node of line.nodes.slice(from)) if (!this.#collisions.leftOut.has(node)) nodes.push(node);
    }
    return this.#hashesOf(nodes);
  }

  /**
   * Why an entry of this author with this payload would not be applied whole, in a few words; undefined: it would. Changes nothing. `last`: the hash that
   * its last change must have.
   */
  refusal(payload: DocPayload, author: PublicKey, last: ChangeHash): string | undefined {
    const mark = this.#graph.mark();
    try {
      return this.#try(payload, author, last);
    } finally {
      for (let node = mark.nodes; node < this.#graph.size; node++) this.#references.forget(node);
      this.#graph.goBack(mark);
    }
  }

  /** Applied changes at positions below `before`, the latest first. */
  records(before: number, limit: number): readonly DocRecord[] {
    const records: DocRecord[] = [];
    for (let node = Math.min(before, this.#graph.size) - 1; node >= 0 && records.length < limit; node--)
      if (!this.#collisions.leftOut.has(node)) records.push(this.#recordOf(node));
    return records;
  }

  merge(payload: DocPayload, origin: Origin): DocChange | undefined {
    const { intake, entries } = this.#contents;
    const entry = entries.add(origin);
    const actorFor = this.#actorsOf(origin.author, payload.nonce);
    const judged = this.#takeTried(payload, origin.author);
    return this.#change(() => {
      let previous: Taken;
      for (const [index, { tail, deps, label, ops, decoded }] of payload.changes.entries()) {
        const sent = { entry, index, actor: actorFor(label), tail, ops, deps, decoded, judged: judged?.[index] };
        previous = intake.take(sent, previous);
      }
    });
  }

  checkpoint(since: number, number: number): Uint8Array | undefined {
    assert(number > since, "checkpoints are numbered upwards");
    return this.sizeSince(since) === 0 ? undefined : saveDoc(this.#contents, since, number);
  }

  /** The document may be different in any way afterwards. */
  restore(bytes: Uint8Array, number: number): Result<void> {
    this.#tried = undefined;
    return attempt(() => {
      restoreDoc(this.#contents, bytes, number);
      this.#collisions.reopen();
      this.#collisions.decide();
      this.#heads = this.#findHeads();
    });
  }

  sizeSince(since: number): number {
    return sizeSince(this.#contents, since);
  }

  encode(): Uint8Array {
    const { entries, waiting } = this.#contents;
    return encodeDoc(this.heads(), this.#allFaults(), [...waiting.all()], entries);
  }

  /** What comes of something that alters the document. */
  #change(alter: () => void): DocChange | undefined {
    const { intake } = this.#contents;
    const size = this.#graph.size;
    const faults = intake.faults.size;
    alter();
    const decision = this.#decide();
    const added: number[] = (decision?.revived ?? []).filter((node) => node < size);
    for (let node = size; node < this.#graph.size; node++) if (!this.#collisions.leftOut.has(node)) added.push(node);
    const isAnew = decision?.fallen.some((node) => node < size) ?? false;
    const newFaults = this.#faultsSince(faults, decision);
    if (!isAnew && added.length === 0 && newFaults.length === 0) return undefined;
    return { isAnew, added: this.#hashesOf(added), faults: newFaults };
  }

  /** A change has come into the graph. */
  #enter(node: number): void {
    this.#collisions.add(node);
    if (!this.#collisions.leftOut.has(node)) this.#raiseHeads(node);
  }

  #raiseHeads(node: number): void {
    const deps = this.#graph.depsOf(node);
    for (let i = 0; i < deps.length; i++) this.#heads.delete(deps[i] as number);
    this.#heads.add(node);
  }

  #decide(): Decision | undefined {
    const decision = this.#collisions.decide();
    if (decision === undefined || decision.fallen.length + decision.revived.length === 0) return decision;
    this.#heads = this.#findHeads();
    return decision;
  }

  #findHeads(): Set<number> {
    const isFollowed = new Uint8Array(this.#graph.size);
    const applied: number[] = [];
    for (let node = 0; node < this.#graph.size; node++) {
      if (this.#collisions.leftOut.has(node)) continue;
      applied.push(node);
      const deps = this.#graph.depsOf(node);
      for (let i = 0; i < deps.length; i++) isFollowed[deps[i] as number] = 1;
    }
    return new Set(applied.filter((node) => isFollowed[node] === 0));
  }

  #takeTried(payload: DocPayload, author: PublicKey): readonly Judged[] | undefined {
    const tried = this.#tried;
    this.#tried = undefined;
    // What waits for one of its changes would come in between them.
    if (tried?.payload !== payload || tried.author !== author || this.waiting > 0) return undefined;
    return tried.judged;
  }

  #try(payload: DocPayload, author: PublicKey, last: ChangeHash): string | undefined {
    const actorFor = this.#actorsOf(author, payload.nonce);
    const judged: Judged[] = [];
    let previous = none;
    for (const change of payload.changes) {
      const nodes = change.deps === undefined ? [previous] : change.deps.map((dep) => this.#find(dep));
      if (nodes.includes(none)) return "it follows a change that is not applied";
      const one = judgeChange(this.#judging, change, nodes, this.#graph.addActor(actorFor(change.label)));
      const added = this.#tryOne(one, change);
      if (typeof added === "string") return added;
      judged.push(one);
      previous = added;
    }
    if (this.#graph.hashOf(previous) !== last) return "its last change has another hash";
    this.#tried = { payload, author, judged };
    return undefined;
  }

  #tryOne(judged: Judged, { tail, ops }: DocPayloadChange): number | DocFaultReason {
    if (judged.type === "fault") return judged.reason;
    if (judged.type === "known") return this.#collisions.leftOut.has(judged.node) ? "repeated" : judged.node;
    const { digest, placement, places } = judged;
    if (this.#graph.isTaken(placement)) return "repeated";
    const node = this.#graph.add(digest, placement, { tail, ops, entry: 0, index: 0 });
    this.#references.added(node, places);
    return node;
  }

  /** None: there is no such change, or it is left out. */
  #find(hash: ChangeHash): number {
    const node = this.#graph.find(hash);
    return this.#collisions.leftOut.has(node) ? none : node;
  }

  #hashesOf(nodes: number[]): readonly ChangeHash[] {
    return nodes.sort((a, b) => a - b).map((node) => this.#graph.hashOf(node));
  }

  /** By label. A payload has one or two of them, or those of an import. */
  #actorsOf(author: PublicKey, nonce: Uint8Array): (label: Uint8Array) => Uint8Array {
    const { database, sha256 } = this.#context;
    const actors = new Map<string, Uint8Array>();
    return (label) => {
      const name = encodeHex(label);
      const actor = actors.get(name) ?? actorOf(database, author, nonce, label, sha256);
      actors.set(name, actor);
      return actor;
    };
  }

  #recordOf(node: number): DocRecord {
    const graph = this.#graph;
    const { entries } = this.#contents;
    const entry = graph.entryOf(node);
    const { time, message } = unwrap(decodeTail("", graph.tailOf(node)));
    return {
      position: node,
      hash: graph.hashOf(node),
      entry: entries.idOf(entry),
      author: entries.keyOf(entries.authorOf(entry)),
      actor: graph.actorName(graph.actorOf(node)),
      ...{ seq: graph.seqOf(node), ops: graph.opsOf(node), time, message },
    };
  }

  #faultIn(entry: number, reason: DocFaultReason): DocFault {
    const { entries } = this.#contents;
    return { entry: entries.idOf(entry), author: entries.keyOf(entries.authorOf(entry)), reason };
  }

  /** In the order of their entries' ids. */
  #allFaults(): readonly KeyedFault<DocFaultReason>[] {
    const { intake, entries } = this.#contents;
    const faults: KeyedFault<DocFaultReason>[] = [];
    for (const [key, { reason }] of intake.faults) faults.push({ ...splitKey(key), reason });
    for (const node of this.#collisions.rejected)
      faults.push({ entry: this.#graph.entryOf(node), index: this.#graph.indexOf(node), reason: "repeated" });
    return faults.sort((a, b) => entries.compareIds(a.entry, b.entry) || a.index - b.index);
  }

  /** Faults stay, so new ones are those behind the first `count`. */
  #faultsSince(count: number, decision: Decision | undefined): readonly DocFault[] {
    const { intake } = this.#contents;
    const faults: DocFault[] = (decision?.rejected ?? []).map((node) =>
      this.#faultIn(this.#graph.entryOf(node), "repeated"),
    );
    if (intake.faults.size === count) return faults.slice(0, docFaultsMax);
    for (const [key, { reason }] of [...intake.faults].slice(count, count + docFaultsMax))
      faults.push(this.#faultIn(splitKey(key).entry, reason));
    return faults.slice(0, docFaultsMax);
  }
}
