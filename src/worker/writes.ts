/** The page's writes as the stores of an entry, once they fit what is in the database now. */
import type { StorePart } from "../core/entry.ts";
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseState } from "../core/store/state.ts";
import { compareUtf8 } from "../core/utf8.ts";
import type { StoreWrites } from "./api.ts";

/** Throws ROW_MISSING. */
export function buildParts(stores: readonly StoreWrites[], state: DatabaseState): readonly StorePart[] {
  for (const { store, updatedRows } of stores) {
    const table = state.table(store);
    const row = updatedRows.find((id) => !table?.has(id));
    if (row !== undefined) throw new TidemarkError("ROW_MISSING", { store, row });
  }
  const parts = stores.map(({ type, store, payload }) => ({ type, name: store, payload }));
  return parts.sort((a, b) => compareUtf8(a.name, b.name));
}
