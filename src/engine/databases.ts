/** Which databases are open on this device, and what is remembered of each; those that cannot be read now are not among them. */
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId } from "../core/ids.ts";
import type { Replica } from "../core/replica.ts";
import type { DatabaseRecord } from "../ports/storage.ts";
import type { OpenDatabase } from "./database.ts";
import type { EnginePorts } from "./ports.ts";

export interface DatabasesOptions {
  readonly ports: Pick<EnginePorts, "name" | "storage">;
  /** It was forgotten: nothing about it is to be stored. */
  readonly isGone: (id: DatabaseId) => boolean;
  readonly statusChanged: (id: DatabaseId) => void;
  readonly report: (error: unknown, id: DatabaseId) => void;
}

export class Databases {
  readonly #options: DatabasesOptions;
  readonly #open = new Map<DatabaseId, OpenDatabase>();
  readonly #replicas = new Map<DatabaseId, Replica>();
  #closed = false;

  constructor(options: DatabasesOptions) {
    this.#options = options;
  }

  /** In the order in which they were opened. */
  all(): Iterable<OpenDatabase> {
    return this.#open.values();
  }

  ids(): readonly DatabaseId[] {
    return [...this.#open.keys()];
  }

  records(): readonly DatabaseRecord[] {
    return [...this.#open.values()].map((database) => database.record);
  }

  get replicas(): ReadonlyMap<DatabaseId, Replica> {
    return this.#replicas;
  }

  /** Undefined for one that is not here, or is being loaded anew. */
  find(id: DatabaseId): OpenDatabase | undefined {
    return this.#open.get(id);
  }

  /** Throws DATABASE_UNKNOWN. */
  get(id: DatabaseId): OpenDatabase {
    const database = this.find(id);
    if (database === undefined) throw new TidemarkError("DATABASE_UNKNOWN", { database: id });
    return database;
  }

  /** For what would change something. Throws INSTANCE_CLOSED and DATABASE_UNKNOWN. */
  toChange(id: DatabaseId): OpenDatabase {
    this.assertNotClosed();
    return this.get(id);
  }

  add(database: OpenDatabase): void {
    this.#open.set(database.id, database);
    this.#replicas.set(database.id, database.replica);
  }

  remove(id: DatabaseId): void {
    this.#open.delete(id);
    this.#replicas.delete(id);
  }

  /** Remembers this of a database. A failure is reported. */
  async putRecord(record: DatabaseRecord): Promise<void> {
    const { ports, isGone, statusChanged, report } = this.#options;
    // What was under way when it was forgotten must not bring it back.
    if (isGone(record.id)) return;
    const database = this.find(record.id);
    if (database !== undefined) database.record = record;
    await ports.storage.putDatabase(record).catch((error: unknown) => report(error, record.id));
    statusChanged(record.id);
  }

  /** Resolves when nothing of any is on its way to storage. */
  async settled(): Promise<void> {
    for (const database of this.#open.values()) await database.settled();
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** The instance ends. They stay open until what is under way is done. */
  close(): void {
    this.#closed = true;
  }

  /** Throws INSTANCE_CLOSED. */
  assertNotClosed(): void {
    if (this.#closed) throw new TidemarkError("INSTANCE_CLOSED", { name: this.#options.ports.name });
  }
}
