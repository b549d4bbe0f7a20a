/**
 * What is done for databases of which the disk damaged something: it is told, peers are asked for what is gone, and what came is taken in.
 *
 * Deliberately not here: damaged entries themselves (healing.ts), and opening what cannot stay where it was (rebuilding.ts).
 */
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId } from "../core/ids.ts";
import { ownEntriesWaitMs } from "../core/limits.ts";
import type { DatabaseRecord } from "../ports/storage.ts";
import type { Admissions } from "./admissions.ts";
import type { OpenDatabase } from "./database.ts";
import { type HealingEvent, toProblem } from "./healing.ts";
import type { EnginePorts } from "./ports.ts";
import { isHarmed, judgeAside, type StoredDatabase } from "./rebuilding.ts";
import type { Sync } from "./sync.ts";

export interface MendingParts {
  readonly ports: EnginePorts;
  readonly sync: Sync;
  readonly admissions: Admissions;
  /** Undefined for one that is not here. */
  readonly find: (id: DatabaseId) => OpenDatabase | undefined;
  /** A failure is reported. */
  readonly putRecord: (record: DatabaseRecord) => Promise<void>;
  readonly reload: (id: DatabaseId, error: TidemarkError) => Promise<void>;
  /** How many entries are damaged is different now. */
  readonly changed: () => void;
}

export class Mending {
  readonly #parts: MendingParts;
  /** Databases whose state lacks entries that are gone from the disk. */
  readonly #lacking = new Set<DatabaseId>();
  /** Databases of which entries were put aside that wait for what is gone. */
  readonly #asides = new Set<DatabaseId>();
  /** Ends what the writes of a database wait for. */
  readonly #waiting = new Map<DatabaseId, () => void>();

  constructor(parts: MendingParts) {
    this.#parts = parts;
  }

  /** It was loaded. Resolves when what can be done without peers is done. */
  async opened(database: OpenDatabase, stored: StoredDatabase): Promise<void> {
    const { salvaged, unread } = stored.opened;
    // Of its record nothing may have been left.
    await this.rename(database);
    if (salvaged > 0) this.reported(database.id, { type: "salvaged", entries: salvaged });
    if (unread.length > 0) this.#heal(database, unread);
    if (isHarmed(stored)) await this.#restore(database, stored);
  }

  /** Its record takes the name that its settings give it. */
  async rename(database: OpenDatabase): Promise<void> {
    const { name } = database.replica.settings;
    if (name === undefined || name === database.record.name) return;
    await this.#parts.putRecord({ ...database.record, name });
  }

  /** What became of entries of it that could not be read. */
  reported(id: DatabaseId, event: HealingEvent): void {
    const { sync, reload, changed } = this.#parts;
    const problem = toProblem(event);
    changed();
    // What was saved is whole again: it is told, and stands in nobody's way.
    if (problem !== undefined && event.type === "salvaged") sync.problems.tell(problem, id);
    else if (problem !== undefined) sync.problems.report(problem, id);
    // Peers may lack what could not be sent while it was damaged.
    if (event.type !== "healed" || event.left > 0) return;
    sync.problems.mended(id);
    if (this.#lacking.has(id)) void reload(id, new TidemarkError("DATABASE_NOT_READY", { database: id }));
    else sync.peers.stepAll({ type: "resumed", database: id });
  }

  /** Everything that a peer had is durable here. */
  caughtUp(id: DatabaseId): void {
    this.#stopWaiting(id);
    if (this.#asides.has(id)) this.#judge(id);
  }

  /** Storage takes what it may not have taken before. */
  storageRecovered(): void {
    for (const id of [...this.#asides]) this.#judge(id);
  }

  /** It is let go. */
  forget(id: DatabaseId): void {
    this.#lacking.delete(id);
    this.#asides.delete(id);
    this.#stopWaiting(id);
  }

  /** No write waits for peers any more. */
  close(): void {
    for (const id of [...this.#waiting.keys()]) this.#stopWaiting(id);
  }

  /** Everything else is shown and synced meanwhile. */
  #heal(database: OpenDatabase, unread: readonly number[]): void {
    this.#lacking.add(database.id);
    const nodes = unread.map((position) => database.replica.graph.at(position));
    const error = new TidemarkError("STORAGE_CORRUPT", { where: `${unread.length} entries` });
    database.healing.check(nodes, error).catch(() => {}); // What is damaged is reported as such.
  }

  /** After damage that took entries out of their places: tells of it, judges what was put aside, and has the rest asked for. */
  async #restore(database: OpenDatabase, { loaded, repaired }: StoredDatabase): Promise<void> {
    const { sync, admissions, putRecord } = this.#parts;
    const { id } = database;
    const { end, aside, lost } = repaired;
    for (const where of loaded.damage ?? []) sync.problems.tell(new TidemarkError("STORAGE_CORRUPT", { where }), id);
    if (end !== undefined) {
      const where = `${lost} entries, which are asked for from peers; ${aside} beyond them are judged anew`;
      sync.problems.tell(new TidemarkError("STORAGE_CORRUPT", { where }), id);
    }
    // First: what is judged may make this device write, such as a redemption that is only missing here.
    this.#writeAfterPeers(database);
    await this.#judgeAside(database);
    if (lost === 0 && !this.#asides.has(id) && database.hasRoot) this.#stopWaiting(id);
    if (database.hasRoot || database.record.ticket !== undefined) return;
    // Whoever takes part is let in again by those who know it.
    await putRecord({ ...database.record, ticket: admissions.address(database) });
    admissions.opened(database);
  }

  #judge(id: DatabaseId): void {
    const database = this.#parts.find(id);
    if (database !== undefined) void this.#judgeAside(database);
  }

  async #judgeAside(database: OpenDatabase): Promise<void> {
    this.#asides.add(database.id);
    try {
      // As long as entries are damaged it is not known whether they are vouched for.
      const isLacking = this.#lacking.has(database.id);
      if (!(await judgeAside(this.#parts.ports, database, isLacking))) this.#asides.delete(database.id);
    } catch (error) {
      this.#parts.sync.problems.report(error, database.id);
    }
  }

  /** Peers may have what this device wrote last. */
  #writeAfterPeers(database: OpenDatabase): void {
    const { clock } = this.#parts.ports;
    const asked = new Promise<void>((resolve) => {
      const cancel = clock.after(ownEntriesWaitMs, resolve);
      this.#waiting.set(database.id, () => {
        cancel();
        resolve();
      });
    });
    database.writeAfter(asked);
  }

  #stopWaiting(id: DatabaseId): void {
    this.#waiting.get(id)?.();
    this.#waiting.delete(id);
  }
}
