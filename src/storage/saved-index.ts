/**
 * The index of a log as it was after an earlier opening, in one record: opening again reads that, and of the indexes of segments only those that came
 * later, in place of collecting all of them anew.
 *
 * [STORAGE-48] What is opened faster by it is the same without it: where it is missing, damaged, or of a log that has been repaired since, all is
 *              read from the indexes of the segments.
 */
import type { DatabaseId } from "../core/ids.ts";
import { LogIndex, type SavedLogIndex } from "../core/log-index.ts";
import { linksOf } from "../core/log-links.ts";
import type { LogLinks } from "../core/restored-nodes.ts";
import type { Transaction } from "./connection.ts";
import { decodeLocal, encodeLocal } from "./forms.ts";

/** So many entries more are worth saving anew. */
export const savedIndexStep = 16_384;

interface SavedIndex {
  readonly log: SavedLogIndex;
  readonly links: LogLinks;
}

/** The first entries of a log. */
export interface IndexStart {
  readonly index: LogIndex;
  readonly links: LogLinks | undefined;
}

export function nothingSaved(): IndexStart {
  return { index: new LogIndex(crypto.getRandomValues(new Int32Array(1))[0]), links: undefined };
}

export function savedIndexKey(database: DatabaseId): string {
  return `index ${database}`;
}

type Spare<Mode extends "readonly" | "readwrite"> = Transaction<"spare", Mode>;

/** Undefined when there is none, or it is damaged. */
export async function readSavedIndex(
  transaction: Pick<Spare<"readonly">, "objectStore">,
  database: DatabaseId,
): Promise<IndexStart | undefined> {
  const stored = await transaction.objectStore("spare").get(savedIndexKey(database));
  try {
    const { log, links } = decodeLocal(stored) as SavedIndex;
    return { index: LogIndex.restored(log), links };
  } catch {
    return undefined;
  }
}

export function putSavedIndex(
  transaction: Spare<"readwrite">,
  database: DatabaseId,
  index: LogIndex,
): Promise<unknown> {
  const saved: SavedIndex = { log: index.save(), links: linksOf(index) };
  return transaction.objectStore("spare").put(encodeLocal(saved), savedIndexKey(database));
}

export function dropSavedIndex(transaction: Spare<"readwrite">, database: DatabaseId): Promise<unknown> {
  return transaction.objectStore("spare").delete(savedIndexKey(database));
}
