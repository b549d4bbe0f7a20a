/**
 * The page's calls to whoever leads, over the ends and beginnings of leaders.
 *
 * [CLIENT-7] An aborted call rejects with ABORTED at once; after the end every call rejects with what ended the line.
 * [CLIENT-28] While nobody leads calls wait. What a leader did not answer the next one is asked, in the order of the calls: reads as they are,
 *             writes under the name that they had. What is neither rejects with CALL_INTERRUPTED once it was sent.
 * [TABS-21] While nobody serves this page and nobody will soon, calls reject with why.
 *
 * Nothing is queued but the calls that the app waits for: there are as many as it makes. What is handed in is ours until the call is answered.
 */
import { TidemarkError } from "../core/errors.ts";
import { timerMsMax } from "../core/limits.ts";
import { invalid } from "../core/store/values.ts";
import type { CommandName, SyncCommands, SyncResults } from "../engine/commands.ts";
import type { WorkerApi, WriteId } from "../worker/api.ts";
import { Deadline } from "./deadline.ts";
import { assertInteger, given } from "./input.ts";
import {
  type CallOptions,
  type Edit,
  isInterruption,
  type Leader,
  type Line,
  type Waiting,
  type WriteOptions,
} from "./line.ts";

/** An edit without an answer. */
export interface OpenEdit {
  readonly number: number;
  readonly edit: Edit;
}

export interface LeaderLineOptions {
  /** Of this page, in the names of its writes. */
  readonly tab: string;
  /** Resolves when nothing is kept of that write any more: from then on leaders may forget its name. */
  readonly forget: (number: number) => Promise<void>;
  /** An edit is under way. */
  readonly began: () => void;
  /** The call of that name has written something. */
  readonly wrote: (name: string) => void;
}

interface Call {
  readonly name: string;
  readonly isOnce: boolean;
  readonly run: (api: WorkerApi) => Promise<unknown>;
  /** Of a write. */
  readonly number?: number;
  /** What the write is, when it can be done without this page. */
  readonly edit?: Edit | undefined;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  /** Whom it was sent to last, unless they said that they will not answer. */
  sentTo: Leader | undefined;
  /** Somebody may do it, or have done it. */
  isOut: boolean;
}

/** Made twice these would fail, because they were made, or do more than they should. */
const onceCommands: ReadonlySet<CommandName> = new Set<CommandName>([
  "removePeer",
  "addTransport",
  "removeTransport",
  "startTransport",
  "stopTransport",
  "startJob",
  "pauseJob",
  "resumeJob",
  "cancelJob",
]);

export class LeaderLine implements Line {
  readonly #options: LeaderLineOptions;
  /** Under way, in the order in which they were made. */
  readonly #calls = new Set<Call>();
  readonly #standing = new Set<(leader: Leader) => void>();
  /** Numbers of writes that leaders have to remember, ascending. */
  readonly #unsettled = new Set<number>();
  /** Of these, what is answered and could not be taken out of the outbox: tried again with the next that is answered. */
  readonly #unforgotten = new Set<number>();
  /** Writes whose end is not told yet. */
  readonly #writing = new Set<Promise<unknown>>();
  #leader: Leader | undefined;
  #last: Leader | undefined;
  #writes = 0;
  #commands = 0;
  /** Why nothing more is asked of anybody. */
  #refusal: TidemarkError | undefined;
  /** Why nothing is, until somebody leads whom this page can ask. */
  #turnedAway: TidemarkError | undefined;

  constructor(options: LeaderLineOptions) {
    this.#options = options;
  }

  /** Undefined while nobody leads. */
  get leader(): Leader | undefined {
    return this.#leader;
  }

