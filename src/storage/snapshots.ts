/** Snapshots, by database and key. A damaged one is as none. */
import type { DatabaseId } from "../core/ids.ts";
import { putBeside } from "./beside-log.ts";
import type { Connection } from "./connection.ts";
import { decodeSnapshot, encodeSnapshot } from "./forms.ts";
import type { KeptDatabase } from "./kept-database.ts";

export async function putSnapshot(
  connection: Connection,
  kept: KeptDatabase,
  database: DatabaseId,
  key: string,
  bytes: Uint8Array,
): Promise<void> {
  const value = encodeSnapshot(bytes);
  await putBeside(connection, kept, database, "snapshots", (transaction) => [
    transaction.objectStore("snapshots").put(value, [database, key]),
  ]);
}

export async function getSnapshot(
  connection: Connection,
  database: DatabaseId,
  key: string,
): Promise<Uint8Array | undefined> {
  const stored = await connection.read(["snapshots"], (transaction) =>
    transaction.objectStore("snapshots").get([database, key]),
  );
  try {
    return stored === undefined ? undefined : decodeSnapshot(stored);
  } catch {
    return undefined;
  }
}
