/** Tidemark: local-first databases in the browser that sync peer to peer. */
export { Database, type SharedPermission } from "./client/database.ts";
export { Instance, type InstanceEvents } from "./client/instance.ts";
export { Kv } from "./client/kv.ts";
export type { Stop } from "./client/listeners.ts";
export { type OpenOptions, open } from "./client/open.ts";
export type { Progress, Sync, SyncEvents } from "./client/sync.ts";
export { Table } from "./client/table.ts";
export type { KvWriter, Row, RowChanges, RowLike, TableWriter, Transaction } from "./client/transaction.ts";
export { type ErrorCode, type ErrorDetails, TidemarkError } from "./core/errors.ts";
export type { PublicKey } from "./core/ids.ts";
export type { Permission } from "./core/store/power.ts";
export type { JsonValue } from "./core/store/values.ts";
export type { DatabaseStatus, PeerStatus } from "./engine/status.ts";
export type { RelayStatus } from "./ports/transport.ts";
export type { StateDigest } from "./worker/api.ts";
