/**
 * Taking databases from this device.
 *
 * [DELETION-1] A forgotten database leaves nothing here: no entries, no record, no relation, job, hook, request or history of it. Calls about it that
 *              are under way, and later ones, reject with DATABASE_UNKNOWN.
 * [DELETION-2] To peers it is from then on as one that was never here. What they hold stays theirs.
 * [DELETION-3] A forgotten database can be joined or imported again, as one that was never here.
 *
 * Deliberately not here: removing for everybody, which is an entry like any other, and deleting the whole instance, which is its storage's.
 */
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId } from "../core/ids.ts";
import type { Storage } from "../ports/storage.ts";
import type { OpenDatabase } from "./database.ts";
import type { LocalStore } from "./local-store.ts";

export interface DeletionOptions {
  readonly storage: Pick<Storage, "deleteDatabase">;
  readonly store: Pick<LocalStore, "flush">;
  /** Resolves when it is not being loaded. */
  readonly loaded: (database: DatabaseId) => Promise<void>;
  /** Loads it again, if it is still stored. Never rejects. */
  readonly load: (database: DatabaseId) => Promise<void>;
  /** Undefined for one that is not here, or cannot be read. */
  readonly find: (database: DatabaseId) => OpenDatabase | undefined;
  /** Nobody finds it any more, whoever waits for it is told `error`, and everything beside its entries is forgotten. May be called twice. */
  readonly detach: (database: DatabaseId, error: TidemarkError) => void;
}

export class Deletion {
  readonly #options: DeletionOptions;
  readonly #underWay = new Map<DatabaseId, Promise<void>>();
  readonly #gone = new Set<DatabaseId>();

  constructor(options: DeletionOptions) {
    this.#options = options;
  }

  isUnderWay(database: DatabaseId): boolean {
    return this.#underWay.has(database);
  }

  /** Whether nothing about it is to be stored: it was forgotten, or is being, and did not come again. */
  isGone(database: DatabaseId): boolean {
    return this.#gone.has(database);
  }

  /** It is here again. */
  returned(database: DatabaseId): void {
    this.#gone.delete(database);
  }

  /** Resolves when it is not being forgotten. Never rejects. */
  async settled(database: DatabaseId): Promise<void> {
    await this.#underWay.get(database)?.catch(() => {}); // Told to whoever called.
  }

  /** Resolves when nothing of it is stored, also when nothing was. Rejects with a STORAGE_ code: then it is here as it was. */
  async forget(database: DatabaseId): Promise<void> {
    const underWay = this.#underWay.get(database) ?? this.#forget(database);
    this.#underWay.set(database, underWay);
    try {
      await underWay;
    } catch (error) {
      this.#underWay.delete(database);
      this.#gone.delete(database);
      await this.#options.load(database);
      throw error;
    } finally {
      this.#underWay.delete(database);
    }
  }

  async #forget(id: DatabaseId): Promise<void> {
    const { storage, store, loaded, find, detach } = this.#options;
    const error = new TidemarkError("DATABASE_UNKNOWN", { database: id });
    await loaded(id);
    this.#gone.add(id);
    const database = find(id);
    detach(id, error);
    database?.end(error);
    await database?.settled();
    // What was under way may have left something behind.
    detach(id, error);
    await store.flush();
    await storage.deleteDatabase(id);
  }
}
