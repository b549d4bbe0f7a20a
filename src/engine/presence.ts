/** Who is there, of all databases: who says it, who hears it, and who wants to know. What is said is in presence-room.ts. */
import type { DatabaseId } from "../core/ids.ts";
import type { Announcement, Origin, PageId } from "../core/presence/announcement.ts";
import type { OpenDatabase } from "./database.ts";
import type { Path } from "./path.ts";
import type { EnginePorts } from "./ports.ts";
import { type Checked, PresenceRoom, type PresentPage } from "./presence-room.ts";

export interface PresenceOptions {
  readonly ports: Pick<EnginePorts, "clock" | "verifier" | "sealing" | "random" | "sha256">;
  readonly database: (id: DatabaseId) => OpenDatabase | undefined;
  readonly paths: () => readonly Path[];
}

/** Told which pages came, went or say something else. Never throws. */
export type PresenceListener = (origins: readonly Origin[]) => void;

export class Presence {
  readonly #options: PresenceOptions;
  readonly #rooms = new Map<DatabaseId, PresenceRoom>();
  readonly #listeners = new Map<DatabaseId, Set<PresenceListener>>();
  /** Databases of which each path was told who is there. */
  readonly #greeted = new WeakMap<Path, Set<DatabaseId>>();
  #isClosed = false;

  constructor(options: PresenceOptions) {
    this.#options = options;
  }

  /** A page of this device says what it is: see `encodePresenceState`. Undefined: it goes. `turn` grows with each leader that serves the page. */
  set(database: DatabaseId, page: PageId, turn: number, state: Uint8Array | undefined): void {
    this.#room(database)?.set(page, turn, state);
  }

  /** Those that are there, in no order. */
  pages(database: DatabaseId): readonly PresentPage[] {
    return this.#rooms.get(database)?.pages() ?? [];
  }

  /** Undefined: it is not there. */
  page(database: DatabaseId, origin: Origin): PresentPage | undefined {
    return this.#rooms.get(database)?.page(origin);
  }

  /** Until the returned function is called. */
  listen(database: DatabaseId, listener: PresenceListener): () => void {
    const listeners = this.#listeners.get(database) ?? new Set();
    this.#listeners.set(database, listeners);
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0) this.#listeners.delete(database);
    };
  }

  /** A peer that may read the database tells of a page. Never rejects. */
  async received(path: Path, database: DatabaseId, announcement: Announcement, ageMs: number): Promise<Checked> {
    return (await this.#room(database)?.take(path, announcement, ageMs)) ?? "unchecked";
  }

  /** Something about the database was said on the path: once both have spoken of it, the peer is told who is there. */
  spoke(path: Path, database: DatabaseId): void {
    const greeted = this.#greeted.get(path) ?? new Set();
    if (greeted.has(database) || path.session?.mayPresent(database) !== true) return;
    greeted.add(database);
    this.#greeted.set(path, greeted);
    this.#rooms.get(database)?.greet(path);
  }

  /** Who may read, or which keys are here, may be different now. */
  permissionsChanged(database: DatabaseId): void {
    void this.#rooms.get(database)?.permissionsChanged();
  }

  /** It is gone from here. */
  forget(database: DatabaseId): void {
    void this.#rooms.get(database)?.close();
    this.#rooms.delete(database);
    this.#listeners.delete(database);
  }

  /** Resolves when it was said of pages that go. Never rejects. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const rooms = [...this.#rooms.values()];
    this.#rooms.clear();
    await Promise.all(rooms.map((room) => room.close()));
  }

  #room(id: DatabaseId): PresenceRoom | undefined {
    const known = this.#rooms.get(id);
    if (known !== undefined) return known;
    if (this.#isClosed || this.#options.database(id) === undefined) return undefined;
    const { ports, database, paths } = this.#options;
    const room = new PresenceRoom({
      ...{ id, ports, paths },
      database: () => database(id),
      changed: (origins) => {
        for (const listener of this.#listeners.get(id) ?? []) listener(origins);
      },
    });
    this.#rooms.set(id, room);
    return room;
  }
}
