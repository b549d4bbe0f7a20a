/**
 * The page's writes as the stores of an entry, once they fit what is in the database now.
 *
 * [DOC-34] A change of a document is signed only if it would be applied, with the hash that the page has given it.
 */

import { changeHashFromHex } from "../core/document/change-bytes.ts";
import type { StorePart } from "../core/entry.ts";
import { TidemarkError, unwrap } from "../core/errors.ts";
import type { PublicKey } from "../core/ids.ts";
import { decodePart } from "../core/store/kinds.ts";
import type { DatabaseState } from "../core/store/state.ts";
import { invalid } from "../core/store/values.ts";
import { compareUtf8 } from "../core/utf8.ts";
import type { OpenDatabase } from "../engine/database.ts";
import type { StoreWrites } from "./api.ts";

/** Throws ROW_MISSING, DOC_OUTDATED, and what a payload is refused for. */
export function buildParts(
  stores: readonly StoreWrites[],
  { replica, identity }: Pick<OpenDatabase, "replica" | "identity">,
): readonly StorePart[] {
  for (const writes of stores) {
    if (writes.type === "doc") assertApplies(writes, replica.state, identity.publicKey);
    else assertRows(writes, replica.state);
  }
  const parts = stores.map(({ type, store, payload }) => ({ type, name: store, payload }));
  return parts.sort((a, b) => compareUtf8(a.name, b.name));
}

function assertRows({ store, updatedRows }: StoreWrites, state: DatabaseState): void {
  const table = state.table(store);
  const row = updatedRows.find((id) => !table?.has(id));
  if (row !== undefined) throw new TidemarkError("ROW_MISSING", { store, row });
}

function assertApplies({ store, payload, last }: StoreWrites, state: DatabaseState, author: PublicKey): void {
  const part = unwrap(decodePart({ type: "doc", name: store, payload }));
  if (part.type !== "doc" || last === undefined) throw invalid("last", last, "the hash of the last change");
  const reason = state.docRefusal(store, part.payload, author, changeHashFromHex(last));
  if (reason !== undefined) throw new TidemarkError("DOC_OUTDATED", { store, reason });
}
