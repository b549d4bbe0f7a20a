/**
 * Documents that a transaction changes, with whatever else it writes: all of it or nothing, in one entry.
 *
 * [DOC-64] What a transaction changes in documents is shown when its function has returned, and taken back when it is refused.
 */
import { TidemarkError } from "../../core/errors.ts";
import { docWriteTriesMax } from "../../core/limits.ts";
import type { StoreWrites } from "../../worker/api.ts";
import type { DocumentChanges } from "../transaction.ts";
import type { TakenWrite } from "./outgoing.ts";

/** `commit` is given what is to be written beside the rest, and called again when a document has become another meanwhile. Resolves when it is durable. */
export async function writeTogether(
  documents: readonly DocumentChanges[],
  commit: (stores: readonly StoreWrites[]) => Promise<void>,
): Promise<void> {
  for (let triesLeft = docWriteTriesMax; ; triesLeft--) {
    while (documents.some(({ replica }) => !replica.isSteady)) {
      await Promise.all(documents.map(({ replica }) => replica.steady()));
    }
    const taken = takeAll(documents);
    const written = commit(taken.map(({ write }) => write));
    for (const { sent } of taken) sent(written);
    try {
      return await written;
    } catch (error) {
      const isOutdated = error instanceof TidemarkError && error.code === "DOC_OUTDATED";
      if (!isOutdated || triesLeft <= 1) throw error;
    }
  }
}

/** In one turn. Throws what a change throws; then none of them is made. */
function takeAll(documents: readonly DocumentChanges[]): readonly TakenWrite[] {
  const prepared = documents.map(({ replica, changes }) =>
    replica.prepare((draft) => {
      for (const change of changes) change(draft);
    }),
  );
  const taken: TakenWrite[] = [];
  try {
    for (const take of prepared) {
      const one = take();
      if (one !== undefined) taken.push(one);
    }
    return taken;
  } catch (error) {
    for (const { sent } of taken) sent(Promise.reject(error));
    throw error;
  }
}
