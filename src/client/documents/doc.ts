/** A document, as the app holds it. */
import { TidemarkError } from "../../core/errors.ts";
import { invalid } from "../../core/store/values.ts";
import { assertBoolean, assertFunction, assertInteger, assertObject, assertText } from "../input.ts";
import type { Stop } from "../listeners.ts";
import type { RawDoc } from "./automerge.ts";
import { valueAt } from "./copy.ts";
import type { DocHistoryOptions, DocHistoryPage } from "./doc-history.ts";
import { freezeDocument } from "./frozen.ts";
import type { DocPatch, DocPath } from "./patches.ts";
import type { Replica } from "./replica.ts";
import type { DocOrigin, RawDocEvent } from "./telling.ts";

export type { DocOrigin };

const replicas = new WeakMap<object, Replica>();

/** For `Transaction`. Throws INPUT_INVALID for what is no document. */
export function replicaOf(doc: unknown): Replica {
  const replica = typeof doc === "object" && doc !== null ? replicas.get(doc) : undefined;
  if (replica === undefined) throw invalid("doc", doc, "what db.doc() resolved with");
  return replica;
}

/** What became different in a document: at least its heads. */
export interface DocEvent<T extends object> {
  /** As it is now: frozen, and what did not change is the same object as before. */
  readonly value: T;
  /** The differences, to be done one after the other. */
  readonly patches: readonly DocPatch[];
  /** local, undo and redo: this page, by whichever handle. remote: somebody else, or another tab. */
  readonly origin: DocOrigin;
  /** For `at`. */
  readonly heads: readonly string[];
}

export interface DocChangeOptions {
  /** What the change is about, for `history`: at most 4 KiB. */
  readonly message?: string;
  /** False: `undo` leaves it, as for a beginning that others write into. Undone, it would take away what they wrote there. */
  readonly isUndoable?: boolean;
}

export interface DocSubscribeOptions {
  /** Whether the listener hears of what this page changes, by undo and redo excepted: these it always hears of. Default: true. */
  readonly local?: boolean;
}

/**
 * An Automerge document: maps, lists, text that many write at once, counters. What concurrent changes did is merged, and the same on every device.
 *
 * It is kept in the page: it can be read and changed at once. Changes are made as Automerge does it: objects of `change` are drafts, strings are
 * texts that `splice` alters, and its types, such as `Counter`, come from the app's own import of `@automerge/automerge/slim`.
 */
export class Doc<T extends object> {
  readonly name: string;
  readonly #replica: Replica;
  readonly #letGo: () => void;
  readonly #stops = new Set<Stop>();
  #isClosed = false;

  /** For `Documents`. */
  constructor(name: string, replica: Replica, letGo: () => void) {
    this.name = name;
    this.#replica = replica;
    this.#letGo = letGo;
    replicas.set(this, replica);
  }

  /** The document as it is now: frozen. A text is a string. Also after `close`, as it was then. */
  get value(): T {
    return this.#replica.doc as T;
  }

  /** What names this state of it, for `at`: hashes of the last changes. Throws DOC_CLOSED. */
  get heads(): readonly string[] {
    return this.#open.heads;
  }

  /**
   * Changes it: at once, for every handle of this page. The function alters a draft; what it throws is thrown, and nothing is changed.
   * It is signed and stored soon after, with all that is changed until then: `saved` tells. Changes that are refused, as of somebody who
   * may not write, are taken back, and the "problem" of the instance says why. Throws INPUT_INVALID, also within another change; DOC_CLOSED.
   *
   * @example
   * page.change((draft) => {
   *   draft.title = "Hello";
   * });
   */
  change(change: (draft: T) => void, options: DocChangeOptions = {}): void {
    const message = checkChange(change, options);
    const { isUndoable = true } = options;
    assertBoolean(isUndoable, "isUndoable");
    this.#open.change(checked(change), message, isUndoable);
  }

  /**
   * Changes it as it was when those were its heads, and merges that with what came since: for whoever shows an older state, as an editor in the middle of a
   * composition. Answers with the heads of what was made, for the next such change; with the same heads when nothing was changed. All that this page changed
   * itself has to be among them. Throws INPUT_INVALID when it is not, or when those were never its heads; and as `change`.
   *
   * @example
   * const heads = page.heads;
   * // … others write …
   * const after = page.changeAt(heads, (draft) => {
   *   draft.title = "As I saw it";
   * });
   */
  changeAt(
    heads: readonly string[],
    change: (draft: T) => void,
    options: Pick<DocChangeOptions, "message"> = {},
  ): readonly string[] {
    const message = checkChange(change, options);
    this.#assertHeads(heads);
    return this.#open.changeAt(heads, checked(change), message) ?? heads;
  }

  /**
   * Alters a text: deletes so many UTF-16 units from `index` on, and inserts. Better than assigning a string, because only what is altered
   * here is merged with what others do. Throws INPUT_INVALID where no text is.
   *
   * The fastest way to write what is typed: edits between which nobody reads the document, or hears of them, become one change. Of 256 units and more that are
   * replaced by as many, 65,536 at most together, the lines that stay are left as they are, unless more than 500 differ: a text can be handed in as a
   * formatter gives it.
   *
   * @example
   * page.splice(["body"], 0, 0, "Once upon a time");
   */
  splice(path: DocPath, index: number, deleteCount: number, text = ""): void {
    assertInteger(index, "index", 0, Number.MAX_SAFE_INTEGER);
    assertInteger(deleteCount, "deleteCount", 0, Number.MAX_SAFE_INTEGER);
    assertText(text, "text", "a text");
    assertPath(path);
    this.#open.splice(path, { index, deleteCount, text });
  }

