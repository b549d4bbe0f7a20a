/** Entries back from storage: read in ranges of positions, decoded as strictly as anything else that comes from outside. */
import { decodeEntry, type Entry } from "../core/entry.ts";
import { TidemarkError } from "../core/errors.ts";
import type { Node } from "../core/graph.ts";
import type { DatabaseId } from "../core/ids.ts";
import type { EnginePorts } from "./ports.ts";

/** Reading over a gap of a few entries is cheaper than another read. */
const gapMax = 16;

/** `mayBridge`: what lies between them can be read as well. */
export async function readEntries(
  ports: Pick<EnginePorts, "storage" | "sha256">,
  database: DatabaseId,
  nodes: readonly Node[],
  known: (position: number) => Entry | undefined,
  mayBridge: boolean,
): Promise<readonly Entry[]> {
  const found = new Map<number, Entry>();
  const unread: Node[] = [];
  for (const node of nodes) {
    const entry = known(node.position);
    if (entry === undefined) unread.push(node);
    else found.set(node.position, entry);
  }
  for (const { from, to } of rangesOf(
    unread.map((node) => node.position),
    mayBridge ? gapMax : 1,
  )) {
    const bytes = await ports.storage.read(database, from, to);
    for (const node of unread) {
      const each = bytes[node.position - from];
      if (node.position >= from && node.position < to && each !== undefined)
        found.set(node.position, decodeStored(ports, each, node));
    }
  }
  return nodes.map((node) => found.get(node.position) ?? missing(node));
}

/** The entry in these bytes; STORAGE_CORRUPT unless it is the one whose id is expected. */
export function decodeStored(ports: Pick<EnginePorts, "sha256">, bytes: Uint8Array, expected: Pick<Node, "id">): Entry {
  const entry = decodeEntry(bytes, ports.sha256);
  if (entry.ok && entry.value.id === expected.id) return entry.value;
  const what = entry.ok ? "another entry" : entry.failure.code;
  throw new TidemarkError("STORAGE_CORRUPT", { where: `${what} in place of entry ${expected.id}` });
}

function missing(node: Node): never {
  throw new TidemarkError("STORAGE_CORRUPT", { where: `no entry ${node.id}` });
}

function rangesOf(
  positions: readonly number[],
  gap: number,
): readonly { readonly from: number; readonly to: number }[] {
  const ranges: { from: number; to: number }[] = [];
  for (const position of [...positions].sort((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last !== undefined && position - last.to < gap) last.to = position + 1;
    else ranges.push({ from: position, to: position + 1 });
  }
  return ranges;
}
