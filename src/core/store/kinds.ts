/**
 * The kinds of stores this version knows, and the check on the parts of an entry.
 *
 * [STORE-10] `_settings` has the type settings and `_sealed` the type sealed, no other store has them, and other names that start
 *            with `_` are refused with ENTRY_PAYLOAD: they are kept for later versions of Tidemark.
 * [STORE-11] A part of an unknown type is accepted and synced, its payload unread and not folded, and the store is listed as
 *            unknown: a newer version may know it.
 */

import { type DocPayload, decodeDocPayload, docType } from "../document/doc-payload.ts";
import type { StorePart } from "../entry.ts";
import { attempt, failure, type Result, success } from "../errors.ts";
import { docOpsMax, entryItemsMax, storeNameBytesMax } from "../limits.ts";
import { utf8Length } from "../utf8.ts";
import { countItems } from "./item-count.ts";
import type { PayloadKind } from "./kind.ts";
import { type KvPayload, kvKind } from "./kv.ts";
import { payloadError } from "./payload.ts";
import { decodeContent, decodeSealed, type SealedPayload, sealedStoreName, sealedType } from "./sealed.ts";
import { type SettingsPayload, settingsKind, settingsStoreName, settingsType } from "./settings.ts";
import { tableKind } from "./table.ts";
import type { TablePayload } from "./table-payload.ts";
import { invalid, validateName } from "./values.ts";

/** A part whose payload was checked. What stands in `type` of an unknown part is in `storeType`. */
export type DecodedPart =
  | { readonly type: "table"; readonly name: string; readonly payload: TablePayload }
  | { readonly type: "kv"; readonly name: string; readonly payload: KvPayload }
  | { readonly type: "doc"; readonly name: string; readonly payload: DocPayload }
  | { readonly type: "settings"; readonly name: string; readonly payload: SettingsPayload }
  | { readonly type: "sealed"; readonly name: string; readonly payload: SealedPayload }
  | { readonly type: "unknown"; readonly name: string; readonly storeType: string };

/** A part as this device writes it: decoded already, where that was needed to see whether it fits. */
export interface BuiltPart extends StorePart {
  readonly decoded?: DecodedPart;
}

/** What payloads were found to be, by the payload itself. */
export type DecodedPayloads = ReadonlyMap<Uint8Array, DecodedPart>;

export const noneDecoded: DecodedPayloads = new Map();

const docPayloads: PayloadKind<DocPayload> = { type: docType, decode: decodeDocPayload };

const kinds: ReadonlyMap<string, PayloadKind<unknown>> = new Map(
  [tableKind, kvKind, docPayloads, settingsKind].map((kind: PayloadKind<unknown>) => [kind.type, kind]),
);

/** The stores that are ours, with their types. */
const reservedNames: ReadonlyMap<string, string> = new Map([
  [settingsStoreName, settingsType],
  [sealedStoreName, sealedType],
]);

/** Undefined for a type that this version does not know. */
export function kindOf(type: string): PayloadKind<unknown> | undefined {
  return kinds.get(type);
}

/** The check on the way in. Fails with a CBOR_ code or `ENTRY_PAYLOAD`. */
export function decodePart({ name, type, payload }: StorePart): Result<DecodedPart> {
  const named = checkStoreName(name, type);
  if (!named.ok) return named;
  switch (type) {
    case "table":
      return map(tableKind.decode(name, payload), (ops) => ({ type, name, payload: ops }));
    case "kv":
      return map(kvKind.decode(name, payload), (ops) => ({ type, name, payload: ops }));
    case "doc":
      return map(decodeDocPayload(name, payload), (changes) => ({ type, name, payload: changes }));
    case "settings":
      return map(settingsKind.decode(name, payload), (ops) => ({ type, name, payload: ops }));
    case "sealed":
      return map(decodeSealed(name, payload), (sealed) => ({ type, name, payload: sealed }));
    default:
      return success({ type: "unknown", name, storeType: type });
  }
}

/** All parts of one entry. Fails with what the first bad payload is refused for, and with `ENTRY_PAYLOAD` for too many ops of documents: [DOC-41]. */
export function decodeStores(
  stores: readonly StorePart[],
  known: DecodedPayloads = noneDecoded,
): Result<readonly DecodedPart[]> {
  let items = 0;
  for (const { type, payload } of stores) {
    if (kindOf(type) !== undefined) items += countItems(payload, entryItemsMax);
    if (items > entryItemsMax) return failure("CBOR_TOO_LARGE", { got: items, max: entryItemsMax });
  }
  const parts: DecodedPart[] = [];
  let ops = 0;
  for (const part of stores) {
    const before = known.get(part.payload);
    const decoded = before === undefined ? decodePart(part) : success(before);
    if (!decoded.ok) return decoded;
    parts.push(decoded.value);
    if (decoded.value.type === "doc") ops += countDocOps(decoded.value.payload);
    if (ops > docOpsMax)
      return failure("ENTRY_PAYLOAD", { store: part.name, got: `${ops} ops`, expected: `at most ${docOpsMax}` });
  }
  return success(parts);
}

function countDocOps({ changes }: DocPayload): number {
  return changes.reduce((sum, { ops }) => sum + ops, 0);
}

/** [ENCRYPTION-6]: what stood in a sealed part, as strictly as what stands in an entry. Fails with the same codes. */
export function decodeSealedStores(bytes: Uint8Array): Result<readonly DecodedPart[]> {
  const stores = decodeContent(bytes);
  return stores.ok ? decodeContentStores(stores.value) : stores;
}

/** The same of what is to be sealed. */
export function decodeContentStores(
  stores: readonly StorePart[],
  known?: DecodedPayloads,
): Result<readonly DecodedPart[]> {
  const reserved = stores.find(({ name }) => name.startsWith("_"));
  if (reserved !== undefined)
    return failure("ENTRY_PAYLOAD", { store: sealedStoreName, got: reserved.name, expected: "stores of the app" });
  return decodeStores(stores, known);
}

/** [STORE-10] for a store that came from outside. Fails with `ENTRY_PAYLOAD`. */
export function checkStoreName(name: string, type: string): Result<void> {
  return attempt(() => {
    if (name === "" || utf8Length(name) > storeNameBytesMax) {
      throw payloadError(name.slice(0, 40), `a name of ${name.length} characters`, `1 to ${storeNameBytesMax} bytes`);
    }
    for (const [reserved, itsType] of reservedNames) {
      if ((name === reserved) !== (type === itsType))
        throw payloadError(name, `type ${JSON.stringify(type)}`, `type ${itsType} for ${reserved} alone`);
    }
    if (name.startsWith("_") && !reservedNames.has(name)) throw payloadError(name, "a reserved name", "no _ in front");
  });
}

/** [STORE-10] for a store that the app names. Fails with `INPUT_INVALID`. */
export function validateStoreName(name: unknown): string {
  const valid = validateName(name, "store name", storeNameBytesMax);
  if (valid.startsWith("_")) throw invalid("store name", valid, "a name that does not start with _");
  return valid;
}

function map<A, B>(result: Result<A>, change: (value: A) => B): Result<B> {
  return result.ok ? success(change(result.value)) : result;
}
