/**
 * The kinds of stores this version knows, and the check on the parts of an entry.
 *
 * [STORE-10] `_settings` has the type settings, no other store has it, and other names that start with `_` are refused with
 *            ENTRY_PAYLOAD: they are kept for later versions of Tidemark.
 * [STORE-11] A part of an unknown type is accepted and synced, its payload unread and not folded, and the store is listed as
 *            unknown: a newer version may know it.
 */

import type { StorePart } from "../entry.ts";
import { attempt, type Result, success } from "../errors.ts";
import { storeNameBytesMax } from "../limits.ts";
import { utf8Length } from "../utf8.ts";
import type { StoreKind, StoreState } from "./kind.ts";
import { type KvPayload, kvKind } from "./kv.ts";
import { payloadError } from "./payload.ts";
import { type SettingsPayload, settingsStoreName, settingsType } from "./settings.ts";
import { settingsKind } from "./settings-state.ts";
import { tableKind } from "./table.ts";
import type { TablePayload } from "./table-payload.ts";
import { invalid, validateName } from "./values.ts";

/** A part whose payload was checked. What stands in `type` of an unknown part is in `storeType`. */
export type DecodedPart =
  | { readonly type: "table"; readonly name: string; readonly payload: TablePayload }
  | { readonly type: "kv"; readonly name: string; readonly payload: KvPayload }
  | { readonly type: "settings"; readonly name: string; readonly payload: SettingsPayload }
  | { readonly type: "unknown"; readonly name: string; readonly storeType: string };

type AnyKind = StoreKind<unknown, unknown, StoreState<unknown, unknown>>;

const kinds: ReadonlyMap<string, AnyKind> = new Map(
  [tableKind, kvKind, settingsKind].map((kind: AnyKind) => [kind.type, kind]),
);

/** Undefined for a type that this version does not know. */
export function kindOf(type: string): AnyKind | undefined {
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
    case "settings":
      return map(settingsKind.decode(name, payload), (ops) => ({ type, name, payload: ops }));
    default:
      return success({ type: "unknown", name, storeType: type });
  }
}

/** [STORE-10] for a store that came from outside. Fails with `ENTRY_PAYLOAD`. */
export function checkStoreName(name: string, type: string): Result<void> {
  return attempt(() => {
    if (name === "" || utf8Length(name) > storeNameBytesMax) {
      throw payloadError(name.slice(0, 40), `a name of ${name.length} characters`, `1 to ${storeNameBytesMax} bytes`);
    }
    if ((name === settingsStoreName) !== (type === settingsType)) {
      throw payloadError(name, `type ${JSON.stringify(type)}`, `type ${settingsType} for ${settingsStoreName} alone`);
    }
    if (name.startsWith("_") && name !== settingsStoreName)
      throw payloadError(name, "a reserved name", "no _ in front");
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
