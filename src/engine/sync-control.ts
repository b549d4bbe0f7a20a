/**
 * What composition asks of the engine about sync, and what it is told of it: `Instance.sync` and a part of its
 * listener.
 */
import type { CommandName, SyncCommands, SyncResults } from "./commands.ts";
import type { LoggedEvent } from "./event-log.ts";
import type { Hook } from "./hooks.ts";
import type { JobInfo } from "./sync-info.ts";

export type WriteHook = Hook;

/** What waits on this device because of one database and of all peers: the most on any path. */
export interface Backlog {
  /** Of the log, for one peer. */
  readonly ranges: number;
  /** The same where nothing but new entries waits. */
  readonly pushedRanges: number;
  /** How many of these there may be. */
  readonly queueRanges: number;
  /** Messages of one channel. */
  readonly inbound: number;
  readonly outbound: number;
  /** Local records. */
  readonly unwritten: number;
}

export interface SyncControl {
  /**
   * Rejects with the code of the command, with ABORTED or the signal's own reason, and with INSTANCE_CLOSED after
   * `close`.
   */
  execute<Name extends CommandName>(
    name: Name,
    command: SyncCommands[Name],
    signal: AbortSignal,
  ): Promise<SyncResults[Name]>;
  /** Returns the way to stop. Throws CURSOR_INVALID, and INPUT_INVALID for a name that another hook of the same owner has. */
  addHook(hook: WriteHook): () => void;
}

/** Of one comparison with a peer: what came since it, and how much it is in all. */
export interface ReceiveProgress {
  readonly receivedEntries: number;
  readonly totalEntries: number;
  readonly receivedBytes: number;
  readonly totalBytes: number;
}

/** Told of what changed; never throws. */
export interface SyncListener {
  /** What the command `peers` answers is different now. */
  peersChanged(): void;
  jobChanged(job: JobInfo): void;
  logged(event: LoggedEvent): void;
}
