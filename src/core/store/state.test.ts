import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { newState, originAt } from "../../testing/states.ts";
import { unwrap } from "../errors.ts";
import type { PublicKey } from "../ids.ts";
import type { Origin } from "./kind.ts";
import { type DecodedPart, decodePart } from "./kinds.ts";
import { KvChanges } from "./kv-changes.ts";
import { encodeSettings, type SettingsOp, settingsRegister } from "./settings.ts";
import type { DatabaseState, StoreCheckpoint } from "./state.ts";
import { TableChanges } from "./table-changes.ts";

interface Merge {
  readonly parts: readonly DecodedPart[];
  readonly stamp: Origin;
}

interface Part {
  readonly number: number;
  readonly stores: readonly StoreCheckpoint[];
}

const name = fc.constantFrom("notes", "toString", "constructor", "\u{1f600}");
const rowId = fc.constantFrom("r", "s", "__proto__", "\uffff");
const columns = fc
  .array(fc.tuple(fc.constantFrom("a", "b", "__proto__"), fc.constantFrom(0, 1, undefined)), {
    minLength: 1,
    maxLength: 3,
  })
  .map((pairs) => Object.fromEntries(pairs));

const tablePart = fc
  .tuple(name, fc.array(fc.tuple(rowId, fc.option(columns)), { minLength: 1, maxLength: 4 }))
  .map(([name, calls]) => {
    const changes = new TableChanges(name);
    for (const [id, columns] of calls) columns === null ? changes.delete(id) : changes.put(id, columns);
    return { name, type: "table", payload: changes.encode() };
  });
const updatePart = fc
  .tuple(name, fc.array(fc.tuple(rowId, columns), { minLength: 1, maxLength: 4 }))
  .map(([name, calls]) => {
    const changes = new TableChanges(name);
    for (const [id, columns] of calls) changes.update(id, columns);
    return { name, type: "table", payload: changes.encode() };
  });
const kvPart = fc
  .tuple(name, fc.array(fc.tuple(rowId, fc.constantFrom(0, 1, null, undefined)), { minLength: 1, maxLength: 3 }))
  .map(([name, calls]) => {
    const changes = new KvChanges(name);
    for (const [key, value] of calls) value === undefined ? changes.delete(key) : changes.set(key, value);
    return { name, type: "kv", payload: changes.encode() };
  });
const key = fc.constantFrom("a", "b").map((digit) => digit.repeat(64) as PublicKey);
const settingsOp: fc.Arbitrary<SettingsOp> = fc.oneof(
  fc.record({ type: fc.constant("name" as const), name: fc.constantFrom("T", "U") }),
  fc.record({ type: fc.constantFrom("set" as const, "invite" as const), key, power: fc.constantFrom(1, 100, 999) }),
);
const settingsBytes = encodeSettings([{ type: "name", name: "T" }]);
const settingsPart = fc
  .uniqueArray(settingsOp, { selector: settingsRegister, minLength: 1, maxLength: 3 })
  .map((ops) => ({ name: "_settings", type: "settings", payload: encodeSettings(ops) }));
const unknownPart = fc
  .tuple(name, fc.constantFrom("later", "unknown"))
  .map(([name, type]) => ({ name, type, payload: new Uint8Array() }));
const part = fc
  .oneof({ arbitrary: tablePart, weight: 3 }, { arbitrary: updatePart, weight: 3 }, kvPart, settingsPart, unknownPart)
  .map((part) => unwrap(decodePart(part)));

/** Entries with many equal times, each with its own id. */
const merges: fc.Arbitrary<readonly Merge[]> = fc
  .uniqueArray(fc.tuple(fc.array(part, { minLength: 1, maxLength: 3 }), fc.integer({ min: 1, max: 5 }), fc.nat(255)), {
    selector: ([, , id]) => id,
    maxLength: 14,
  })
  .map((all) => all.map(([parts, time, id]) => ({ parts, stamp: originAt(time, id.toString(16).padStart(64, "0")) })));

