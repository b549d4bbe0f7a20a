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

  /** `toItem` is called once per change of an item: one that did not change keeps its identity. */
  constructor(toItem: (id: string, value: Row | JsonValue) => Item) {
    this.#toItem = toItem;
  }

  /** A new array after every `apply`. */
  get items(): readonly Item[] {
    return this.#items;
  }

  /** `changes` are in the order of the ids when they are `all`. */
  apply(changes: ItemsEvent["items"], all: boolean): void {
    if (all) this.#replace(changes);
    // One by one costs a search and a move each; merging costs one pass. 32 moves of pointers are about one pass.
    else if (changes.length <= 32) this.#change(changes);
    else this.#merge(changes);
  }

  #replace(all: ItemsEvent["items"]): void {
    this.#ids = [];
    const items: Item[] = [];
    for (const [id, value] of all) if (value !== undefined) items[this.#ids.push(id) - 1] = this.#toItem(id, value);
    this.#items = items;
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

  /** A number for the worker's events; `show` is called with all items at each of them. */
  add<Item>(items: OrderedItems<Item>, show: (items: readonly Item[]) => void): number {
    const number = this.#next++;
    this.#takers.set(number, (event) => {
      items.apply(event.items, event.all);
      show(items.items);
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
