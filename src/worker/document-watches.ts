/**
 * The documents that a page has open, and what is sent to it of them: one event per document and turn, however many entries came in that turn.
 *
 * [DOC-33] What the page has closed, or was opening when it did, is not told any more.
 */
import { actorOf } from "../core/document/actor.ts";
import { type ChangeHash, changeHashFromHex } from "../core/document/change-bytes.ts";
import { decodeDocPayload, docNonceBytes } from "../core/document/doc-payload.ts";
import type { DocState } from "../core/document/doc-state.ts";
import type { Snapshot } from "../core/document/snapshot.ts";
import { type DatabaseId, encodeHex, type PublicKey } from "../core/ids.ts";
import type { StoreChange } from "../core/store/state.ts";
import { invalid } from "../core/store/values.ts";
import type { Instance } from "../engine/instance.ts";
import type { EnginePorts } from "../engine/ports.ts";
import { findSnapshot, keepSnapshot } from "../engine/snapshots.ts";
import type { DocOpened, DocOptions, DocSnapshot, StoreWrites, WorkerEvent } from "./api.ts";
import { DocumentWatch } from "./document-watch.ts";

export interface DocumentWatchesOptions {
  readonly instance: Pick<Instance, "database" | "find">;
  readonly ports: Pick<EnginePorts, "storage" | "sealing" | "random" | "sha256" | "clock">;
  readonly post: (event: WorkerEvent) => void;
}

export class DocumentWatches {
  readonly #options: DocumentWatchesOptions;
  readonly #watches = new Map<number, DocumentWatch>();
  /** The last `open` of each number. */
  readonly #opening = new Map<number, object>();
  #isScheduled = false;

  constructor(options: DocumentWatchesOptions) {
    this.#options = options;
  }

  /** Rejects with DATABASE_UNKNOWN, and with INPUT_INVALID for what no page gives. */
  async open(number: number, id: DatabaseId, store: string, options: DocOptions): Promise<DocOpened> {
    const { instance, ports } = this.#options;
    const [opening, heads] = [{}, toHashes(options.heads)];
    if (options.nonce.length !== docNonceBytes) throw invalid("nonce", options.nonce, `${docNonceBytes} bytes`);
    this.#watches.delete(number);
    this.#opening.set(number, opening);
    const isWanted = heads.length === 0 && options.snapshot !== false;
    const snapshot = isWanted ? await findSnapshot(ports, instance.database(id), store) : undefined;
    const database = instance.database(id);
    const author = database.identity.publicKey;
    if (this.#opening.get(number) === opening) {
      this.#opening.delete(number);
      const watched = { number, database: id, store, actor: this.#actor(id, author, options.nonce) };
      this.#watches.set(number, new DocumentWatch(watched, this.#stateOf(id, store), snapshot?.heads ?? heads));
      this.#schedule();
    }
    return { author, ...(snapshot !== undefined && { snapshot }) };
  }

  close(number: number): void {
    this.#opening.delete(number);
    this.#watches.delete(number);
  }

  /** Rejects with DATABASE_UNKNOWN, and with INPUT_INVALID for what no page gives. */
  async keep(id: DatabaseId, store: string, { heads, bytes }: DocSnapshot): Promise<void> {
    const { instance, ports } = this.#options;
    const snapshot: Snapshot = { heads: toHashes(heads), bytes };
    await keepSnapshot(ports, instance.database(id), store, snapshot);
  }

  note(database: DatabaseId, changes: readonly StoreChange[]): void {
    for (const change of changes) {
      if (change.type !== "doc") continue;
      for (const watch of this.#of(database, change.name)) {
        const state = this.#stateOf(database, change.name);
        if (state !== undefined) watch.note(state, change.changes);
      }
    }
    this.#schedule();
  }

  /**
   * The page is about to hear that these are durable. It may have asked somebody else for that, or its outbox was written for it, and what was written may be
   * void since: when it opened the document it could not say that it has this.
   */
  wrote(id: DatabaseId, stores: readonly StoreWrites[]): void {
    const author = this.#options.instance.find(id)?.identity.publicKey;
    for (const { store, payload, last } of stores) {
      const state = this.#stateOf(id, store);
      if (author === undefined || last === undefined || state?.actorOf(changeHashFromHex(last)) !== undefined) continue;
      const decoded = decodeDocPayload(store, payload);
      const actor = decoded.ok ? this.#actor(id, author, decoded.value.nonce) : undefined;
      for (const watch of this.#of(id, store)) if (watch.watched.actor === actor) watch.hasVoid(state);
      this.#schedule();
    }
  }

  /** The state was made anew. Of a database that is not here any more nobody knows better than the page. */
  refresh(database: DatabaseId): void {
    if (this.#options.instance.find(database) === undefined) return;
    for (const watch of this.#of(database)) watch.refresh(this.#stateOf(database, watch.watched.store));
    this.#schedule();
  }

  /** Nothing is open any more. */
  end(): void {
    this.#opening.clear();
    this.#watches.clear();
  }

  *#of(database: DatabaseId, store?: string): Generator<DocumentWatch> {
    for (const watch of this.#watches.values()) {
      const { watched } = watch;
      if (watched.database === database && (store === undefined || watched.store === store)) yield watch;
    }
  }

  /** Under which a page writes, in hex. */
  #actor(database: DatabaseId, author: PublicKey, nonce: Uint8Array): string {
    return encodeHex(actorOf(database, author, nonce, new Uint8Array(), this.#options.ports.sha256));
  }

  #stateOf(database: DatabaseId, store: string): DocState | undefined {
    return this.#options.instance.find(database)?.replica.state.doc(store);
  }

  #postDue(): void {
    this.#isScheduled = false;
    let isMore = false;
    for (const watch of this.#watches.values()) {
      const { database, store } = watch.watched;
      // One that is being loaded anew is refreshed when it is there.
      if (!watch.isDue || this.#options.instance.find(database) === undefined) continue;
      this.#options.post(watch.take(this.#stateOf(database, store)));
      isMore ||= watch.isDue;
    }
    // The rest of much: others have their turn in between.
    if (isMore) this.#schedule((post) => void this.#options.ports.clock.after(0, post));
  }

  #schedule(later: (post: () => void) => void = (post) => queueMicrotask(post)): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    later(() => this.#postDue());
  }
}

function toHashes(heads: readonly string[]): readonly ChangeHash[] {
  return heads.map(changeHashFromHex);
}

/** What is handed over with an event instead of being copied, where both ends are in one process. */
export function buffersOf(event: WorkerEvent): Transferable[] {
  return event.type === "changes" ? [event.bytes.buffer, event.ends.buffer] : [];
}
