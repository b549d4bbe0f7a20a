/**
 * A document on this page, one for all who opened it: shown at once as it is changed, kept up with what others write, and made anew where it went wrong.
 *
 * [DOC-60] A change is shown when the call returns, and is in no entry before the turn ends: what is changed in one turn is one entry.
 * [DOC-61] While an entry of a document is under way the next gathers, and for `docEntryEveryMs` from when it began; each change is in one entry, once.
 * [DOC-62] What comes is applied in turns of their own, in the order in which it came, never within a callback of `change`.
 * [DOC-63] A document that does not stand as the page had it is opened anew under another nonce; what the page had written and was not refused is
 *          written again, as one change.
 *
 * Not here: what the app holds (doc.ts), which documents there are (documents.ts), and the way there and back (fed-copy.ts, outgoing.ts).
 */
import { asTidemarkError, type TidemarkError } from "../../core/errors.ts";
import type { DatabaseId, PublicKey } from "../../core/ids.ts";
import {
  docBaseBytes,
  docEntryEveryMs,
  docOpBytes,
  docOpeningTurnMs,
  docReopenedMax,
  docTurnMs,
  gatheredMs,
} from "../../core/limits.ts";
import { invalid } from "../../core/store/values.ts";
import type { StoreWrites } from "../../worker/api.ts";
import type { Stop } from "../listeners.ts";
import type { Automerge, RawChangeOptions, RawDoc } from "./automerge.ts";
import { type Copy, type OwnRange, spliceAll, valueAt } from "./copy.ts";
import { type DocHistoryOptions, type DocHistoryPage, readDocHistory } from "./doc-history.ts";
import { FedCopy, type FedPage } from "./fed-copy.ts";
import { isSameHeads } from "./heads.ts";
import { Outgoing, type TakenWrite } from "./outgoing.ts";
import { OwnPast } from "./own-past.ts";
import type { DocPatch, DocPath } from "./patches.ts";
import { rebase, replaceAll } from "./rebase.ts";
import { type DocOrigin, type RawDocEvent, Telling } from "./telling.ts";
import { TextEdits, type TextSplice } from "./text-edits.ts";
import { UndoHistory } from "./undo.ts";
import { Upkeep } from "./upkeep.ts";

/** What replicas need of their page. */
export interface ReplicaHome extends FedPage {
  /** Runs it when the page has nothing else to do. */
  readonly whenIdle: (run: () => void) => void;
  /** 16 random bytes. */
  readonly drawNonce: () => Uint8Array;
  /** Tells of an error that no call waits for. */
  readonly report: (error: unknown, database: DatabaseId) => void;
}

export class Replica {
  readonly database: DatabaseId;
  readonly store: string;
  readonly #undoHistory: UndoHistory;
  readonly #home: ReplicaHome;
  readonly #outgoing: Outgoing;
  readonly #upkeep: Upkeep;
  readonly #telling = new Telling();
  readonly #past = new OwnPast();
  readonly #opened: Promise<void>;
  #setOpened: () => void = () => {};
  #failOpening: (error: unknown) => void = () => {};
  /** What is fed: what is shown, or what is to take its place. */
  #fed: FedCopy;
  /** What is shown; undefined until it is open. */
  #shown: Copy | undefined;
  /** When it was read out last. */
  #readMs = 0;
  /** When an entry began last. */
  #sentMs = Number.NEGATIVE_INFINITY;
  #isReopening = false;
  readonly #steadied: (() => void)[] = [];
  /** Who waits for something to come. */
  readonly #moved: (() => void)[] = [];
  #isChanging = false;
  #isScheduled = false;
  #useSnapshot = true;
  /** How often in a row it was made anew because Automerge failed. */
  #failures = 0;
  #end: TidemarkError | undefined;

