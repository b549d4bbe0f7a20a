/**
 * Opening what the disk has damaged so that not everything can stay where it was.
 *
 * [STORAGE-28] A database opens with what can be judged of it: all up to the first place where nothing says what was stored, or where a settings
 *              entry is damaged that others are judged by, and of the rest whatever is judged well. What waits for something that is gone is
 *              kept until it came from a peer.
 *
 * Entries say themselves what they follow, and their ids are hashes: judged like a peer's they need no trust in the disk.
 */

import { vouchOwn } from "../core/chain.ts";
import { decodeEntry, type Entry } from "../core/entry.ts";
import type { EntryIndex } from "../core/graph.ts";
import type { DatabaseId } from "../core/ids.ts";
import { decodeParts } from "../core/judgement.ts";
import { indexOf } from "../core/trial.ts";
import type { LoadedDatabase, RepairedLog } from "../ports/storage.ts";
import type { OpenDatabase } from "./database.ts";
import { type Opened, openReplica } from "./loading.ts";
import { isCorrupt } from "./log-scan.ts";
import type { EnginePorts } from "./ports.ts";
import { beginReading, type Reading } from "./read-ahead.ts";
import { decodeStored } from "./reading.ts";
import { Vouching } from "./vouching.ts";

export interface StoredDatabase {
  readonly loaded: LoadedDatabase;
  readonly opened: Opened;
  /** What it took. Its `end` is where the log ends now, when it does not end where it did. */
  readonly repaired: RepairedLog;
}

/** Whether any of it was found damaged, now or before. */
export function isHarmed({ loaded, repaired }: StoredDatabase): boolean {
  return repaired.end !== undefined || loaded.hasAside === true || (loaded.damage ?? []).length > 0;
}

const unharmed: RepairedLog = { end: undefined, aside: 0, lost: 0 };

/** Undefined without a record. Rejects with a STORAGE_ code when storage cannot be read, or does not let itself be repaired. */
export async function openStored(
  ports: EnginePorts,
  id: DatabaseId,
  isWanted: () => boolean,
  reading: Reading = beginReading(ports.storage, id),
): Promise<StoredDatabase | undefined> {
  let repaired = unharmed;
  const vouching = new Vouching(ports, id);
  const repair = async (from?: number): Promise<void> => {
    repaired = together(repaired, await ports.storage.repair(id, (bytes) => indexIn(ports, bytes), from));
  };
  // Each turn ends the log before what was in the way.
  const load = (first?: Reading): Reading => loadOr(ports, id, first, repair);
  for (let loaded = await load(reading); loaded !== undefined; loaded = await load()) {
    try {
      const opened = await openReplica(ports, loaded, isWanted);
      // Its end was lost now, or before, and what was put aside has not been judged.
      const end = loaded.hasAside ? await vouching.end(loaded.index) : loaded.index.length;
      if (end === loaded.index.length) return { loaded, opened, repaired };
      await repair(end);
    } catch (error) {
      const at = isCorrupt(error) ? await firstUnreadSettings(ports, loaded) : undefined;
      if (at === undefined) throw error;
      await repair(at);
    }
  }
  return undefined;
}

async function loadOr(
  { storage }: EnginePorts,
  id: DatabaseId,
  reading: Reading | undefined,
  repair: () => Promise<void>,
): Reading {
  try {
    return await (reading ?? storage.load(id));
  } catch (error) {
    if (!isCorrupt(error)) throw error;
    await repair();
    return await storage.load(id);
  }
}

function together(one: RepairedLog, other: RepairedLog): RepairedLog {
  return { end: other.end ?? one.end, aside: one.aside + other.aside, lost: one.lost + other.lost };
}

function indexIn({ sha256 }: EnginePorts, bytes: Uint8Array): EntryIndex | undefined {
  const entry = decodeEntry(bytes, sha256);
  if (!entry.ok) return undefined;
  const parts = decodeParts(entry.value);
  return parts.ok ? indexOf(vouchOwn(entry.value), parts.value) : undefined;
}

async function firstUnreadSettings(ports: EnginePorts, { record, index }: LoadedDatabase): Promise<number | undefined> {
  for (const position of index.settingsPositions()) {
    try {
      const [bytes] = await ports.storage.read(record.id, position, position + 1);
      decodeStored(ports, bytes ?? new Uint8Array(), index.at(position));
    } catch (error) {
      if (!isCorrupt(error)) throw error;
      return position;
    }
  }
  return undefined;
}

/** What is in memory at a time. */
const entriesAtOnce = 1_000;

/**
 * Judges what was put aside. True when some of it still waits for what is gone. With `isKept` all of it stays, and tells whoever opens the log
 * next that its end was lost. Rejects when storage takes nothing.
 */
export async function judgeAside(
  { storage, sha256 }: EnginePorts,
  database: OpenDatabase,
  isKept: boolean,
): Promise<boolean> {
  const { id, replica } = database;
  let isWaiting = false;
  for (let lot = await storage.nextAside(id, 0); lot !== undefined; lot = await storage.nextAside(id, lot.number)) {
    const entries = lot.entries.flatMap((bytes): readonly Entry[] => {
      const entry = decodeEntry(bytes, sha256);
      return entry.ok ? [entry.value] : [];
    });
    for (let from = 0; from < entries.length; from += entriesAtOnce)
      await (await database.receive(entries.slice(from, from + entriesAtOnce))).durable;
    // What nothing keeps from being taken, and was not, is not as it was written.
    if (replica.pending.size > 0 && entries.some((entry) => !replica.graph.has(entry.id))) isWaiting = true;
    else if (!isKept) await storage.deleteAside(id, lot.number);
  }
  return isWaiting;
}
