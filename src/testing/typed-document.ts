/** What a page commits while somebody types into a document, a part for each text, and the heads after each. */
import * as A from "@automerge/automerge";
import { actorOf } from "../core/document/actor.ts";
import { encodeDocPayload } from "../core/document/doc-payload.ts";
import type { StorePart } from "../core/entry.ts";
import { type DatabaseId, encodeHex, type PublicKey, type Sha256 } from "../core/ids.ts";
import { noLabel, sentChanges } from "./document-entries.ts";

export interface TypedPart {
  readonly part: StorePart;
  /** Of the document with this part and those before it. */
  readonly heads: readonly string[];
}

export function typeDocument(
  name: string,
  texts: readonly string[],
  author: { readonly database: DatabaseId; readonly key: PublicKey; readonly sha256: Sha256 },
): readonly TypedPart[] {
  const nonce = new Uint8Array(16).fill(5);
  const actor = encodeHex(actorOf(author.database, author.key, nonce, noLabel, author.sha256));
  let doc = A.init<{ text: string }>({ actor });
  return texts.map((text) => {
    const before = A.getHeads(doc);
    doc = A.change(doc, { time: 0 }, (draft) => {
      draft.text = text;
    });
    const payload = encodeDocPayload(nonce, sentChanges(A.getChangesSince(doc, before)));
    return { part: { name, type: "doc", payload }, heads: [...A.getHeads(doc)].sort() };
  });
}
