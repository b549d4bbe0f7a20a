/** Entries as far as the disk still has them: for whoever would rather have some than none. */
import type { Entry } from "../core/entry.ts";
import type { Node } from "../core/graph.ts";
import type { EntryId } from "../core/ids.ts";
import type { OpenDatabase } from "./database.ts";
import { isCorrupt } from "./log-scan.ts";

export interface SoundEntries {
  /** In the order in which they were asked for. */
  readonly read: readonly Entry[];
  /** Of the others. */
  readonly ids: readonly EntryId[];
}

/** What is damaged is asked for from peers by that. Rejects with a STORAGE_ code when storage cannot be read at all. */
export async function readSound(database: OpenDatabase, nodes: readonly Node[]): Promise<SoundEntries> {
  const isDamaged = ({ id }: Node): boolean => database.healing.isDamaged(id);
  const ids = nodes.filter(isDamaged).map(({ id }) => id);
  const sound = nodes.filter((node) => !isDamaged(node));
  try {
    return { read: await database.log.read(sound), ids };
  } catch (error) {
    if (!isCorrupt(error)) throw error;
    // What was found damaged by that is left out. When nothing was, storage cannot say which of them are.
    return sound.some(isDamaged) ? readSound(database, nodes) : { read: [], ids: nodes.map(({ id }) => id) };
  }
}
