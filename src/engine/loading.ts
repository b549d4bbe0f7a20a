/** Opening a database from storage: the graph from its index, the state from checkpoints and the few entries after them. */
import { type Result, success, TidemarkError, toError } from "../core/errors.ts";
import type { DatabaseId, EntryId } from "../core/ids.ts";
import { Replica } from "../core/replica.ts";
import { type DecodedPart, decodePart } from "../core/store/kinds.ts";
import type { SettingsOp } from "../core/store/settings.ts";
import { DatabaseState } from "../core/store/state.ts";
import type { CheckpointPart, EntryIndex, LoadedDatabase } from "../ports/storage.ts";
import { Checkpoints } from "./checkpoints.ts";
import { isCorrupt, scanLog } from "./log-scan.ts";
import type { EnginePorts } from "./ports.ts";
import { decodeStored } from "./reading.ts";

/** Entries read at a time: a history without checkpoints must not be in memory as a whole. */
const foldedAtOnce = 1_000;

export interface Loaded {
  readonly replica: Replica;
  readonly checkpoints: Checkpoints;
  /** Positions of entries whose bytes are gone and whose effects the state lacks; no checkpoint may be taken of it. */
  readonly unread: readonly number[];
}

/** The same, after what could not be read was saved from beside the damage. */
export interface Opened extends Loaded {
  /** How many entries were. */
  readonly salvaged: number;
}

/**
 * Loads, and when entries cannot be read goes through the log and tries once more, without what is gone for good. Nothing is deleted before
 * all is read. Fails with STORAGE_CORRUPT when settings are damaged themselves: without them nobody could be judged.
 */
export async function openReplica(
  ports: EnginePorts,
  loaded: LoadedDatabase,
  isWanted: () => boolean,
): Promise<Opened> {
  try {
    return { ...(await loadReplica(ports, loaded)), salvaged: 0 };
  } catch (error) {
    if (!isCorrupt(error)) throw error;
    const { record, index } = loaded;
    const log = { ...ports, database: record.id, at: (position: number) => index[position] as EntryIndex };
    const { salvaged } = await scanLog(log, 0, index.length, isWanted);
    return { ...(await loadReplica(ports, loaded, true)), salvaged };
  }
}

/** Fails with STORAGE_CORRUPT when what is stored cannot have been written by us; `mayLack`: not for the bytes of entries that write no settings. */
export async function loadReplica(
  ports: EnginePorts,
  { record, index, checkpoints }: LoadedDatabase,
  mayLack = false,
): Promise<Loaded> {
  const replica = new Replica(record.id, ports.sha256);
  const restored = restoreState(checkpoints, index.length);
  // The entries are the truth and parts only save time: when they cannot be used all is folded anew.
  const parts = restored === undefined ? [] : checkpoints;
  const state = restored ?? new DatabaseState();
  const tail: Tail = { database: record.id, index, from: parts.at(-1)?.through ?? 0 };
  const unread = await foldTail(ports, tail, state, mayLack);
  const settings = await readSettings(ports, record.id, index);
  unwrapStored(
    replica.restore(index, state, (id) => success(settings.get(id) ?? [])),
    "settings",
  );
  if (restored === undefined && unread.length === 0) await ports.storage.deleteCheckpoints(record.id);
  return { replica, checkpoints: new Checkpoints(parts, state), unread };
}

/** Undefined when a part is damaged, or was written by a version that knew fewer kinds of store: it spoils the rest. */
function restoreState(parts: readonly CheckpointPart[], entries: number): DatabaseState | undefined {
  const state = new DatabaseState();
  const isWhole = (parts.at(-1)?.through ?? 0) <= entries && parts.every((part) => state.restore(part).ok);
  return isWhole ? state : undefined;
}

interface Tail {
  readonly database: DatabaseId;
  readonly index: readonly EntryIndex[];
  /** Position of the first entry that no checkpoint holds. */
  readonly from: number;
}

/** Answers the positions that could not be folded, if it may lack any. */
async function foldTail(
  ports: EnginePorts,
  { database, index, from }: Tail,
  state: DatabaseState,
  mayLack: boolean,
): Promise<readonly number[]> {
  const unread: number[] = [];
  // One by one where some may be gone: merging in any order gives the same.
  const step = mayLack ? 1 : foldedAtOnce;
  for (let next = from; next < index.length; next += step) {
    try {
      const bytes = await ports.storage.read(database, next, Math.min(next + step, index.length));
      for (const [i, each] of bytes.entries()) {
        const { id, time } = index[next + i] as EntryIndex;
        state.merge(partsOf(ports, each, id), { time, id });
      }
    } catch (error) {
      if (!mayLack || !isCorrupt(error)) throw error;
      unread.push(next);
    }
  }
  return unread;
}

async function readSettings(
  ports: EnginePorts,
  database: DatabaseId,
  index: readonly EntryIndex[],
): Promise<Map<EntryId, readonly SettingsOp[]>> {
  const settings = new Map<EntryId, readonly SettingsOp[]>();
  for (const [position, entry] of index.entries()) {
    if (!entry.settings) continue;
    const [bytes] = await ports.storage.read(database, position, position + 1);
    if (bytes === undefined) throw new TidemarkError("STORAGE_CORRUPT", { where: `no entry ${entry.id}` });
    for (const part of partsOf(ports, bytes, entry.id))
      if (part.type === "settings") settings.set(entry.id, part.payload);
  }
  return settings;
}

function partsOf(ports: EnginePorts, bytes: Uint8Array, id: EntryId): readonly DecodedPart[] {
  return decodeStored(ports, bytes, { id }).stores.map((part) => unwrapStored(decodePart(part), `entry ${id}`));
}

function unwrapStored<T>(result: Result<T>, where: string): T {
  if (result.ok) return result.value;
  throw new TidemarkError(
    "STORAGE_CORRUPT",
    { where: `${where}: ${result.failure.code}` },
    { cause: toError(result.failure) },
  );
}
