/** What an instance is made of, and what each part is told by the others. */
import type { DatabaseId } from "../core/ids.ts";
import type { SettingsOp } from "../core/store/settings.ts";
import { Admissions } from "./admissions.ts";
import { DatabaseReports } from "./database-reports.ts";
import { Databases } from "./databases.ts";
import { Deletion } from "./deletion.ts";
import { HoldingBack } from "./holding-back.ts";
import type { InstanceListener } from "./instance-listener.ts";
import { Keys } from "./keys.ts";
import { Making } from "./making.ts";
import { Mending } from "./mending.ts";
import { Opening } from "./opening.ts";
import type { Path } from "./path.ts";
import { Permissions } from "./permissions.ts";
import type { EnginePorts } from "./ports.ts";
import { type FirstReading, readAhead } from "./read-ahead.ts";
import { StorageWatch } from "./storage-health.ts";
import { Sync } from "./sync.ts";
import type { SyncOwner } from "./sync-owner.ts";
import { Verification } from "./verify.ts";
import { type WriteId, WriteLedger } from "./writes.ts";

/** What there is before storage has been read. */
interface FirstParts {
  readonly ports: EnginePorts;
  readonly listener: InstanceListener;
  readonly databases: Databases;
  readonly watch: StorageWatch;
}

export class InstanceParts {
  readonly ports: EnginePorts;
  readonly listener: InstanceListener;
  readonly databases: Databases;
  readonly watch: StorageWatch;
  readonly sync: Sync;
  readonly writes: WriteLedger;
  readonly keys: Keys;
  readonly deletion: Deletion;
  readonly admissions: Admissions;
  readonly permissions: Permissions;
  readonly mending: Mending;
  readonly opening: Opening;
  readonly holdingBack: HoldingBack;
  readonly making: Making;
  readonly verification: Verification;

  private constructor(first: FirstParts, sync: Sync, writes: WriteLedger) {
    const { ports, databases, listener } = first;
    this.ports = ports;
    this.listener = listener;
    this.databases = databases;
    this.watch = first.watch;
    this.sync = sync;
    this.writes = writes;
    this.keys = new Keys({ ...ports, records: () => databases.records() });
    this.deletion = this.#createDeletion();
    this.admissions = this.#createAdmissions();
    this.permissions = new Permissions({
      database: (id) => databases.get(id),
      change: (id, op, assertMay, write) => this.#change(id, op, assertMay, write),
    });
    this.mending = this.#createMending();
    this.opening = this.#createOpening();
    this.holdingBack = this.#createHoldingBack();
    this.making = this.#createMaking();
    this.verification = this.#createVerification();
  }

  /** Opens every database that storage holds. One that cannot be read is reported. */
  static async open(
    ports: EnginePorts,
    listener: InstanceListener,
    ahead: Promise<FirstReading> = readAhead(ports.storage),
  ): Promise<InstanceParts> {
    const databases = new Databases({
      ports,
      isGone: (id) => parts.deletion.isGone(id),
      statusChanged: (id) => listener.statusChanged(id),
      report: (error, id) => parts.sync.problems.report(error, id),
    });
    const watch = new StorageWatch({
      clock: ports.clock,
      probe: (bytes) => ports.storage.probe(bytes),
      stopped: () => parts.holdingBack.begin(),
      recovered: () => void parts.holdingBack.end(),
    });
    const first: FirstParts = { ports, listener, databases, watch };
    // What asks the other parts is not called before the instance is online.
    const opening = Sync.open(
      ports,
      syncOwner(first, () => parts),
    );
    // None of them waits for what another one reads.
    const ledger = WriteLedger.open(ports.storage, ports.clock);
    const beginning = Promise.all([opening, ledger, ahead]);
    const [sync, writes, { records, reading }] = await beginning.catch(async (error: unknown) => {
      // Its timers are not to outlive what is never opened.
      await opening.then((opened) => opened.close(false)).catch(() => {});
      throw error;
    });
    const parts: InstanceParts = new InstanceParts(first, sync, writes);
    await parts.opening.loadAll(records, reading);
    return parts;
  }

