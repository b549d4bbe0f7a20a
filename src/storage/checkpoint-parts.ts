/** The parts of checkpoints, by database and number. */
import type { DatabaseId } from "../core/ids.ts";
import type { CheckpointPart } from "../ports/storage.ts";
import { putBeside } from "./beside-log.ts";
import type { Connection } from "./connection.ts";
import { decodePart, encodePart } from "./forms.ts";
import type { KeptDatabase } from "./kept-database.ts";
import { allOf, numberedWithin } from "./schema.ts";

/** As they are stored, in the order of their numbers. */
export function storedParts(connection: Connection, database: DatabaseId): Promise<readonly unknown[]> {
  return connection.read(["checkpoints"], (transaction) =>
    transaction.objectStore("checkpoints").getAll(allOf(database)),
  );
}

/** Throws STORAGE_CORRUPT. */
export function decodeParts(stored: readonly unknown[]): readonly CheckpointPart[] {
  return stored.map(decodePart);
}

/** Relaxed: a crash of the whole machine may take back the newest of them, and the ones before are as good. */
export async function putPart(
  connection: Connection,
  kept: KeptDatabase,
  database: DatabaseId,
  part: CheckpointPart,
  replaces: number,
): Promise<void> {
  const value = encodePart(part);
  await putBeside(connection, kept, database, "checkpoints", (transaction) => {
    const checkpoints = transaction.objectStore("checkpoints");
    const put = checkpoints.put(value, [database, part.number]);
    return replaces < part.number ? [put, checkpoints.delete(numberedWithin(database, replaces, part.number))] : [put];
  });
}

export async function deleteParts(connection: Connection, database: DatabaseId): Promise<void> {
  await connection.write(["checkpoints"], (transaction) => [
    transaction.objectStore("checkpoints").delete(allOf(database)),
  ]);
}
