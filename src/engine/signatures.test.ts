import { sha256 } from "@noble/hashes/sha2.js";
import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeEntry, type Entry, type EntryBody, encodeUnsigned, sealEntry } from "../core/entry.ts";
import { unwrap } from "../core/errors.ts";
import type { DatabaseId, EntryId } from "../core/ids.ts";
import { redeemMessage } from "../core/invite-proof.ts";
import { type SimulatedIdentity, SimulatedVerifier, simulatedIdentity } from "../testing/simulated-keys.ts";
import { rowParts, settingsParts } from "../testing/writers.ts";
import { checkByChains, checkEach } from "./signatures.ts";

const [owner, ada, bob, invite, door] = [1, 2, 3, 4, 5].map((byte) =>
  simulatedIdentity(new Uint8Array(32).fill(byte), sha256),
) as [SimulatedIdentity, SimulatedIdentity, SimulatedIdentity, SimulatedIdentity, SimulatedIdentity];
const database = "d".repeat(64) as DatabaseId;
const otherDatabase = "e".repeat(64) as DatabaseId;
const rootId = "f".repeat(64) as EntryId;

function seal(author: SimulatedIdentity, body: Partial<EntryBody>): Entry {
  const prev = body.prev;
  const whole: EntryBody = {
    database,
    author: author.publicKey,
    seq: prev === undefined ? 0 : 1,
    prev,
    parents: prev === undefined ? [rootId] : [],
    height: 1,
    time: 1,
    stores: rowParts("row"),
    ...body,
  };
  const message = encodeUnsigned(whole);
  return sealEntry(whole, message, author.signNow(message), sha256);
}

function redemption(proof: Uint8Array, author = ada, key = invite): Entry {
  return seal(author, { stores: settingsParts({ type: "redeem", invite: key.publicKey, proof }) });
}

const proof = invite.signNow(redeemMessage(database, ada.publicKey));
const flipped = proof.map((byte, i) => (i === 17 ? byte ^ 1 : byte));

/** What is refused of a batch, by id, in both ways in which a batch is checked. */
async function refusalsOf(entries: readonly Entry[]): Promise<ReadonlyMap<EntryId, string>> {
  const checked = await checkByChains(new SimulatedVerifier(sha256), entries, () => false);
  const each = await checkEach(new SimulatedVerifier(sha256), checked);
  for (const { vouched, refused } of [checked, each])
    expect(vouched.length + refused.length).toBe(new Set(entries.map(({ id }) => id)).size);
  expect(each.refused).toEqual(checked.refused);
  return new Map(checked.refused.map(({ entry, failure }) => [entry.id, failure.code]));
}

test("[SETTINGS-8] a good proof is accepted, and costs one more check", async () => {
  const verifier = new SimulatedVerifier(sha256);
  const first = redemption(proof);
  const checked = await checkByChains(verifier, [first, seal(ada, { prev: first.id })], () => false);
  expect(checked.refused).toEqual([]);
  expect(verifier.checks).toBe(2);
});

test.each([
  ["for another database", redemption(invite.signNow(redeemMessage(otherDatabase, ada.publicKey)))],
  ["for another key", redemption(invite.signNow(redeemMessage(database, bob.publicKey)))],
  ["copied by another key", redemption(proof, bob)],
  ["by another invite's key", redemption(door.signNow(redeemMessage(database, ada.publicKey)))],
  ["shown for another invite", redemption(proof, ada, door)],
  ["with a flipped bit", redemption(flipped)],
  ["by the newcomer itself", redemption(ada.signNow(redeemMessage(database, ada.publicKey)))],
  ["of the bare bytes that an entry signs", redemption(invite.signNow(encodeUnsigned(redemption(proof))))],
])(
  "[SETTINGS-8] a proof %s is refused, whoever vouches for its entry and in whatever order they come",
  async (_, bad) => {
    const next = seal(bad.author === ada.publicKey ? ada : bob, { prev: bad.id });
    const other = seal(owner, {});
    const batches = fc.shuffledSubarray([bad, next, other], { minLength: 1 });
    await fc.assert(
      fc.asyncProperty(batches, async (batch) => {
        const expected = batch.includes(bad) ? [[bad.id, "ENTRY_INVITE_PROOF"]] : [];
        expect([...(await refusalsOf(batch))]).toEqual(expected);
      }),
    );
    // Vouched for by what waits since an earlier batch.
    const vouched = await checkByChains(new SimulatedVerifier(sha256), [bad], () => true);
    expect(vouched.refused.map(({ failure }) => failure.code)).toEqual(["ENTRY_INVITE_PROOF"]);
  },
);

test("[SETTINGS-8] a redeem in a root is refused: no invite is older", async () => {
  const root = seal(ada, {
    database: undefined,
    parents: [],
    height: 0,
    stores: settingsParts({ type: "redeem", invite: invite.publicKey, proof }),
  });
  expect([...(await refusalsOf([root])).values()]).toEqual(["ENTRY_INVITE_PROOF"]);
});

test("[SETTINGS-8] an entry whose own signature is bad is refused for that", async () => {
  const good = redemption(proof);
  const bytes = good.bytes.slice();
  bytes[bytes.length - 1] = (bytes.at(-1) as number) ^ 1;
  const forged = unwrap(decodeEntry(bytes, sha256));
  expect([...(await refusalsOf([forged])).values()]).toEqual(["ENTRY_SIGNATURE"]);
});