function fold(all: readonly Merge[]): DatabaseState {
  const state = newState();
  for (const { parts, stamp } of all) state.merge(parts, stamp);
  return state;
}

/** Everything a reader can see, with the order in which it is listed. */
function listing(state: DatabaseState): unknown {
  const stores = state.stores().map(({ name, type, isKnown }) => {
    const rows = [...(state.table(name)?.all() ?? [])].map(([id, row]) => [id, Object.entries(row)]);
    return [name, type, isKnown, rows, [...(state.kv(name)?.entries() ?? [])]];
  });
  return stores;
}

function restored(parts: readonly Part[]): DatabaseState {
  const state = newState();
  for (const part of parts) unwrap(state.restore(part));
  return state;
}

/** What a device does over time: merging entries, taking checkpoints that absorb earlier ones, starting again from them. */
class Device {
  state = newState();
  kept: readonly Part[] = [];
  #tail: Merge[] = [];
  #number = 0;

  merge(entry: Merge): void {
    this.state.merge(entry.parts, entry.stamp);
    this.#tail.push(entry);
  }

  /** Keeps the first `keep` parts, and takes another of everything since. */
  checkpoint(keep: number): void {
    const kept = this.kept.slice(0, keep);
    const since = kept.at(-1)?.number ?? 0;
    const size = this.state.sizeSince(since);
    const part = { number: ++this.#number, stores: this.state.checkpoint(since, this.#number) };
    expect(restored([part]).sizeSince(0)).toBe(size);
    expect(this.state.sizeSince(part.number)).toBe(0);
    this.kept = [...kept, part];
    this.#tail = [];
  }

  restart(): void {
    this.state = restored(this.kept);
    const tail = this.#tail;
    this.#tail = [];
    for (const entry of tail) this.merge(entry);
  }

  /** Parts and entries that together are everything, as functions that merge them. */
  pieces(): readonly ((state: DatabaseState) => void)[] {
    return [
      ...this.kept.map(
        (part) =>
          (state: DatabaseState): void =>
            unwrap(state.restore(part)),
      ),
      ...this.#tail.map(
        ({ parts, stamp }) =>
          (state: DatabaseState): void =>
            void state.merge(parts, stamp),
      ),
    ];
  }
}

