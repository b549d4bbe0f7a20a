/**
 * Sync as a whole: does what commands say, and what concerns several of its parts at once.
 *
 * [SYNC-3] Nothing runs before the instance goes online for the first time; every command can be given before.
 * [SYNC-5] After `close` every command rejects with INSTANCE_CLOSED; before it resolves, what waits for storage is written.
 * [SYNC-18] `close` waits until connected peers have confirmed what waits for them, `drainTimeoutMs` at most; every call of it resolves with the first.
 *
 * Deliberately not here: what it is made of, and what the parts tell each other (sync-parts.ts).
 */
import { asTidemarkError, TidemarkError } from "../core/errors.ts";
import type { Node } from "../core/graph.ts";
import type { DatabaseId } from "../core/ids.ts";
import { drainTimeoutMs } from "../core/limits.ts";
import type { CommandName, SyncCommands, SyncResults } from "./commands.ts";
import type { OpenDatabase } from "./database.ts";
import type { Recount } from "./database-listener.ts";
import { Epoch } from "./epoch.ts";
import { Execution } from "./execution.ts";
import { LocalStore } from "./local-store.ts";
import type { EnginePorts } from "./ports.ts";
import { unsettledLanes } from "./settling.ts";
import { commandHandlers } from "./sync-commands.ts";
import type { Backlog, SyncControl, WriteHook } from "./sync-control.ts";
import type { SyncOwner } from "./sync-owner.ts";
import { type Remembered, SyncParts } from "./sync-parts.ts";

export class Sync extends SyncParts implements SyncControl {
  readonly #execution: Execution;
  #closed = false;
  #closing: Promise<void> | undefined;

