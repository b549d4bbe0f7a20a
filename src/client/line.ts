/** What the sync API needs of the line to the worker. */
import type { CommandName, SyncCommands, SyncResults } from "../engine/commands.ts";
import type { WorkerApi } from "../worker/api.ts";

/** How long a call may take. */
export interface Waiting {
  /** Ends the call: it rejects with ABORTED at once, and the engine stops working for it. */
  readonly signal?: AbortSignal | undefined;
  /** Rejects with TIMEOUT after so many milliseconds. Default: never. */
  readonly timeoutMs?: number | undefined;
}

export interface Line {
  call<T>(name: string, run: (api: WorkerApi) => Promise<T>, signal?: AbortSignal): Promise<T>;
  /**
   * Rejects with INPUT_INVALID for what is no way of waiting; with TIMEOUT, ABORTED, INSTANCE_CLOSED, or what the
   * engine says.
   */
  command<Name extends CommandName>(
    name: Name,
    command: SyncCommands[Name],
    waiting?: Waiting,
  ): Promise<SyncResults[Name]>;
}
