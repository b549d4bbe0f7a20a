import fc from "fast-check";
import { expect, test } from "vitest";
import type { JsonValue } from "../core/store/values.ts";
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

const json = fc.letrec((tie) => ({
  value: fc.oneof(
    fc.constantFrom(null, true, 1, "a"),
    fc.uint8Array({ maxLength: 3 }),
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom("a", "b"), tie("value")),
  ),
})).value as fc.Arbitrary<JsonValue>;
const store = fc.uniqueArray(fc.tuple(id, json), { selector: ([key]) => key, maxLength: 12 });

test("[CLIENT-8] a new leader that says everything again shows only what is another, and keeps the rest", () => {
  fc.assert(
    fc.property(store, store, fc.array(id, { maxLength: 12 }), (first, other, kept) => {
      const sorted = (rows: typeof first): typeof first => [...rows].sort(([a], [b]) => compareUtf8(a, b));
      const before = sorted(first);
      // Some of the rows as they were, as copies.
      const again = structuredClone(before.filter(([key]) => kept.includes(key)));
      const after = sorted([...again, ...other.filter(([key]) => !kept.includes(key))]);
      const items = new OrderedItems((key, value) => ({ key, value }));
      expect(items.apply(before, true)).toBe(true);
      const shown = items.items;
      expect(items.apply(structuredClone(before), true)).toBe(false);
      expect(items.items).toBe(shown);
      const isSame = JSON.stringify(before) === JSON.stringify(after);
      expect(items.apply(after, true)).toBe(!isSame);
      expect(items.items.map(({ key, value }) => [key, value])).toEqual(after);
      for (const item of items.items) {
        const held = shown.find(({ key }) => key === item.key);
        if (again.some(([key]) => key === item.key)) expect(item).toBe(held);
      }
    }),
  );
});

test("[CLIENT-8] values that look alike are told apart", () => {
  const values = [
    [],
    {},
    "",
    0,
    false,
    null,
    new Uint8Array(),
    new Uint8Array([0]),
    [0],
    { 0: 0 },
    [null],
    { a: null },
  ];
  for (const [i, before] of values.entries()) {
    for (const [j, after] of values.entries()) {
      const items = new OrderedItems((_, value) => value);
      items.apply([["a", before as JsonValue]], true);
      expect(items.apply([["a", structuredClone(after) as JsonValue]], true), `${i} ${j}`).toBe(i !== j);
    }
  }
});

test("[CLIENT-8] a subscriber is called for the first answer though it is empty, and not for the same one again", () => {
  const watched = new Watched();
  const shown: unknown[] = [];
  const watch = watched.add(new OrderedItems((key) => key), (items) => shown.push(items));
  for (let i = 0; i < 2; i++) watched.take({ type: "items", watch, all: true, items: [] });
  expect(shown).toEqual([[]]);
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
