/**
 * The changes of a document whose own past is sound, each behind those that it follows, and what is derived of them.
 *
 * [DOC-12] The number of a change (seq) is one more than that of its actor's last in its past, and its first op's counter one more than the
 *          greatest in its past: neither is sent.
 * [DOC-13] A past that holds two changes of one actor with one number is none that a change can have.
 * A change is known by its place here, which differs between replicas. Nothing is taken away again, but for what was only tried.
 * Not here: what the ops say (references.ts), and which of two with one number is applied (collisions.ts).
 */
import { concatBytes } from "../bytes.ts";
import { encodeHex, type Sha256 } from "../ids.ts";
import {
  type ChangeHash,
  changeHashFromBytes,
  digestOfChange,
  joinChange,
  type PlainHeader,
  setChecksum,
} from "./change-bytes.ts";
import { type Clock, Clocks, type Lineage, type Past, seqOn } from "./clocks.ts";
import { DigestTable } from "./digest-table.ts";
import { outsideFrom, type SavedChanges } from "./doc-checkpoint.ts";
import { ByteColumn, WordColumn } from "./growing-columns.ts";
import type { LeastRecent } from "./least-recent.ts";

/** Where there is no change. */
export const none = -1;

/** Where a change of an actor would stand, and what follows from that. */
export interface Placement {
  readonly deps: readonly number[];
  readonly actor: number;
  /** The actor's last change in its past, or none. */
  readonly before: number;
  readonly seq: number;
  readonly startOp: number;
  readonly past: Past;
}

/** What is known of a change beside its placement. */
export interface Content {
  readonly tail: Uint8Array;
  readonly ops: number;
  /** The place of its entry, and its own in that. */
  readonly entry: number;
  readonly index: number;
}

/** Where a change stands that was kept. */
export interface Standing {
  readonly before: number;
  readonly actor: number;
  readonly startOp: number;
  /** Undefined: the one before alone. */
  readonly deps: readonly number[] | undefined;
}

/** What numbers in a part of a checkpoint stand for here. */
export interface Translation {
  readonly actors: readonly number[];
  readonly entries: readonly number[];
  readonly outside: readonly number[];
}

/** A run of changes of one actor. */
export interface Line {
  readonly actor: number;
  /** The number of its first change. */
  readonly first: number;
  /** The one before that, on another line, or none. */
  readonly before: number;
  readonly nodes: number[];
}

interface Actor {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly lines: number[];
}

/** To go back to. */
export interface GraphMark {
  readonly nodes: number;
  readonly lines: number;
  readonly actors: number;
}

export class ChangeGraph implements Lineage {
  readonly #hashes = new DigestTable();
  readonly #lineOf = new WordColumn();
  readonly #seqs = new WordColumn();
  readonly #startOps = new WordColumn();
  readonly #ops = new WordColumn();
  readonly #origins = new WordColumn();
  readonly #entries = new WordColumn();
  readonly #indexes = new WordColumn();
  /** Of those that begin a stretch; others have the one before on their line. */
  readonly #deps = new WordColumn();
  readonly #depsEnds = new WordColumn();
  readonly #tails = new ByteColumn();
  readonly #tailEnds = new WordColumn();
  readonly #lines: Line[] = [];
  readonly #actors: Actor[] = [];
  readonly #actorsByName = new Map<string, number>();
  readonly #forked = new Set<number>();
  readonly #clocks: Clocks;

  constructor(clocks: LeastRecent<number, Clock>, firstKey: number) {
    this.#clocks = new Clocks(this, clocks, firstKey);
  }

  get size(): number {
    return this.#hashes.length;
  }

  get lineCount(): number {
    return this.#lines.length;
  }

  get actorCount(): number {
    return this.#actors.length;
  }

  /** Actors that have used a number twice. */
  get forked(): ReadonlySet<number> {
    return this.#forked;
  }

  /** None: there is no such change here. */
  find(hash: string): number {
    return this.#hashes.findHex(hash);
  }

  findBytes(hash: Uint8Array, offset = 0): number {
    return this.#hashes.find(hash, offset);
  }

