import { sha256 } from "@noble/hashes/sha2.js";
import fc from "fast-check";
import { expect, test } from "vitest";
import { keyOf } from "../../testing/writers.ts";
import { type EntryId, entryIdFromHex } from "../ids.ts";
import { decodePart } from "./kinds.ts";
import { KvChanges } from "./kv-changes.ts";
import { DatabaseState } from "./state.ts";
import { comparePlaces, differences, type StateDifference } from "./state-difference.ts";
import { TableChanges } from "./table-changes.ts";
import { equalValues, type JsonValue } from "./values.ts";

interface Write {
  readonly type: "table" | "kv";
  readonly store: string;
  readonly id: string;
  /** Undefined deletes it. */
  readonly value: number | undefined;
}

const anyWrite: fc.Arbitrary<Write> = fc.record({
  type: fc.constantFrom("table", "kv"),
  store: fc.constantFrom("a", "b", "ä"),
  id: fc.constantFrom("1", "2", "3", "€", "𝄞"),
  value: fc.option(fc.integer({ min: 0, max: 2 }), { nil: undefined }),
});

const database = entryIdFromHex("d0".repeat(32));
let stamps = 0;

function merge(state: DatabaseState, { type, store, id, value }: Write): void {
  const changes = type === "table" ? new TableChanges(store) : new KvChanges(store);
  if (value === undefined) changes.delete(id);
  else if (changes instanceof TableChanges) changes.put(id, { value });
  else changes.set(id, value);
  const part = decodePart({ name: store, type, payload: changes.encode() });
  if (!part.ok) throw new Error(part.failure.code);
  stamps += 1;
  const stamp = {
    time: stamps,
    id: entryIdFromHex(stamps.toString(16).padStart(64, "0")) as EntryId,
    author: keyOf(1),
  };
  state.merge([part.value], stamp);
}

function read(state: DatabaseState, { type, store, id }: Omit<Write, "value">): JsonValue | undefined {
  return type === "table" ? (state.table(store)?.get(id) as JsonValue | undefined) : state.kv(store)?.get(id);
}

/** Every place that was ever written, looked at one by one. */
function expected(before: DatabaseState, after: DatabaseState, writes: readonly Write[]): readonly StateDifference[] {
  const places = new Map(writes.map(({ type, store, id }) => [`${type} ${store} ${id}`, { type, store, id }]));
  return [...places.values()].sort(comparePlaces).flatMap((place) => {
    const [one, other] = [read(before, place), read(after, place)];
    const isSame = one === undefined || other === undefined ? one === other : equalValues(one, other);
    return isSame ? [] : [{ ...place, before: one, after: other } as StateDifference];
  });
}

test("[HISTORY-10] every row and key that reads differently is told once, in order, and from any of them on", () => {
  fc.assert(
    fc.property(fc.array(anyWrite), fc.array(anyWrite), fc.array(anyWrite), (common, one, other) => {
      const [before, after] = [new DatabaseState({ database, sha256 }), new DatabaseState({ database, sha256 })];
      const start = stamps;
      for (const write of [...common, ...one]) merge(before, write);
      stamps = start;
      for (const write of [...common, ...other]) merge(after, write);
      const all = expected(before, after, [...common, ...one, ...other]);
      expect([...differences(before, after)]).toEqual(all);
      for (const [i, last] of all.entries()) expect([...differences(before, after, last)]).toEqual(all.slice(i + 1));
      expect([...differences(after, after)]).toEqual([]);
    }),
  );
});
