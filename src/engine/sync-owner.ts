/** What sync needs of the instance, and tells it. */
import type { TidemarkError } from "../core/errors.ts";
import type { DatabaseId } from "../core/ids.ts";
import type { Knock } from "../core/protocol/knock.ts";
import type { Replica } from "../core/replica.ts";
import type { RelayStatus } from "../ports/transport.ts";
import type { OpenDatabase } from "./database.ts";
import type { Path } from "./path.ts";
import type { JoinAnswer, ReceiveProgress } from "./path-owner.ts";
import type { SyncListener } from "./sync-control.ts";

export interface SyncOwner extends SyncListener {
  readonly replicas: ReadonlyMap<DatabaseId, Replica>;
  database(id: DatabaseId): OpenDatabase | undefined;
  databases(): Iterable<OpenDatabase>;
  /** What became of our own wish to be let in. */
  answered(path: Path, database: DatabaseId, answer: JoinAnswer): void;
  /** A peer asks to be let in. */
  knocked(path: Path, database: DatabaseId, knock: Knock): void;
  /** With whom the database is synced may be different now. */
  sharingChanged(database: DatabaseId): void;
  /** A session with a peer begins. */
  met(path: Path): void;
  /** What could not be done may be possible now. */
  woke(): void;
  /** Everything that a peer had is durable here. */
  caughtUp(database: DatabaseId): void;
  progressed(database: DatabaseId, progress: ReceiveProgress): void;
  statusChanged(database: DatabaseId): void;
  relayChanged(status: RelayStatus): void;
  reported(error: TidemarkError, database: DatabaseId | undefined): void;
}
