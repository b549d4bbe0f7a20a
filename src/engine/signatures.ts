/**
 * Checking the signatures of a peer's batch with as few checks as can be.
 *
 * [ENGINE-17] One check per author and branch for a batch that is accepted; one per entry when some of it would
 *   otherwise be
 *             taken on the word of an entry that is not accepted.
 * [SETTINGS-8] The proof in an entry that redeems an invite is checked however the entry itself is vouched for: a
 *   later entry of
 *              the newcomer says that it wrote the proof, not that the proof is good.
 */
import { BulkCheck, type Check, checkOf, signatureFailure } from "../core/chain.ts";
import type { Entry, VouchedEntry } from "../core/entry.ts";
import type { Failure } from "../core/errors.ts";
import type { EntryId, PublicKey } from "../core/ids.ts";
import { redeemMessage, redeemOf } from "../core/invite-proof.ts";
import type { Verifier } from "../ports/keys.ts";

export interface Checks {
  /** In the order in which they were handed in, each once. */
  readonly vouched: readonly VouchedEntry[];
  readonly refused: readonly RefusedEntry[];
}

export interface Checked extends Checks {
  /** The entries whose own signature was checked. */
  readonly ids: ReadonlySet<EntryId>;
}

export interface RefusedEntry {
  readonly entry: Entry;
  readonly failure: Failure<"ENTRY_SIGNATURE"> | Failure<"ENTRY_INVITE_PROOF">;
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
  const { vouched, refused } = bulk.outcome;
  return { ...without(vouched, refused, await findForgedProofs(verifier, vouched)), ids };
}

/** Checks what was vouched for and not checked itself. */
export async function checkEach(verifier: Verifier, { vouched, refused, ids }: Checked): Promise<Checks> {
  const unchecked = vouched.filter(({ id }) => !ids.has(id));
  const verdicts = await verifyAll(verifier, unchecked.map(checkOf));
  const bad = unchecked.filter((_entry, i) => verdicts[i] !== true);
  return without(
    vouched,
    refused,
    bad.map((entry) => ({ entry, failure: signatureFailure(entry) })),
  );
}

async function findForgedProofs(verifier: Verifier, entries: readonly Entry[]): Promise<readonly RefusedEntry[]> {
  const verdicts = await Promise.all(entries.map((entry) => findForgedProof(verifier, entry)));
  return verdicts.filter((refused) => refused !== undefined);
}

async function findForgedProof(verifier: Verifier, entry: Entry): Promise<RefusedEntry | undefined> {
  const redeem = redeemOf(entry);
  if (redeem === undefined) return undefined;
  const { database, author } = entry;
  // No invite is older than the root, whose own id would have to be in the proof.
  const message = database && redeemMessage(database, author);
  if (message !== undefined && (await verifier.verify(redeem.invite, message, redeem.proof))) return undefined;
  return { entry, failure: { code: "ENTRY_INVITE_PROOF", details: { author, invite: redeem.invite } } };
}

function without(
  vouched: readonly VouchedEntry[],
  refused: readonly RefusedEntry[],
  bad: readonly RefusedEntry[],
): Checks {
  const entries = new Set(bad.map(({ entry }) => entry));
  return { vouched: vouched.filter((entry) => !entries.has(entry)), refused: [...refused, ...bad] };
}

function verifyAll(verifier: Verifier, checks: readonly Check[]): Promise<boolean[]> {
  return Promise.all(checks.map((check) => verifier.verify(check.publicKey, check.message, check.signature)));
}
