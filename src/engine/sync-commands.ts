/** What each command does. Commands decide nothing: they name what peers, relations, jobs and transports are to do. */
import { TidemarkError } from "../core/errors.ts";
import type { Node } from "../core/graph.ts";
import type { DatabaseId, EntryId, PublicKey } from "../core/ids.ts";
import type { Clock } from "../ports/clock.ts";
import type { CommandHandlers, SyncCommands } from "./commands.ts";
import type { OpenDatabase } from "./database.ts";
import { diagnoseSync } from "./diagnosis-input.ts";
import type { Path } from "./path.ts";
import { assertActive, refusalOf } from "./peer-access.ts";
import type { RelationRecord } from "./records.ts";
import { unsettledLanes } from "./settling.ts";
import { answerMs } from "./status-input.ts";
import type { Sync } from "./sync.ts";
import type { PeerInfo, RelationInfo } from "./sync-info.ts";
import type { SyncOwner } from "./sync-owner.ts";

export function commandHandlers(sync: Sync, owner: SyncOwner, clock: Clock): CommandHandlers {
  return {
    ...peerCommands(sync, owner, clock),
    ...relationCommands(sync, owner),
    ...transportCommands(sync),
    ...exchangeCommands(sync, owner, clock),
    ...preferenceCommands(sync, owner),
    ...jobCommands(sync, owner),
    ...watchingCommands(sync, owner, clock),
  };
}

type Handlers<Name extends keyof CommandHandlers> = Pick<CommandHandlers, Name>;

function peerCommands(
  sync: Sync,
  owner: SyncOwner,
  clock: Clock,
): Handlers<"addPeer" | "updatePeer" | "removePeer" | "peers"> {
  const { registry, peers } = sync;
  return {
    addPeer: ({ peer, ...given }) => {
      registry.add(peer, given);
      peers.changed(peer);
      return peers.info(peer);
    },
    updatePeer: ({ peer, ...given }) => {
      const before = registry.peer(peer)?.state;
      const { state } = registry.update(peer, given);
      const refusal = refusalOf(registry, peer);
      if (state !== before || given.addresses !== undefined) peers.changed(peer);
      // Those that are met in rooms are not dialled.
      if (state === "active" && state !== before) sync.transports.retry();
      if (refusal !== undefined && state !== before) sync.jobs.fail({ peer }, { code: refusal, atMs: clock.now() });
      for (const { id } of owner.databases()) owner.statusChanged(id);
      return peers.info(peer);
    },
    removePeer: ({ peer }) => {
      assertKnown(sync, peer);
      // First, or its session would make it known again.
      peers.disconnect(peer);
      sync.jobs.forget({ peer });
      registry.remove(peer);
      for (const { id } of owner.databases()) owner.statusChanged(id);
      return undefined;
    },
    peers: (): readonly PeerInfo[] => registry.peers().map(({ key }) => peers.info(key)),
  };
}

function relationCommands(sync: Sync, owner: SyncOwner): Handlers<"addRelation" | "removeRelation" | "relations"> {
  const { registry } = sync;
  return {
    addRelation: ({ peer, database }) => {
      existing(owner, database);
      registry.relate(peer, database);
      sync.peers.changed(peer);
      sync.sharing.changed(database);
      return undefined;
    },
    removeRelation: ({ peer, database }) => {
      existing(owner, database);
      registry.unrelate(peer, database);
      sync.jobs.forget({ peer, database });
      sync.sharing.changed(database);
      return undefined;
    },
    relations: (of): readonly RelationInfo[] =>
      registry.relations(of).map((relation) => ({ ...relation, isSynced: isSynced(owner, relation) })),
  };
}

function isSynced(owner: SyncOwner, { database, state, heldThrough }: RelationRecord): boolean {
  const replica = owner.database(database)?.replica;
  return replica !== undefined && state === "on" && heldThrough > 0 && heldThrough >= replica.stored;
}

type TransportCommand =
  | "startListening"
  | "stopListening"
  | "addTransport"
  | "removeTransport"
  | "startTransport"
  | "stopTransport"
  | "transports"
  | "transportAddresses";

function transportCommands({ transports }: Sync): Handlers<TransportCommand> {
  return {
    startListening: ({ transport }) => transports.accept(true, transport),
    stopListening: ({ transport }) => {
      transports.accept(false, transport);
      return undefined;
    },
    addTransport: ({ name, type, config }) => transports.add(name, type, config),
    removeTransport: async ({ name }) => {
      await transports.remove(name);
      return undefined;
    },
    startTransport: ({ name }) => transports.start(name),
    stopTransport: ({ name }) => transports.stop(name),
    transports: () => transports.all(),
    transportAddresses: ({ name }) => transports.addresses(name),
  };
}

