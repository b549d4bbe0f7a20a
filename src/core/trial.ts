/**
 * What would become of a batch, without anything becoming of it: which entries would be taken on another's word alone.
 *
 * An entry whose own signature was not checked stands on that of a later one which names it as `prev`. Others can follow that
 * only if the later entry is accepted too: a refused one is never passed on, and an honest entry that stands on the earlier
 * one could then be taken here and nowhere else. An author who wants to keep replicas apart can make such a pair.
 *
 * [REPLICA-8] An entry is accepted with its own signature checked, or together with the entry that vouches for it.
 */
import type { VouchedEntry } from "./entry.ts";
import type { EntryId } from "./ids.ts";
import { judge, type Surroundings, settingsIn, type Verdict } from "./judgement.ts";
import { type EntryIndex, linkNode, type Node } from "./node.ts";
import type { Pending } from "./pending.ts";
import type { DecodedPart } from "./store/kinds.ts";

export interface Trial {
  /**
   * False when one of the entries whose own signature was not checked would be accepted without the entry that vouches for it,
   * or would have to wait: what waits is released later, when nobody remembers who vouched for it.
   */
  readonly isProved: boolean;
  /** What each entry that was tried would be: an accepted one is accepted whenever all that it follows is. */
  readonly verdicts: ReadonlyMap<EntryId, Verdict>;
}

export function tryEntries(
  entries: readonly VouchedEntry[],
  isChecked: (id: EntryId) => boolean,
  surroundings: Surroundings,
  pending: Pending,
  nowMs: number,
): Trial {
  const unchecked = entries.filter((entry) => !isChecked(entry.id));
  if (unchecked.length === 0) return { isProved: true, verdicts: new Map() };
  const { nodes, verdicts } = tryAll(entries, surroundings, pending, nowMs);
  const continued = new Set([...nodes.values()].map((node) => node.prev));
  const isProved = unchecked.every(({ id }) => {
    const verdict = verdicts.get(id)?.type;
    if (verdict === undefined || verdict === "refuse") return true;
    return verdict === "accept" && continued.has(nodes.get(id));
  });
  return { isProved, verdicts };
}

interface Tried {
  /** What the accepted entries would become. */
  readonly nodes: ReadonlyMap<EntryId, Node>;
  readonly verdicts: ReadonlyMap<EntryId, Verdict>;
}

function tryAll(entries: readonly VouchedEntry[], surroundings: Surroundings, pending: Pending, nowMs: number): Tried {
  const nodes = new Map<EntryId, Node>();
  const verdicts = new Map<EntryId, Verdict>();
  const find = (id: EntryId): Node | undefined => surroundings.find(id) ?? nodes.get(id);
  const root = (): Node | undefined => surroundings.root() ?? nodes.values().next().value;
  const recorded: Node[] = [];
  const overlay: Surroundings = { ...surroundings, find, root };
  for (const first of entries) {
    const queue = [first];
    for (let entry = queue.shift(); entry !== undefined; entry = queue.shift()) {
      if (find(entry.id) !== undefined) continue;
      const verdict = judge(entry, overlay, nowMs);
      verdicts.set(entry.id, verdict);
      if (verdict.type !== "accept") continue;
      const ops = settingsIn(verdict.parts);
      const node = linkNode(indexOf(entry, verdict.parts), Number.POSITIVE_INFINITY, find);
      nodes.set(entry.id, node);
      // What an entry says is the same whether it is accepted or not: recording it early decides nothing.
      if (ops.length > 0) surroundings.authority.record(node, ops);
      if (ops.length > 0) recorded.push(node);
      queue.push(...pending.dependentsOf(entry.id));
    }
  }
  for (const node of recorded.reverse()) surroundings.authority.forget(node);
  return { nodes, verdicts };
}

/** What the graph keeps of an accepted entry. */
export function indexOf(entry: VouchedEntry, parts: readonly DecodedPart[]): EntryIndex {
  const { id, author, seq, prev, parents, height, time, bytes } = entry;
  return { id, author, seq, prev, parents, height, time, size: bytes.length, settings: settingsIn(parts).length > 0 };
}