  /** The document as it was when those were its heads, read only. Throws INPUT_INVALID when they are not in it; DOC_CLOSED. */
  at(heads: readonly string[]): T {
    this.#assertHeads(heads);
    return freezeDocument(this.#open.automerge.view(this.#open.openDoc, [...heads])) as T;
  }

  /**
   * Who changed it and when, the last change first, page by page. What this page changed is in it when it is durable: see `saved`. Rejects with
   * INPUT_INVALID, DATABASE_UNKNOWN, INSTANCE_CLOSED.
   *
   * @example
   * const { changes } = await page.history({ limit: 20 });
   * const before = page.at(changes[0]?.heads ?? []);
   */
  async history(options: DocHistoryOptions = {}): Promise<DocHistoryPage> {
    return await this.#open.history(options);
  }

  /**
   * What several wrote at once in the same place, by the ids of the operations: one of them is the value, on every device the same. Undefined when
   * there is only one. Throws INPUT_INVALID where no map or list is.
   */
  conflicts(path: DocPath, key: string | number): Readonly<Record<string, unknown>> | undefined {
    const object = this.#objectAt(path);
    if (typeof object !== "object" || object === null) throw invalid("path", path, "the path of a map or a list");
    return this.#open.automerge.getConflicts(object as RawDoc, key);
  }

  /**
   * A name for a place in a text that stays where it is while others write before it: `position` tells where that is. `index` in UTF-16 units; from the
   * length of the text on it names the end. Throws INPUT_INVALID where no text is; DOC_CLOSED.
   */
  cursor(path: DocPath, index: number): string {
    assertInteger(index, "index", 0, Number.MAX_SAFE_INTEGER);
    this.#assertText(path);
    return this.#open.automerge.getCursor(this.#open.openDoc, [...path], index);
  }

  /** Where the cursor is now, in UTF-16 units; where it was, when that is deleted. Throws INPUT_INVALID for what is no cursor of that text. */
  position(path: DocPath, cursor: string): number {
    assertText(cursor, "cursor", "what `cursor` returned");
    this.#assertText(path);
    try {
      return this.#open.automerge.getCursorPosition(this.#open.openDoc, [...path], cursor);
    } catch {
      throw invalid("cursor", cursor, "a cursor of this text");
    }
  }

  /**
   * Calls `listener` when something became different, in the order in which it did: at once for this page's own changes, in a turn of their own for those of
   * others, many together. Stop it with what is returned. Throws INPUT_INVALID, DOC_CLOSED.
   *
   * @example
   * // An editor shows what is typed in it by itself.
   * page.subscribe(({ patches }) => showPatches(patches), { local: false });
   */
  subscribe(listener: (event: DocEvent<T>) => void, options: DocSubscribeOptions = {}): Stop {
    assertFunction(listener, "listener");
    assertObject(options, "options of subscribe", "{ local }");
    const { local = true } = options;
    assertBoolean(local, "local");
    const stop = this.#open.subscribe(listener as (event: RawDocEvent) => void, local);
    this.#stops.add(stop);
    return () => {
      this.#stops.delete(stop);
      stop();
    };
  }

  /**
   * Takes back what this page changed last, in all its handles, and nothing of what others did: as another change. Changes within half a second of each other go
   * together. False when there is nothing to undo. Throws DOC_CLOSED.
   */
  undo(): boolean {
    return this.#open.undo();
  }

  /** Brings back what was undone last; until something else is changed. */
  redo(): boolean {
    return this.#open.redo();
  }

  get canUndo(): boolean {
    return this.#open.canUndo;
  }

  get canRedo(): boolean {
    return this.#open.canRedo;
  }

  /** Resolves when everything that this page changed so far is durable on this device. Rejects with why something of it was refused. */
  async saved(): Promise<void> {
    await this.#open.saved();
  }

  /** Its listeners hear nothing any more. What was changed is still written; the last handle of a document gives its memory back. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const stop of this.#stops) stop();
    this.#stops.clear();
    this.#letGo();
  }

  get #open(): Replica {
    if (this.#isClosed) throw new TidemarkError("DOC_CLOSED", { store: this.name });
    return this.#replica;
  }

  #objectAt(path: DocPath): unknown {
    assertPath(path);
    return valueAt(this.#open.openDoc, path);
  }

  #assertHeads(heads: unknown): void {
    const known = Array.isArray(heads) && heads.every((head) => typeof head === "string" && hash.test(head));
    if (!known || !this.#open.hasHeads(heads)) throw invalid("heads", heads, "heads that it has had");
  }

  #assertText(path: DocPath): void {
    if (typeof this.#objectAt(path) !== "string") throw invalid("path", path, "the path of a text");
  }
}

const hash = /^[0-9a-f]{64}$/;

function assertPath(path: DocPath): void {
  if (!Array.isArray(path)) throw invalid("path", path, "an array of keys and indexes");
}

/** Answers with the message. */
function checkChange(change: unknown, options: DocChangeOptions): string | undefined {
  assertFunction(change, "change");
  assertObject(options, "options of change", "{ message }");
  const { message } = options;
  if (message !== undefined) assertText(message, "message", "a text");
  return message;
}

function checked<T>(change: (draft: T) => void): (draft: RawDoc) => void {
  return (draft) => {
    // What an async function does after its first wait would be lost.
    const returned: unknown = change(draft as T);
    if (returned instanceof Promise) throw invalid("change", "an async function", "one that is done when it returns");
  };
}