type ExchangeCommand =
  | "sendEntries"
  | "queueEntry"
  | "connect"
  | "disconnect"
  | "syncWithPeer"
  | "flush"
  | "whenSafe"
  | "whenSynced"
  | "history"
  | "wake";

function exchangeCommands(sync: Sync, owner: SyncOwner, clock: Clock): Handlers<ExchangeCommand> {
  const { peers, agreements, holdings } = sync;
  return {
    sendEntries: ({ database, peer, ids }) => {
      const nodes = nodesOf(existing(owner, database), ids);
      connected(sync, peer).step({ type: "queued", database, nodes, first: true });
      return undefined;
    },
    queueEntry: ({ database, peer, id }) => {
      const nodes = nodesOf(existing(owner, database), [id]);
      // Nothing has to be kept for one that is away: the log is its queue, and comparing finds what it has not confirmed.
      assertKnown(sync, peer);
      peers.carrier(peer)?.step({ type: "queued", database, nodes, first: false });
      return undefined;
    },
    connect: async (target, signal) => peers.info(await peers.connect(target, signal)),
    disconnect: ({ peer }) => {
      assertKnown(sync, peer);
      peers.disconnect(peer);
      return undefined;
    },
    syncWithPeer: async ({ peer, database }, signal) => {
      if (database !== undefined) existing(owner, database);
      if (peer !== undefined) connected(sync, peer);
      await allDurable(owner);
      const paths = peer === undefined ? peers.all() : [connected(sync, peer)];
      const waits = paths.flatMap((path) =>
        compare(sync, owner, path, { database, signal, clock, isOne: peer !== undefined }),
      );
      await Promise.all(waits);
      return undefined;
    },
    flush: async (_, signal) => {
      // First, or what is on its way to the disk would not be in any queue.
      await allDurable(owner);
      for (const { id } of owner.databases()) sync.peers.stepAll({ type: "flush", database: id });
      await sync.settling.all(unsettledLanes(peers.all(), [...owner.databases()]), signal);
      await sync.store.flush();
      return undefined;
    },
    whenSafe: async ({ database, copies }, signal) => {
      const { replica } = existing(owner, database);
      await holdings.whenSafe(database, replica.graph.size, copies, signal);
      return undefined;
    },
    whenSynced: async ({ database, peer }, signal) => {
      const open = existing(owner, database);
      await open.durable();
      const next = agreements.next(peer, database, open.replica.stored, signal);
      peers.carrier(peer)?.step({ type: "resumed", database });
      await next;
      return undefined;
    },
    history: (of) => sync.registry.history.rows(of),
    wake: () => {
      sync.wake();
      return undefined;
    },
  };
}

interface Comparison {
  readonly database: DatabaseId | undefined;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** This peer was named; of all those that there are one that leaves is not waited for. */
  readonly isOne: boolean;
}

/** One wait for each database that is compared with the peer. */
function compare(sync: Sync, owner: SyncOwner, path: Path, comparison: Comparison): readonly Promise<void>[] {
  const { database } = comparison;
  const shared = [...owner.databases()].filter(({ id }) => (database ?? id) === id && mayShare(path, id));
  if (comparison.isOne && database !== undefined && shared.length === 0)
    throw new TidemarkError("DATABASE_UNKNOWN", { database });
  const agreed = shared.map((open) => agreement(sync, path, open, comparison));
  path.step(database === undefined ? { type: "resumed" } : { type: "resumed", database });
  return agreed;
}

/** Whether it is spoken of, or could be as soon as the peer has said that it has it. */
function mayShare({ session }: Path, id: DatabaseId): boolean {
  return session !== undefined && (session.lane(id) !== undefined || session.isReadable(id));
}

/** Until both hold what is durable here now. A peer that says nothing of the database in good time does not have it. */
async function agreement(
  { agreements }: Sync,
  { key, session }: Path,
  { id, replica }: OpenDatabase,
  { database, signal, clock, isOne }: Comparison,
): Promise<void> {
  const ending = new AbortController();
  const end = (): void => ending.abort();
  signal.addEventListener("abort", end);
  const cancel = clock.after(answerMs, () => {
    if ((session?.lane(id)?.phase ?? "idle") === "idle") end();
  });
  try {
    await agreements.next(key as PublicKey, id, replica.stored, ending.signal, !isOne);
  } catch (error) {
    if (signal.aborted || !ending.signal.aborted) throw error;
    if (isOne && database !== undefined) throw new TidemarkError("DATABASE_UNKNOWN", { database });
  } finally {
    signal.removeEventListener("abort", end);
    cancel();
  }
}

async function allDurable(owner: SyncOwner): Promise<void> {
  await Promise.all([...owner.databases()].map((database) => database.durable()));
}

type PreferenceCommand = "setPreferences" | "removePreferences" | "preferences" | "settings" | "changeSettings";

