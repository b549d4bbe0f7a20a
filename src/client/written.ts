/**
 * The page's listeners to writes: each is given one event at a time, and whoever leads is told when it took it.
 *
 * [CLIENT-40] Over a change of leaders a listener without a name gets every entry once; one with a name, what it had not taken, again.
 */
import type { DatabaseId } from "../core/ids.ts";
import type { HookOptions, WorkerEvent } from "../worker/api.ts";
import { given } from "./input.ts";
import { isInterruption, type Leader, type Line } from "./line.ts";
import { reportUncaught, type Stop } from "./listeners.ts";
import { toWriteEvent, type WriteEvent } from "./sync-info.ts";

export type WriteListener = (event: WriteEvent) => void | Promise<void>;
type WrittenEvent = Extract<WorkerEvent, { readonly type: "written" }>;

interface Hook {
  readonly number: number;
  readonly database: DatabaseId;
  readonly name: string | undefined;
  readonly listener: WriteListener;
  /** The cursor after which the next leader goes on. */
  after: string | undefined;
  /** Who tells it. */
  leader: Leader | undefined;
  /** Until the listener is done with an event. */
  handling: Promise<void> | undefined;
  stop: Stop;
}

/** All such listeners of an instance, by the number that the worker's events carry. */
export class Written {
  readonly #line: Line;
  readonly #failed: (error: unknown, database: DatabaseId) => void;
  readonly #hooks = new Map<number, Hook>();
  #next = 1;

  /** `failed` hears why a listener could not be added. */
  constructor(line: Line, failed: (error: unknown, database: DatabaseId) => void) {
    this.#line = line;
    this.#failed = failed;
  }

  add(database: DatabaseId, listener: WriteListener, { name, after }: HookOptions): Stop {
    const number = this.#next++;
    const idle = { leader: undefined, handling: undefined, stop: () => {} };
    const hook: Hook = { number, database, name, listener, after, ...idle };
    this.#hooks.set(number, hook);
    hook.stop = this.#line.stand((leader) => void this.#begin(hook, leader));
    return () => {
      if (this.#delete(hook)) this.#line.send((api) => api.removeHook(number));
    };
  }

  /** Resolves when the listener took the event, or failed to. */
  async take({ hook: number, event }: WrittenEvent): Promise<void> {
    const hook = this.#hooks.get(number);
    if (hook === undefined) return;
    hook.handling = this.#handle(hook, toWriteEvent(event));
    await hook.handling;
  }

  /** In the same turn when nothing is being handled: what is written from then on is for this listener. */
  async #begin(hook: Hook, leader: Leader): Promise<void> {
    if (hook.handling !== undefined) await hook.handling;
    if (!this.#hooks.has(hook.number) || (this.#line.leader ?? leader) !== leader) return;
    const { number, database, name, after } = hook;
    hook.leader = leader;
    try {
      const start = await leader.api.addHook(number, database, given({ name, after }));
      hook.after ??= start;
    } catch (error) {
      // The next leader is asked.
      if (isInterruption(error) || hook.leader !== leader) return;
      if (this.#delete(hook)) this.#failed(error, database);
    }
  }

  async #handle(hook: Hook, event: WriteEvent): Promise<void> {
    const { leader, listener, name, number } = hook;
    if (name === undefined) hook.after = event.cursor;
    const failure = await tell(listener, event);
    hook.handling = undefined;
    // Stopped meanwhile: it is told again to the next listener of that name.
    if (!this.#hooks.has(number)) return;
    if (failure === undefined) hook.after = event.cursor;
    // To no other than the one who told it, who may have ended.
    leader?.api.taken(number, failure).catch(() => {});
  }

  #delete({ number, stop }: Hook): boolean {
    stop();
    return this.#hooks.delete(number);
  }
}

/** What the listener failed with. */
async function tell(listener: WriteListener, event: WriteEvent): Promise<string | undefined> {
  try {
    await listener(event);
    return undefined;
  } catch (error) {
    reportUncaught(error);
    return String(error);
  }
}