  private constructor(ports: EnginePorts, owner: SyncOwner, remembered: Remembered) {
    super(ports, owner, remembered);
    this.#execution = new Execution({
      handlers: commandHandlers(this, owner, ports.clock),
      log: this.log,
      remember: () => this.store.flush(),
    });
  }

  /** Reads what is remembered. Rejects with a STORAGE_ code. */
  static async open(ports: EnginePorts, owner: SyncOwner): Promise<Sync> {
    const { storage, clock, random } = ports;
    const failed = (error: unknown): void => owner.reported(asTidemarkError(error), undefined);
    const opening = LocalStore.open({ storage, clock, failed });
    const loading = Promise.all([Epoch.load(storage, random), opening]);
    const [epoch, store] = await loading.catch(async (error: unknown) => {
      await opening.then((opened) => opened.close()).catch(() => {});
      throw error;
    });
    return new Sync(ports, owner, { store, epoch });
  }

  async execute<Name extends CommandName>(
    name: Name,
    command: SyncCommands[Name],
    signal: AbortSignal,
  ): Promise<SyncResults[Name]> {
    this.metrics.count("commands");
    return await this.#execution.run(name, command, signal);
  }

  addHook(hook: WriteHook): () => void {
    if (this.#closed) throw this.#closedError();
    return this.hooks.add(hook);
  }

  setOnline(online: boolean): void {
    if (this.#closed) return;
    if (online) this.transports.setOnline(true);
    this.peers.setOnline(online);
    if (online) this.#reachAll();
    else this.hints.stopAll();
    if (!online) this.transports.setOnline(false);
    this.log.log("info", online ? "instance.wentOnline" : "instance.wentOffline", undefined, {});
  }

  /**
   * While storage takes nothing every peer is told to hold back with everything. After that all is compared, and what is remembered is
   * written.
   */
  holdBack(on: boolean): void {
    if (this.#closed || !this.flow.stop(on) || on) return;
    this.peers.stepAll({ type: "resumed" });
    this.store.flush().catch(() => {}); // Told where it failed.
  }

  /** The device woke, the network came back, the page is seen again: everything that waits is tried now. */
  wake(): void {
    this.owner.woke();
    this.peers.wake();
    this.#reachAll();
  }

  /** What databases that have not come are to be reached by. */
  #reachAll(): void {
    for (const { id } of this.owner.databases()) this.hints.reach(id);
  }

  // --- What happens to databases here

  opened(database: OpenDatabase): void {
    const { id, replica, record } = database;
    this.holdings.opened(id, replica.graph, replica.stored);
    this.peers.compareEvery(id, this.preferences.combined(id).intervalMs);
    this.sharing.seek(record);
    this.flow.opened(id);
    this.peers.stepAll({ type: "offered", database: id });
    this.hooks.stored(id);
  }

  /** It is gone from here: no session speaks of it any more, whoever waits for it is told `error`, and nothing of it is remembered. */
  forget(database: DatabaseId, error: TidemarkError): void {
    for (const path of this.peers.paths()) if (path.session?.speaksOf(database) === true) path.close();
    this.rooms.leave(database);
    this.hints.stop(database);
    this.peers.compareEvery(database, 0);
    this.agreements.forget(database, error);
    this.holdings.forget(database, error);
    this.hooks.forget(database);
    this.jobs.forget({ database });
    this.preferences.forgetDatabase(database);
    this.registry.forgetDatabase(database);
    this.reports.forget(database);
    this.problems.forget(database);
    this.presence.forget(database);
  }

  closed(database: DatabaseId, error: unknown): void {
    this.holdings.closed(database, asTidemarkError(error));
  }

  announced({ id, replica, healing }: OpenDatabase, nodes: readonly Node[], permissionsChanged: boolean): void {
    this.metrics.count("entries.stored", nodes.length);
    // That something new can be stored says nothing about what is damaged.
    if (healing.damaged === 0) this.problems.forget(id);
    this.holdings.stored(id, replica.stored);
    this.peers.stepAll({ type: "announced", database: id, nodes });
    if (permissionsChanged) {
      this.peers.stepAll({ type: "offered", database: id });
      this.presence.permissionsChanged(id);
    }
    this.hooks.stored(id);
  }

  /**
   * Entries from a position on are gone, or have other positions: nobody is taken to hold what is there now, hooks go on from there, and
   * by another epoch peers hear that this device may lack what it had confirmed. Rejects with a STORAGE_ code.
   */
  async fellBack(database: DatabaseId, position: number): Promise<void> {
    this.registry.fellBack(database, position);
    this.hooks.fellBack(database, position);
    await this.store.flush();
    await this.epoch.renew();
    // Whoever is here heard of the old one.
    this.peers.dropAll();
  }

  /** Entries became void or count again. What is answered makes durable that peers need not hold the latter. */
  recounted(database: DatabaseId, { revived }: Recount): Promise<void> | undefined {
    const first = revived.reduce((least, { position }) => Math.min(least, position), Number.POSITIVE_INFINITY);
    const from = Number.isFinite(first) ? first : undefined;
    const isLess = this.holdings.recounted(database, from);
    this.hooks.recounted(database);
    this.peers.stepAll({ type: "recounted", database, from });
    this.presence.permissionsChanged(database);
    return isLess ? this.store.flush() : undefined;
  }

  /** For whoever watches that no queue grows without a limit. */
  backlog(database: DatabaseId): Backlog {
    let [ranges, pushedRanges, inbound, outbound] = [0, 0, 0, 0];
    for (const { session, waiting } of this.peers.paths()) {
      const { all, pushed } = session?.ranges(database) ?? { all: 0, pushed: 0 };
      ranges = Math.max(ranges, all);
      pushedRanges = Math.max(pushedRanges, pushed);
      inbound = Math.max(inbound, waiting.inbound);
      outbound = Math.max(outbound, waiting.outbound);
    }
    const { queueRanges } = this.settings;
    return { ranges, pushedRanges, queueRanges, inbound, outbound, unwritten: this.store.unwritten };
  }

  /**
   * Resolves when peers have what waits for them, or had the time, unless it is not to drain, and all that is remembered is written; every call with
   * the first.
   */
  close(isDraining = true): Promise<void> {
    this.#closing ??= this.#closeNow(isDraining);
    return this.#closing;
  }

  async #closeNow(isDraining: boolean): Promise<void> {
    this.#closed = true;
    const error = this.#closedError();
    // First: what ends because of the end is not why it ended.
    this.#execution.close(error);
    this.hooks.close();
    if (isDraining) await this.#drain();
    await this.presence.close();
    this.reports.close();
    this.agreements.close(error);
    this.settling.close(error);
    this.holdings.close(error);
    this.hints.stopAll();
    this.peers.close();
    await this.transports.close();
    await this.store.close().catch((reason: unknown) => this.problems.report(reason, undefined));
  }

  /** Peers that hold back are not waited for, those that do not move no longer than `drainTimeoutMs`. */
  async #drain(): Promise<void> {
    const databases = [...this.owner.databases()];
    for (const { id } of databases) this.peers.stepAll({ type: "flush", database: id });
    const late = new AbortController();
    const cancel = this.ports.clock.after(drainTimeoutMs, () => late.abort());
    await this.settling.all(unsettledLanes(this.peers.all(), databases), late.signal).catch(() => {}); // Late: it goes with the next life.
    cancel();
  }

  #closedError(): TidemarkError {
    return new TidemarkError("INSTANCE_CLOSED", { name: this.ports.name });
  }
}
