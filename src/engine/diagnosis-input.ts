/** Collects what a diagnosis is made from. */
import { aheadMs } from "../core/clock.ts";
import type { PublicKey } from "../core/ids.ts";
import { permissionName } from "../core/store/power.ts";
import type { Clock } from "../ports/clock.ts";
import type { OpenDatabase } from "./database.ts";
import {
  type DiagnosedDatabase,
  type DiagnosedPeer,
  type DiagnosedRelation,
  type Diagnosis,
  diagnose,
} from "./diagnosis.ts";
import { currentError } from "./peer-book.ts";
import type { PeerRecord, RelationRecord } from "./records.ts";
import { isShared } from "./status-input.ts";
import type { Sync } from "./sync.ts";
import { isSynced } from "./sync-switch.ts";

/** Of one peer, or of all. */
export function diagnoseSync(
  sync: Sync,
  databases: Iterable<OpenDatabase>,
  clock: Clock,
  peer: PublicKey | undefined,
): Diagnosis {
  const open = [...databases];
  const errors = open.flatMap(({ id }) => sync.problems.storageError(id) ?? []);
  return diagnose({
    storageError: errors.find(({ code }) => code === "STORAGE_QUOTA") ?? errors[0],
    isOnline: sync.peers.online,
    transports: sync.transports.all(),
    relays: sync.transports.relays(),
    peers: sync.registry
      .peers()
      .filter(({ key }) => key === (peer ?? key))
      .map((record) => diagnosedPeer(record, sync)),
    databases: open.map((database) => diagnosedDatabase(database, sync, clock, peer)),
  });
}

function diagnosedPeer(record: PeerRecord, { peers }: Sync): DiagnosedPeer {
  const { key, name, state } = record;
  const lastError = currentError(record);
  return { key, name, state, connection: peers.connectionOf(key), lastError };
}

function diagnosedDatabase(
  database: OpenDatabase,
  sync: Sync,
  clock: Clock,
  peer: PublicKey | undefined,
): DiagnosedDatabase {
  const { id, record, replica, permission } = database;
  const { earlyCount, latest } = replica.pending;
  const cancelled = sync.jobs.cancelled(id).filter((job) => job.peer === (peer ?? job.peer));
  const relations = sync.registry.relations(peer === undefined ? { database: id } : { database: id, peer });
  return {
    id,
    name: record.name,
    isReady: record.ticket === undefined,
    permission,
    refused: record.refused,
    unreachable: sync.hints.unreachable(id),
    isEnabled: sync.preferences.combined(id).enabled && isSynced(record),
    heldBack: { entries: earlyCount, aheadMs: latest === undefined ? 0 : aheadMs(latest, clock.now()) },
    sealed: { entries: database.encryption.unopened.count, isKeyKnown: isSealingKeyKnown(database) },
    pending: sync.holdings.pending(id),
    jobs: [...sync.jobs.live(id), ...cancelled],
    relations: relations.map((relation) => diagnosedRelation(database, relation, sync, clock)),
  };
}

function isSealingKeyKnown({ replica, identity }: OpenDatabase): boolean {
  const member = replica.settings.members().find(({ key }) => key === identity.publicKey);
  return member?.sealKey !== undefined;
}

function diagnosedRelation(
  { id, replica }: OpenDatabase,
  { peer, state }: RelationRecord,
  sync: Sync,
  clock: Clock,
): DiagnosedRelation {
  const path = sync.peers.carrier(peer);
  const lane = path?.session?.lane(id);
  return {
    peer,
    isOff: state === "off",
    permission: permissionName(replica.authority.power(path?.session?.keyOf(id) ?? peer)),
    isShared: path === undefined ? undefined : isShared(path, id, clock),
    queue: { entries: lane?.unconfirmed ?? 0, bytes: lane?.unconfirmedBytes ?? 0 },
    stalledMs: sync.reports.silentMs(peer),
  };
}
