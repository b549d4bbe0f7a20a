/** What is kept of a database beside its log, and can be made again from that. */
import type { DatabaseId } from "../core/ids.ts";
import type { Connection, Transaction } from "./connection.ts";
import type { KeptDatabase } from "./kept-database.ts";
import { requireDatabase } from "./steps.ts";

type Beside = "checkpoints" | "snapshots";

/**
 * Relaxed: a crash of the whole machine may take it back. Rejects with DATABASE_UNKNOWN.
 *
 * @param ask must come to the same when it is run twice
 */
export async function putBeside<S extends Beside>(
  connection: Connection,
  kept: KeptDatabase,
  database: DatabaseId,
  store: S,
  ask: (transaction: Transaction<S, "readwrite">) => readonly Promise<unknown>[],
): Promise<void> {
  const { era } = connection;
  const isKnown = kept.isThere(era);
  await connection.change(
    ["databases", store],
    async (transaction, { finish }) => {
      const isSure = isKnown && connection.era === era;
      const asked = [...(isSure ? [] : [requireDatabase(transaction, database)]), ...ask(transaction)];
      if (isSure) finish();
      await Promise.all(asked);
    },
    "relaxed",
  );
}