function preferenceCommands(sync: Sync, owner: SyncOwner): Handlers<PreferenceCommand> {
  const { preferences } = sync;
  return {
    setPreferences: (given) => {
      existing(owner, given.database);
      preferences.set(given);
      sync.sharing.changed(given.database);
      return undefined;
    },
    removePreferences: ({ database, user }) => {
      existing(owner, database);
      preferences.remove(database, user);
      sync.sharing.changed(database);
      return undefined;
    },
    preferences: ({ database }) => {
      existing(owner, database);
      return preferences.combined(database);
    },
    settings: () => sync.settings,
    changeSettings: (changes) => sync.changeSettings(changes),
  };
}

function jobCommands(
  sync: Sync,
  owner: SyncOwner,
): Handlers<"jobs" | "startJob" | "pauseJob" | "resumeJob" | "cancelJob"> {
  const { jobs } = sync;
  return {
    jobs: ({ database }) => jobs.all(database).map((job) => sync.jobInfo(job)),
    startJob: ({ database, peer }) => {
      const { hasRoot } = existing(owner, database);
      if (peer !== undefined) assertActive(sync.registry, peer);
      return sync.jobInfo(jobs.start(database, peer ?? someone(sync, database), hasRoot));
    },
    pauseJob: ({ job }) => sync.jobInfo(jobs.pause(job)),
    resumeJob: ({ job }) => sync.jobInfo(jobs.resume(job)),
    cancelJob: ({ job }) => sync.jobInfo(jobs.cancel(job)),
  };
}

/** Whoever is connected and shares the database, else whoever was synced with last. */
function someone(sync: Sync, database: DatabaseId): PublicKey {
  const here = sync.peers.all().find(({ session }) => session?.lane(database) !== undefined)?.key;
  const isActive = (key: PublicKey): boolean => sync.registry.peer(key)?.state === "active";
  const related = sync.registry.relations({ database }).filter(({ peer, state }) => state === "on" && isActive(peer));
  const last = related.sort((a, b) => (b.lastOkMs ?? 0) - (a.lastOkMs ?? 0))[0]?.peer;
  const peer = here ?? last;
  if (peer === undefined) throw new TidemarkError("PEER_UNKNOWN", { peer: "any" });
  return peer;
}

function watchingCommands(sync: Sync, owner: SyncOwner, clock: Clock): Handlers<"diagnose" | "metrics" | "log"> {
  return {
    diagnose: ({ peer }) => {
      if (peer !== undefined) assertKnown(sync, peer);
      return diagnoseSync(sync, owner.databases(), clock, peer);
    },
    metrics: () => {
      sync.metrics.gauge("peers.connected", sync.peers.all().length);
      sync.metrics.gauge("databases.open", [...owner.databases()].length);
      const queued = sync.peers.all().map(({ session }) => session?.unconfirmed ?? { entries: 0, bytes: 0 });
      sync.metrics.gauge("queue.entries", sumOf(queued.map(({ entries }) => entries)));
      sync.metrics.gauge("queue.bytes", sumOf(queued.map(({ bytes }) => bytes)));
      const pending = [...owner.databases()].map(({ id }) => sync.holdings.pending(id));
      sync.metrics.gauge("pending.entries", sumOf(pending.map(({ entries }) => entries)));
      sync.metrics.gauge("pending.bytes", sumOf(pending.map(({ bytes }) => bytes)));
      return sync.metrics.snapshot();
    },
    log: () => sync.log.events(),
  };
}

// --- Small questions

function existing(owner: SyncOwner, id: DatabaseId): OpenDatabase {
  const database = owner.database(id);
  if (database === undefined) throw new TidemarkError("DATABASE_UNKNOWN", { database: id });
  return database;
}

function assertKnown(sync: Sync, peer: PublicKey): void {
  if (sync.registry.peer(peer) === undefined) throw new TidemarkError("PEER_UNKNOWN", { peer });
}

/** Fails with PEER_UNKNOWN, and with CONNECT_FAILED for one that is not connected. */
function connected(sync: Sync, peer: PublicKey): Path {
  const path = sync.peers.carrier(peer);
  if (path !== undefined) return path;
  assertKnown(sync, peer);
  throw new TidemarkError("CONNECT_FAILED", { address: peer, reason: "the peer is not connected" });
}

function nodesOf({ replica }: OpenDatabase, ids: SyncCommands["sendEntries"]["ids"]): readonly Node[] {
  return ids.map((id) => durable(replica.graph.get(id), replica.stored, id));
}

function durable(node: Node | undefined, stored: number, id: EntryId): Node {
  if (node !== undefined && node.position < stored) return node;
  const expected = "the id of an entry that is durable here";
  throw new TidemarkError("INPUT_INVALID", { field: "entry id", got: id, expected });
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, each) => sum + each, 0);
}
