/** What open databases tell, passed on to whoever it concerns: sync, admissions, permissions, and whoever listens to the instance. */
import { TidemarkError } from "../core/errors.ts";
import type { Node } from "../core/graph.ts";
import type { DatabaseId } from "../core/ids.ts";
import { refusalReportsBurst, refusalReportsPerSecond } from "../core/limits.ts";
import type { Refusal } from "../core/replica.ts";
import type { StoreChange } from "../core/store/state.ts";
import { TokenBucket } from "../core/token-bucket.ts";
import type { Clock } from "../ports/clock.ts";
import type { Admissions } from "./admissions.ts";
import type { OpenDatabase } from "./database.ts";
import type { DatabaseListener, Recount } from "./database-listener.ts";
import { DocFaults } from "./doc-faults.ts";
import type { InstanceListener } from "./instance-listener.ts";
import type { Mending } from "./mending.ts";
import type { Permissions } from "./permissions.ts";
import type { Recounted } from "./permissions-info.ts";
import type { StorageWatch } from "./storage-health.ts";
import type { Sync } from "./sync.ts";

export interface DatabaseReportsParts {
  readonly clock: Clock;
  readonly listener: InstanceListener;
  readonly sync: Sync;
  readonly watch: StorageWatch;
  readonly admissions: Admissions;
  readonly permissions: Permissions;
  readonly mending: Mending;
  readonly failed: (id: DatabaseId, error: unknown) => void;
}

export class DatabaseReports {
  readonly #parts: DatabaseReportsParts;
  readonly #refusalReports: TokenBucket;
  readonly #docFaults: DocFaults;

  constructor(parts: DatabaseReportsParts) {
    this.#parts = parts;
    this.#refusalReports = new TokenBucket(refusalReportsPerSecond, refusalReportsBurst, parts.clock.now());
    this.#docFaults = new DocFaults(parts.clock, (error, id) => parts.sync.problems.report(error, id));
  }

  /** One was taken up: what it holds was there before. */
  opened({ id, replica }: OpenDatabase): void {
    this.#docFaults.adopted(id, replica.state);
  }

  /** `database` is not called before that exists. */
  listenerOf(id: DatabaseId, database: () => OpenDatabase): DatabaseListener {
    const { sync, watch, mending, failed } = this.#parts;
    return {
      changed: (changes) => this.#changed(id, changes),
      announced: (nodes, permissionsChanged) => this.#announced(database(), nodes, permissionsChanged),
      refused: (refusals) => this.#refused(id, refusals),
      missed: (ids) => sync.peers.stepAll({ type: "missed", database: id, ids }),
      recounted: (recount) => this.#recounted(id, recount),
      refolded: (entries) => this.#refolded(database(), entries),
      healing: (event) => mending.reported(id, event),
      notTended: (error) => sync.problems.report(error, id),
      get storageError() {
        return watch.error;
      },
      admit: (bytes) => watch.admit(bytes),
      failed: (error) => failed(id, error),
    };
  }

  #changed(id: DatabaseId, changes: readonly StoreChange[]): void {
    const { listener } = this.#parts;
    listener.changed(id, changes);
    listener.statusChanged(id);
    this.#docFaults.changed(id, changes);
  }

  #announced(database: OpenDatabase, nodes: readonly Node[], permissionsChanged: boolean): void {
    const { sync, admissions, listener, watch, mending } = this.#parts;
    sync.announced(database, nodes, permissionsChanged);
    admissions.changed(database, permissionsChanged);
    listener.statusChanged(database.id);
    void watch.check();
    if (!permissionsChanged) return;
    void mending.rename(database);
    listener.permissionsChanged(database.id, nothingRecounted);
  }

  #recounted(id: DatabaseId, recount: Recount): Promise<void> | undefined {
    const { permissions, sync } = this.#parts;
    permissions.noteRecounted(id, recount);
    return sync.recounted(id, recount);
  }

  #refolded({ id, replica }: OpenDatabase, entries: number): void {
    const { sync, listener, permissions } = this.#parts;
    sync.metrics.count("state.refolds");
    sync.metrics.count("entries.refolded", entries);
    listener.reloaded(id);
    listener.permissionsChanged(id, permissions.takeRecounted(id));
    listener.statusChanged(id);
    this.#docFaults.adopted(id, replica.state);
  }

  #refused(id: DatabaseId, refusals: readonly Refusal[]): void {
    const { permissions, clock, sync } = this.#parts;
    permissions.noteRefused(id, refusals);
    for (const { failure } of refusals.slice(0, reportsMax)) {
      if (!this.#refusalReports.take(1, clock.now())) return;
      sync.problems.report(new TidemarkError(failure.code, failure.details), id);
    }
  }
}

const nothingRecounted: Recounted = { voided: [], revived: [], because: [] };

/** A hostile batch must not flood whoever listens. */
const reportsMax = 10;
