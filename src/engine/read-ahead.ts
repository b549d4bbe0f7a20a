/**
 * Reading what storage has of a database before it is known what becomes of it: the disk is at work meanwhile.
 *
 * A reading is begun before anybody waits for it, so one that fails fails for whoever waits later, and for nobody else.
 *
 * Deliberately not here: what becomes of what was read (rebuilding.ts), and in which order (opening.ts).
 */
import type { DatabaseId } from "../core/ids.ts";
import type { DatabaseRecord, LoadedDatabase } from "../ports/storage.ts";
import type { EnginePorts } from "./ports.ts";

/** What storage has of a database, as it is being read. */
export type Reading = Promise<LoadedDatabase | undefined>;

/** For `openStored`, which says what went wrong. */
export function beginReading(storage: EnginePorts["storage"], id: DatabaseId): Reading {
  const reading = storage.load(id);
  reading.catch(() => {});
  return reading;
}

/** What an instance opens first. */
export interface FirstReading {
  readonly records: readonly DatabaseRecord[];
  /** Of the first of them. */
  readonly reading: Reading | undefined;
}

/** Begins to read what an instance opens, for `Instance.open`, which says what went wrong. */
export function readAhead(storage: EnginePorts["storage"]): Promise<FirstReading> {
  const ahead = storage.databases().then((records) => {
    const [first] = records;
    return { records, reading: first && beginReading(storage, first.id) };
  });
  ahead.catch(() => {});
  return ahead;
}
