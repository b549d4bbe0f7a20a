/** Judges the changes of a document as they come, and keeps those that wait for others. What it says follows from the set of what came: [DOC-20]. */
import { unreachable } from "../errors.ts";
import { unsaved } from "../store/part-counts.ts";
import type { ChangeHash } from "./change-bytes.ts";
import { none } from "./change-graph.ts";
import type { EntryTable } from "./entry-table.ts";
import { type ChangeFault, type JudgingParts, judgeChange } from "./judging.ts";
import { changeKey, type SentAs, type WaitingChange, type WaitingChanges } from "./waiting-changes.ts";

export interface KeptFault {
  readonly reason: ChangeFault;
  /** The checkpoint part that holds it. */
  part: number;
}

/** What became of a change: its place in the graph; or it waits; or it is left out for ever. */
export type Taken = number | WaitingChange | undefined;

export interface DocIntakeParts extends JudgingParts {
  readonly entries: EntryTable;
  readonly waiting: WaitingChanges;
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
    const { graph, references, added } = this.#parts;
    const actor = graph.addActor(sent.actor);
    const judged = sent.judged ?? judgeChange(this.#parts, sent, deps, actor);
    switch (judged.type) {
      case "fault":
        return this.#leaveOut(sent, judged.reason, part);
      case "known":
        this.attribute(judged.node, sent.entry, sent.index);
        return judged.node;
      case "sound": {
        const node = graph.add(judged.digest, judged.placement, sent);
        references.added(node, judged.places);
        added(node);
        return node;
      }
      default:
        return unreachable(judged);
    }
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
