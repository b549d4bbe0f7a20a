/** What the parts of the page need of the line to whoever leads. */
import { type ErrorCode, TidemarkError } from "../core/errors.ts";
import type { DatabaseId } from "../core/ids.ts";
import type { CommandName, SyncCommands, SyncResults } from "../engine/commands.ts";
import type { StoreWrites, WorkerApi, WriteId } from "../worker/api.ts";

/** How long a call may take. */
export interface Waiting {
  /** Ends the call: it rejects with ABORTED at once, and the engine stops working for it. */
  readonly signal?: AbortSignal | undefined;
  /** Rejects with TIMEOUT after so many milliseconds. Default: never. */
  readonly timeoutMs?: number | undefined;
}

export interface CallOptions {
  /** Ends the waiting with ABORTED, not what the leader does. */
  readonly signal?: AbortSignal | undefined;
  /**
   * What becomes of a call that the leader did not live to answer. repeat, the default: the next one is asked, so it must be good to make it twice.
   * once: it rejects with CALL_INTERRUPTED.
   */
  readonly kind?: "repeat" | "once";
}

export interface WriteOptions {
  readonly signal?: AbortSignal | undefined;
  /** What the write is, when it can be done without this page: it is kept when the page goes before the answer came. */
  readonly edit?: Edit;
}

/** One leadership, as the page reaches it: another object for each. */
export interface Leader {
  readonly api: WorkerApi;
}

/** A commit as data. */
export interface Edit {
  readonly database: DatabaseId;
  readonly stores: readonly StoreWrites[];
}

/** The leader was ending: nothing of the call was done, or the next one knows what was. */
export function isInterruption(error: unknown): boolean {
  return error instanceof TidemarkError && interruptions.has(error.code);
}

const interruptions: ReadonlySet<ErrorCode> = new Set(["CALL_INTERRUPTED", "STORAGE_FENCED", "INSTANCE_CLOSED"]);

export interface Line {
  /** Undefined while nobody leads. */
  readonly leader: Leader | undefined;
  /** `run` is called again for each leader until one has answered: it must not change what it was made of. */
  call<T>(name: string, run: (api: WorkerApi) => Promise<T>, options?: CallOptions): Promise<T>;
  /** A call that is done once however often it is made, because `run` passes on what names it. */
  write<T>(name: string, run: (api: WorkerApi, write: WriteId) => Promise<T>, options?: WriteOptions): Promise<T>;
  /** To who leads now and to nobody else; whether it came is not told. */
  send(run: (api: WorkerApi) => Promise<unknown>): void;
  /** Calls `begin` now, when somebody leads, and for each new leader, before calls are made again. Until the returned function is called. */
  stand(begin: (leader: Leader) => void): () => void;
  /**
   * Rejects with INPUT_INVALID for what is no way of waiting; with TIMEOUT, ABORTED, INSTANCE_CLOSED, or what the
   * engine says; with CALL_INTERRUPTED for one that cannot be made twice.
   */
  command<Name extends CommandName>(
    name: Name,
    command: SyncCommands[Name],
    waiting?: Waiting,
  ): Promise<SyncResults[Name]>;
}