describe("the state of a database", () => {
  test("[STORE-1] is the same for the same entries, in whatever order they come", () => {
    const shuffled = merges.chain((all) =>
      fc.tuple(fc.constant(all), fc.shuffledSubarray([...all], { minLength: all.length })),
    );
    fc.assert(
      fc.property(shuffled, ([all, shuffled]) => {
        const [a, b] = [fold(all), fold(shuffled)];
        expect(a.encode()).toEqual(b.encode());
        expect(listing(a)).toEqual(listing(b));
      }),
      { numRuns: 300 },
    );
  });

  test("[STORE-3] is the same from checkpoints taken at any moment and the rest in any order, over many restarts", () => {
    const step = fc.oneof(
      { arbitrary: fc.constant("merge" as const), weight: 3 },
      fc.nat(3),
      fc.constant("restart" as const),
    );
    fc.assert(
      fc.property(merges, fc.array(step, { maxLength: 40 }), fc.infiniteStream(fc.nat(1000)), (all, steps, random) => {
        const device = new Device();
        const left = [...all];
        for (const step of steps) {
          const next = step === "merge" ? left.shift() : undefined;
          if (next !== undefined) device.merge(next);
          else if (typeof step === "number") device.checkpoint(step);
          else device.restart();
        }
        for (const entry of left) device.merge(entry);
        const shuffled = device
          .pieces()
          .map((merge) => ({ merge, at: random.next().value }))
          .sort((a, b) => a.at - b.at);
        const state = newState();
        for (const { merge } of shuffled) merge(state);
        const expected = fold(all);
        expect(device.state.encode()).toEqual(expected.encode());
        expect(state.encode()).toEqual(expected.encode());
        expect(listing(state)).toEqual(listing(expected));
        // What is kept and one more part of what is not kept yet are everything again.
        const newest = device.kept.at(-1)?.number ?? 0;
        const rest = { number: newest + 1, stores: state.checkpoint(newest, newest + 1) };
        expect(restored([...device.kept, rest]).encode()).toEqual(expected.encode());
      }),
      { numRuns: 300 },
    );
  });

  test("[STORE-13] one name used with two types is two stores", () => {
    const state = newState();
    const table = new TableChanges("notes");
    const kv = new KvChanges("notes");
    table.put("n1", { a: 1 });
    kv.set("k", 1);
    const parts = [
      { name: "notes", type: "table", payload: table.encode() },
      { name: "notes", type: "kv", payload: kv.encode() },
    ].map((part) => unwrap(decodePart(part)));
    expect(state.merge(parts, originAt(1))).toEqual([
      { type: "table", name: "notes", rows: ["n1"] },
      { type: "kv", name: "notes", keys: ["k"] },
    ]);
    expect([state.table("notes")?.size, state.kv("notes")?.size]).toEqual([1, 1]);
    expect(state.stores().map(({ type }) => type)).toEqual(["kv", "table"]);
  });

  test("[STORE-11] a store of an unknown type is listed as unknown, from a checkpoint too", () => {
    const state = newState();
    const unknown: DecodedPart = { type: "unknown", name: "page", storeType: "scroll" };
    for (const time of [1, 2]) expect(state.merge([unknown], originAt(time))).toEqual([]);
    const listed = [{ name: "page", type: "scroll", isKnown: false }];
    expect(state.stores()).toEqual(listed);
    expect(restored([{ number: 1, stores: state.checkpoint(0, 1) }]).stores()).toEqual(listed);
  });

  test("[STORE-12] a version that knows the type refuses a checkpoint in which its entries were not folded", () => {
    const table = new TableChanges("page");
    table.put("n1", { a: 1 });
    const stamp = originAt(1);
    const [newer, older] = [newState(), newState()];
    newer.merge([unwrap(decodePart({ name: "page", type: "table", payload: table.encode() }))], stamp);
    const folded = newer.checkpoint(0, 1);
    const relabel = (stores: readonly StoreCheckpoint[], type: string): Part => ({
      number: 2,
      stores: stores.map((store) => ({ ...store, type })),
    });
    unwrap(older.restore({ ...relabel(folded, "later"), number: 1 }));
    expect(older.checkpoint(1, 2)).toEqual([]);
    older.merge([{ type: "unknown", name: "page", storeType: "later" }], { ...stamp, time: 2 });
    const unfolded = older.checkpoint(1, 2);
    expect(unfolded).toEqual([{ name: "page", type: "later", bytes: Uint8Array.of(0xf6) }]);
    unwrap(older.restore(relabel(folded, "later")));
    older.merge([{ type: "unknown", name: "page", storeType: "later" }], { ...stamp, time: 3 });
    unwrap(older.restore({ ...relabel(folded, "later"), number: 1 }));
    expect(older.checkpoint(2, 3)).toEqual(unfolded);
    expect(newer.restore(relabel(folded, "table")).ok).toBe(true);
    for (const type of ["table", "kv"]) expect(newer.restore(relabel(unfolded, type)).ok).toBe(false);
  });

  test("[STORE-15] settings are no part of it: they change nothing, and are left out of an older version's checkpoint", () => {
    const parts = [unwrap(decodePart({ name: "_settings", type: "settings", payload: settingsBytes }))];
    const state = newState();
    expect(state.merge(parts, originAt(1))).toEqual([]);
    expect([state.stores(), state.sizeSince(0), state.checkpoint(0, 1)]).toEqual([[], 0, []]);
    const restored = { name: "_settings", type: "settings", bytes: Uint8Array.of(0xff) };
    unwrap(state.restore({ number: 2, stores: [restored] }));
    expect(state.encode()).toEqual(newState().encode());
    const misnamed = newState().restore({ number: 1, stores: [{ ...restored, name: "notes" }] });
    expect(misnamed.ok).toBe(false);
  });

  test("[STORE-10] a checkpoint of a store with a reserved name is refused", () => {
    const result = newState().restore({
      number: 1,
      stores: [{ name: "_x", type: "kv", bytes: new Uint8Array() }],
    });
    expect(result.ok ? "restored" : result.failure.code).toBe("ENTRY_PAYLOAD");
  });
});

