/**
 * Takes databases up: from storage, again after storage failed, and those that are new here. And lets them go.
 *
 * [ENGINE-11] A database that was opened once is looked for at its relays from then on, until the instance goes offline or closes.
 * [ENGINE-12] A failing storage is reported, its peers are let go, and the database is loaded anew from what is durable.
 *
 * Deliberately not here: what becomes of damage that is found meanwhile (rebuilding.ts, mending.ts).
 */
import type { TidemarkError } from "../core/errors.ts";
import type { DatabaseId } from "../core/ids.ts";
import { Replica } from "../core/replica.ts";
import type { DatabaseRecord } from "../ports/storage.ts";
import type { Admissions } from "./admissions.ts";
import { Checkpoints } from "./checkpoints.ts";
import { OpenDatabase } from "./database.ts";
import type { DatabaseReports } from "./database-reports.ts";
import type { Databases } from "./databases.ts";
import type { Deletion } from "./deletion.ts";
import type { Encryption } from "./encryption.ts";
import type { Mending } from "./mending.ts";
import type { Permissions } from "./permissions.ts";
import type { EnginePorts } from "./ports.ts";
import { beginReading, type Reading } from "./read-ahead.ts";
import { isHarmed, openStored } from "./rebuilding.ts";
import type { StorageWatch } from "./storage-health.ts";
import type { Sync } from "./sync.ts";

export interface OpeningParts {
  readonly ports: EnginePorts;
  readonly databases: Databases;
  readonly sync: Sync;
  readonly watch: StorageWatch;
  readonly admissions: Admissions;
  readonly permissions: Permissions;
  readonly deletion: Deletion;
  readonly mending: Mending;
  readonly reports: DatabaseReports;
  /** All that was read before may differ. */
  readonly reloaded: (id: DatabaseId) => void;
}

export class Opening {
  readonly #parts: OpeningParts;
  readonly #loading = new Map<DatabaseId, Promise<void>>();
  readonly #reloading = new Map<DatabaseId, Promise<void>>();

  constructor(parts: OpeningParts) {
    this.#parts = parts;
  }

  /** Those of these that are not open; `first`: of the first of them. While one is opened the next is read. */
  async loadAll(records: readonly DatabaseRecord[], first?: Reading): Promise<void> {
    const { databases, ports } = this.#parts;
    const toOpen = records.filter(({ id }) => databases.find(id) === undefined);
    let reading = toOpen[0] === records[0] ? first : undefined;
    for (const [i, { id }] of toOpen.entries()) {
      if (databases.isClosed) return;
      const opening = this.loadOrReport(id, reading);
      const next = toOpen[i + 1];
      reading = next && beginReading(ports.storage, next.id);
      await opening;
    }
  }

  /** One database that cannot be read must not keep the others from opening. */
  async loadOrReport(id: DatabaseId, reading?: Reading): Promise<void> {
    await this.load(id, reading).catch((error: unknown) => this.#parts.sync.problems.report(error, id));
  }

  /** Resolves also when it is not stored, or being forgotten. Rejects with a STORAGE_ code. */
  load(id: DatabaseId, reading?: Reading): Promise<void> {
    if (this.#parts.deletion.isUnderWay(id)) return Promise.resolve();
    const loading = this.#loading.get(id) ?? this.#loadNow(id, reading).finally(() => this.#loading.delete(id));
    this.#loading.set(id, loading);
    return loading;
  }

  /** Resolves when it is not being loaded. Never rejects. */
  async loaded(id: DatabaseId): Promise<void> {
    await this.#loading.get(id)?.catch(() => {}); // Told to whoever has it loaded.
  }

  async #loadNow(id: DatabaseId, reading?: Reading): Promise<void> {
    const { ports, databases, sync, mending, reports } = this.#parts;
    const stored = await openStored(ports, id, () => !databases.isClosed, reading);
    if (stored === undefined) return;
    const { loaded, opened } = stored;
    if (loaded.index.length === 0 && loaded.record.ticket === undefined && !isHarmed(stored)) {
      // Its making was cut short before the root was durable: nobody was told of it.
      return ports.storage.deleteDatabase(id);
    }
    // Somebody may have joined it meanwhile.
    if (databases.find(id) !== undefined) return;
    // Before anybody asks: what was held is not at those positions any more.
    const { end } = stored.repaired;
    if (end !== undefined) await sync.fellBack(id, end);
    const checkpoints = opened.unread.length === 0 ? opened.checkpoints : undefined;
    const database = this.#adopt(loaded.record, opened.replica, checkpoints, opened.encryption);
    reports.opened(database);
    await database.opened();
    await mending.opened(database, stored);
  }

  /** One that is new here. */
  adoptEmpty(record: DatabaseRecord): OpenDatabase {
    const replica = new Replica(record.id, this.#parts.ports.sha256);
    return this.#adopt(record, replica, new Checkpoints([], replica.state));
  }

  #adopt(
    record: DatabaseRecord,
    replica: Replica,
    checkpoints: Checkpoints | undefined,
    encryption?: Encryption,
  ): OpenDatabase {
    const { ports, databases, sync, admissions, deletion, reports } = this.#parts;
    const listener = reports.listenerOf(record.id, () => database);
    const database: OpenDatabase = new OpenDatabase(ports, record, replica, checkpoints, listener, encryption);
    deletion.returned(record.id);
    databases.add(database);
    sync.opened(database);
    admissions.opened(database);
    return database;
  }

  /** Storage failed beneath it. */
  async failed(id: DatabaseId, error: unknown): Promise<void> {
    const { watch, sync } = this.#parts;
    // First: peers come back to a storage that is known to take nothing.
    watch.failed(error);
    sync.problems.report(error, id);
    await this.reload(id, error);
  }

  /** From what is durable. Whoever waits for the database is rejected with `error`. */
  reload(id: DatabaseId, error: unknown): Promise<void> {
    const reloading = this.#reloadNow(id, error).finally(() => {
      if (this.#reloading.get(id) === reloading) this.#reloading.delete(id);
    });
    this.#reloading.set(id, reloading);
    return reloading;
  }

  /** Those that are being loaded anew, each until it is open again or cannot be opened. */
  reloading(): ReadonlyMap<string, Promise<void>> {
    return this.#reloading;
  }

  async #reloadNow(id: DatabaseId, error: unknown): Promise<void> {
    const { databases, sync, mending, permissions, reloaded } = this.#parts;
    const database = databases.find(id);
    sync.peers.dropAll();
    databases.remove(id);
    mending.forget(id);
    sync.closed(id, error);
    permissions.takeRecounted(id);
    await database?.settled();
    await this.loadOrReport(id);
    reloaded(id);
  }

  /** For `Deletion`: nobody finds it any more. */
  detach(id: DatabaseId, error: TidemarkError): void {
    const { databases, sync, mending, permissions, admissions } = this.#parts;
    databases.remove(id);
    mending.forget(id);
    permissions.forget(id);
    admissions.forget(id, error);
    sync.forget(id, error);
  }
}
