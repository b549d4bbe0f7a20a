/**
 * The frontier: for every author the heads of its chain.
 *
 * [FRONTIER-1] Two replicas hold the same entries exactly when their frontiers are equal: the graph is closed under
 *              `prev` and parents, so the heads say everything below them.
 * [FRONTIER-2] Equal frontiers have equal bytes: authors sorted, heads of one author sorted by id.
 * [FRONTIER-3] The difference of a graph and a frontier is exact without walking more than what is different.
 *
 * That is why a database's digest is the SHA-256 of its encoded frontier.
 */
import { CborReader } from "./cbor-reader.ts";
import { CborWriter } from "./cbor-writer.ts";
import { assert, attempt, type Result, TidemarkError } from "./errors.ts";
import type { Graph, Node } from "./graph.ts";
import { decodeHex, type EntryId, encodeHex, type PublicKey, publicKeyFromBytes, type Sha256 } from "./ids.ts";
import { forksMax, headsPerFrontierMax } from "./limits.ts";

export interface Head {
  readonly seq: number;
  readonly id: EntryId;
}

export type Frontier = ReadonlyMap<PublicKey, readonly Head[]>;

export function writeFrontier(writer: CborWriter, frontier: Frontier): void {
  const authors = [...frontier.keys()].sort();
  writer.array(authors.length);
  for (const author of authors) {
    const heads = frontier.get(author) ?? [];
    writer.array(1 + heads.length);
    writer.bytes(decodeHex(author));
    for (const { seq, id } of heads) {
      writer.array(2);
      writer.uint(seq);
      writer.link(id);
    }
  }
}

export function readFrontier(reader: CborReader): Frontier {
  const frontier = new Map<PublicKey, readonly Head[]>();
  let last = "";
  for (let authors = reader.array(headsPerFrontierMax); authors > 0; authors--) {
    let left = reader.array(1 + forksMax) - 1;
    const author = publicKeyFromBytes(reader.bytes(32));
    const heads: Head[] = [];
    for (; left > 0; left--) {
      if (reader.array(2) !== 2) throw malformed("head");
      heads.push({ seq: reader.uint(Number.MAX_SAFE_INTEGER), id: reader.link() });
    }
    if (author <= last) throw malformed("order of authors");
    if (heads.length === 0 || heads.some((head, i) => i > 0 && head.id <= (heads[i - 1]?.id ?? "")))
      throw malformed("heads");
    last = author;
    frontier.set(author, heads);
  }
  return frontier;
}

function malformed(field: string): TidemarkError {
  return new TidemarkError("MESSAGE_MALFORMED", { field, got: "another form", expected: "a canonical frontier" });
}

export function encodeFrontier(frontier: Frontier): Uint8Array {
  const writer = new CborWriter();
  writeFrontier(writer, frontier);
  return writer.finish();
}

export function decodeFrontier(bytes: Uint8Array): Result<Frontier> {
  return attempt(() => {
    const reader = new CborReader(bytes);
    const frontier = readFrontier(reader);
    reader.end();
    return frontier;
  });
}

export function digestFrontier(frontier: Frontier, sha256: Sha256): string {
  return encodeHex(sha256(encodeFrontier(frontier)));
}

/** What a graph holds beyond a frontier, in the order of its positions, and the authors whose chain has forked between the two. */
export interface Difference {
  readonly extra: readonly Node[];
  readonly forked: readonly PublicKey[];
}

/**
 * What the owner of `theirs` misses of our entries at positions below `through`. A head that is unknown here although we
 * hold its author's chain up to its `seq` lies on another branch: that author is left to a skeleton.
 */
export function differenceTo(graph: Graph, theirs: Frontier, through: number): Difference {
  const extra: Node[] = [];
  const forked: PublicKey[] = [];
  for (const [author, ours] of graph.frontier(through)) {
    const heads = ours.map((head) => heldNode(graph, head.id));
    const known = (theirs.get(author) ?? []).map((head) => graph.get(head.id)).filter((node) => node !== undefined);
    const unknown = (theirs.get(author) ?? []).filter((head) => !graph.has(head.id));
    const newestSeq = Math.max(...heads.map((head) => head.seq));
    if (unknown.some((head) => head.seq <= newestSeq)) forked.push(author);
    else if (unknown.length === 0) extra.push(...chainsAbove(heads, known));
  }
  return { extra: inOrder(extra), forked };
}

/** The nodes of some chains that are not at or below any of the `held` ones of the same author. */
export function chainsAbove(heads: readonly Node[], held: readonly Node[]): readonly Node[] {
  const isHeld = below(held, heads);
  const above = new Set<Node>();
  for (const head of heads) {
    for (let node: Node | undefined = head; node !== undefined && !isHeld(node) && !above.has(node); node = node.prev)
      above.add(node);
  }
  return [...above];
}

export function inOrder(nodes: readonly Node[]): readonly Node[] {
  return [...nodes].sort((a, b) => a.position - b.position);
}

/** With a single branch `seq` alone tells what is below; a fork has to be walked. */
function below(held: readonly Node[], heads: readonly Node[]): (node: Node) => boolean {
  if (held.length === 0) return () => false;
  if (heads.length === 1) {
    const top = Math.max(...held.map((node) => node.seq));
    return (node) => node.seq <= top;
  }
  const chain = new Set<Node>();
  for (const head of held) {
    for (let node: Node | undefined = head; node !== undefined && !chain.has(node); node = node.prev) chain.add(node);
  }
  return (node) => chain.has(node);
}

function heldNode(graph: Graph, id: EntryId): Node {
  const node = graph.get(id);
  assert(node, "a head is in its graph");
  return node;
}