  constructor(home: ReplicaHome, database: DatabaseId, store: string) {
    this.#home = home;
    this.database = database;
    this.store = store;
    this.#opened = new Promise((resolve, reject) => {
      this.#setOpened = resolve;
      this.#failOpening = reject;
    });
    this.#opened.catch(() => {}); // Told by `open`.
    this.#undoHistory = new UndoHistory(home.automerge, home.now);
    const send = (write: StoreWrites): Promise<void> => this.#send(write);
    this.#outgoing = new Outgoing({
      ...{ store, send },
      refused: (changes, error, isPart) => this.#wasRefused(changes, error, isPart),
      ended: () => this.#scheduleFlush(),
    });
    this.#upkeep = this.#newUpkeep();
    this.#fed = this.#newFed();
  }

  /** Resolves when it is as the engine has it. Rejects with what `openDoc` rejects with, and INSTANCE_CLOSED. */
  open(): Promise<void> {
    this.#fed.open();
    return this.#opened;
  }

  get automerge(): Automerge {
    return this.#home.automerge;
  }

  /** As it was last, when it is closed. */
  get doc(): RawDoc {
    if (this.#shown === undefined) throw new Error("Tidemark bug: a document is used before it is open");
    return this.#shown.doc;
  }

  /** Throws why it is closed. */
  get openDoc(): RawDoc {
    return this.#copy().doc;
  }

  /** `openDoc`, for whoever may hold it longer than this is open. */
  shareDoc(): RawDoc {
    return this.#copy().share();
  }

  /** Throws why it is closed. */
  get heads(): readonly string[] {
    return this.#copy().heads;
  }

  /** Whether they name a state that it has had. Throws why it is closed. */
  hasHeads(heads: readonly string[]): boolean {
    return this.#copy().hasHeads(heads);
  }

  /** Resolves when these are in what is shown. Rejects with why it is closed. */
  async shows(heads: readonly string[]): Promise<void> {
    while (!this.hasHeads(heads)) await new Promise<void>((resolve) => this.#moved.push(resolve));
  }

  /** Nothing but what Automerge does, and a note that there is something to send. Throws what the callback throws; then nothing is changed. */
  change(callback: (draft: RawDoc) => void, message?: string, isUndoable = true): void {
    if (!isUndoable) this.#read();
    const patches = this.#perform(callback, message);
    if (!isUndoable) this.#read(false);
    if (patches !== undefined) this.#tell(patches, "local");
  }

  /** An edit of a text, as `change` with a splice: gathered with others, where nobody is to be told what it made. */
  splice(path: DocPath, edit: TextSplice): void {
    const copy = this.#unchanging();
    if (!this.#telling.hears("local") && copy.gather(path, edit)) return this.#scheduleFlush();
    const text = valueAt(copy.doc, path);
    if (typeof text !== "string") throw invalid("path", path, "the path of a text");
    const edits = new TextEdits(path, text);
    const splices = edits.add(edit) ? edits.splices : [edit];
    this.change((draft) => spliceAll(this.automerge, draft, path, splices));
  }

  /** As it was at these heads, and answers with those of what it made; undefined when it changed nothing. Throws as `Copy.changeAt` does. */
  changeAt(
    heads: readonly string[],
    callback: (draft: RawDoc) => void,
    message?: string,
  ): readonly string[] | undefined {
    const copy = this.#unchanging();
    const made = this.#changing(() => copy.changeAt(heads, changeOptions(message), callback));
    if (made === undefined) return undefined;
    this.#scheduleFlush();
    if (this.#telling.hears("local")) this.#tell(made.merge(), "local");
    return made.heads;
  }

  /** Under which this page changes it. Throws why it is closed. */
  get actor(): Uint8Array {
    return this.#copy().actor;
  }

  /** With whose key it is written. Throws why it is closed. */
  get author(): PublicKey {
    return this.#copy().author;
  }

  /** As one change; false when there is nothing to undo. */
  undo(): boolean {
    return this.#step("undo");
  }

  redo(): boolean {
    return this.#step("redo");
  }

  get canUndo(): boolean {
    this.#copy();
    this.#read();
    return this.#undoHistory.canUndo;
  }

  get canRedo(): boolean {
    this.#copy();
    this.#read();
    return this.#undoHistory.canRedo;
  }

  subscribe(hear: (event: RawDocEvent) => void, local = true): Stop {
    return this.#telling.listen({ hear, local });
  }

  /** What was changed is on its way to be durable. `all`: though an entry is under way. Nothing, once it is closed. */
  flush(all = false): void {
    this.#read();
    this.#outgoing.flush(all);
  }

  /** Resolves when all that was changed until now is durable; rejects with why it was refused. */
  saved(): Promise<void> {
    if (this.#end !== undefined) return Promise.reject(this.#end);
    this.flush();
    return this.#outgoing.saved();
  }

  /** Of what is durable. */
  history(options: DocHistoryOptions): Promise<DocHistoryPage> {
    this.#copy();
    return readDocHistory(this.#home.line, this.database, this.store, options);
  }

  get isClosed(): boolean {
    return this.#end !== undefined;
  }

  /** An estimate. */
  get memoryBytes(): number {
    return this.isClosed ? 0 : docBaseBytes + docOpBytes * this.#copy().ops;
  }

  /** Something of this page is not durable. */
  get isBusy(): boolean {
    return this.#isScheduled || this.#isReopening || this.#outgoing.isBusy;
  }

  /** Whether it can be changed in a transaction: not while it is made anew. Throws why it is closed. */
  get isSteady(): boolean {
    this.#copy();
    return !this.#isReopening;
  }

  /** Resolves when it is, or closed. */
  async steady(): Promise<void> {
    if (this.#isReopening) await new Promise<void>((resolve) => this.#steadied.push(resolve));
  }

  /**
   * What the callback changes, as a part of a transaction: tried in a copy first, so that what it throws is thrown and nothing is changed. What is returned does it, in
   * the same turn, and gives the write; undefined when it changes nothing.
   */
  prepare(callback: (draft: RawDoc) => void): () => TakenWrite | undefined {
    // What was changed before is no part of it.
    this.flush(true);
    const changes = this.#copy().rehearse(callback);
    return () => {
      if (changes.length === 0) return undefined;
      const patches = this.#copy().adopt(changes);
      this.#read();
      try {
        return this.#outgoing.take();
      } finally {
        this.#tell(patches, "local");
      }
    };
  }

  close(reason: TidemarkError): void {
    if (this.#end !== undefined) return;
    this.flush(true);
    this.#end = reason;
    this.#steady();
    this.#fed.close();
    this.#failOpening(reason);
    // Whoever closes it may be in the middle of reading it.
    queueMicrotask(() => this.#free());
    this.#hasMoved();
  }

  #free(): void {
    if (this.#fed.copy !== this.#shown) this.#fed.copy?.free();
    this.#shown?.free();
  }

  #copy(): Copy {
    if (this.#end !== undefined) throw this.#end;
    if (this.#shown === undefined) throw new Error("Tidemark bug: a document is used before it is open");
    return this.#shown;
  }

  /** What is shown, outside of any callback. */
  #unchanging(): Copy {
    const copy = this.#copy();
    if (this.#isChanging) throw invalid("change", "a change within another", "one after the other");
    return copy;
  }

  /** What became different; undefined: nothing. */
  #perform(callback: (draft: RawDoc) => void, message?: string): readonly DocPatch[] | undefined {
    const copy = this.#unchanging();
    let patches: readonly DocPatch[] = [];
    const patchCallback = (found: DocPatch[]): void => {
      patches = found;
    };
    const isChanged = this.#changing(() => copy.change({ ...changeOptions(message), patchCallback }, callback));
    if (!isChanged) return undefined;
    this.#scheduleFlush();
    return patches;
  }

  #changing<T>(change: () => T): T {
    this.#isChanging = true;
    try {
      return change();
    } catch (error) {
      if (isPanic(error)) this.#broke(error);
      throw error;
    } finally {
      this.#isChanging = false;
    }
  }

  #step(way: "undo" | "redo"): boolean {
    const copy = this.#copy();
    this.#read();
    const step = this.#undoHistory.begin(way, copy.doc);
    if (step === undefined) return false;
    const patches = this.#perform(step.apply);
    step.done(this.#read(false));
    if (patches !== undefined) this.#tell(patches, way);
    return true;
  }

  #scheduleFlush(): void {
    if (this.#isScheduled || this.#isGathering) return;
    this.#isScheduled = true;
    const run = (): void => {
      this.#isScheduled = false;
      if (this.#end !== undefined) return;
      if (!this.#isGathering) this.flush();
      if (!this.isBusy) this.#upkeep.plan();
    };
    const leftMs = this.#sentMs + docEntryEveryMs - this.#home.now();
    if (leftMs > 0) this.#home.after(leftMs, run);
    else this.#home.schedule(run);
  }

  /** An entry is under way: when that has ended, what is changed until then is sent. */
  get #isGathering(): boolean {
    return this.#outgoing.isUnderWay && this.#home.now() - this.#readMs < gatheredMs;
  }

  /** What was changed since, is in line to be sent. */
  #read(isUndoable = true): OwnRange | undefined {
    if (this.#isChanging || this.#end !== undefined) return undefined;
    this.#readMs = this.#home.now();
    const shown = this.#shown;
    const made = shown?.read();
    if (shown === undefined || made === undefined) return undefined;
    this.#outgoing.add(made.changes);
    this.#upkeep.grew(made.changes, shown.ops);
    if (isUndoable) this.#undoHistory.add(made);
    return made;
  }

  #send(write: StoreWrites): Promise<void> {
    this.#sentMs = this.#home.now();
    const { database } = this;
    const stores = [write];
    return this.#home.line.write("change", (api, id) => api.commit(database, stores, id), {
      edit: { database, stores },
    });
  }

  #newFed(): FedCopy {
    const isShown = (): boolean => this.#shown !== undefined && fed.copy === this.#shown;
    const fed: FedCopy = new FedCopy({
      ...{ page: this.#home, database: this.database, store: this.store, nonce: this.#home.drawNonce() },
      ...{ useSnapshot: this.#useSnapshot, turnMs: this.#turnMs },
      owner: {
        isShown,
        lastDurable: () => (isShown() ? this.#outgoing.lastDurable : undefined),
        began: (snapshotBytes) => this.#upkeep.began(snapshotBytes),
        apply: (copy, changes) => this.#apply(copy, changes),
        applied: (isWhole) => this.#applied(fed, isWhole),
        leftOut: (error) => this.#home.report(error, this.database),
        outdated: () => void this.#reopen(),
        snapshotFailed: () => {
          this.#useSnapshot = false;
          void this.#reopen();
        },
        broke: (error) => this.#broke(error),
        failed: (error) => this.#fail(error),
      },
    });
    return fed;
  }

  get #turnMs(): number {
    // What fails in parts has been seen to succeed in one call.
    if (this.#failures > 0) return Number.POSITIVE_INFINITY;
    return this.#shown === undefined ? docOpeningTurnMs : docTurnMs;
  }

  #newUpkeep(): Upkeep {
    const { automerge, whenIdle, line, report } = this.#home;
    return new Upkeep({
      ...{ automerge, whenIdle, store: this.store },
      durable: () => (this.#end === undefined && !this.isBusy ? this.#shown?.doc : undefined),
      keep: (snapshot) => line.send((api) => api.putSnapshot(this.database, this.store, snapshot)),
      report: (problem) => report(problem, this.database),
    });
  }

  #apply(copy: Copy, changes: Uint8Array[]): void {
    const isShown = copy === this.#shown;
    if (isShown) this.#read();
    const before = copy.heads;
    const patches = copy.apply(changes);
    this.#upkeep.grew(changes, copy.ops);
    // Also where nothing looks different: whoever waits for certain heads hears of them in no other way.
    if (isShown && !isSameHeads(before, copy.heads)) this.#tell(patches, "remote");
  }

  #applied({ copy }: FedCopy, isWhole: boolean): void {
    if (isWhole && copy !== undefined) this.#isWhole(copy);
    this.#hasMoved();
  }

  #isWhole(copy: Copy): void {
    this.#failures = 0;
    if (copy === this.#shown) return;
    this.#upkeep.grew([], copy.ops);
    if (this.#shown === undefined) this.#show(copy);
    else this.#replace(this.#shown, copy);
  }

  #show(copy: Copy): void {
    this.#shown = copy;
    this.#steady();
    this.#outgoing.resume(copy.nonce, []);
    this.#setOpened();
  }

  /** What was written to the old one is written again, and what is shown goes over to the new one. */
  #replace(old: Copy, next: Copy): void {
    const { automerge } = this.#home;
    this.#shown = next;
    let patches: readonly DocPatch[];
    try {
      patches = rebase(automerge, old, next, this.#past);
    } catch (error) {
      this.#home.report(error, this.database);
      patches = replaceAll(automerge, old.doc, next.doc);
    }
    this.#past.left(old, this.#outgoing.lastDurable !== undefined);
    this.#undoHistory.clear();
    old.free();
    this.#steady();
    this.#outgoing.resume(next.nonce, next.read()?.changes ?? []);
    this.#outgoing.flush();
    if (patches.length > 0) this.#tell(patches, "remote");
  }

  #wasRefused(changes: readonly Uint8Array[], error: unknown, isPart: boolean): void {
    const refused = asTidemarkError(error);
    // The page or the instance ends: nothing can be opened anew, and nothing was decided about what is in the outbox.
    if (this.#end !== undefined || endings.has(refused.code)) return;
    const isWanted = refused.code === "DOC_OUTDATED" && !isPart;
    if (!isWanted) this.#past.refused(changes);
    if (!isWanted && !isPart) this.#home.report(refused, this.database);
    void this.#reopen();
  }

  #steady(): void {
    this.#isReopening = false;
    for (const resolve of this.#steadied.splice(0)) resolve();
  }

  #hasMoved(): void {
    for (const resolve of this.#moved.splice(0)) resolve();
  }

  /** Automerge failed in a way that leaves its copy in no state to be used. */
  #broke(error: unknown): void {
    this.#home.report(error, this.database);
    this.#failures += 1;
    if (this.#failures > docReopenedMax) return this.#fail(error);
    this.#useSnapshot = false;
    void this.#reopen();
  }

  /** Changes can be made meanwhile, to the old one. */
  async #reopen(): Promise<void> {
    this.#fed.close();
    if (this.#fed.copy !== this.#shown) this.#fed.copy?.free();
    const fed = this.#newFed();
    this.#fed = fed;
    this.#isReopening = true;
    await this.#outgoing.hold();
    // Begun again meanwhile.
    if (this.#fed !== fed || this.#end !== undefined) return;
    fed.open();
  }

  #fail(error: unknown): void {
    const reason = asTidemarkError(error);
    const isOpen = this.#shown !== undefined;
    this.#failOpening(reason);
    this.#outgoing.fail(reason);
    this.close(reason);
    if (isOpen) this.#home.report(reason, this.database);
  }

  #tell(patches: readonly DocPatch[], origin: DocOrigin): void {
    if (this.#telling.hears(origin)) this.#telling.tell({ value: this.doc, patches, origin, heads: this.heads });
  }
}

/** After these nobody is asked any more. */
const endings: ReadonlySet<string> = new Set(["INSTANCE_CLOSED", "INSTANCE_WIPED", "MEMORY_LOST", "BUILD_OUTDATED"]);

function changeOptions(message: string | undefined): RawChangeOptions {
  // The entry has the time: another one here would be five bytes in each change.
  return { time: 0, ...(message === undefined ? {} : { message }) };
}

/** What Automerge's WebAssembly throws when it has come into a state that it does not know. */
function isPanic(error: unknown): boolean {
  return error instanceof Error && (error.name === "PanicError" || error instanceof WebAssembly.RuntimeError);
}
