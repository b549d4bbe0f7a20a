/** Judges the changes of a document as they come, and keeps those that wait for others. What it says follows from the set of what came: [DOC-20]. */
import { unwrap } from "../errors.ts";
import { decodeHex, type Sha256 } from "../ids.ts";
import { unsaved } from "../store/part-counts.ts";
import { buildChange, type ChangeHash } from "./change-bytes.ts";
import { type ChangeGraph, none } from "./change-graph.ts";
import type { EntryTable } from "./entry-table.ts";
import type { ReferenceFault, References } from "./references.ts";
import { decodeTail } from "./tail.ts";
import { changeKey, type SentAs, type WaitingChange, type WaitingChanges } from "./waiting-changes.ts";

/** Why a change is left out for what it is: `history` if two of one number are in its past. */
export type ChangeFault = ReferenceFault | "history";

export interface KeptFault {
  readonly reason: ChangeFault;
  /** The checkpoint part that holds it. */
  part: number;
}

/** What became of a change: its place in the graph; or it waits; or it is left out for ever. */
export type Taken = number | WaitingChange | undefined;

export interface DocIntakeParts {
  readonly graph: ChangeGraph;
  readonly entries: EntryTable;
  readonly waiting: WaitingChanges;
  readonly references: References;
  readonly sha256: Sha256;
  /** A change is in the graph now. */
  readonly added: (node: number) => void;
  /** One that is in the graph was in an earlier entry. */
  readonly attributed: (node: number) => void;
}

export class DocIntake {
  readonly #parts: DocIntakeParts;
  /** By `changeKey`. */
  readonly faults: Map<number, KeptFault> = new Map();

  constructor(parts: DocIntakeParts) {
    this.#parts = parts;
  }

  /** `previous`: what became of the change before it in its entry. The tail is one that `decodeTail` takes. */
  take(sent: SentAs, previous: Taken, part: number = unsaved): Taken {
    const { waiting } = this.#parts;
    const known = waiting.get(sent.entry, sent.index);
    if (known !== undefined) return known;
    if (this.faults.has(changeKey(sent.entry, sent.index))) return undefined;
    if (sent.deps === undefined) {
      // Left out with what it follows.
      if (previous === undefined) return undefined;
      return typeof previous === "number" ? this.#settle(sent, [previous], part) : waiting.add(sent, part, previous);
    }
    const deps = this.#find(sent.deps);
    return typeof deps === "string" ? waiting.add(sent, part, deps) : this.#settle(sent, deps, part);
  }

  /** A change that was waited for is here. */
  release(node: number): void {
    const { graph, waiting } = this.#parts;
    if (waiting.size === 0) return;
    const open = [...waiting.takeFor(graph.hashOf(node))];
    for (let change = open.pop(); change !== undefined; change = open.pop()) {
      const deps = this.#find(change.deps ?? []);
      if (typeof deps === "string") waiting.waitFor(change, deps);
      else for (const each of this.#advance(change, deps)) open.push(...waiting.takeFor(graph.hashOf(each)));
    }
  }

  #settle(sent: SentAs, deps: readonly number[], part: number): number | undefined {
    const node = this.#judge(sent, deps, part);
    if (node !== undefined) this.release(node);
    return node;
  }

  /** The first of a run of changes waits no longer. Answers which of them came to something. */
  #advance(first: WaitingChange, deps: readonly number[]): readonly number[] {
    const { waiting } = this.#parts;
    const nodes: number[] = [];
    let node = this.#judge(first, deps, first.part);
    waiting.delete(first);
    for (let change = first.next; change !== undefined; change = change.next) {
      waiting.delete(change);
      if (node === undefined) continue;
      nodes.push(node);
      node = this.#judge(change, [node], change.part);
    }
    return node === undefined ? nodes : [...nodes, node];
  }

  #judge(sent: SentAs, deps: readonly number[], part: number): number | undefined {
    const { graph, references, sha256, added } = this.#parts;
    const placement = graph.place(deps, graph.addActor(sent.actor));
    if (placement === undefined) return this.#leaveOut(sent, "history", part);
    const { hash } = buildChange(graph.headerOf(placement), sent.tail, sha256);
    const known = graph.find(hash);
    if (known !== none) {
      this.attribute(known, sent.entry, sent.index);
      return known;
    }
    const fault = references.check(unwrap(decodeTail("", sent.tail)), placement);
    if (fault !== undefined) return this.#leaveOut(sent, fault, part);
    const node = graph.add(decodeHex(hash), placement, sent);
    references.added(node);
    added(node);
    return node;
  }

  /** A change that is here stands in an entry as well. */
  attribute(node: number, entry: number, index: number): void {
    const { graph, entries, attributed } = this.#parts;
    const later = entries.compare(entry, graph.entryOf(node)) || index - graph.indexOf(node);
    if (later >= 0) return;
    graph.attribute(node, entry, index);
    attributed(node);
  }

  keepFault(entry: number, index: number, fault: KeptFault): void {
    const key = changeKey(entry, index);
    if (!this.faults.has(key)) this.faults.set(key, fault);
  }

  #leaveOut({ entry, index }: SentAs, reason: ChangeFault, part: number): undefined {
    this.keepFault(entry, index, { reason, part });
  }

  /** Where they all are, or one that is not here. */
  #find(deps: readonly ChangeHash[]): readonly number[] | ChangeHash {
    const nodes: number[] = [];
    for (const dep of deps) {
      const node = this.#parts.graph.find(dep);
      if (node === none) return dep;
      nodes.push(node);
    }
    return nodes;
  }
}
