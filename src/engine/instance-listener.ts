/** What an instance tells whoever runs it. */
import type { TidemarkError } from "../core/errors.ts";
import type { DatabaseId } from "../core/ids.ts";
import type { StoreChange } from "../core/store/state.ts";
import type { RelayStatus } from "../ports/transport.ts";
import type { Recounted } from "./permissions-info.ts";
import type { StorageHealth } from "./storage-health.ts";
import type { ReceiveProgress, SyncListener } from "./sync-control.ts";

/** Told of everything that the page may want to show. Never throws. */
export interface InstanceListener extends SyncListener {
  changed(database: DatabaseId, changes: readonly StoreChange[]): void;
  /** What `status` would say is different now. */
  statusChanged(database: DatabaseId): void;
  progressed(database: DatabaseId, progress: ReceiveProgress): void;
  relayChanged(status: RelayStatus): void;
  /** Who may do what is different now, or what counts: then what is read is right by now. */
  permissionsChanged(database: DatabaseId, recounted: Recounted): void;
  /** What `requests` answers is different now. */
  requestsChanged(database: DatabaseId): void;
  /** Something went wrong that no call is waiting for. */
  reported(error: TidemarkError, database: DatabaseId | undefined): void;
  /** All that was read before may differ: storage failed and the database was loaded anew, or what entries wrote is void or counts again. */
  reloaded(database: DatabaseId): void;
  /** What `storageHealth` answers is different now. */
  storageChanged(health: StorageHealth): void;
}
