/**
 * The page's writes as the stores of an entry, once they fit what is in the database now.
 *
 * [DOC-34] A change of a document is signed only if it would be applied, with the hash that the page has given it.
 */

import { changeHashFromHex } from "../core/document/change-bytes.ts";
import { TidemarkError, unwrap } from "../core/errors.ts";
import type { PublicKey } from "../core/ids.ts";
import { type BuiltPart, type DecodedPart, decodePart } from "../core/store/kinds.ts";
import type { DatabaseState } from "../core/store/state.ts";
import { invalid } from "../core/store/values.ts";
import { compareUtf8 } from "../core/utf8.ts";
import type { OpenDatabase } from "../engine/database.ts";
import type { StoreWrites } from "./api.ts";

/** Throws ROW_MISSING, DOC_OUTDATED, and what a payload is refused for. */
export function buildParts(
  stores: readonly StoreWrites[],
  { replica, identity }: Pick<OpenDatabase, "replica" | "identity">,
): readonly BuiltPart[] {
  const parts = stores.map((writes): BuiltPart => {
    const { type, store: name, payload } = writes;
    if (type === "doc")
      return { type, name, payload, decoded: decodeFitting(writes, replica.state, identity.publicKey) };
    assertRows(writes, replica.state);
    return { type, name, payload };
  });
  return parts.sort((a, b) => compareUtf8(a.name, b.name));
}

function assertRows({ store, updatedRows }: StoreWrites, state: DatabaseState): void {
  const table = state.table(store);
  const row = updatedRows.find((id) => !table?.has(id));
  if (row !== undefined) throw new TidemarkError("ROW_MISSING", { store, row });
}

/** Of changes that would be applied. */
function decodeFitting({ store, payload, last }: StoreWrites, state: DatabaseState, author: PublicKey): DecodedPart {
  const part = unwrap(decodePart({ type: "doc", name: store, payload }));
  if (part.type !== "doc" || last === undefined) throw invalid("last", last, "the hash of the last change");
  const reason = state.docRefusal(store, part.payload, author, changeHashFromHex(last));
  if (reason !== undefined) throw new TidemarkError("DOC_OUTDATED", { store, reason });
  return part;
}
