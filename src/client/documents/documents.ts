/** The documents of a page: one replica of each that is open, however often it is. */
import { docNonceBytes } from "../../core/document/doc-payload.ts";
import { TidemarkError } from "../../core/errors.ts";
import type { DatabaseId } from "../../core/ids.ts";
import type { DocChanges } from "../../worker/api.ts";
import type { LifecycleListener } from "../lifecycle.ts";
import type { Line } from "../line.ts";
import type { Automerge } from "./automerge.ts";
import { Doc, replicaOf } from "./doc.ts";
import type { DocImportOptions } from "./doc-import.ts";
import { Feeds } from "./feed.ts";
import { Replica, type ReplicaHome } from "./replica.ts";
import { nextTurn, Turns } from "./turns.ts";

export interface DocumentsOptions {
  readonly line: Line;
  readonly load: () => Promise<Automerge>;
  /** Tells of an error that no call waits for. */
  readonly report: (error: unknown, database: DatabaseId) => void;
  /** A document is open: what is written to it has to have a place to go to when the page ends. */
  readonly opened: () => void;
  /** Up to this, what nobody has open stays in memory. */
  readonly idleBytesMax: number;
}

interface Held {
  readonly replica: Replica;
  readonly opened: Promise<void>;
  /** How many have it open. */
  holders: number;
}

export class Documents implements LifecycleListener {
  readonly #options: DocumentsOptions;
  readonly #feeds = new Feeds();
  readonly #held = new Map<string, Held>();
  #turns: Turns | undefined;
  #end: TidemarkError | undefined;

  constructor(options: DocumentsOptions) {
    this.#options = options;
  }

  /** Rejects with DOC_UNAVAILABLE, DATABASE_NOT_READY, a STORAGE_ code, INSTANCE_CLOSED. */
  async open<T extends object>(database: DatabaseId, store: string): Promise<Doc<T>> {
    const automerge = await this.#options.load();
    if (this.#end !== undefined) throw this.#end;
    this.#options.opened();
    const key = keyOf(database, store);
    const known = this.#held.get(key);
    const isUsable = known !== undefined && !known.replica.isClosed;
    const held = isUsable ? known : this.#begin(automerge, database, store, key);
    held.holders += 1;
    await held.opened;
    return new Doc<T>(store, held.replica, () => void this.#letGo(key, held));
  }

  /** As `Database.importDoc` says. */
  async import<T extends object>(
    database: DatabaseId,
    store: string,
    bytes: Uint8Array,
    options: DocImportOptions,
  ): Promise<Doc<T>> {
    const doc = await this.open<T>(database, store);
    try {
      // Few pages ever import, so it is a file of its own that the others do not load.
      const { importInto } = await import("./doc-import.ts");
      const { line } = this.#options;
      await importInto({ line, replica: replicaOf(doc), turn: nextTurn, now: () => performance.now() }, bytes, options);
      return doc;
    } catch (error) {
      doc.close();
      throw error;
    }
  }

  take(changes: DocChanges): void {
    this.#feeds.take(changes);
  }

  /** The page may end without another word: what was changed is written. */
  keep(): void {
    for (const { replica } of this.#held.values()) replica.flush(true);
  }

  /** Nothing is to be done: what comes is taken when it comes. */
  visible(): void {}

  suspend(): void {
    this.keep();
  }

  /** All that was changed was written before. */
  freeze(): void {}

  /** The connection for what is to be put away went with the page. */
  resume(): void {
    if (this.#held.size > 0) this.#options.opened();
  }

  /** What was changed is written, and nothing is taken any more. */
  close(reason: TidemarkError): void {
    this.#end = reason;
    for (const { replica } of this.#held.values()) replica.close(reason);
    this.#held.clear();
    this.#turns?.close();
  }

  #begin(automerge: Automerge, database: DatabaseId, store: string, key: string): Held {
    const { line, report } = this.#options;
    this.#turns ??= new Turns();
    const turns = this.#turns;
    const home: ReplicaHome = {
      ...{ automerge, line, report, feeds: this.#feeds },
      schedule: (run) => turns.schedule(run),
      after: (ms, run) => turns.after(ms, run),
      whenIdle,
      now: () => performance.now(),
      drawNonce: () => crypto.getRandomValues(new Uint8Array(docNonceBytes)),
    };
    const replica = new Replica(home, database, store);
    const held = { replica, opened: replica.open(), holders: 0 };
    this.#held.set(key, held);
    return held;
  }

  /** What nobody has open stays while there is room, and goes when what was written to it is durable, or cannot be. */
  async #letGo(key: string, held: Held): Promise<void> {
    held.holders -= 1;
    await held.replica.saved().catch(() => {});
    if (this.#held.get(key) !== held) return;
    // The last one that is let go is the last one that has to go.
    this.#held.delete(key);
    this.#held.set(key, held);
    this.#makeRoom();
  }

  /** The one that was let go first goes first. */
  #makeRoom(): void {
    const idle = [...this.#held].filter(([, { holders }]) => holders === 0);
    let bytes = idle.reduce((sum, [, { replica }]) => sum + replica.memoryBytes, 0);
    for (const [key, { replica }] of idle) {
      if (bytes <= this.#options.idleBytesMax) return;
      bytes -= replica.memoryBytes;
      this.#held.delete(key);
      replica.close(new TidemarkError("DOC_CLOSED", { store: replica.store }));
    }
  }
}

function keyOf(database: DatabaseId, store: string): string {
  return `${database}/${store}`;
}

/** Safari has no idle callbacks. */
function whenIdle(run: () => void): void {
  if (globalThis.requestIdleCallback === undefined) setTimeout(run, 1_000);
  else requestIdleCallback(run);
}
