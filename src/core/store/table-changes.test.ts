import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TidemarkError, unwrap } from "../errors.ts";
import type { EntryId } from "../ids.ts";
import { columnsPerRowMax, rowIdBytesMax } from "../limits.ts";
import { TableState, tableKind } from "./table.ts";
import { TableChanges } from "./table-changes.ts";
import type { TablePayload } from "./table-payload.ts";

type Call =
  | { readonly type: "put" | "update"; readonly id: string; readonly columns: Record<string, unknown> }
  | { readonly type: "delete"; readonly id: string };

const ids = fc.constantFrom("r", "s", "__proto__", "\u{1f600}", "\uffff");
const columns = fc
  .array(fc.tuple(fc.constantFrom("a", "b", "__proto__"), fc.constantFrom(0, 1, "x", undefined)), { maxLength: 3 })
  .map((pairs) => Object.fromEntries(pairs));
const call: fc.Arbitrary<Call> = fc.oneof(
  fc.record({ type: fc.constantFrom("put" as const, "update" as const), id: ids, columns }),
  fc.record({ type: fc.constant("delete" as const), id: ids }),
);

function apply(changes: TableChanges, call: Call): void {
  if (call.type === "delete") changes.delete(call.id);
  else changes[call.type](call.id, call.columns);
}

function decoded(changes: TableChanges): TablePayload {
  return changes.isEmpty ? [] : unwrap(tableKind.decode("notes", changes.encode()));
}

function codeOf(action: () => void): string {
  try {
    action();
  } catch (error) {
    if (error instanceof TidemarkError) return error.code;
    throw error;
  }
  return "accepted";
}

function rows(state: TableState): unknown {
  return [...state.all()].map(([id, row]) => [id, Object.entries(row)]);
}

