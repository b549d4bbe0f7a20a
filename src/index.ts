/** Tidemark: local-first databases in the browser that sync peer to peer. */
export { Database, type SharedPermission, type ShareOptions } from "./client/database.ts";
export type { Difference } from "./client/difference.ts";
export type { AutomergeOptions } from "./client/documents/automerge.ts";
export {
  Doc,
  type DocChangeOptions,
  type DocEvent,
  type DocOrigin,
  type DocSubscribeOptions,
} from "./client/documents/doc.ts";
export type { DocHistoryChange, DocHistoryOptions, DocHistoryPage } from "./client/documents/doc-history.ts";
export type { DocImportOptions, DocImportProgress } from "./client/documents/doc-import.ts";
export type { DocMark, DocMarkSet, DocPatch, DocPath } from "./client/documents/patches.ts";
export type {
  ExportAllOptions,
  ExportOptions,
  ImportedDatabase,
  ImportOptions,
  ImportReport,
  MissingEntries,
} from "./client/export.ts";
export type { HistoryEntry, HistoryOptions, HistoryPage } from "./client/history.ts";
export { type CreateDatabaseOptions, Instance, type JoinDatabaseOptions } from "./client/instance.ts";
export type { InstanceEvents } from "./client/instance-events.ts";
export type { InstanceSync, InstanceSyncEvents, PeerAndDatabase } from "./client/instance-sync.ts";
export type { Invites } from "./client/invites.ts";
export type { Job, JobEvents } from "./client/job.ts";
export {
  type BackedUpDatabase,
  type Backup,
  formatKey,
  type KeyInfo,
  type Keys,
  parseKey,
  type Restored,
  type RestoredDatabase,
} from "./client/keys.ts";
export { Kv } from "./client/kv.ts";
export type { Waiting } from "./client/line.ts";
export type { Stop } from "./client/listeners.ts";
export type { AppMessage, Messages, MessagesEvents, MessagesPeer } from "./client/messages.ts";
export { type OpenOptions, open } from "./client/open.ts";
export type { ViewOptions } from "./client/past-views.ts";
export type { PeerList, PeerListEvents } from "./client/peer-list.ts";
export type { PeerSync, PeerSyncStatus } from "./client/peer-sync.ts";
export type { Permissions, PermissionsEvents, SettablePermission } from "./client/permissions.ts";
export type {
  EntryExplanation,
  Explanation,
  Grant,
  KeyExplanation,
  PermissionsChange,
  Revival,
} from "./client/permissions-info.ts";
export type { Presence, PresenceMember } from "./client/presence.ts";
export type { Requests, RequestsEvents } from "./client/requests.ts";
export type { StorageInfo, StorageState, StorageStatus, VerifyOptions } from "./client/storage-info.ts";
export type { CombinedPreferences, Preferences, Progress, Sync, SyncEvents } from "./client/sync.ts";
export type { DatabaseStatus, Exchange, JobInfo, RelationInfo, WriteEvent, WrittenEntry } from "./client/sync-info.ts";
export type { SyncChoice } from "./client/sync-settings.ts";
export type { OtherBuild, Tab } from "./client/tab.ts";
export { Table } from "./client/table.ts";
export type { DocWriter, KvWriter, Row, RowChanges, RowLike, TableWriter, Transaction } from "./client/transaction.ts";
export type { TransportList } from "./client/transport-list.ts";
export { View, type ViewKv, type ViewTable } from "./client/view.ts";
export type { WriteListener } from "./client/written.ts";
export { type ErrorCode, type ErrorDetails, TidemarkError } from "./core/errors.ts";
export type { PublicKey } from "./core/ids.ts";
export type { Permission } from "./core/store/power.ts";
export type { StoreListing } from "./core/store/state.ts";
export type { JsonValue } from "./core/store/values.ts";
export type { BlockReason, BlockType } from "./engine/blocked-by.ts";
export type { Diagnosis, Finding } from "./engine/diagnosis.ts";
export type { ContentKind, WrittenStore } from "./engine/entry-history.ts";
export type { LoggedEvent } from "./engine/event-log.ts";
export type { FileProgress } from "./engine/exporting.ts";
export type { HeldBy, PendingAmount } from "./engine/holdings.ts";
export type { LatencySummary, MetricsSnapshot } from "./engine/metrics.ts";
export type { FoldingProgress } from "./engine/past-state.ts";
export type { Access, GrantedBy, InviteInfo, Member, RequestInfo } from "./engine/permissions-info.ts";
export type { AddressRecord, ErrorNote, JobState, PeerState } from "./engine/records.ts";
export type { Preset, SyncSettings } from "./engine/settings.ts";
export type { SettingsChange } from "./engine/settings-words.ts";
export type { PeerStatus } from "./engine/status.ts";
export type { PathInfo, PeerInfo, TransportInfo } from "./engine/sync-info.ts";
export type { VerifyProgress, VerifyReport } from "./engine/verify.ts";
export type { JoinRefusal } from "./ports/storage.ts";
export type { RelayStatus } from "./ports/transport.ts";
export type { StateDigest } from "./worker/api.ts";
