/** What a page says of itself in databases, and the databases in which it wants to know who is there. */
import type { DatabaseId } from "../core/ids.ts";
import { type Origin, originOf, type PageId, pageIdFromHex } from "../core/presence/announcement.ts";
import { invalid } from "../core/store/values.ts";
import type { Instance } from "../engine/instance.ts";
import type { PresentPage } from "../engine/presence-room.ts";
import type { Clock } from "../ports/clock.ts";
import type { WorkerEvent } from "./api.ts";

/** Nobody sees more changes. */
const everyMs = 50;
/** Beyond this numbers of announcements would not be whole any more. */
const turnMax = 2 ** 20;

interface Said {
  readonly page: PageId;
  readonly turn: number;
}

interface Watch {
  readonly stop: () => void;
  readonly changed: Set<Origin>;
}

export class PagePresence {
  readonly #instance: Pick<Instance, "database" | "presence">;
  readonly #clock: Clock;
  readonly #post: (event: WorkerEvent) => void;
  readonly #said = new Map<DatabaseId, Said>();
  readonly #watches = new Map<DatabaseId, Watch>();
  #isGathering = false;

  constructor(instance: Pick<Instance, "database" | "presence">, clock: Clock, post: (event: WorkerEvent) => void) {
    this.#instance = instance;
    this.#clock = clock;
    this.#post = post;
  }

  /** Throws DATABASE_UNKNOWN and INPUT_INVALID. */
  set(database: DatabaseId, name: string, turn: number, state: Uint8Array | undefined): void {
    this.#instance.database(database);
    const page = pageIdFromHex(name);
    if (!Number.isInteger(turn) || turn < 1 || turn > turnMax) throw invalid("turn", turn, `1 to ${turnMax}`);
    const before = this.#said.get(database);
    if (before !== undefined && before.page !== page) this.#leave(database, before);
    if (state === undefined) this.#said.delete(database);
    else this.#said.set(database, { page, turn });
    this.#instance.presence.set(database, page, turn, state);
  }

  /** Throws DATABASE_UNKNOWN. */
  pages(database: DatabaseId): readonly PresentPage[] {
    this.#instance.database(database);
    return this.#instance.presence.pages(database);
  }

  /** Throws DATABASE_UNKNOWN. */
  watch(database: DatabaseId): void {
    this.#instance.database(database);
    this.unwatch(database);
    const changed = new Set<Origin>();
    const stop = this.#instance.presence.listen(database, (origins) => {
      for (const origin of origins) changed.add(origin);
      this.#gather();
    });
    this.#watches.set(database, { stop, changed });
    const pages = this.#instance.presence.pages(database).map((page) => [originOfPage(page), page] as const);
    this.#post({ type: "presence", database, all: true, pages });
  }

  unwatch(database: DatabaseId): void {
    this.#watches.get(database)?.stop();
    this.#watches.delete(database);
  }

  /** The page is gone, from here at least. */
  close(): void {
    for (const [database, said] of this.#said) this.#leave(database, said);
    this.#said.clear();
    for (const database of [...this.#watches.keys()]) this.unwatch(database);
  }

  #leave(database: DatabaseId, { page, turn }: Said): void {
    this.#instance.presence.set(database, page, turn, undefined);
  }

  #gather(): void {
    if (this.#isGathering) return;
    this.#isGathering = true;
    this.#clock.after(everyMs, () => this.#flush());
  }

  #flush(): void {
    this.#isGathering = false;
    for (const [database, { changed }] of this.#watches) {
      if (changed.size === 0) continue;
      const pages = [...changed].map((origin) => [origin, this.#instance.presence.page(database, origin)] as const);
      changed.clear();
      this.#post({ type: "presence", database, all: false, pages });
    }
  }
}

function originOfPage({ key, page }: PresentPage): Origin {
  return originOf({ author: key, page });
}
