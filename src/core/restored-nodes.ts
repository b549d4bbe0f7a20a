/**
 * The nodes of a graph that was restored from storage: each is made when somebody asks for it, and reads what it says from the columns.
 *
 * After the flyweights of Gamma et al., "Design Patterns": what is shared lies outside of the objects that stand for it.
 */
import type { EntryId, PublicKey } from "./ids.ts";
import { type LogIndex, nowhere } from "./log-index.ts";
import { isSameLatest, latestSettings, type Node } from "./node.ts";

export class RestoredNodes {
  readonly index: LogIndex;
  readonly #nodes: (RestoredNode | undefined)[];
  readonly #followers: Uint32Array;
  readonly #coversAll: Uint8Array;
  /** By position, which of `#lists` says what the latest settings are before it, and with it. */
  readonly #before: Uint32Array;
  readonly #after: Uint32Array;
  readonly #lists: (readonly Node[])[] = [];
  readonly #places = new Map<readonly Node[], number>();
  /** Of all nodes that were restored so far. */
  #settings: number;

  /** They are of use once they are linked. */
  constructor(index: LogIndex) {
    this.index = index;
    this.#nodes = new Array<RestoredNode | undefined>(index.length);
    this.#followers = new Uint32Array(index.length);
    this.#coversAll = new Uint8Array(index.length);
    this.#before = new Uint32Array(index.length);
    this.#after = new Uint32Array(index.length);
    this.#settings = this.#placeOf(latestSettings([]));
  }

  get length(): number {
    return this.index.length;
  }

  /** Links all of them, each of which counts. `inserted` is told of each that writes settings before the next is linked. */
  link(inserted: (node: Node) => void): void {
    let tips = 0;
    for (let position = 0; position < this.length; position++) {
      tips += 1 - this.#follow(position);
      if (tips === 1) this.#coversAll[position] = 1;
      this.#before[position] = this.#listBefore(position);
      this.#after[position] = this.#before[position] as number;
      if (!this.index.writesSettings(position)) this.#shareSettings(position);
      else inserted(this.#addSettings(position));
    }
  }

  /** The latest settings of all nodes that are linked. */
  get settings(): readonly Node[] {
    return this.#listAt(this.#settings);
  }

  at(position: number): Node {
    const known = this.#nodes[position];
    if (known !== undefined) return known;
    const node = new RestoredNode(this, position);
    this.#nodes[position] = node;
    return node;
  }

  /** Undefined when it is none of these. */
  get(id: EntryId): Node | undefined {
    const position = this.index.positionOf(id);
    return position === undefined ? undefined : this.at(position);
  }

  /** Those that nothing follows. */
  tips(): readonly Node[] {
    return this.#where((position) => this.#followers[position] === 0);
  }

  /** Those that no entry of their author continues. */
  heads(): readonly Node[] {
    const continued = new Uint8Array(this.length);
    for (let position = 0; position < this.length; position++) {
      const prev = this.index.prev(position);
      if (prev !== nowhere) continued[prev] = 1;
    }
    return this.#where((position) => continued[position] === 0);
  }

  followers(position: number): number {
    return this.#followers[position] as number;
  }

  setFollowers(position: number, count: number): void {
    this.#followers[position] = count;
  }

  coversAll(position: number): boolean {
    return this.#coversAll[position] === 1;
  }

  settingsBefore(position: number): readonly Node[] {
    return this.#listAt(this.#before[position] as number);
  }

  settingsAfter(position: number): readonly Node[] {
    return this.#listAt(this.#after[position] as number);
  }

  #where(isWanted: (position: number) => boolean): readonly Node[] {
    const nodes: Node[] = [];
    for (let position = 0; position < this.length; position++) if (isWanted(position)) nodes.push(this.at(position));
    return nodes;
  }

  /** One more follower for each entry that this one follows. Answers how many had none. */
  #follow(position: number): number {
    const { index } = this;
    const prev = index.prev(position);
    let open = 0;
    let isPrevParent = false;
    for (let i = 0; i < index.parentCount(position); i++) {
      const parent = index.parent(position, i);
      if (parent === prev) isPrevParent = true;
      open += this.#addFollower(parent);
    }
    return prev === nowhere || isPrevParent ? open : open + this.#addFollower(prev);
  }

  #addFollower(position: number): number {
    const before = this.#followers[position] as number;
    this.#followers[position] = before + 1;
    return before === 0 ? 1 : 0;
  }

  /** Which list says what the latest settings are before an entry. */
  #listBefore(position: number): number {
    const { index } = this;
    const prev = index.prev(position);
    let known = prev === nowhere ? undefined : this.#after[prev];
    for (let i = 0; i < index.parentCount(position); i++) {
      const after = this.#after[index.parent(position, i)];
      known ??= after;
      if (after !== known) return this.#mergeBefore(position);
    }
    return known ?? this.#placeOf(latestSettings([]));
  }

  #mergeBefore(position: number): number {
    const { prev, parents } = this.at(position);
    return this.#placeOf(latestSettings(prev === undefined ? parents : [prev, ...parents]));
  }

  #addSettings(position: number): Node {
    const node = this.at(position);
    const before = this.#before[position] as number;
    const own = this.#placeOf([node]);
    this.#after[position] = own;
    const kept = this.settings.filter((each) => !this.#listAt(before).includes(each));
    this.#settings = kept.length === 0 ? own : this.#placeOf([...kept, node]);
    return node;
  }

  /** One list for all that know the same: what follows from it is found out once. */
  #shareSettings(position: number): void {
    const own = this.#after[position] as number;
    if (own !== this.#settings && isSameLatest(this.#listAt(own), this.settings)) this.#settings = own;
  }

  #placeOf(list: readonly Node[]): number {
    const known = this.#places.get(list);
    if (known !== undefined) return known;
    this.#places.set(list, this.#lists.length);
    return this.#lists.push(list) - 1;
  }

  #listAt(place: number): readonly Node[] {
    return this.#lists[place] as readonly Node[];
  }
}

class RestoredNode implements Node {
  readonly position: number;
  readonly #all: RestoredNodes;
  #id: EntryId | undefined;
  #parents: readonly Node[] | undefined;

  constructor(all: RestoredNodes, position: number) {
    this.position = position;
    this.#all = all;
  }

  get id(): EntryId {
    this.#id ??= this.#all.index.id(this.position);
    return this.#id;
  }

  get author(): PublicKey {
    return this.#all.index.author(this.position);
  }

  get seq(): number {
    return this.#all.index.seq(this.position);
  }

  get prev(): Node | undefined {
    const prev = this.#all.index.prev(this.position);
    return prev === nowhere ? undefined : this.#all.at(prev);
  }

  get parents(): readonly Node[] {
    this.#parents ??= this.#findParents();
    return this.#parents;
  }

  get height(): number {
    return this.#all.index.height(this.position);
  }

  get time(): number {
    return this.#all.index.time(this.position);
  }

  get size(): number {
    return this.#all.index.size(this.position);
  }

  get settingsBefore(): readonly Node[] {
    return this.#all.settingsBefore(this.position);
  }

  get settings(): readonly Node[] {
    return this.#all.settingsAfter(this.position);
  }

  get followers(): number {
    return this.#all.followers(this.position);
  }

  set followers(count: number) {
    this.#all.setFollowers(this.position, count);
  }

  get coversAll(): boolean {
    return this.#all.coversAll(this.position);
  }

  #findParents(): readonly Node[] {
    const { index } = this.#all;
    const count = index.parentCount(this.position);
    return Array.from({ length: count }, (_, i) => this.#all.at(index.parent(this.position, i)));
  }
}
