/**
 * The page's commands under way.
 *
 * [CLIENT-12] Each ends with its answer, its time-out, the page's cancel or the end of the instance, whichever is first.
 * [CLIENT-13] A name that is no command is refused.
 * [CLIENT-14] Failures of what nobody waits for are told.
 */
import { TidemarkError } from "../core/errors.ts";
import { invalid } from "../core/store/values.ts";
import type { CommandName, SyncCommands, SyncResults } from "../engine/commands.ts";
import type { SyncControl } from "../engine/sync-control.ts";
import type { Clock } from "../ports/clock.ts";
import type { CommandOptions } from "./api.ts";

/** By its type no name can be missing here; what comes from the page is looked up. */
const names: Readonly<Record<CommandName, true>> = {
  sendEntries: true,
  queueEntry: true,
  addPeer: true,
  updatePeer: true,
  removePeer: true,
  peers: true,
  addRelation: true,
  removeRelation: true,
  relations: true,
  connect: true,
  disconnect: true,
  syncWithPeer: true,
  startListening: true,
  stopListening: true,
  addTransport: true,
  removeTransport: true,
  startTransport: true,
  stopTransport: true,
  transports: true,
  transportAddresses: true,
  flush: true,
  setPreferences: true,
  removePreferences: true,
  preferences: true,
  jobs: true,
  startJob: true,
  pauseJob: true,
  resumeJob: true,
  cancelJob: true,
  whenSafe: true,
  whenSynced: true,
  history: true,
  diagnose: true,
  metrics: true,
  log: true,
  settings: true,
  changeSettings: true,
  wake: true,
};

export class Commands {
  readonly #control: SyncControl;
  readonly #clock: Clock;
  readonly #failed: (error: unknown) => void;
  readonly #underWay = new Map<number, AbortController>();
  readonly #posted = new AbortController();

  /** `failed` hears of the failures of what was posted. */
  constructor(control: SyncControl, clock: Clock, failed: (error: unknown) => void) {
    this.#control = control;
    this.#clock = clock;
    this.#failed = failed;
  }

  /** Rejects with INPUT_INVALID for a name that is no command, with TIMEOUT, ABORTED, or what the engine says. */
  async run<Name extends CommandName>(
    name: Name,
    command: SyncCommands[Name],
    { id, timeoutMs }: CommandOptions,
  ): Promise<SyncResults[Name]> {
    assertCommand(name);
    const ending = new AbortController();
    this.#underWay.set(id, ending);
    const stopTimer = this.#limit(name, timeoutMs, ending);
    try {
      return await Promise.race([this.#control.execute(name, command, ending.signal), whenAborted(ending.signal)]);
    } finally {
      stopTimer();
      this.#underWay.delete(id);
    }
  }

  /** Does nothing when the command is over. */
  cancel(id: number): void {
    this.#underWay.get(id)?.abort(new TidemarkError("ABORTED", { call: "command" }));
  }

  /** Nobody waits for it. */
  post<Name extends CommandName>(name: Name, command: SyncCommands[Name]): void {
    const { signal } = this.#posted;
    const posted = Promise.resolve().then(() => {
      assertCommand(name);
      return this.#control.execute(name, command, signal);
    });
    posted.catch((error: unknown) => {
      if (!signal.aborted) this.#failed(error);
    });
  }

  /** Whoever waits is told `reason`. */
  close(reason: TidemarkError): void {
    for (const ending of this.#underWay.values()) ending.abort(reason);
    this.#posted.abort(reason);
  }

  #limit(call: string, timeoutMs: number | undefined, ending: AbortController): () => void {
    if (timeoutMs === undefined) return () => {};
    const late = (): void => ending.abort(new TidemarkError("TIMEOUT", { call, afterMs: timeoutMs }));
    return this.#clock.after(timeoutMs, late);
  }
}

function assertCommand(name: string): void {
  if (!Object.hasOwn(names, name)) throw invalid("command", name, "one of engine/commands.ts");
}

/** The engine may be slow to notice: whoever waits is told at once. */
function whenAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