  /** Somebody leads: what no leader has answered is asked of them, unless it was already. */
  attach(leader: Leader): void {
    const isNew = leader !== this.#last;
    this.#turnedAway = undefined;
    this.#leader = leader;
    this.#last = leader;
    if (isNew) for (const begin of [...this.#standing]) begin(leader);
    for (const call of [...this.#calls]) this.#send(call);
  }

  /** Nobody leads just now: calls wait. An answer that still comes is an answer. */
  hold(): void {
    this.#turnedAway = undefined;
    this.#leader = undefined;
  }

  /** This page is not served, and nobody knows for how long: calls reject until it is. What is to be told of leaders is told of the next. */
  turnAway(reason: TidemarkError): void {
    this.hold();
    this.#turnedAway = reason;
    for (const call of [...this.#calls]) {
      // Of what changes something it cannot be said that it was not done, once somebody had it.
      const isUnsure = call.isOut && (call.isOnce || call.number !== undefined);
      call.reject(isUnsure ? interrupted(call.name) : reason);
    }
  }

  /** From now on nothing more is asked. What is under way goes on. */
  refuse(reason: TidemarkError): void {
    this.#refusal ??= reason;
  }

  /** What is under way rejects. With "edits" those wait until the page goes, because they can be done without it. */
  end(reason: TidemarkError, waiting: "none" | "edits" = "none"): void {
    this.#refusal = reason;
    this.#leader = undefined;
    this.#standing.clear();
    this.#writing.clear();
    for (const call of [...this.#calls]) {
      if (waiting === "none" || call.edit === undefined) call.reject(reason);
    }
  }

  /** A call is under way. */
  get isWaiting(): boolean {
    return this.#calls.size > 0;
  }

  /** What can be done without this page, in the order in which it was made. */
  openEdits(): readonly OpenEdit[] {
    return [...this.#calls].flatMap((call) => {
      const { number, edit } = call;
      if (number === undefined || edit === undefined) return [];
      call.isOut = true;
      return { number, edit };
    });
  }

  /** Leaders may have forgotten the names of the writes under way: whether they were done cannot be said. */
  interruptWrites(): void {
    for (const { name, number, reject } of [...this.#calls]) if (number !== undefined) reject(interrupted(name));
  }

  /** Resolves when all writes that are under way now have ended, or the line has. */
  async writesEnded(): Promise<void> {
    await Promise.allSettled(this.#writing);
  }

  call<T>(name: string, run: (api: WorkerApi) => Promise<T>, { kind, signal }: CallOptions = {}): Promise<T> {
    return this.#begin({ name, run, isOnce: kind === "once" }, signal);
  }

  write<T>(
    name: string,
    run: (api: WorkerApi, write: WriteId) => Promise<T>,
    { signal, edit }: WriteOptions = {},
  ): Promise<T> {
    const { tab, began, wrote } = this.#options;
    const number = ++this.#writes;
    this.#unsettled.add(number);
    const named = (api: WorkerApi): Promise<T> => run(api, { tab, number, settledBelow: this.#settledBelow() });
    const written = this.#begin({ name, run: named, isOnce: false, number, edit }, signal);
    this.#writing.add(written);
    if (edit !== undefined) began();
    const ended = (): void => {
      this.#writing.delete(written);
      void this.#settle(number);
    };
    written.then(() => wrote(name)).then(ended, ended);
    return written;
  }

  send(run: (api: WorkerApi) => Promise<unknown>): void {
    if (this.#leader !== undefined) run(this.#leader.api).catch(() => {}); // Nobody waits for it.
  }

  stand(begin: (leader: Leader) => void): () => void {
    const own = (leader: Leader): void => begin(leader);
    if (this.#refusal === undefined) this.#standing.add(own);
    if (this.#leader !== undefined) own(this.#leader);
    return () => void this.#standing.delete(own);
  }

  async command<Name extends CommandName>(
    name: Name,
    command: SyncCommands[Name],
    { signal, timeoutMs }: Waiting = {},
  ): Promise<SyncResults[Name]> {
    if (timeoutMs !== undefined) assertInteger(timeoutMs, "timeoutMs", 1, timerMsMax);
    if (signal !== undefined && !(signal instanceof AbortSignal)) throw invalid("signal", signal, "an AbortSignal");
    const id = ++this.#commands;
    const deadline = new Deadline(timeoutMs, signal);
    deadline.signal.addEventListener("abort", () => this.send((api) => api.cancel(id)));
    const run = (api: WorkerApi): Promise<SyncResults[Name]> =>
      api.command(name, command, given({ id, timeoutMs: deadline.leftMs }));
    try {
      const kind = onceCommands.has(name) ? "once" : "repeat";
      return await this.call(name, run, { kind, signal: deadline.signal });
    } catch (error) {
      const isLate = deadline.isOver || (error instanceof TidemarkError && error.code === "TIMEOUT");
      if (isLate && timeoutMs !== undefined) throw new TidemarkError("TIMEOUT", { call: name, afterMs: timeoutMs });
      throw error;
    } finally {
      deadline.stop();
    }
  }

  #begin<T>(
    what: Pick<Call, "name" | "isOnce" | "number" | "edit"> & { readonly run: (api: WorkerApi) => Promise<T> },
    signal: AbortSignal | undefined,
  ): Promise<T> {
    const refusal = this.#refusal ?? this.#turnedAway;
    if (refusal !== undefined) return Promise.reject(refusal);
    if (signal?.aborted) return Promise.reject(new TidemarkError("ABORTED", { call: what.name }));
    return new Promise<T>((resolve, reject) => {
      const abort = (): void => call.reject(new TidemarkError("ABORTED", { call: what.name }));
      const settle = (end: () => void): void => {
        signal?.removeEventListener("abort", abort);
        if (this.#calls.delete(call)) end();
      };
      const call: Call = {
        ...what,
        resolve: (value) => settle(() => resolve(value as T)),
        reject: (error) => settle(() => reject(error)),
        sentTo: undefined,
        isOut: false,
      };
      signal?.addEventListener("abort", abort);
      this.#calls.add(call);
      this.#send(call);
    });
  }

  #send(call: Call): void {
    const leader = this.#leader;
    if (leader === undefined || call.sentTo === leader) return;
    if (call.isOnce && call.sentTo !== undefined) return call.reject(interrupted(call.name));
    call.sentTo = leader;
    call.isOut = true;
    const failed = (error: unknown): void => {
      // Whoever was asked since has the word.
      if (call.sentTo !== leader) return;
      if (!isInterruption(error)) return call.reject(error);
      if (call.isOnce) return call.reject(interrupted(call.name));
      call.sentTo = undefined;
    };
    call.run(leader.api).then(call.resolve, failed);
  }

  /** What cannot be taken out of the outbox yet stays among what leaders remember: it must not be done again. */
  async #settle(number: number): Promise<void> {
    if (!(await this.#forget(number))) return void this.#unforgotten.add(number);
    for (const left of this.#unforgotten) {
      if (!(await this.#forget(left))) return;
      this.#unforgotten.delete(left);
    }
  }

  async #forget(number: number): Promise<boolean> {
    try {
      await this.#options.forget(number);
      this.#unsettled.delete(number);
      return true;
    } catch {
      return false;
    }
  }

  #settledBelow(): number {
    for (const number of this.#unsettled) return number;
    return this.#writes + 1;
  }
}

function interrupted(call: string): TidemarkError {
  return new TidemarkError("CALL_INTERRUPTED", { call });
}
