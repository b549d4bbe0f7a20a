/** What stands in the sealed parts of entries, as far as this device has been able to open them. */
import type { Failure, Result } from "./errors.ts";
import type { Node } from "./graph.ts";
import type { EntryId } from "./ids.ts";
import type { DecodedPart } from "./store/kinds.ts";
import type { EpochKeyId } from "./store/sealed.ts";

/** By entry. A failure: its key is here, and what came of it is no content. Entries whose key is not here are missing. */
export type OpenedParts = ReadonlyMap<EntryId, Result<readonly DecodedPart[]>>;

export const nothingOpened: OpenedParts = new Map();

/** An accepted entry whose key is not here. */
export interface SealedNode {
  readonly node: Node;
  readonly keyId: EpochKeyId;
}

/** What of an entry is folded. */
export type Content =
  | { readonly type: "parts"; readonly parts: readonly DecodedPart[] }
  | { readonly type: "broken"; readonly failure: Failure }
  | { readonly type: "sealed"; readonly keyId: EpochKeyId };

export function contentOf(id: EntryId, parts: readonly DecodedPart[], opened: OpenedParts): Content {
  for (const part of parts) {
    if (part.type !== "sealed") continue;
    const found = opened.get(id);
    if (found === undefined) return { type: "sealed", keyId: part.payload.keyId };
    return found.ok ? { type: "parts", parts: found.value } : { type: "broken", failure: found.failure };
  }
  return { type: "parts", parts };
}
