/**
 * What the page is told about permissions and requests, gathered: a batch of a peer can change them many times.
 *
 * [CLIENT-23] Changes that come together are one event. An entry that was voided and revived in between is in neither list.
 */
import type { DatabaseId, EntryId } from "../core/ids.ts";
import { changedEntriesMax } from "../core/limits.ts";
import type { Member, Recounted, RequestInfo } from "../engine/permissions-info.ts";
import type { Clock } from "../ports/clock.ts";
import type { WorkerEvent } from "./api.ts";

/** Nobody can read faster. */
const everyMs = 50;

/** What is asked when the time has come; undefined: the database is not here any more. */
export interface PermissionSource {
  members(database: DatabaseId): readonly Member[] | undefined;
  requests(database: DatabaseId): readonly RequestInfo[] | undefined;
}

interface Gathered {
  readonly voided: Set<EntryId>;
  readonly revived: Set<EntryId>;
  readonly because: Set<EntryId>;
}

export class PermissionEvents {
  readonly #source: PermissionSource;
  readonly #clock: Clock;
  readonly #post: (event: WorkerEvent) => void;
  readonly #permissions = new Map<DatabaseId, Gathered>();
  readonly #requests = new Set<DatabaseId>();
  #isGathering = false;

  constructor(source: PermissionSource, clock: Clock, post: (event: WorkerEvent) => void) {
    this.#source = source;
    this.#clock = clock;
    this.#post = post;
  }

  /** Who may do what is different now, or what counts. */
  permissionsChanged(database: DatabaseId, { voided, revived, because }: Recounted): void {
    const gathered = this.#permissions.get(database) ?? { voided: new Set(), revived: new Set(), because: new Set() };
    this.#permissions.set(database, gathered);
    move(voided, gathered.revived, gathered.voided);
    move(revived, gathered.voided, gathered.revived);
    for (const id of because) addWithin(gathered.because, id);
    this.#gather();
  }

  requestsChanged(database: DatabaseId): void {
    this.#requests.add(database);
    this.#gather();
  }

  #gather(): void {
    if (this.#isGathering) return;
    this.#isGathering = true;
    this.#clock.after(everyMs, () => this.#flush());
  }

  #flush(): void {
    this.#isGathering = false;
    const permissions = [...this.#permissions];
    const requests = [...this.#requests];
    this.#permissions.clear();
    this.#requests.clear();
    for (const [database, { voided, revived, because }] of permissions) {
      const members = this.#source.members(database);
      if (members === undefined) continue;
      const ids = { voided: [...voided], revived: [...revived], because: [...because] };
      this.#post({ type: "permissions", database, members, ...ids });
    }
    for (const database of requests) {
      const all = this.#source.requests(database);
      if (all !== undefined) this.#post({ type: "requests", database, requests: all });
    }
  }
}

/** What is undone before it was told is not told. */
function move(ids: readonly EntryId[], from: Set<EntryId>, to: Set<EntryId>): void {
  for (const id of ids) if (!from.delete(id)) addWithin(to, id);
}

function addWithin(ids: Set<EntryId>, id: EntryId): void {
  if (ids.size < changedEntriesMax) ids.add(id);
}
