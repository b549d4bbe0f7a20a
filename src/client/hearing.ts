/** Whom on this page it concerns what the engine tells. */
import type { DatabaseId } from "../core/ids.ts";
import type { ReceiveProgress } from "../engine/sync-control.ts";
import type { JobInfo } from "../engine/sync-info.ts";
import type { BootInfo, WorkerEvent } from "../worker/api.ts";
import { fromErrorData } from "../worker/error-data.ts";
import type { Database } from "./database.ts";
import type { Documents } from "./documents/documents.ts";
import type { InstanceListeners } from "./instance-events.ts";
import type { InstanceSync } from "./instance-sync.ts";
import type { PastViews } from "./past-views.ts";
import { toPermissionsChange } from "./permissions-info.ts";
import type { StorageInfo } from "./storage-info.ts";
import type { Progress } from "./sync.ts";
import { toStatus, withCid } from "./sync-info.ts";
import type { Watched } from "./watched.ts";
import type { Written } from "./written.ts";

export interface Audience {
  readonly databases: ReadonlyMap<DatabaseId, Database>;
  readonly sync: InstanceSync;
  readonly storage: StorageInfo;
  readonly watched: Watched;
  readonly written: Written;
  readonly documents: Documents;
  readonly past: PastViews;
  readonly listeners: InstanceListeners;
  readonly wiped: () => void;
}

export function hear(audience: Audience, event: WorkerEvent): void {
  const { databases, sync, storage, watched, written, documents, past, listeners, wiped } = audience;
  switch (event.type) {
    case "items":
      return watched.take(event);
    case "changes":
      return documents.take(event);
    case "status":
      return databases.get(event.database)?.sync.take("status", toStatus(event.status));
    case "presence":
      return databases.get(event.database)?.presence.take(event);
    case "message":
    case "messagesPeer":
      return sync.hear(event);
    case "permissions":
      return databases.get(event.database)?.permissions.take(toPermissionsChange(event));
    case "requests":
      return databases.get(event.database)?.requests.take(event.requests);
    case "progress":
      return databases.get(event.database)?.sync.take("progress", toProgress(event));
    case "peers":
      return void sync.peers.reread();
    case "job":
      return hearOfJob(audience, event.job);
    case "log":
      return sync.take("log", event.event);
    case "written":
      return void written.take(event);
    case "relay":
      return listeners.emit("relay", event.status);
    case "problem":
      return listeners.report(fromErrorData(event.error));
    case "storage":
      return void storage.take(event.health);
    case "verify":
      return storage.progressed(event.id, { checked: event.checked, total: event.total });
    case "folding":
      return past.progressed(event.view, { entries: event.entries, total: event.total });
    case "wiped":
      return wiped();
    case "tab":
    case "carry":
    case "connections":
      return; // Taken by the link.
  }
}

/** Another leader serves this page: what its events would have told is read anew. */
export function hearAnew({ databases, sync, storage }: Audience, { storage: kind }: BootInfo): void {
  void storage.attached(kind);
  void sync.peers.reread();
  for (const database of databases.values()) {
    void database.sync.reread();
    void database.requests.reread();
  }
}

function hearOfJob({ databases, sync }: Audience, job: JobInfo): void {
  const info = withCid(job);
  databases.get(job.database)?.sync.take("job", info);
  sync.take("job", info);
}

function toProgress({ receivedEntries, totalEntries, receivedBytes, totalBytes }: ReceiveProgress): Progress {
  return { received: receivedEntries, total: totalEntries, receivedBytes, totalBytes };
}