describe("mutated bytes", () => {
  type Mutation = readonly [kind: "set" | "insert" | "remove", at: number, byte: number];
  const mutations: fc.Arbitrary<readonly Mutation[]> = fc.array(
    fc.tuple(fc.constantFrom("set" as const, "insert" as const, "remove" as const), fc.nat(), fc.nat(255)),
    { minLength: 1, maxLength: 3 },
  );

  function mutated(bytes: Uint8Array, all: readonly Mutation[]): Uint8Array {
    const list = [...bytes];
    for (const [kind, at, byte] of all) {
      list.splice(at % (list.length + 1), kind === "insert" ? 0 : 1, ...(kind === "remove" ? [] : [byte]));
    }
    return Uint8Array.from(list);
  }

  function encodeDecoded(part: DecodedPart): Uint8Array {
    if (part.type === "settings") return encodeSettings(part.payload);
    if (part.type === "kv") {
      const changes = new KvChanges(part.name);
      for (const { key, value } of part.payload) value === undefined ? changes.delete(key) : changes.set(key, value);
      return changes.encode();
    }
    const changes = new TableChanges(part.name);
    for (const op of part.type === "table" ? part.payload : []) {
      if (op.type === "put") changes.put(op.id, op.columns);
      else if (op.type === "delete") changes.delete(op.id);
      else changes.update(op.id, { ...op.set, ...Object.fromEntries(op.removed.map((column) => [column, undefined])) });
    }
    return changes.encode();
  }

  const code = /^(CBOR_[A-Z_]+|ENTRY_PAYLOAD)$/;

  test("[STORE-2] of a payload are refused with a code, or are the one form of another payload", () => {
    const seen = { accepted: 0, refused: 0 };
    fc.assert(
      fc.property(fc.oneof(tablePart, updatePart, kvPart, settingsPart), mutations, (part, changes) => {
        const payload = mutated(part.payload, changes);
        const result = decodePart({ ...part, payload });
        seen[result.ok ? "accepted" : "refused"]++;
        if (result.ok) expect(encodeDecoded(result.value)).toEqual(payload);
        else expect(result.failure.code).toMatch(code);
      }),
      { numRuns: 3000 },
    );
    expect(Math.min(seen.accepted, seen.refused)).toBeGreaterThan(0);
  });

  test("[STORE-2] of a checkpoint are refused with a code, or restored", () => {
    fc.assert(
      fc.property(merges, mutations, (all, changes) => {
        for (const { name, type, bytes } of fold(all).checkpoint(0, 1)) {
          const result = newState().restore({
            number: 1,
            stores: [{ name, type, bytes: mutated(bytes, changes) }],
          });
          if (!result.ok) expect(result.failure.code).toMatch(code);
        }
      }),
      { numRuns: 500 },
    );
  });

  test("[STORE-2] at random are refused with a code", () => {
    fc.assert(
      fc.property(fc.constantFrom("table", "kv", "settings"), fc.uint8Array({ maxLength: 60 }), (type, payload) => {
        const result = decodePart({ name: type === "settings" ? "_settings" : "notes", type, payload });
        if (!result.ok) expect(result.failure.code).toMatch(code);
      }),
      { numRuns: 2000 },
    );
  });
});
