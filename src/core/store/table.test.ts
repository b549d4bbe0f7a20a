import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { attempt, unwrap } from "../errors.ts";
import type { EntryId } from "../ids.ts";
import { isLater, type Stamp } from "./kind.ts";
import { TableState, tableKind } from "./table.ts";
import type { TableOp } from "./table-payload.ts";
import { equalValues, type Row } from "./values.ts";

interface Write {
  readonly op: TableOp;
  readonly stamp: Stamp;
}

const columnNames = ["a", "b", "long", "__proto__", "1"];
const columns = fc.dictionary(fc.constantFrom(...columnNames), fc.constantFrom(0, 1, "x", null), { maxKeys: 3 });
const ids = fc.constantFrom("r", "s", "__proto__", "\u{1f600}", "\uffff");
const op: fc.Arbitrary<TableOp> = fc.oneof(
  fc.record({ type: fc.constant("put" as const), id: ids, columns: columns.map(own) }),
  fc.record({ type: fc.constant("delete" as const), id: ids }),
  fc
    .tuple(ids, columns, fc.subarray(columnNames))
    .map(([id, set, removed]) => ({
      type: "update" as const,
      id,
      set: own(set),
      removed: removed.filter((name) => !Object.hasOwn(set, name)).sort(),
    }))
    .filter(({ set, removed }) => Object.keys(set).length + removed.length > 0),
);
/** Stamps with many equal times. */
const writes: fc.Arbitrary<readonly Write[]> = fc
  .uniqueArray(fc.tuple(op, fc.integer({ min: 1, max: 4 }), fc.integer({ min: 0, max: 99 })), {
    maxLength: 12,
    selector: ([, , id]) => id,
  })
  .map((all) => all.map(([op, time, id]) => ({ op, stamp: stampOf(time, id) })));
const shuffledWrites = writes.chain((all) =>
  fc.tuple(fc.constant(all), fc.shuffledSubarray([...all], { minLength: all.length })),
);

/** Plain objects, as the decoder makes them; fast-check's may have no prototype. */
function own(columns: object): Row {
  return Object.fromEntries(Object.entries(columns));
}

function stampOf(time: number, id: number): Stamp {
  return { time, id: id.toString(16).padStart(64, "0") as EntryId };
}

function fold(all: readonly Write[]): TableState {
  const state = new TableState();
  for (const { op, stamp } of all) state.merge([op], stamp);
  return state;
}

function put(id: string, columns: Row): TableOp {
  return { type: "put", id, columns };
}

function update(id: string, set: Row, removed: readonly string[] = []): TableOp {
  return { type: "update", id, set, removed };
}

function drop(id: string): TableOp {
  return { type: "delete", id };
}

/** The definition of a row, straight from the rules and from all writes at once. */
function rowByDefinition(all: readonly Write[], id: string): Row | undefined {
  const mine = all.filter(({ op }) => op.id === id).sort((a, b) => (isLater(a.stamp, b.stamp) ? 1 : -1));
  const last = mine.filter(({ op }) => op.type !== "update").at(-1);
  if (last === undefined || last.op.type !== "put") return undefined;
  const columns = new Map(Object.entries(last.op.columns));
  for (const { op } of mine.slice(mine.indexOf(last) + 1)) {
    if (op.type !== "update") continue;
    for (const [column, value] of Object.entries(op.set)) columns.set(column, value);
    for (const column of op.removed) columns.delete(column);
  }
  return Object.fromEntries(columns);
}

function isSame(a: Row | undefined, b: Row | undefined): boolean {
  return a === undefined || b === undefined ? a === b : equalValues(a, b);
}

