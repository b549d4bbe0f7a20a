/** The page's copies of what is watched, kept in order and up to date by the worker's events. */
import type { JsonValue, Row } from "../core/store/values.ts";
import { compareUtf8 } from "../core/utf8.ts";
import type { WorkerEvent } from "../worker/api.ts";

type ItemsEvent = Extract<WorkerEvent, { readonly type: "items" }>;

/** What one subscription shows: all items of a store, in the order of their ids' UTF-8 bytes. */
export class OrderedItems<Item> {
  readonly #toItem: (id: string, value: Row | JsonValue) => Item;
  #ids: string[] = [];
  #items: readonly Item[] = [];
  #isShown = false;

  /** `toItem` is called once per change of an item: one that did not change keeps its identity. */
  constructor(toItem: (id: string, value: Row | JsonValue) => Item) {
    this.#toItem = toItem;
  }

  /** A new array after every `apply`. */
  get items(): readonly Item[] {
    return this.#items;
  }

  /**
   * `changes` are in the order of the ids when they are `all`. False when nothing of what is shown is another now, as when a new leader says all that
   * the one before had said.
   */
  apply(changes: ItemsEvent["items"], all: boolean): boolean {
    if (all) return this.#replace(changes);
    // One by one costs a search and a move each; merging costs one pass. 32 moves of pointers are about one pass.
    if (changes.length <= 32) this.#change(changes);
    else this.#merge(changes);
    return true;
  }

  #replace(all: ItemsEvent["items"]): boolean {
    const ids: string[] = [];
    const items: Item[] = [];
    let kept = 0;
    for (const [id, value] of all) {
      if (value === undefined) continue;
      const item = this.#toItem(id, value);
      const at = this.#indexOf(id);
      const held = this.#ids[at] === id ? this.#items[at] : undefined;
      const isSame = held !== undefined && isEqual(held, item);
      if (isSame) kept += 1;
      items[ids.push(id) - 1] = isSame ? held : item;
    }
    const isChanged = !this.#isShown || kept < items.length || kept < this.#items.length;
    this.#isShown = true;
    if (!isChanged) return false;
    this.#ids = ids;
    this.#items = items;
    return true;
  }

  #change(changes: ItemsEvent["items"]): void {
    const items = [...this.#items];
    for (const [id, value] of changes) {
      const at = this.#indexOf(id);
      const held = this.#ids[at] === id ? 1 : 0;
      this.#ids.splice(at, held, ...(value === undefined ? [] : [id]));
      items.splice(at, held, ...(value === undefined ? [] : [this.#toItem(id, value)]));
    }
    this.#items = items;
  }

  #merge(changes: ItemsEvent["items"]): void {
    const changed = [...new Map(changes)].sort(([a], [b]) => compareUtf8(a, b));
    const ids: string[] = [];
    const items: Item[] = [];
    let at = 0;
    const keepUntil = (isReached: (id: string) => boolean): void => {
      for (let id = this.#ids[at]; id !== undefined && !isReached(id); id = this.#ids[++at]) {
        ids.push(id);
        items.push(this.#items[at] as Item);
      }
    };
    for (const [id, value] of changed) {
      keepUntil((held) => compareUtf8(held, id) >= 0);
      if (this.#ids[at] === id) at += 1;
      if (value !== undefined) items[ids.push(id) - 1] = this.#toItem(id, value);
    }
    keepUntil(() => false);
    this.#ids = ids;
    this.#items = items;
  }

  /** Where the id is, or where it belongs. */
  #indexOf(id: string): number {
    let low = 0;
    let high = this.#ids.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compareUtf8(this.#ids[middle] as string, id) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** All subscriptions of an instance, by the number that the worker's events carry. */
export class Watched {
  readonly #takers = new Map<number, (event: ItemsEvent) => void>();
  #next = 1;

  /** A number for the worker's events; `show` is called with all items at the first of them and at each that changes some. */
  add<Item>(items: OrderedItems<Item>, show: (items: readonly Item[]) => void): number {
    const number = this.#next++;
    this.#takers.set(number, (event) => {
      if (items.apply(event.items, event.all)) show(items.items);
    });
    return number;
  }

  delete(number: number): void {
    this.#takers.delete(number);
  }

  take(event: ItemsEvent): void {
    this.#takers.get(event.watch)?.(event);
  }
}

/** Of what a structured clone makes of JSON values and bytes. */
function isEqual(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (a instanceof Uint8Array || b instanceof Uint8Array) return isEqualBytes(a, b);
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const [keys, others] = [Object.keys(a), Object.keys(b)];
  if (keys.length !== others.length) return false;
  return keys.every((key) => Object.hasOwn(b, key) && isEqual(a[key as never], b[key as never]));
}

function isEqualBytes(a: object, b: object): boolean {
  if (!(a instanceof Uint8Array && b instanceof Uint8Array) || a.length !== b.length) return false;
  return a.every((byte, at) => byte === b[at]);
}
