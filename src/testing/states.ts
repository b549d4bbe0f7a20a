/** Folded states of a database that is not there, for tests of what they are made of. */
import type { DatabaseId, EntryId, PublicKey } from "../core/ids.ts";
import type { Origin, StateContext } from "../core/store/kind.ts";
import { DatabaseState } from "../core/store/state.ts";
import { loadSha256 } from "../crypto/sha256.ts";

export const stateContext: StateContext = { database: "d".repeat(64) as DatabaseId, sha256: await loadSha256() };

const author = "a".repeat(64) as PublicKey;

export function newState(): DatabaseState {
  return new DatabaseState(stateContext);
}

/** An entry of somebody, at a time that is its id too unless there is another. */
export function originAt(
  time: number,
  id: string = time.toString(16).padStart(64, "0"),
  by: PublicKey = author,
): Origin {
  return { time, id: id as EntryId, author: by };
}
