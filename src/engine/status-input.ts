/** Collects what the status of a database is made from. */
import { aheadMs } from "../core/clock.ts";
import type { DatabaseId } from "../core/ids.ts";
import type { Replica } from "../core/replica.ts";
import type { Clock } from "../ports/clock.ts";
import { type BlockInput, type BlockPeer, blockedBy, type JoinReply } from "./blocked-by.ts";
import type { OpenDatabase } from "./database.ts";
import type { Path } from "./path.ts";
import { currentError } from "./peer-book.ts";
import type { Access } from "./permissions-info.ts";
import { type DatabaseStatus, databaseStatus, type PeerLane } from "./status.ts";
import type { Sync } from "./sync.ts";
import { isSynced } from "./sync-switch.ts";

/** How this device stands to databases, and what came of asking to be let in. */
export interface Standing {
  access(database: OpenDatabase): Access;
  reply(database: OpenDatabase): JoinReply | undefined;
}

export function statusOf(database: OpenDatabase, standing: Standing, sync: Sync, clock: Clock): DatabaseStatus {
  const { id, record, replica } = database;
  return databaseStatus({
    name: record.name,
    access: standing.access(database),
    ...countsOf(replica),
    encrypted: database.encryption.isOn,
    sealedEntries: database.encryption.unopened.count,
    pending: sync.holdings.pending(id),
    heldBy: sync.holdings.heldBy(id),
    jobs: sync.jobs.live(id).map((job) => sync.jobInfo(job)),
    relays: sync.transports.relays(),
    relations: sync.registry.relations({ database: id }),
    agreedMs: sync.reports.agreedMs(id),
    lanes: lanesOf(id, sync),
    block: { ...blockInput(database, sync, clock), reply: standing.reply(database) },
  });
}

/** Whoever is there of those that have the database keeps it from this device: its key may have been taken out meanwhile. */
export function isRefused(database: OpenDatabase, sync: Sync, clock: Clock): boolean {
  return blockedBy(blockInput(database, sync, clock)).some(({ type }) => type === "refused");
}

/** Void entries are kept, and are nothing to the app. */
function countsOf({ graph, stored }: Replica): { readonly entries: number; readonly saved: number } {
  const entries = graph.size - graph.voidCount;
  let unsaved = 0;
  for (let position = stored; position < graph.size; position++) if (graph.counts(graph.at(position))) unsaved += 1;
  return { entries, saved: entries - unsaved };
}

function lanesOf(database: DatabaseId, { peers }: Sync): readonly PeerLane[] {
  return peers.all().flatMap(({ key, channel, session }) => {
    const lane = session?.lane(database);
    return key === undefined || lane === undefined ? [] : [{ ...lane, key, path: channel.path }];
  });
}

function blockInput(database: OpenDatabase, sync: Sync, clock: Clock): BlockInput {
  const { id, record, replica } = database;
  const { earlyCount, latest } = replica.pending;
  const running = sync.transports.all().filter(({ type, isRunning }) => isRunning && type !== "webrtc");
  return {
    isOnline: sync.peers.online,
    ways: running.length + sync.rooms.relaysOf(record).length,
    isEnabled: sync.preferences.combined(id).enabled && isSynced(record),
    isReady: record.ticket === undefined,
    permission: database.permission,
    reply: undefined,
    unreachable: sync.hints.unreachable(id),
    storageError: sync.problems.storageError(id),
    heldBack: { entries: earlyCount, aheadMs: latest === undefined ? 0 : aheadMs(latest, clock.now()) },
    peers: blockPeers(id, sync, clock),
  };
}

/** Whoever has the database as far as is known here. */
function blockPeers(id: DatabaseId, { registry, peers, jobs }: Sync, clock: Clock): readonly BlockPeer[] {
  const paused = new Set(jobs.live(id).flatMap(({ state, peer }) => (state === "paused" ? [peer] : [])));
  const cancelled = new Set(jobs.cancelled(id).map(({ peer }) => peer));
  return registry.relations({ database: id }).flatMap(({ peer: key, state }): BlockPeer[] => {
    const record = registry.peer(key);
    if (record === undefined) return [];
    const path = peers.carrier(key);
    return [
      {
        key,
        name: record.name,
        state: record.state,
        isOff: state === "off",
        connection: peers.connectionOf(key),
        isShared: path !== undefined && isShared(path, id, clock),
        isPaused: path?.session?.lane(id)?.isPaused === true || paused.has(key),
        isCancelled: cancelled.has(key),
        lastError: currentError(record),
      },
    ];
  });
}

/** The peer has said something of the database, or may not have had the time to. */
export function isShared({ session, sinceMs }: Path, database: DatabaseId, clock: Clock): boolean {
  const phase = session?.lane(database)?.phase;
  return phase !== undefined && (phase !== "idle" || clock.now() < sinceMs + answerMs);
}

/** Whoever has a database says so within a round trip; this is several of a bad one. A guess. */
export const answerMs = 5_000;
