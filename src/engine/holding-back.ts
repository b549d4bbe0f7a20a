/**
 * What is done while storage takes nothing, and when it takes everything again.
 *
 * [HEALTH-4] While storage takes nothing, nothing of peers is taken, and they are asked to hold back; entries of this device are tried.
 */
import type { Storage } from "../ports/storage.ts";
import type { Databases } from "./databases.ts";
import type { Mending } from "./mending.ts";
import type { Opening } from "./opening.ts";
import type { StorageHealth, StorageWatch } from "./storage-health.ts";
import type { Sync } from "./sync.ts";

export interface HoldingBackParts {
  readonly storage: Pick<Storage, "databases">;
  readonly databases: Databases;
  readonly sync: Sync;
  readonly watch: StorageWatch;
  readonly opening: Opening;
  readonly mending: Mending;
  readonly changed: (health: StorageHealth) => void;
}

export class HoldingBack {
  readonly #parts: HoldingBackParts;

  constructor(parts: HoldingBackParts) {
    this.#parts = parts;
  }

  health(): StorageHealth {
    const { databases, watch } = this.#parts;
    const damagedEntries = [...databases.all()].reduce((sum, { healing }) => sum + healing.damaged, 0);
    return { type: watch.type, code: watch.error?.code, damagedEntries };
  }

  /** What `health` answers is different now. */
  changed(): void {
    this.#parts.changed(this.health());
  }

  begin(): void {
    this.#parts.sync.holdBack(true);
    this.changed();
  }

  /** What could not be loaded meanwhile is, before peers send again. */
  async end(): Promise<void> {
    const { storage, databases, opening, mending, sync, watch } = this.#parts;
    await opening.loadAll(await storage.databases().catch(() => []));
    if (databases.isClosed || watch.error !== undefined) return;
    mending.storageRecovered();
    sync.holdBack(false);
    this.changed();
  }
}
