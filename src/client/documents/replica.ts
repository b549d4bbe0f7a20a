/**
 * A document on this page, one for all who opened it: shown at once as it is changed, kept up with what others write, and made anew where it went wrong.
 *
 * [DOC-60] A change is shown when the call returns, and is in no entry before the turn ends: what is changed in one turn is one entry.
 * [DOC-61] While an entry of a document is under way the next gathers; each change is in one entry, once.
 * [DOC-62] What comes is applied in turns of their own, in the order in which it came, never within a callback of `change`.
 * [DOC-63] A document that does not stand as the page had it is opened anew under another nonce; what the page had written and was not refused is
 *          written again, as one change.
 *
 * Not here: what the app holds (doc.ts), which documents there are (documents.ts), and the way there and back (feed.ts, incoming.ts, outgoing.ts).
 */
import { asTidemarkError, TidemarkError } from "../../core/errors.ts";
import type { DatabaseId } from "../../core/ids.ts";
import { docBaseBytes, docOpBytes, docOpeningTurnMs, docReopenedMax, docTurnMs } from "../../core/limits.ts";
import { invalid } from "../../core/store/values.ts";
import type { DocChanges, DocOpened, DocOptions, StoreWrites } from "../../worker/api.ts";
import type { Line } from "../line.ts";
import { callSafely, type Stop } from "../listeners.ts";
import type { Automerge, RawChangeOptions, RawDoc } from "./automerge.ts";
import { Copy, type OwnRange } from "./copy.ts";
import { type DocHistoryOptions, type DocHistoryPage, readDocHistory } from "./doc-history.ts";
import { Feed, type Feeds, type FeedTaker } from "./feed.ts";
import { Incoming } from "./incoming.ts";
import { hashOf, Outgoing, type TakenWrite } from "./outgoing.ts";
import type { DocPatch } from "./patches.ts";
import { rebase, replaceAll } from "./rebase.ts";
import { UndoHistory } from "./undo.ts";
import { Upkeep } from "./upkeep.ts";

/** Where a difference comes from: this page, one of its two ways back, or somebody else: another tab is somebody else too. */
export type DocOrigin = "local" | "undo" | "redo" | "remote";

export interface RawDocEvent {
  readonly value: RawDoc;
  readonly patches: readonly DocPatch[];
  readonly origin: DocOrigin;
  readonly heads: readonly string[];
}

/** What replicas need of their page. */
export interface ReplicaHome {
  readonly automerge: Automerge;
  readonly line: Line;
  readonly feeds: Feeds;
  /** Runs it in a turn of its own, soon. */
  readonly schedule: (run: () => void) => void;
  /** Runs it when the page has nothing else to do. */
  readonly whenIdle: (run: () => void) => void;
  /** In milliseconds. */
  readonly now: () => number;
  /** 16 random bytes. */
  readonly drawNonce: () => Uint8Array;
  /** Tells of an error that no call waits for. */
  readonly report: (error: unknown, database: DatabaseId) => void;
}

/** A copy on its way to be shown. */
interface Draft {
  readonly nonce: Uint8Array;
  readonly incoming: Incoming;
  /** Undefined until a leader answered. */
  copy: Copy | undefined;
  /** What is asked for is what comes after these. */
  heads: readonly string[];
  /** Nothing has been put into it. */
  isEmpty: boolean;
}