  #change(id: DatabaseId, op: SettingsOp, assertMay: () => void, write: WriteId | undefined): Promise<void> {
    const database = this.databases.toChange(id);
    const build = (): readonly SettingsOp[] => {
      assertMay();
      return [op];
    };
    return this.writes.once(
      write,
      (mark) => this.admissions.change(database, build, { marks: mark() }),
      () => this.admissions.wroteOps(database, [op]),
    );
  }

  #createDeletion(): Deletion {
    return new Deletion({
      storage: this.ports.storage,
      store: this.sync.store,
      loaded: (id) => this.opening.loaded(id),
      load: (id) => this.opening.loadOrReport(id),
      find: (id) => this.databases.find(id),
      detach: (id, error) => this.opening.detach(id, error),
    });
  }

  #createAdmissions(): Admissions {
    const { databases, listener } = this;
    return new Admissions(this.ports, this.sync, {
      find: (id) => databases.find(id),
      databases: () => databases.all(),
      isGone: (id) => this.deletion.isGone(id),
      putRecord: (record) => databases.putRecord(record),
      requestsChanged: (id) => listener.requestsChanged(id),
      statusChanged: (id) => listener.statusChanged(id),
      reported: (error, id) => this.sync.problems.report(error, id),
    });
  }

  #createMending(): Mending {
    const { ports, sync, admissions, databases } = this;
    return new Mending({
      ...{ ports, sync, admissions },
      find: (id) => databases.find(id),
      putRecord: (record) => databases.putRecord(record),
      reload: (id, error) => this.opening.reload(id, error),
      changed: () => this.holdingBack.changed(),
    });
  }

  #createOpening(): Opening {
    const { ports, listener, databases, sync, watch, admissions, permissions, deletion, mending } = this;
    const reports = new DatabaseReports({
      ...{ listener, sync, watch, admissions, permissions, mending },
      clock: ports.clock,
      failed: (id, error) => void this.opening.failed(id, error),
    });
    return new Opening({
      ...{ ports, databases, sync, watch, admissions, permissions, deletion, mending, reports },
      reloaded: (id) => listener.reloaded(id),
    });
  }

  #createHoldingBack(): HoldingBack {
    const { ports, listener, databases, sync, watch, opening, mending } = this;
    return new HoldingBack({
      ...{ storage: ports.storage, databases, sync, watch, opening, mending },
      changed: (health) => listener.storageChanged(health),
    });
  }

  #createMaking(): Making {
    const { ports, listener, databases, opening, deletion, admissions, sync, watch, keys, writes } = this;
    return new Making({
      ...{ ports, databases, opening, deletion, admissions, sync, watch, keys, writes },
      statusChanged: (id) => listener.statusChanged(id),
    });
  }

  #createVerification(): Verification {
    const { sync, databases } = this;
    return new Verification({
      ...this.ports,
      databases: () => databases.ids(),
      find: (id) => databases.find(id),
      reload: async (id, error) => {
        sync.problems.tell(error, id);
        await this.opening.reload(id, error);
      },
      renewRecords: async () => {
        sync.store.renew();
        await sync.store.flush();
      },
    });
  }
}

function syncOwner({ databases, watch, listener }: FirstParts, parts: () => InstanceParts): SyncOwner {
  return {
    replicas: databases.replicas,
    database: (id) => databases.find(id),
    databases: () => databases.all(),
    answered: (path, id, answer) => parts().admissions.answered(path, id, answer),
    knocked: (path, id, knock) => parts().admissions.knocked(path, id, knock),
    sharingChanged: (id) => parts().admissions.sharingChanged(databases.find(id)),
    met: (path) => meet(path, parts()),
    caughtUp: (id) => {
      parts().mending.caughtUp(id);
      parts().admissions.joins.caughtUp(databases.find(id));
    },
    progressed: (id, progress) => listener.progressed(id, progress),
    statusChanged: (id) => listener.statusChanged(id),
    relayChanged: (status) => listener.relayChanged(status),
    reported: (error, id) => {
      if (error.code === "STORAGE_QUOTA") watch.failed(error);
      listener.reported(error, id);
    },
    woke: () => void watch.check(),
    peersChanged: () => listener.peersChanged(),
    jobChanged: (job) => listener.jobChanged(job),
    logged: (event) => listener.logged(event),
  };
}

/** Whoever comes is shown our tickets, and asked for what the disk lost. */
function meet(path: Path, { admissions, databases }: InstanceParts): void {
  admissions.met(path);
  for (const database of databases.all()) database.healing.ask();
}
