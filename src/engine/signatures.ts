/**
 * Checking the signatures of a peer's batch with as few checks as can be.
 *
 * [ENGINE-17] One check per author and branch for a batch that is accepted; one per entry when some of it would otherwise be
 *             taken on the word of an entry that is not accepted.
 */
import { BulkCheck, type Check, type CheckOutcome, checkOf, signatureFailure } from "../core/chain.ts";
import type { Entry } from "../core/entry.ts";
import type { EntryId, PublicKey } from "../core/ids.ts";
import type { Verifier } from "../ports/keys.ts";

export interface Checked extends CheckOutcome {
  /** The entries whose own signature was checked. */
  readonly ids: ReadonlySet<EntryId>;
}

export async function checkByChains(
  verifier: Verifier,
  entries: readonly Entry[],
  isVouchedFor: (id: EntryId, author: PublicKey) => boolean,
): Promise<Checked> {
  const bulk = new BulkCheck(entries, isVouchedFor);
  const ids = new Set<EntryId>();
  for (let checks = bulk.next(); checks.length > 0; checks = bulk.next()) {
    for (const { entry } of checks) ids.add(entry.id);
    bulk.answer(await verifyAll(verifier, checks));
  }
  return { ...bulk.outcome, ids };
}

/** Checks what was vouched for and not checked itself. */
export async function checkEach(verifier: Verifier, { vouched, refused, ids }: Checked): Promise<CheckOutcome> {
  const unchecked = vouched.filter(({ id }) => !ids.has(id));
  const verdicts = await verifyAll(verifier, unchecked.map(checkOf));
  const bad = new Set(unchecked.filter((_entry, i) => verdicts[i] !== true));
  return {
    vouched: vouched.filter((entry) => !bad.has(entry)),
    refused: [...refused, ...[...bad].map((entry) => ({ entry, failure: signatureFailure(entry) }))],
  };
}

function verifyAll(verifier: Verifier, checks: readonly Check[]): Promise<boolean[]> {
  return Promise.all(checks.map((check) => verifier.verify(check.publicKey, check.message, check.signature)));
}