describe("a table", () => {
  test("[TABLE-2] [TABLE-3] [TABLE-4] [TABLE-5] shows what the definition says, in whatever order writes come", () => {
    fc.assert(
      fc.property(shuffledWrites, ([all, shuffled]) => {
        const state = fold(shuffled);
        const present = new Set<string>();
        for (const { op } of all) {
          const expected = rowByDefinition(all, op.id);
          expect(isSame(state.get(op.id), expected)).toBe(true);
          if (expected !== undefined) present.add(op.id);
        }
        expect(state.size).toBe(present.size);
        expect(new Set([...state.all()].map(([id]) => id))).toEqual(present);
      }),
      { numRuns: 500 },
    );
  });

  test("[STORE-1] [TABLE-7] is equal on all replicas, to the byte and to the order in which it is listed", () => {
    fc.assert(
      fc.property(shuffledWrites, ([all, shuffled]) => {
        const [a, b] = [fold(all), fold(shuffled)];
        expect(a.encode()).toEqual(b.encode());
        const listed = (state: TableState): unknown => [...state.all()].map(([id, row]) => [id, Object.entries(row)]);
        expect(listed(a)).toEqual(listed(b));
      }),
      { numRuns: 500 },
    );
  });

  test("[TABLE-6] a change names exactly the rows that read differently", () => {
    const batches = fc.array(fc.uniqueArray(op, { selector: ({ id }) => id, minLength: 1 }), { maxLength: 8 });
    fc.assert(
      fc.property(batches, fc.infiniteStream(fc.integer({ min: 1, max: 4 })), (all, times) => {
        const state = new TableState();
        all.forEach((ops, i) => {
          const before = new Map(ops.map(({ id }) => [id, state.get(id)]));
          const changed = state.merge(ops, stampOf(times.next().value, i)) ?? [];
          const expected = ops.filter(({ id }) => !isSame(before.get(id), state.get(id))).map(({ id }) => id);
          expect(changed).toEqual(expected);
        });
      }),
    );
  });

  test("[TABLE-3] two replicas write one cell at once: both end with the same value", () => {
    const start = { op: put("n1", { title: "" }), stamp: stampOf(1, 0) };
    const mine = { op: update("n1", { title: "mine" }), stamp: stampOf(2, 1) };
    const theirs = { op: update("n1", { title: "theirs" }), stamp: stampOf(2, 2) };
    expect(fold([start, mine, theirs]).get("n1")).toEqual({ title: "theirs" });
    expect(fold([start, theirs, mine]).get("n1")).toEqual({ title: "theirs" });
  });

  test("[TABLE-3] concurrent updates of different columns both survive", () => {
    const state = fold([
      { op: put("n1", { title: "t", done: false }), stamp: stampOf(1, 0) },
      { op: update("n1", { done: true }), stamp: stampOf(2, 2) },
      { op: update("n1", { title: "u" }), stamp: stampOf(2, 1) },
    ]);
    expect(state.get("n1")).toEqual({ title: "u", done: true });
  });

  test("[TABLE-4] a put concurrent with a later update of one column keeps that column", () => {
    const older = { op: put("n1", { a: 0, b: 0, c: 0 }), stamp: stampOf(1, 0) };
    const later = { op: update("n1", { a: 9 }), stamp: stampOf(9, 1) };
    const between = { op: put("n1", { a: 5, b: 5 }), stamp: stampOf(5, 2) };
    expect(fold([older, later, between]).get("n1")).toEqual({ a: 9, b: 5 });
  });

  test("[TABLE-5] a sibling's update does not resurrect what was deleted, a later put does and shows that update", () => {
    const dead = [
      { op: put("n1", { a: 0, b: 0 }), stamp: stampOf(1, 0) },
      { op: drop("n1"), stamp: stampOf(2, 1) },
      { op: update("n1", { a: 9 }), stamp: stampOf(9, 2) },
    ];
    expect(fold(dead).get("n1")).toBeUndefined();
    expect(fold([...dead, { op: put("n1", { b: 3 }), stamp: stampOf(3, 3) }]).get("n1")).toEqual({ a: 9, b: 3 });
  });

  test("[TABLE-2] a delete that comes before the put it follows still deletes, and deleting the absent shows nothing", () => {
    const state = new TableState();
    expect(state.merge([drop("n1")], stampOf(2, 1))).toBeUndefined();
    expect(state.merge([put("n1", { a: 1 })], stampOf(1, 0))).toBeUndefined();
    expect(state.has("n1")).toBe(false);
    expect(state.size).toBe(0);
  });

  test("[TABLE-2] an object and a plain value written to one column at once: one of them shows whole", () => {
    const object = { op: update("n1", { a: { deep: [1] } }), stamp: stampOf(2, 1) };
    const plain = { op: update("n1", { a: 7 }), stamp: stampOf(2, 2) };
    const start = { op: put("n1", {}), stamp: stampOf(1, 0) };
    expect(fold([start, object, plain]).get("n1")).toEqual({ a: 7 });
    expect(fold([start, plain, object]).get("n1")).toEqual({ a: 7 });
  });

  test("[TABLE-7] rows that readers got are not altered by later merges", () => {
    const state = fold([{ op: put("n1", { a: 1 }), stamp: stampOf(1, 0) }]);
    const before = state.get("n1");
    state.merge([update("n1", { a: 2, b: 2 })], stampOf(2, 1));
    expect(before).toEqual({ a: 1 });
  });
});

