/**
 * Commands on their way: begun, waited for, ended.
 *
 * [SYNC-5] After `close` every command rejects, those under way at once.
 * [SYNC-6] What a command changed for good is on disk when it resolves.
 * [SYNC-19] Every command that changes or awaits something is in the event log under a correlation of its own.
 */
import { asTidemarkError, TidemarkError } from "../core/errors.ts";
import type { CommandHandlers, CommandName, SyncCommands, SyncResults } from "./commands.ts";
import type { EventLog } from "./event-log.ts";

/** Commands that only look: with them in the log nothing else would fit into it. */
const looking: ReadonlySet<CommandName> = new Set([
  "peers",
  "relations",
  "transports",
  "transportAddresses",
  "preferences",
  "jobs",
  "history",
  "diagnose",
  "metrics",
  "log",
  "settings",
]);

/** Commands that change what a restart has to find. */
const remembered: ReadonlySet<CommandName> = new Set([
  "addPeer",
  "updatePeer",
  "removePeer",
  "addRelation",
  "removeRelation",
  "startListening",
  "stopListening",
  "addTransport",
  "removeTransport",
  "startTransport",
  "stopTransport",
  "setPreferences",
  "removePreferences",
  "startJob",
  "pauseJob",
  "resumeJob",
  "cancelJob",
]);

export interface ExecutionOptions {
  readonly handlers: CommandHandlers;
  readonly log: EventLog;
  /** Resolves when all that changed is on disk. */
  readonly remember: () => Promise<void>;
}

export class Execution {
  readonly #options: ExecutionOptions;
  /** How the commands under way are told that it is over. */
  readonly #underWay = new Set<(error: TidemarkError) => void>();
  #count = 0;
  #closedWith: TidemarkError | undefined;

  constructor(options: ExecutionOptions) {
    this.#options = options;
  }

  async run<Name extends CommandName>(
    name: Name,
    command: SyncCommands[Name],
    signal: AbortSignal,
  ): Promise<SyncResults[Name]> {
    if (this.#closedWith !== undefined) throw this.#closedWith;
    if (signal.aborted) throw new TidemarkError("ABORTED", { call: name });
    const { log } = this.#options;
    const correlation = `command ${++this.#count}`;
    if (!looking.has(name)) log.log("debug", "command.began", correlation, { name });
    try {
      const result = await this.#untilEnd(this.#handle(name, command, signal), name, signal);
      if (!looking.has(name)) log.log("debug", "command.ended", correlation, { name });
      return result;
    } catch (error) {
      log.log("warn", "command.failed", correlation, { name, code: asTidemarkError(error).code });
      throw error;
    }
  }

  /** Whoever waits is rejected with `error`, and so is whoever comes later. */
  close(error: TidemarkError): void {
    this.#closedWith = error;
    for (const reject of this.#underWay) reject(error);
  }

  async #handle<Name extends CommandName>(
    name: Name,
    command: SyncCommands[Name],
    signal: AbortSignal,
  ): Promise<SyncResults[Name]> {
    const handler = this.#options.handlers[name] as (
      command: SyncCommands[Name],
      signal: AbortSignal,
    ) => SyncResults[Name] | Promise<SyncResults[Name]>;
    const result = await handler(command, signal);
    // What the user said once is not to be said again after a crash.
    if (remembered.has(name)) await this.#options.remember();
    return result;
  }

  /** What goes on when nobody waits for it any more. */
  async #untilEnd<T>(running: Promise<T>, call: string, signal: AbortSignal): Promise<T> {
    let stop: () => void = () => {};
    const ended = new Promise<never>((_, reject) => {
      const abort = (): void => reject(new TidemarkError("ABORTED", { call }));
      signal.addEventListener("abort", abort);
      this.#underWay.add(reject);
      stop = () => {
        signal.removeEventListener("abort", abort);
        this.#underWay.delete(reject);
      };
    });
    return await Promise.race([running, ended]).finally(stop);
  }
}