export class Replica {
  readonly database: DatabaseId;
  readonly store: string;
  readonly #undoHistory: UndoHistory;
  readonly #home: ReplicaHome;
  readonly #outgoing: Outgoing;
  readonly #upkeep: Upkeep;
  readonly #listeners = new Set<(event: RawDocEvent) => void>();
  readonly #events: RawDocEvent[] = [];
  /** Hashes of changes that are not to be written again. */
  readonly #refused = new Set<string>();
  readonly #opened: Promise<void>;
  #setOpened: () => void = () => {};
  #failOpening: (error: unknown) => void = () => {};
  /** What is fed: what is shown, or what is to take its place. */
  #fed: Draft;
  #feed: Feed;
  /** What is shown; undefined until it is open. */
  #shown: Copy | undefined;
  #isReopening = false;
  readonly #steadied: (() => void)[] = [];
  #isChanging = false;
  #isScheduled = false;
  #isTelling = false;
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
    this.#fed = this.#draft();
    const send = (write: StoreWrites): Promise<void> => this.#send(write);
    this.#outgoing = new Outgoing({
      ...{ store, send },
      refused: (changes, error, isPart) => this.#wasRefused(changes, error, isPart),
      rested: () => this.#upkeep.plan(),
    });
    this.#upkeep = this.#newUpkeep();
    this.#feed = this.#newFeed(this.#fed);
  }

  /** Resolves when it is as the engine has it. Rejects with what `openDoc` rejects with, and INSTANCE_CLOSED. */
  open(): Promise<void> {
    this.#feed.open();
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

  /** Throws why it is closed. */
  get heads(): readonly string[] {
    return this.#copy().heads;
  }

  /** Nothing but what Automerge does, and a note that there is something to send. Throws what the callback throws; then nothing is changed. */
  change(callback: (draft: RawDoc) => void, message?: string): void {
    const patches = this.#perform(callback, message);
    if (patches !== undefined) this.#tell(patches, "local");
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
    this.#tell(made.patches, "local");
    return made.heads;
  }

  /** What was changed in another copy of it, as if it had been changed here. They have this page's actor, and stand on what is here and on each other. */
  adopt(changes: Uint8Array[]): void {
    const copy = this.#unchanging();
    const patches = copy.adopt(changes);
    this.#scheduleFlush();
    this.#tell(patches, "local");
  }

  /** Under which this page changes it. Throws why it is closed. */
  get actor(): Uint8Array {
    return this.#copy().actor;
  }

  /** As one change; false when there is nothing to undo. */
  undo(): boolean {
    return this.#step("undo");
  }

  redo(): boolean {
    return this.#step("redo");
  }

  get canUndo(): boolean {
    this.#read();
    return this.#undoHistory.canUndo;
  }

  get canRedo(): boolean {
    this.#read();
    return this.#undoHistory.canRedo;
  }

  subscribe(listener: (event: RawDocEvent) => void): Stop {
    const own = (event: RawDocEvent): void => listener(event);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  /** What was changed is on its way to be durable. `all`: though an entry is under way. */
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
    return this.isClosed ? 0 : docBaseBytes + docOpBytes * this.automerge.stats(this.doc).numOps;
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
    const copy = this.#copy();
    const changes = copy.rehearse(callback);
    return () => {
      if (changes.length === 0) return undefined;
      const patches = copy.adopt(changes);
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
    this.#feed.close();
    this.#fed.incoming.close();
    this.#failOpening(reason);
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
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#home.schedule(() => {
      this.#isScheduled = false;
      if (this.#end === undefined) this.flush();
    });
  }

  /** What was changed since, is in line to be sent. */
  #read(isUndoable = true): OwnRange | undefined {
    const made = this.#isChanging ? undefined : this.#shown?.read();
    if (made === undefined) return undefined;
    this.#outgoing.add(made.changes);
    this.#upkeep.grew(made.changes.length);
    if (isUndoable) this.#undoHistory.add(made);
    return made;
  }

  #send(write: StoreWrites): Promise<void> {
    const { database } = this;
    const stores = [write];
    return this.#home.line.write("change", (api, id) => api.commit(database, stores, id), {
      edit: { database, stores },
    });
  }

  #draft(): Draft {
    const { schedule, now } = this.#home;
    const draft: Draft = {
      nonce: this.#home.drawNonce(),
      incoming: new Incoming({
        ...{ schedule, now, turnMs: this.#shown === undefined ? docOpeningTurnMs : docTurnMs },
        apply: (changes) => this.#apply(draft, changes),
      }),
      copy: undefined,
      heads: [],
      isEmpty: true,
    };
    return draft;
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

  #newFeed(draft: Draft): Feed {
    const { line, feeds } = this.#home;
    const taker: FeedTaker = {
      asked: () => this.#asked(draft),
      opened: (answer) => this.#wasOpened(draft, answer),
      take: (changes) => this.#take(draft, changes),
      failed: (error) => this.#fail(error),
    };
    return new Feed(line, feeds, this.database, this.store, taker);
  }

  #asked({ heads, nonce, copy }: Draft): DocOptions {
    // What was written here is not told again, and what is void by now has to be noticed all the same.
    const own = copy === this.#shown ? this.#outgoing.lastDurable : undefined;
    return {
      heads: own === undefined ? heads : [...heads, own],
      nonce,
      snapshot: this.#useSnapshot && copy === undefined,
    };
  }

  #wasOpened(draft: Draft, { author, snapshot }: DocOpened): void {
    // The database is written with another key now, so nothing would be taken that is written under the old one's actor.
    if (draft.copy !== undefined && draft.copy.author !== author) return void this.#reopen();
    if (draft.copy !== undefined) return;
    const { automerge } = this.#home;
    try {
      draft.copy = new Copy(automerge, { nonce: draft.nonce, database: this.database, author }, snapshot);
      draft.heads = snapshot?.heads ?? [];
      draft.isEmpty = snapshot === undefined;
      this.#upkeep.began(snapshot !== undefined);
    } catch (error) {
      if (snapshot === undefined) return this.#fail(error);
      // It is a cache: what it was made of is there.
      this.#useSnapshot = false;
      void this.#reopen();
    }
  }

  #take(draft: Draft, { isAnew, bytes, ends, left, heads }: DocChanges): void {
    if (draft !== this.#fed || this.#end !== undefined) return;
    if (isAnew && !(draft.isEmpty && draft.copy !== this.#shown)) return void this.#reopen();
    draft.isEmpty &&= ends.length === 0;
    const changes = [...ends].map((end, at) => bytes.subarray(at === 0 ? 0 : ends[at - 1], end));
    draft.incoming.push(changes, () => {
      draft.heads = heads;
      if (left === 0) this.#isComplete(draft);
    });
  }

  #apply(draft: Draft, changes: Uint8Array[]): void {
    const { copy } = draft;
    if (copy === undefined) throw new Error("Tidemark bug: changes came before the answer");
    const isShown = copy === this.#shown;
    if (isShown) this.#read();
    try {
      const patches = copy.apply(changes);
      this.#upkeep.grew(changes.length);
      if (isShown && patches.length > 0) this.#tell(patches, "remote");
    } catch (error) {
      // After anything else nobody knows what is in it.
      if (!(error instanceof RangeError)) return this.#broke(error);
      this.#applyRest(draft, changes, error);
    }
  }

  /** A batch is refused as a whole, and nothing of it is in the document: what is to blame for it is left out. */
  #applyRest(draft: Draft, changes: Uint8Array[], error: unknown): void {
    if (changes.length === 1) {
      const details = { got: String(error), expected: "a change that Automerge takes" };
      return this.#home.report(new TidemarkError("DOC_CHANGE", details, { cause: error }), this.database);
    }
    const half = changes.length >> 1;
    for (const part of [changes.slice(0, half), changes.slice(half)])
      if (this.#end === undefined) this.#apply(draft, part);
  }

  #isComplete(draft: Draft): void {
    if (draft !== this.#fed || draft.copy === undefined) return;
    this.#failures = 0;
    if (draft.copy === this.#shown) return;
    if (this.#shown === undefined) this.#show(draft.copy);
    else this.#replace(this.#shown, draft.copy);
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
      patches = rebase(automerge, old, next, this.#refused);
    } catch (error) {
      this.#home.report(error, this.database);
      patches = replaceAll(automerge, old.doc, next.doc);
    }
    this.#refused.clear();
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
    if (!isWanted) for (const change of changes) this.#refused.add(hashOf(change));
    if (!isWanted && !isPart) this.#home.report(refused, this.database);
    void this.#reopen();
  }

  #steady(): void {
    this.#isReopening = false;
    for (const resolve of this.#steadied.splice(0)) resolve();
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
    this.#feed.close();
    this.#fed.incoming.close();
    if (this.#fed.copy !== this.#shown) this.#fed.copy?.free();
    this.#fed = this.#draft();
    const fed = this.#fed;
    this.#isReopening = true;
    await this.#outgoing.hold();
    // Begun again meanwhile.
    if (this.#fed !== fed || this.#end !== undefined) return;
    this.#feed = this.#newFeed(fed);
    this.#feed.open();
  }

  #fail(error: unknown): void {
    const reason = asTidemarkError(error);
    const isOpen = this.#shown !== undefined;
    this.#failOpening(reason);
    this.#outgoing.fail(reason);
    this.close(reason);
    if (isOpen) this.#home.report(reason, this.database);
  }

  /** In order, also when a listener changes the document. */
  #tell(patches: readonly DocPatch[], origin: DocOrigin): void {
    if (this.#listeners.size === 0) return;
    this.#events.push({ value: this.doc, patches, origin, heads: this.heads });
    if (this.#isTelling) return;
    this.#isTelling = true;
    for (let event = this.#events.shift(); event !== undefined; event = this.#events.shift()) {
      for (const listener of [...this.#listeners]) callSafely(listener, event);
    }
    this.#isTelling = false;
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
