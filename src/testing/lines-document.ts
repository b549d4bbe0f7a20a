/** Lines of a document, each in an entry of its own, as devices of a cluster write and show them. */
import * as A from "@automerge/automerge";
import { actorOf } from "../core/document/actor.ts";
import { docType, encodeDocPayload } from "../core/document/doc-payload.ts";
import type { DocState } from "../core/document/doc-state.ts";
import type { StorePart } from "../core/entry.ts";
import { type DatabaseId, encodeHex } from "../core/ids.ts";
import type { Device } from "./device.ts";
import { noLabel, sentChanges } from "./document-entries.ts";

export type Lines = Record<string, string>;

/** What a device has of a document, as Automerge shows it. */
export class LinesDocument {
  readonly #device: Device;
  readonly #database: DatabaseId;
  readonly #store: string;
  static #pages = 0;

  constructor(device: Device, database: DatabaseId, store: string) {
    this.#device = device;
    this.#database = database;
    this.#store = store;
  }

  get state(): DocState | undefined {
    return this.#device.instance.find(this.#database)?.replica.state.doc(this.#store);
  }

  get value(): A.Doc<Lines> {
    return this.#open();
  }

  get heads(): readonly string[] {
    return this.state?.heads() ?? [];
  }

  /** Lines as a page that has this much would write them, each a part of its own. None stands on another when they are `apart`. */
  draft(lines: Lines, { apart = false }: { readonly apart?: boolean } = {}): readonly StorePart[] {
    const base = this.#open();
    let doc = A.clone(base);
    return Object.entries(lines).map(([line, text]) => {
      const nonce = Uint8Array.from({ length: 16 }, (_, i) => (++LinesDocument.#pages >>> (8 * (i % 4))) & 0xff);
      const { key, sha256 } = this.#device;
      const actor = encodeHex(actorOf(this.#database, key, nonce, noLabel, sha256));
      const from = A.clone(apart ? base : doc, { actor });
      doc = A.change(from, { time: 0 }, (draft) => Object.assign(draft, { [line]: text }));
      const sent = sentChanges(A.getChangesSince(doc, A.getHeads(from)));
      return { name: this.#store, type: docType, payload: encodeDocPayload(nonce, sent) };
    });
  }

  #open(): A.Doc<Lines> {
    const { state } = this;
    const changes = state?.bytesOf(state.since([]) ?? []) ?? [];
    return A.applyChanges(A.init<Lines>(), [...changes])[0];
  }
}