  hashOf(node: number): ChangeHash {
    return changeHashFromBytes(this.#hashes.view(node, node + 1));
  }

  /** Good until the next change. */
  hashBytes(node: number): Uint8Array {
    return this.#hashes.view(node, node + 1);
  }

  lineOf(node: number): number {
    return this.#lineOf.at(node);
  }

  seqOf(node: number): number {
    return this.#seqs.at(node);
  }

  originOf(node: number): number {
    return this.#origins.at(node);
  }

  startOpOf(node: number): number {
    return this.#startOps.at(node);
  }

  opsOf(node: number): number {
    return this.#ops.at(node);
  }

  entryOf(node: number): number {
    return this.#entries.at(node);
  }

  /** Its place in its entry. */
  indexOf(node: number): number {
    return this.#indexes.at(node);
  }

  /** It stands in another entry as well. */
  attribute(node: number, entry: number, index: number): void {
    this.#entries.set(node, entry);
    this.#indexes.set(node, index);
  }

  actorOf(node: number): number {
    return this.line(this.lineOf(node)).actor;
  }

  /** Good until the next change. */
  tailOf(node: number): Uint8Array {
    return this.#tails.view(node === 0 ? 0 : this.#tailEnds.at(node - 1), this.#tailEnds.at(node));
  }

  depsOf(node: number): ArrayLike<number> {
    if (this.originOf(node) !== node) return [this.beforeOf(node)];
    return this.#deps.view(node === 0 ? 0 : this.#depsEnds.at(node - 1), this.#depsEnds.at(node));
  }

  /** The change of its actor with the number before. */
  beforeOf(node: number): number {
    const { first, before, nodes } = this.line(this.lineOf(node));
    const place = this.seqOf(node) - first;
    return place === 0 ? before : (nodes[place - 1] as number);
  }

  line(line: number): Line {
    return this.#lines[line] as Line;
  }

  linesOf(actor: number): readonly number[] {
    return (this.#actors[actor] as Actor).lines;
  }

  actorBytes(actor: number): Uint8Array {
    return (this.#actors[actor] as Actor).bytes;
  }

  /** Hex. */
  actorName(actor: number): string {
    return (this.#actors[actor] as Actor).name;
  }

  /** Undefined: no change here is by it. */
  findActor(bytes: Uint8Array): number | undefined {
    return this.#actorsByName.get(encodeHex(bytes));
  }

  /** Known from now on. The bytes are kept. */
  addActor(bytes: Uint8Array): number {
    const name = encodeHex(bytes);
    const known = this.#actorsByName.get(name);
    if (known !== undefined) return known;
    const actor = this.#actors.push({ name, bytes: bytes.slice(), lines: [] }) - 1;
    this.#actorsByName.set(name, actor);
    return actor;
  }

  /** The past of a change, itself included. */
  pastOf(node: number): Past {
    return this.#clocks.upTo(node);
  }

  /** All that these changes and their pasts are. */
  pastAbove(nodes: readonly number[]): Past {
    return this.#clocks.above(nodes);
  }

  /** Undefined: the past would hold two changes with one number, of which no more than one can be applied. */
  place(deps: readonly number[], actor: number): Placement | undefined {
    const past = this.#clocks.above(deps);
    if (deps.length > 1 && this.#holdsTwins(past)) return undefined;
    const before = this.#lastOf(actor, past);
    let startOp = 1;
    for (const dep of deps) startOp = Math.max(startOp, this.startOpOf(dep) + this.opsOf(dep));
    return { deps, actor, before, seq: before === none ? 1 : this.seqOf(before) + 1, startOp, past };
  }

  /** Whether another change of the actor has the number. */
  isTaken({ actor, before }: Placement): boolean {
    if (before === none) return this.linesOf(actor).length > 0;
    return this.line(this.lineOf(before)).nodes.at(-1) !== before;
  }

  /** The hash that a change with this tail has there. */
  digestAt({ deps, actor, seq, startOp }: Placement, tail: Uint8Array, sha256: Sha256): Uint8Array {
    const header = { deps: this.#digestsOf(deps), actor: this.actorBytes(actor), seq, startOp };
    return digestOfChange(joinChange(header, tail), sha256);
  }

  /** The change as Automerge takes it. */
  bytesOf(node: number): Uint8Array {
    const actor = this.actorBytes(this.actorOf(node));
    const deps = this.#digestsOf(this.depsOf(node));
    const bytes = joinChange({ deps, actor, seq: this.seqOf(node), startOp: this.startOpOf(node) }, this.tailOf(node));
    setChecksum(bytes, this.hashBytes(node));
    return bytes;
  }

  /** One behind the other: deps are kept in the order of their hashes, in which they came. */
  #digestsOf(nodes: ArrayLike<number>): PlainHeader["deps"] {
    if (nodes.length === 1) return this.hashBytes(nodes[0] as number);
    return concatBytes(...Array.from(nodes, (node) => this.hashBytes(node)));
  }

  /** Takes in a change that is not here. Its tail is copied. */
  add(hash: Uint8Array, placement: Placement, content: Content): number {
    const { deps, before, past } = placement;
    const node = this.#append(hash, placement, content);
    const isChained = before !== none && deps.length === 1 && deps[0] === before;
    this.#origins.push(isChained ? this.originOf(before) : node);
    if (!isChained) this.#deps.append(deps);
    this.#depsEnds.push(this.#deps.length);
    if (deps.length > 1) this.#clocks.keep(node, past.clock);
    return node;
  }

  /** Takes in a change as it was. */
  restore(hash: Uint8Array, { before, actor, deps, startOp }: Standing, content: Content): number {
    const node = this.#append(hash, { before, actor, startOp }, content);
    this.#origins.push(deps === undefined ? this.originOf(before) : node);
    if (deps !== undefined) this.#deps.append(deps);
    this.#depsEnds.push(this.#deps.length);
    return node;
  }

  /** The same for all of a part, of which none is here. */
  restoreAll(changes: SavedChanges, { actors, entries, outside }: Translation): void {
    const { befores, deps, depCounts, tailEnds } = changes;
    const [first, tailsBefore, count] = [this.size, this.#tails.length, befores.length];
    const nodeOf = (name: number): number =>
      name < outsideFrom ? first + name : (outside[name - outsideFrom] as number);
    for (const column of this.#columns()) column.reserve(count);
    this.#hashes.addAll(changes.hashes);
    this.#tails.append(changes.tails);
    this.#startOps.append(changes.startOps);
    this.#ops.append(changes.ops);
    this.#indexes.append(changes.indexes);
    let depAt = 0;
    for (let i = 0; i < count; i++) {
      const before = befores[i] === 0 ? none : nodeOf((befores[i] as number) - 1);
      const depCount = depCounts[i] as number;
      this.#putInLine(first + i, before, actors[changes.actors[i] as number] as number);
      this.#origins.push(depCount === 0 ? this.originOf(before) : first + i);
      for (let left = depCount; left > 1; left--) this.#deps.push(nodeOf(deps[depAt++] as number));
      this.#depsEnds.push(this.#deps.length);
      this.#entries.push(entries[changes.entries[i] as number] as number);
      this.#tailEnds.push(tailsBefore + (tailEnds[i] as number));
    }
  }

  mark(): GraphMark {
    return { nodes: this.size, lines: this.#lines.length, actors: this.#actors.length };
  }

  /** Takes back all that was added since. */
  goBack({ nodes, lines, actors }: GraphMark): void {
    for (let node = this.size - 1; node >= nodes; node--) {
      this.line(this.lineOf(node)).nodes.pop();
      this.#clocks.forget(node);
    }
    while (this.#lines.length > lines) this.#closeLine(this.#lines.pop() as Line);
    for (const { name } of this.#actors.splice(actors)) this.#actorsByName.delete(name);
    this.#hashes.truncate(nodes);
    this.#tails.truncate(nodes === 0 ? 0 : this.#tailEnds.at(nodes - 1));
    this.#deps.truncate(nodes === 0 ? 0 : this.#depsEnds.at(nodes - 1));
    for (const column of this.#columns()) column.truncate(nodes);
  }

  /** Those that have a number for each change. */
  #columns(): readonly WordColumn[] {
    const columns = [this.#lineOf, this.#seqs, this.#startOps, this.#ops, this.#origins, this.#depsEnds];
    return [...columns, this.#entries, this.#indexes, this.#tailEnds];
  }

  #append(
    hash: Uint8Array,
    { before, actor, startOp }: Pick<Placement, "before" | "actor" | "startOp">,
    { tail, ops, entry, index }: Content,
  ): number {
    const node = this.#hashes.add(hash);
    this.#putInLine(node, before, actor);
    this.#startOps.push(startOp);
    this.#ops.push(ops);
    this.#entries.push(entry);
    this.#indexes.push(index);
    this.#tails.append(tail);
    this.#tailEnds.push(this.#tails.length);
    return node;
  }

  #putInLine(node: number, before: number, actor: number): void {
    const seq = before === none ? 1 : this.seqOf(before) + 1;
    const line = this.#lineAfter(before, actor, seq);
    this.line(line).nodes.push(node);
    this.#lineOf.push(line);
    this.#seqs.push(seq);
  }

  /** The line that goes on behind a change, or a new one where another has taken its number. */
  #lineAfter(before: number, actor: number, first: number): number {
    if (before !== none) {
      const line = this.lineOf(before);
      if (this.line(line).nodes.at(-1) === before) return line;
    }
    const { lines } = this.#actors[actor] as Actor;
    const line = this.#lines.push({ actor, first, before, nodes: [] }) - 1;
    lines.push(line);
    if (lines.length > 1) this.#forked.add(actor);
    return line;
  }

  #closeLine({ actor }: Line): void {
    const { lines } = this.#actors[actor] as Actor;
    lines.pop();
    if (lines.length === 1) this.#forked.delete(actor);
  }

  #lastOf(actor: number, past: Past): number {
    let last = none;
    for (const line of this.linesOf(actor)) {
      const seq = seqOn(past, line);
      if (seq === 0) continue;
      const { first, nodes } = this.line(line);
      if (last === none || seq > this.seqOf(last)) last = nodes[seq - first] as number;
    }
    return last;
  }

  /** Numbers go up by one, so there are as many changes of an actor as its last one says, unless one of them is there twice. */
  #holdsTwins(past: Past): boolean {
    for (const actor of this.#forked) {
      let count = 0;
      let last = 0;
      for (const line of this.linesOf(actor)) {
        const seq = seqOn(past, line);
        if (seq === 0) continue;
        count += seq - this.line(line).first + 1;
        last = Math.max(last, seq);
      }
      if (count !== last) return true;
    }
    return false;
  }
}
