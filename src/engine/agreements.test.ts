import { expect, test } from "vitest";
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId, PublicKey } from "../core/ids.ts";
import { Agreements } from "./agreements.ts";

const peer = "a".repeat(64) as PublicKey;
const other = "b".repeat(64) as PublicKey;
const database = "d".repeat(64) as DatabaseId;

function outcomeOf(promise: Promise<void>): Promise<string> {
  return promise.then(
    () => "agreed",
    (error: unknown) => (error instanceof TidemarkError ? error.code : String(error)),
  );
}

test("[SYNC-1] a wait ends with the next agreement with that peer, by being aborted, or by closing", async () => {
  const agreements = new Agreements();
  const aborting = new AbortController();
  const never = new AbortController().signal;
  const [agreed, aborted, closed] = [
    outcomeOf(agreements.next(peer, database, 0, never)),
    outcomeOf(agreements.next(peer, database, 0, aborting.signal)),
    outcomeOf(agreements.next(other, database, 0, never)),
  ];
  aborting.abort();
  agreements.reached(peer, database, 0);
  const parted = outcomeOf(agreements.next(peer, database, 0, never, true));
  const patient = outcomeOf(agreements.next(peer, database, 0, never));
  agreements.parted(peer);
  expect(await parted).toBe("agreed");
  const late = outcomeOf(agreements.next(peer, database, 0, never));
  agreements.close(new TidemarkError("INSTANCE_CLOSED", { name: "test" }));
  expect(await Promise.all([agreed, aborted, closed, patient, late])).toEqual([
    "agreed",
    "ABORTED",
    "INSTANCE_CLOSED",
    "INSTANCE_CLOSED",
    "INSTANCE_CLOSED",
  ]);
  expect(await outcomeOf(agreements.next(peer, database, 0, AbortSignal.abort()))).toBe("ABORTED");
});