describe("a transaction on a table", () => {
  test("[TABLE-9] writes in one payload what its calls would write one after the other", () => {
    fc.assert(
      fc.property(fc.array(call, { maxLength: 10 }), (calls) => {
        const [together, apart] = [new TableState(), new TableState()];
        const all = new TableChanges("notes");
        for (const state of [together, apart]) {
          const start = new TableChanges("notes");
          start.put("r", { a: "old", b: "old" });
          state.merge(decoded(start), { time: 1, id: "0" as EntryId });
        }
        const accepted = calls.filter((call) => codeOf(() => apply(all, call)) === "accepted");
        accepted.forEach((call, i) => {
          const one = new TableChanges("notes");
          apply(one, call);
          apart.merge(decoded(one), { time: 2 + i, id: "1" as EntryId });
        });
        together.merge(decoded(all), { time: 2, id: "2" as EntryId });
        expect(rows(together)).toEqual(rows(apart));
      }),
      { numRuns: 500 },
    );
  });

  test("[TABLE-1] [STORE-4] encodes a payload that decodes, with at most one op per row, in the order of UTF-8", () => {
    fc.assert(
      fc.property(fc.array(call, { maxLength: 10 }), (calls) => {
        const changes = new TableChanges("notes");
        for (const call of calls) codeOf(() => apply(changes, call));
        const ids = decoded(changes).map(({ id }) => id);
        expect(ids).toEqual([...new Set(ids)].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
      }),
    );
  });

  test.each([
    ["put then update", ["put", "update"], "put"],
    ["update then update", ["update", "update"], "update"],
    ["update then put", ["update", "put"], "put"],
    ["put then delete", ["put", "delete"], "delete"],
    ["update then delete", ["update", "delete"], "delete"],
    ["delete then put", ["delete", "put"], "put"],
  ] as const)("[TABLE-9] %s is one op", (_, calls, type) => {
    const changes = new TableChanges("notes");
    for (const name of calls) changes[name]("r", { a: 1 });
    expect(decoded(changes).map((op) => op.type)).toEqual([type]);
  });

  test("[TABLE-9] an update after a delete fails with ROW_MISSING and leaves the transaction as it was", () => {
    const changes = new TableChanges("notes");
    changes.delete("r");
    expect(codeOf(() => changes.update("r", { a: 1 }))).toBe("ROW_MISSING");
    expect(decoded(changes)).toEqual([{ type: "delete", id: "r" }]);
  });

  test("[TABLE-9] rows to be updated that are not there are listed, those put before are not", () => {
    const changes = new TableChanges("notes");
    const state = new TableState();
    state.merge([{ type: "put", id: "there", columns: {} }], { time: 1, id: "0" as EntryId });
    changes.put("new", { a: 1 });
    for (const id of ["new", "there", "gone"]) changes.update(id, { a: 2 });
    expect(changes.missingRows(state)).toEqual(["gone"]);
    expect(changes.missingRows(undefined)).toEqual(["there", "gone"]);
  });

  test("[TABLE-10] undefined is no column in a put, and removes the column in an update", () => {
    const changes = new TableChanges("notes");
    changes.put("r", { a: 1, b: undefined });
    changes.update("s", { a: 1, c: undefined, b: undefined });
    expect(decoded(changes)).toEqual([
      { type: "put", id: "r", columns: { a: 1 } },
      { type: "update", id: "s", set: { a: 1 }, removed: ["b", "c"] },
    ]);
  });

  test("[TABLE-9] columns removed by one update stay removed, unless a later one sets them", () => {
    const changes = new TableChanges("notes");
    changes.update("r", { a: undefined, b: undefined });
    changes.update("r", { a: 1, c: undefined });
    expect(decoded(changes)).toEqual([{ type: "update", id: "r", set: { a: 1 }, removed: ["b", "c"] }]);
  });

  test("[TABLE-10] a transaction that changes no column is empty, but its rows must be there", () => {
    const changes = new TableChanges("notes");
    changes.update("r", {});
    expect(changes.isEmpty).toBe(true);
    expect(changes.missingRows(undefined)).toEqual(["r"]);
    changes.put("s", {});
    expect(decoded(changes)).toEqual([{ type: "put", id: "s", columns: {} }]);
  });

  test("[STORE-6] [STORE-7] what cannot be stored is refused at the call, and the transaction stays as it was", () => {
    const changes = new TableChanges("notes");
    changes.put("r", { a: 1 });
    const tooMany = Object.fromEntries(Array.from({ length: columnsPerRowMax + 1 }, (_, i) => [`c${i}`, i]));
    for (const bad of [
      { a: Number.NaN },
      { a: new Date(0) },
      { a: [undefined] },
      { "": 1 },
      { "\ud800": 1 },
      tooMany,
    ]) {
      expect(codeOf(() => changes.put("r", bad))).toBe("INPUT_INVALID");
      expect(codeOf(() => changes.update("r", bad))).toBe("INPUT_INVALID");
    }
    for (const id of ["", "\ud800", "x".repeat(rowIdBytesMax + 1)]) {
      expect(codeOf(() => changes.put(id, {}))).toBe("INPUT_INVALID");
      expect(codeOf(() => changes.delete(id))).toBe("INPUT_INVALID");
    }
    expect(decoded(changes)).toEqual([{ type: "put", id: "r", columns: { a: 1 } }]);
  });

  test("[STORE-7] updates of one row cannot add up to more columns than a row may have", () => {
    const changes = new TableChanges("notes");
    const half = (name: string): object =>
      Object.fromEntries(Array.from({ length: columnsPerRowMax / 2 + 1 }, (_, i) => [`${name}${i}`, i]));
    changes.update("r", half("a"));
    expect(codeOf(() => changes.update("r", half("b")))).toBe("INPUT_INVALID");
  });

  test("[STORE-8] an object altered after the call is stored as it was", () => {
    const changes = new TableChanges("notes");
    const row = { list: [1] };
    changes.put("r", row);
    row.list.push(2);
    expect(decoded(changes)).toEqual([{ type: "put", id: "r", columns: { list: [1] } }]);
  });
});
