/** Changes of documents that only a cheat sends: Automerge made them, and what they stand on was left out. */
import * as A from "@automerge/automerge";
import { splitChange } from "../core/document/change-bytes.ts";
import { docType, encodeDocPayload } from "../core/document/doc-payload.ts";
import type { StorePart } from "../core/entry.ts";

/** Writes into a list that nothing made, and beside it what is sound. */
export function faultyPart(nonce: Uint8Array, store = "text", count = 1): StorePart {
  const sent = Array.from({ length: count }, (_, i) => ({ tail: tailInto(i), deps: [], label: Uint8Array.of(i + 1) }));
  return { name: store, type: docType, payload: encodeDocPayload(nonce, sent) };
}

function tailInto(value: number): Uint8Array {
  let doc = A.init<{ list: unknown[] }>();
  doc = A.change(doc, { time: 0 }, (draft) => {
    draft.list = [];
  });
  const before = A.getHeads(doc);
  doc = A.change(doc, { time: 0 }, (draft) => void draft.list.push(value));
  const [change] = A.getChangesSince(doc, before) as [Uint8Array];
  return splitChange(change).tail;
}

/** A document that somebody honest begins. */
export function soundPart(nonce: Uint8Array, text: string, store = "text"): StorePart {
  const doc = A.from({ text }, { actor: "00".repeat(16) });
  const sent = A.getAllChanges(doc).map((change) => ({
    tail: splitChange(change).tail,
    deps: [],
    label: new Uint8Array(),
  }));
  return { name: store, type: docType, payload: encodeDocPayload(nonce, sent) };
}
