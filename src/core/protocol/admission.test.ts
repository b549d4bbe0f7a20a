import { sha256 } from "@noble/hashes/sha2.js";
import { expect, test } from "vitest";
import { keyOf, seal, sealRoot, setPower, settingsParts, startMs, Writer } from "../../testing/writers.ts";
import type { VouchedEntry } from "../entry.ts";
import type { PublicKey } from "../ids.ts";
import { NONE, WRITE } from "../store/power.ts";
import type { SettingsOp } from "../store/settings.ts";
import { inviteFault, knownInvites } from "./admission.ts";

const [owner, one, other, newcomer] = [keyOf(0), keyOf(1), keyOf(2), keyOf(3)];
const invite = keyOf(9);
const root = sealRoot(
  owner,
  sha256,
  settingsParts(setPower(one, 10), setPower(other, 10), { type: "invite", key: invite, power: WRITE }),
);

function writtenBy(key: PublicKey, known: readonly VouchedEntry[], op: SettingsOp, atMs = startMs): VouchedEntry {
  const writer = new Writer(key, root.id, sha256);
  writer.receive([root, ...known], atMs);
  return seal(writer.draft(settingsParts(op), atMs), sha256);
}

function holding(...entries: readonly VouchedEntry[]): Writer["replica"] {
  const writer = new Writer(owner, root.id, sha256);
  writer.receive([root, ...entries], startMs + 1_000);
  return writer.replica;
}

const redeem: SettingsOp = { type: "redeem", invite, proof: new Uint8Array(64) };
const withdrawn = writtenBy(one, [], { type: "invite", key: invite, power: NONE });
const changed = writtenBy(other, [], { type: "invite", key: invite, power: WRITE, uses: 1 }, startMs + 500);

test("[SESSION-9] an invite that was withdrawn lets nobody in, though somebody who did not know changed it later", () => {
  expect(inviteFault(holding(changed), invite, startMs)).toBeUndefined();
  for (const replica of [holding(withdrawn, changed), holding(changed, withdrawn)]) {
    expect(replica.settings.invites()).toHaveLength(1);
    expect(inviteFault(replica, invite, startMs)).toBe("withdrawn");
  }
});

test("[SESSION-9] uses are counted as redemptions are judged: by the terms that they redeem", () => {
  const before = writtenBy(newcomer, [], redeem);
  const after = writtenBy(newcomer, [changed], redeem, startMs + 600);
  const faults = [
    holding(changed),
    holding(before, writtenBy(other, [before], { type: "invite", key: invite, power: WRITE, uses: 1 })),
  ];
  expect(
    faults.map((replica) => [knownInvites(replica).get(invite)?.used, inviteFault(replica, invite, startMs)]),
  ).toEqual([
    [0, undefined],
    [0, undefined],
  ]);
  const used = holding(changed, after);
  expect([knownInvites(used).get(invite)?.used, inviteFault(used, invite, startMs)]).toEqual([1, "usedUp"]);
});
