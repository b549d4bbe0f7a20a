import fc from "fast-check";
import { expect, test } from "vitest";
import { compareUtf8 } from "../core/utf8.ts";
import { OrderedItems, Watched } from "./watched.ts";

const id = fc.constantFrom(...Array.from({ length: 80 }, (_, i) => `row-${i}`), "ä", "😀", "Z");
const changes = fc.array(fc.tuple(id, fc.option(fc.integer(), { nil: undefined })), { maxLength: 60 });

test("[CLIENT-8] after any changes the items are those of the store, in the order of their ids", () => {
  fc.assert(
    fc.property(fc.array(changes, { maxLength: 8 }), (events) => {
      const items = new OrderedItems((key, value) => [key, value] as const);
      const model = new Map<string, number>();
      for (const event of events) {
        items.apply(event, false);
        for (const [key, value] of event) {
          if (value === undefined) model.delete(key);
          else model.set(key, value);
        }
        expect(items.items).toEqual([...model].sort(([a], [b]) => compareUtf8(a, b)));
      }
    }),
  );
});

test("[CLIENT-8] an item that did not change keeps its identity, and every event shows a new list", () => {
  const items = new OrderedItems((key, value) => ({ key, value }));
  items.apply(
    [
      ["a", 1],
      ["b", 2],
    ],
    true,
  );
  const before = items.items;
  items.apply([["b", 3]], false);
  expect(items.items).not.toBe(before);
  expect(items.items[0]).toBe(before[0]);
  expect(items.items[1]).toEqual({ key: "b", value: 3 });
  expect(before[1]).toEqual({ key: "b", value: 2 });
});

test("[CLIENT-8] events after a subscription was stopped are shown to nobody", () => {
  const watched = new Watched();
  const shown: unknown[] = [];
  const watch = watched.add(new OrderedItems((key) => key), (items) => shown.push(items));
  watched.take({ type: "items", watch, all: true, items: [["a", 1]] });
  watched.delete(watch);
  watched.take({ type: "items", watch, all: false, items: [["b", 1]] });
  expect(shown).toEqual([["a"]]);
});
