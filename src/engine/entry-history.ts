/**
 * The entries of a database as people ask for them: who wrote what, and when, page by page.
 *
 * [HISTORY-2] A page begins behind the entry that is named, whatever came, became void or counts again since; its last one is where the next begins.
 * [HISTORY-3] Every durable entry is listed, void ones too; each says whether it counts now, and what is known of its content.
 * [HISTORY-4] A page reads what it lists, however long the log is, and at most 8 MiB of it: then it is shorter than was asked for.
 * [HISTORY-5] Reading on by the cursor of a page, a hook gets exactly the entries that were not there yet for that page.
 */
import type { Entry } from "../core/entry.ts";
import { TidemarkError } from "../core/errors.ts";
import type { Graph, Node } from "../core/graph.ts";
import { type EntryId, formatCid, type PublicKey } from "../core/ids.ts";
import { exportChunkBytes, historyBytesMax, memberNameBytesMax } from "../core/limits.ts";
import { followedBy } from "../core/node.ts";
import { contentOf, type OpenedParts } from "../core/opened.ts";
import type { DecodedPart } from "../core/store/kinds.ts";
import { TimeOrder } from "../core/time-order.ts";
import type { OpenDatabase } from "./database.ts";
import { decodeParts } from "./folding.ts";
import { isLabel } from "./label.ts";
import { type SettingsChange, settingsWords } from "./settings-words.ts";
import { readSound } from "./sound-reading.ts";

export interface HistoryQuery {
  /** Entries before this one, and after that one; both are left out themselves. */
  readonly before?: EntryId;
  readonly after?: EntryId;
  readonly order: "newest" | "oldest";
  readonly limit: number;
}

/** What one entry wrote to one store of the app. */
export interface WrittenStore {
  readonly name: string;
  readonly type: string;
  /** Rows of a table, keys of a kv store, changes of a document; undefined for a type that this version does not know. */
  readonly count?: number;
}

/**
 * What is known of the content of an entry.
 *
 * whole: all of it. sealed: it is encrypted, and its key is not here, or not yet. broken: it is encrypted, and its author sealed what is no content; it
 * has no effect. damaged: this device's disk has lost it, and peers are asked for it.
 */
export type ContentKind = "whole" | "sealed" | "broken" | "damaged";

export interface PastEntry {
  readonly id: EntryId;
  readonly author: PublicKey;
  /** What the author is called now; empty: nobody said. */
  readonly name: string;
  /** The author is the key that this device uses in the database. */
  readonly isYou: boolean;
  readonly seq: number;
  /** Hybrid time. */
  readonly time: number;
  /** What it follows directly. */
  readonly parents: readonly EntryId[];
  readonly counts: boolean;
  readonly content: ContentKind;
  readonly stores: readonly WrittenStore[];
  readonly settings: readonly SettingsChange[];
}

export interface PastEntries {
  readonly entries: readonly PastEntry[];
  /** The last of them, when there are more. */
  readonly next: EntryId | undefined;
  /** Entries at positions below were durable: these pages are of them. */
  readonly through: number;
}

const orders = new WeakMap<Graph, TimeOrder>();

/** Rejects with ENTRY_UNKNOWN, or with a STORAGE_ code when storage cannot be read at all. */
export async function readHistory(database: OpenDatabase, query: HistoryQuery): Promise<PastEntries> {
  const { graph, stored } = database.replica;
  const order = orders.get(graph) ?? new TimeOrder(graph);
  orders.set(graph, order);
  order.extend(stored);
  const placeOf = (id: EntryId): number => order.placeOf(durableNode(database, id));
  const low = query.after === undefined ? 0 : placeOf(query.after) + 1;
  const high = query.before === undefined ? order.length : placeOf(query.before);
  const all = Math.max(0, high - low);
  const nodes = fitting(Math.min(query.limit, all), (i) =>
    graph.at(order.at(query.order === "newest" ? high - 1 - i : low + i)),
  );
  const entries: PastEntry[] = [];
  for (let from = 0; from < nodes.length; ) {
    const lot = lotOf(nodes, from);
    entries.push(...(await describe(database, lot)));
    from += lot.length;
  }
  return { entries, next: nodes.length < all ? nodes.at(-1)?.id : undefined, through: stored };
}

/** An entry that is durable here. Fails with ENTRY_UNKNOWN. */
export function durableNode({ replica }: OpenDatabase, id: EntryId): Node {
  const node = replica.graph.get(id);
  if (node === undefined || node.position >= replica.stored) throw unknown(id);
  return node;
}

/** The id as apps see it. */
function unknown(id: EntryId): TidemarkError {
  return new TidemarkError("ENTRY_UNKNOWN", { entry: formatCid(id) });
}

/** As many as may be read for one page, at least one. */
function fitting(count: number, nodeAt: (i: number) => Node): readonly Node[] {
  const nodes: Node[] = [];
  for (let size = 0; nodes.length < count; ) {
    const node = nodeAt(nodes.length);
    size += node.size;
    if (nodes.length > 0 && size > historyBytesMax) break;
    nodes.push(node);
  }
  return nodes;
}

/** As many as are in memory at a time, at least one. */
function lotOf(nodes: readonly Node[], from: number): readonly Node[] {
  let to = from;
  for (let size = 0; to < nodes.length; to++) {
    size += nodes[to]?.size ?? 0;
    if (to > from && size > exportChunkBytes) break;
  }
  return nodes.slice(from, to);
}

async function describe(database: OpenDatabase, nodes: readonly Node[]): Promise<readonly PastEntry[]> {
  const { read } = await readSound(database, nodes);
  const opened = await database.encryption.open(read);
  const entries = new Map(read.map((entry) => [entry.id, entry]));
  return nodes.map((node) => ({ ...headOf(database, node), ...contentIn(entries.get(node.id), opened) }));
}

function headOf({ replica, identity }: OpenDatabase, node: Node): Omit<PastEntry, "content" | "stores" | "settings"> {
  const { id, author, seq, time } = node;
  const name = replica.settings.member(author)?.name ?? "";
  return {
    ...{ id, author, seq, time },
    name: isLabel(name, memberNameBytesMax) ? name : "",
    isYou: author === identity.publicKey,
    parents: followedBy(node).map((each) => each.id),
    counts: replica.graph.counts(node),
  };
}

function contentIn(entry: Entry | undefined, opened: OpenedParts): Pick<PastEntry, "content" | "stores" | "settings"> {
  if (entry === undefined) return { content: "damaged", stores: [], settings: [] };
  const clear = decodeParts(entry.stores, entry.id);
  const content = contentOf(entry.id, clear, opened);
  const parts = content.type === "parts" ? content.parts : clear;
  return {
    content: content.type === "parts" ? "whole" : content.type,
    stores: parts.flatMap((part) => writtenStore(part) ?? []),
    settings: settingsWords(clear.flatMap((part) => (part.type === "settings" ? part.payload : []))),
  };
}

/** Undefined for those that are ours. */
function writtenStore(part: DecodedPart): WrittenStore | undefined {
  switch (part.type) {
    case "table":
    case "kv":
      return { name: part.name, type: part.type, count: part.payload.length };
    case "doc":
      return { name: part.name, type: part.type, count: part.payload.changes.length };
    case "unknown":
      return { name: part.name, type: part.storeType };
    case "settings":
    case "sealed":
      return undefined;
  }
}
