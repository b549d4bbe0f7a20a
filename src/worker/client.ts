/**
 * One page that is served: what it watches and waits for, until it is let go.
 *
 * [CLIENT-33] A call that the page's leader does not live to answer, or that the page did not stay for, rejects with CALL_INTERRUPTED.
 * [CLIENT-45] A call about a database that is being loaded anew waits until it is.
 * [CLIENT-34] With a page everything ends that was begun for it: its watches, hooks, streams, and whatever waits.
 */
import { asTidemarkError, TidemarkError } from "../core/errors.ts";
import type { DatabaseId } from "../core/ids.ts";
import type { StoreChange } from "../core/store/state.ts";
import type { WorkerEvent } from "./api.ts";
import { Commands } from "./commands.ts";
import { DocumentWatches } from "./document-watches.ts";
import type { Engine } from "./engine.ts";
import { toErrorData } from "./error-data.ts";
import { Files } from "./files.ts";
import { KeyCalls } from "./keys.ts";
import { PageMessages } from "./page-messages.ts";
import { PagePresence } from "./page-presence.ts";
import { PastViews } from "./past-views.ts";
import type { EngineParts } from "./permissions.ts";
import { SyncEvents } from "./sync-events.ts";
import { Verifications } from "./verifications.ts";
import { Watches } from "./watches.ts";
import { WriteHooks } from "./write-hooks.ts";

/** Calls that a change of leaders cuts short: names as `run` has them. */
const lengthy: ReadonlySet<string> = new Set([
  ...["createKey", "deleteKey", "backupKeys", "restoreKeys"],
  ...["export", "import", "verify", "wipe", "at"],
]);

export interface ClientOptions {
  /** The page's. */
  readonly tab: string;
  readonly engine: Engine;
  readonly post: (event: WorkerEvent) => void;
  /** Ends the instance for every page, and deletes what is stored. */
  readonly wipe: () => Promise<void>;
}

export class Client {
  readonly engine: Engine;
  readonly watches: Watches;
  readonly documents: DocumentWatches;
  readonly commands: Commands;
  readonly hooks: WriteHooks;
  readonly events: SyncEvents;
  readonly verifications: Verifications;
  readonly files: Files;
  readonly presence: PagePresence;
  readonly messages: PageMessages;
  readonly past: PastViews;
  readonly #post: (event: WorkerEvent) => void;
  /** How each call ends when the page does, and its name. */
  readonly #underWay = new Map<() => void, string>();
  readonly #ending = new AbortController();
  /** A failure from now on may be because of the end. */
  #isEnding = false;

  constructor({ tab, engine, post, wipe }: ClientOptions) {
    const { instance, ports, control, ciphers } = engine;
    this.engine = engine;
    this.#post = post;
    const told = (event: WorkerEvent): void => this.post(event);
    const failed = (error: unknown): void => told({ type: "problem", database: undefined, error: toErrorData(error) });
    this.watches = new Watches((id) => instance.find(id)?.replica.state, told);
    this.documents = new DocumentWatches({ instance, ports, post: told });
    this.commands = new Commands(control, ports.clock, failed);
    this.hooks = new WriteHooks(control, told, tab);
    this.events = new SyncEvents(ports.clock, told);
    this.verifications = new Verifications(instance, told);
    this.presence = new PagePresence(instance, ports.clock, told);
    this.messages = new PageMessages(instance.messages, told);
    this.files = new Files({ instance, ports, ciphers, keys: new OwnKeys(engine), wipe });
    this.past = new PastViews({ instance, ports, post: told });
  }

  /** Aborted when the page is let go. */
  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  /** Nothing is under way that the next leader would have to begin anew, or that cannot be asked for again. */
  get isIdle(): boolean {
    return this.files.isIdle && ![...this.#underWay.values()].some((name) => lengthy.has(name));
  }

  /** What is watched of the database changed so. */
  changed(database: DatabaseId, changes: readonly StoreChange[]): void {
    this.watches.note(database, changes);
    this.documents.note(database, changes);
  }

  /** All of it may differ. */
  reloaded(database: DatabaseId): void {
    this.watches.refresh(database);
    this.documents.refresh(database);
  }

  /** Nothing is told after the end. */
  post(event: WorkerEvent): void {
    if (!this.#ending.signal.aborted) this.#post(event);
  }

  /** One of the page's calls. Rejects as `call` does, and with CALL_INTERRUPTED. */
  run<T>(name: string, call: (client: Client) => T | Promise<T>): Promise<T> {
    if (this.#isEnding) return Promise.reject(interrupted(name));
    return new Promise<T>((resolve, reject) => {
      const interrupt = (): void => reject(interrupted(name));
      this.#underWay.set(interrupt, name);
      this.#runLoaded(call)
        .then(resolve, (error: unknown) => (this.#isEnding ? interrupt() : reject(error)))
        .finally(() => {
          this.#underWay.delete(interrupt);
        });
    });
  }

  /** One that does not find a database that is being loaded anew has done nothing: it waits for it. */
  async #runLoaded<T>(call: (client: Client) => T | Promise<T>): Promise<T> {
    try {
      return await call(this);
    } catch (error) {
      const known = asTidemarkError(error);
      const reloaded = isUnknown(known) ? this.engine.instance.reloading().get(known.details.database) : undefined;
      if (reloaded === undefined) throw error;
      await reloaded;
      return await this.#runLoaded(call);
    }
  }

  /** No call is taken any more. Those under way can still be answered, until `end`. */
  refuse(): void {
    this.#isEnding = true;
  }

  /** Idempotent. */
  end(): void {
    this.#isEnding = true;
    if (this.#ending.signal.aborted) return;
    this.#ending.abort();
    // First, so that nobody hears of what follows from it.
    for (const interrupt of this.#underWay.keys()) interrupt();
    this.#underWay.clear();
    this.commands.close(interrupted("command"));
    this.hooks.close();
    this.verifications.close();
    this.files.close();
    this.presence.close();
    this.messages.closeAll();
    this.past.end();
    this.watches.close();
    this.documents.end();
  }
}

/** What files need of keys. */
class OwnKeys extends KeyCalls {
  readonly #engine: EngineParts;

  constructor(engine: EngineParts) {
    super();
    this.#engine = engine;
  }

  protected async run<T>(_name: string, call: (client: { engine: EngineParts }) => T | Promise<T>): Promise<T> {
    return await call({ engine: this.#engine });
  }
}

function isUnknown(error: TidemarkError): error is TidemarkError<"DATABASE_UNKNOWN"> {
  return error.code === "DATABASE_UNKNOWN";
}

export function interrupted(call: string): TidemarkError {
  return new TidemarkError("CALL_INTERRUPTED", { call });
}
