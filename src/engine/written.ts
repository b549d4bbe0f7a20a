/** What transactions wrote to, as hooks are told. */
import type { Entry } from "../core/entry.ts";
import type { DecodedPart } from "../core/store/kinds.ts";
import { sealedType } from "../core/store/sealed.ts";
import { compareUtf8 } from "../core/utf8.ts";
import type { Encryption } from "./encryption.ts";
import type { WrittenEntry } from "./hook-reader.ts";

/** Sealed entries as far as they can be opened: of others it is seen that they are sealed. */
export async function writtenIn(
  entries: readonly (Entry | undefined)[],
  encryption: Pick<Encryption, "open">,
): Promise<readonly (WrittenEntry | undefined)[]> {
  const opened = await encryption.open(entries.filter((entry) => entry !== undefined));
  return entries.map((entry) => {
    const found = entry && opened.get(entry.id);
    return entry && (found?.ok === true ? written(entry, found.value) : written(entry));
  });
}

function written({ id, author, seq, time, stores }: Entry, content?: readonly DecodedPart[]): WrittenEntry {
  const clear = content === undefined ? stores : stores.filter(({ type }) => type !== sealedType);
  const all = [...clear, ...(content ?? []).map(nameOf)].map(({ name, type }) => ({ name, type }));
  return { id, author, seq, time, stores: all.sort((a, b) => compareUtf8(a.name, b.name)) };
}

function nameOf(part: DecodedPart): { readonly name: string; readonly type: string } {
  return { name: part.name, type: part.type === "unknown" ? part.storeType : part.type };
}