describe("a table's checkpoint", () => {
  test("[TABLE-8] gives back the same rows, seen or not", () => {
    fc.assert(
      fc.property(writes, (all) => {
        const state = fold(all);
        const copy = new TableState();
        const bytes = state.checkpoint(0, 1);
        if (bytes !== undefined) unwrap(copy.restore(bytes, 1));
        expect(copy.encode()).toEqual(state.encode());
        expect(copy.size).toBe(state.size);
      }),
    );
  });

  test("[STORE-3] [TABLE-3] of which rows are read one by one, and merged into, reads as one that was never away", () => {
    const read = fc.array(ids, { maxLength: 4 });
    fc.assert(
      fc.property(fc.array(fc.tuple(writes, read, fc.boolean()), { minLength: 1, maxLength: 4 }), (sessions) => {
        const state = new TableState();
        let disk: { readonly number: number; readonly bytes: Uint8Array }[] = [];
        const seen = (table: TableState, asked: readonly string[]): unknown => [
          table.size,
          asked.map((id) => [table.get(id), table.has(id)]),
        ];
        for (const [i, [all, asked, isWhole]] of sessions.entries()) {
          const restored = new TableState();
          for (const { number, bytes } of disk) unwrap(restored.restore(bytes, number));
          expect(seen(restored, asked)).toEqual(seen(state, asked));
          // The stamps of one session are not those of another: equal ones are of one entry.
          for (const { op, stamp } of all) {
            const own = stampOf(stamp.time, 1_000 * (i + 1) + Number.parseInt(stamp.id, 16));
            expect(restored.merge([op], own)).toEqual(state.merge([op], own));
          }
          expect(seen(restored, asked)).toEqual(seen(state, asked));
          expect(restored.sizeSince(i)).toBe(state.sizeSince(i));
          const bytes = restored.checkpoint(isWhole ? 0 : i, i + 1);
          state.checkpoint(isWhole ? 0 : i, i + 1);
          if (isWhole) disk = [];
          if (bytes !== undefined) disk.push({ number: i + 1, bytes });
          if (isWhole) expect([...restored.all()]).toEqual([...state.all()]);
          expect(restored.size).toBe(state.size);
        }
        const last = new TableState();
        for (const { number, bytes } of disk) unwrap(last.restore(bytes, number));
        expect(last.encode()).toEqual(state.encode());
      }),
    );
  });

  test("[STORE-9] says where its rows are or does not: it reads the same", () => {
    fc.assert(
      fc.property(writes, ids, (all, id) => {
        const state = fold(all);
        const [plain, placed] = [new TableState(), new TableState()];
        unwrap(plain.restore(state.encode(), 1));
        const bytes = state.checkpoint(0, 1);
        if (bytes !== undefined) unwrap(placed.restore(bytes, 1));
        const look = (table: TableState): unknown => [table.get(id), table.size, table.sizeSince(0), table.encode()];
        expect(look(plain)).toEqual(look(placed));
      }),
    );
  });

  test("[STORE-9] that names rows where none are is no other table: reading fails with STORAGE_CORRUPT, or opening with a code", () => {
    const bytes = fold([{ op: put("r", { a: 1 }), stamp: stampOf(1, 1) }]).checkpoint(0, 1) ?? new Uint8Array();
    for (let at = 0; at < bytes.length; at++) {
      const damaged = bytes.slice();
      damaged[at] = (bytes[at] ?? 0) ^ 0x55;
      const table = new TableState();
      const opened = table.restore(damaged, 1);
      const read = opened.ok ? attempt(() => [...table.all()]) : opened;
      if (!read.ok) expect(read.failure.code).toMatch(/^(CBOR|ENTRY|STORAGE)_/);
    }
  });

  test("[TABLE-8] [STORE-9] has the documented form", () => {
    const state = fold([
      { op: put("r", { a: 1 }), stamp: stampOf(1, 0xaa) },
      { op: update("r", { b: 2 }, ["a"]), stamp: stampOf(2, 0xbb) },
      { op: put("s", { a: 1 }), stamp: stampOf(1, 0xaa) },
      { op: drop("t"), stamp: stampOf(2, 0xbb) },
    ]);
    const id = (byte: string): string => `5820${byte.padStart(64, "0")}`;
    const stamps = `84 01 ${id("aa")} 02 ${id("bb")}`;
    const r = "84 6172 00 a0 82 82 6161 01 83 6162 01 02";
    const expected = `82 ${stamps} 83 ${r} 83 6173 00 a16161 01 83 6174 01 f6`;
    expect(Buffer.from(state.encode()).toString("hex")).toBe(expected.replaceAll(" ", ""));
    const words = (...all: number[]): string => Buffer.from(new Uint32Array(all).buffer).toString("hex");
    // The list of stamps starts at 1; each stamp is 35 bytes.
    const places = words(2, 37, 73, 73 + 15, 73 + 23 + 2 ** 31, 2, 3);
    const placed = `83 ${expected.slice(3)} 581c ${places}`;
    expect(Buffer.from(state.checkpoint(0, 1) ?? []).toString("hex")).toBe(placed.replaceAll(" ", ""));
  });

  test("[STORE-3] holds the rows altered since an earlier one, and no others", () => {
    const state = fold([
      { op: put("r", { a: 1 }), stamp: stampOf(5, 0) },
      { op: put("s", { a: 1 }), stamp: stampOf(5, 1) },
    ]);
    expect(state.checkpoint(0, 1)).toBeDefined();
    expect(state.sizeSince(1)).toBe(0);
    expect(state.checkpoint(1, 2)).toBeUndefined();
    state.merge([put("r", { a: 0 })], stampOf(4, 2));
    expect(state.sizeSince(1)).toBe(0);
    state.merge([put("r", { a: 2 })], stampOf(6, 3));
    expect([state.sizeSince(1), state.sizeSince(0)]).toEqual([1, 2]);
    const part = new TableState();
    unwrap(part.restore(state.checkpoint(1, 2) ?? new Uint8Array(), 2));
    expect([...part.all()]).toEqual([["r", { a: 2 }]]);
  });
});

