import { expect, test } from "vitest";
import type { DatabaseId } from "../core/ids.ts";
import { kvKind } from "../core/store/kv.ts";
import { decodeTablePayload } from "../core/store/table-payload.ts";
import { Transaction } from "./transaction.ts";

test("[CLIENT-9] a name, an id or a value that will not do is refused at the call, with got and expected", () => {
  const tx = new Transaction("d".repeat(64) as DatabaseId);
  const table = tx.table("notes");
  const invalid = { code: "INPUT_INVALID" };
  expect(() => table.put("", {})).toThrow(expect.objectContaining(invalid));
  expect(() => table.put("n1", { at: new Date() })).toThrow(expect.objectContaining(invalid));
  expect(() => table.put("n1", { n: Number.NaN })).toThrow(expect.objectContaining(invalid));
  expect(() => table.put("x".repeat(1_025), {})).toThrow(expect.objectContaining(invalid));
  expect(() => table.put("n1", { text: "\ud800" })).toThrow(expect.objectContaining(invalid));
  expect(() => tx.kv("prefs").set("k", undefined as never)).toThrow(expect.objectContaining(invalid));
  for (const name of ["", "_settings", "x".repeat(129), 5 as never]) {
    expect(() => tx.table(name)).toThrow(expect.objectContaining(invalid));
  }
  try {
    table.put("n1", { n: Number.NaN });
  } catch (error) {
    expect(error).toMatchObject({
      details: { field: expect.stringContaining("notes"), got: "NaN", expected: expect.any(String) },
    });
  }
  expect(tx.writes()).toEqual([]);
});

test("[CLIENT-9] a row that was read can be put back, but its id is no column of its own", () => {
  const tx = new Transaction("d".repeat(64) as DatabaseId);
  tx.table("notes").put("n1", { id: "n1", title: "Hello" });
  expect(() => tx.table("notes").put("n2", { id: "n1" })).toThrow(expect.objectContaining({ code: "INPUT_INVALID" }));
  const [write] = tx.writes();
  expect(decodeTablePayload("notes", write?.payload ?? new Uint8Array())).toEqual({
    ok: true,
    value: [{ type: "put", id: "n1", columns: { title: "Hello" } }],
  });
});

test("[CLIENT-9] one name cannot be a table and a kv store in the same transaction", () => {
  const tx = new Transaction("d".repeat(64) as DatabaseId);
  tx.table("notes").put("n1", {});
  expect(() => tx.kv("notes")).toThrow(expect.objectContaining({ code: "STORE_TYPE" }));
});

test("[CLIENT-9] a call after the transaction's end is refused", () => {
  const tx = new Transaction("d".repeat(64) as DatabaseId);
  const table = tx.table("notes");
  tx.close();
  expect(() => table.put("n1", {})).toThrow(expect.objectContaining({ code: "INPUT_INVALID" }));
});

test("[CLIENT-9] rows whose single columns change are named, so that the worker can tell when one is missing", () => {
  const tx = new Transaction("d".repeat(64) as DatabaseId);
  tx.table("notes").update("n1", { done: true });
  tx.table("notes").put("n2", {});
  tx.table("notes").update("n2", { done: true });
  tx.kv("prefs").set("theme", "dark");
  const [notes, prefs] = tx.writes();
  expect(notes).toMatchObject({ type: "table", store: "notes", updatedRows: ["n1"] });
  expect(kvKind.decode("prefs", prefs?.payload ?? new Uint8Array())).toMatchObject({ ok: true });
});
