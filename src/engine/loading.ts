/** Opening a database from storage: the graph from its index, the state from checkpoints and the few entries after them. */
import { success, TidemarkError } from "../core/errors.ts";
import type { DatabaseId, EntryId } from "../core/ids.ts";
import type { LogIndex } from "../core/log-index.ts";
import { Replica } from "../core/replica.ts";
import type { SettingsOp } from "../core/store/settings.ts";
import type { LoadedDatabase } from "../ports/storage.ts";
import { Checkpoints } from "./checkpoints.ts";
import { Encryption } from "./encryption.ts";
import { agreeingParts, decodeParts, foldRange, restoreParts, unwrapStored } from "./folding.ts";
import { isCorrupt, scanLog } from "./log-scan.ts";
import type { EnginePorts } from "./ports.ts";
import { decodeStored } from "./reading.ts";

export interface Loaded {
  readonly replica: Replica;
  readonly checkpoints: Checkpoints;
  readonly encryption: Encryption;
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
    const log = { ...ports, database: record.id, at: (position: number) => index.at(position) };
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
  const settings = await readSettings(ports, record.id, index);
  unwrapStored(
    replica.restore(index, replica.state, (id) => success(settings.get(id) ?? [])),
    "settings",
  );
  const { graph } = replica;
  const encryption = new Encryption(ports, replica, record);
  const log = { storage: ports.storage, sha256: ports.sha256, database: record.id, graph, encryption };
  const possible = (checkpoints.at(-1)?.through ?? 0) <= index.length ? checkpoints : [];
  const readable = await encryption.openParts(possible);
  const agreeing = agreeingParts(readable, graph);
  const { parts, ...target } = restoreParts(agreeing, replica.context);
  const { unread } = await foldRange(log, target, parts.at(-1)?.through ?? 0, index.length, mayLack);
  replica.adoptState(target.state);
  encryption.unopened = target.unopened;
  const isSpoilt = readable.length < checkpoints.length || parts.length < agreeing.length;
  if (isSpoilt && unread.length === 0) await ports.storage.deleteCheckpoints(record.id);
  return { replica, checkpoints: new Checkpoints(parts, target.state, checkpoints.at(-1)?.number), encryption, unread };
}

async function readSettings(
  ports: EnginePorts,
  database: DatabaseId,
  index: LogIndex,
): Promise<Map<EntryId, readonly SettingsOp[]>> {
  const settings = new Map<EntryId, readonly SettingsOp[]>();
  for (const position of index.settingsPositions()) {
    const entry = index.at(position);
    const [bytes] = await ports.storage.read(database, position, position + 1);
    if (bytes === undefined) throw new TidemarkError("STORAGE_CORRUPT", { where: `no entry ${entry.id}` });
    for (const part of decodeParts(decodeStored(ports, bytes, entry).stores, entry.id))
      if (part.type === "settings") settings.set(entry.id, part.payload);
  }
  return settings;
}