/** As hex, the pairs of a map of `count` columns. */
function numberedColumns(count: number): string {
  return Array.from({ length: count }, (_, i) => `64${Buffer.from(String(i).padStart(4, "0")).toString("hex")}00`).join(
    "",
  );
}

describe("a table's payload", () => {
  const decode = (hex: string): unknown => {
    const result = tableKind.decode("notes", Buffer.from(hex.replaceAll(" ", ""), "hex"));
    return result.ok ? result.value : result.failure.code;
  };

  test("[TABLE-1] has the documented form", () => {
    expect(decode("83 82 6161 a16178 01  83 6162 a16178 01 81 6179  81 6163")).toEqual([
      put("a", { x: 1 }),
      update("b", { x: 1 }, ["y"]),
      drop("c"),
    ]);
  });

  test.each([
    ["no ops", "80", "ENTRY_PAYLOAD"],
    ["rows out of order", "82 81 6162 81 6161", "ENTRY_PAYLOAD"],
    ["a row twice", "82 81 6161 81 6161", "ENTRY_PAYLOAD"],
    ["an empty row id", "81 81 60", "ENTRY_PAYLOAD"],
    ["an op without a row id", "81 80", "ENTRY_PAYLOAD"],
    ["an empty column name", "81 82 6161 a16001", "ENTRY_PAYLOAD"],
    ["columns that are no map", "81 82 6161 80", "ENTRY_PAYLOAD"],
    ["an update of nothing", "81 83 6161 a0 80", "ENTRY_PAYLOAD"],
    ["a column set and removed", "81 83 6161 a16178 01 81 6178", "ENTRY_PAYLOAD"],
    ["a column removed twice", "81 83 6161 a0 82 6178 6178", "ENTRY_PAYLOAD"],
    ["an op of four fields", "81 84 6161 a0 80 80", "CBOR_TOO_LARGE"],
    ["columns out of order", "81 82 6161 a2 6179 01 6178 01", "CBOR_NONCANONICAL"],
    ["a link as a value", `81 82 6161 a16178 d82a58250001711220${"00".repeat(32)}`, "CBOR_UNSUPPORTED"],
    ["undefined as a value", "81 82 6161 a16178 f7", "CBOR_UNSUPPORTED"],
    ["half a surrogate pair", "81 81 63eda0bd", "CBOR_NONCANONICAL"],
    ["a row id of more than 1 KiB", `81 81 790401${"61".repeat(1025)}`, "CBOR_TOO_LARGE"],
    ["a column name of more than 1 KiB", `81 82 6161 a1 790401${"61".repeat(1025)} 01`, "ENTRY_PAYLOAD"],
    ["a removed column name of more than 1 KiB", `81 83 6161 a0 81 790401${"61".repeat(1025)}`, "CBOR_TOO_LARGE"],
    ["a row of more than 1,000 columns", `81 82 6161 b903e9 ${numberedColumns(1001)}`, "ENTRY_PAYLOAD"],
    ["bytes behind the end", "81 81 6161 00", "CBOR_TRAILING"],
    ["nothing", "", "CBOR_TRUNCATED"],
  ])("[TABLE-1] [STORE-2] is refused when it holds %s", (_, hex, code) => {
    expect(decode(hex)).toBe(code);
  });
});
