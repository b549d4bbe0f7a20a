/** How many are served on the strength of one invite. */
import { sha256 } from "@noble/hashes/sha2.js";
import { expect, test } from "vitest";
import { Conversation, type Line, Site } from "../../testing/sites.ts";
import { keyOf, sealRoot, settingsParts, startMs, Writer } from "../../testing/writers.ts";
import type { VouchedEntry } from "../entry.ts";
import type { PublicKey } from "../ids.ts";
import { guestsMax } from "../limits.ts";
import { NONE, WRITE } from "../store/power.ts";
import type { SettingsOp } from "../store/settings.ts";
import { type Guests, guestsOf } from "./guests.ts";

const invite = keyOf(40);
const redeem: SettingsOp = { type: "redeem", invite, proof: new Uint8Array(64) };

function offer(uses: number, key: PublicKey = invite, expiresMs: number = 3 * startMs): SettingsOp {
  return { type: "invite", key, power: WRITE, uses, expiresMs };
}

/** Site 0 holds a database with these invites. */
function hosting(...ops: readonly SettingsOp[]): { readonly host: Site; readonly owner: Writer } {
  const root = sealRoot(keyOf(0), sha256, settingsParts({ type: "name", name: "x" }, ...ops));
  const owner = new Writer(keyOf(0), root.id, sha256);
  owner.receive([root]);
  const host = new Site(0, sha256);
  host.open(root.id, owner.entries);
  return { host, owner };
}

/** What a newcomer is told that shows the secret, and proves another key before where one is given. */
function visit(host: Site, visitor: number, proves?: PublicKey): readonly string[] {
  const guest = new Site(visitor, sha256);
  const [database] = [...host.replicas.keys()];
  if (database === undefined) throw new Error("Hosts nothing");
  guest.open(database);
  const talk = new Conversation(host, guest);
  const [line, back]: readonly [Line, Line] = talk.connect(host, guest);
  const signature = new Uint8Array(64).fill(1);
  if (proves !== undefined) back.step({ type: "proving", database, key: proves, signature });
  back.step({ type: "joining", database, invite, signature });
  talk.run();
  const isServed = guest.replica(database).graph.size === host.replica(database).graph.size;
  return isServed ? ["everything"] : line.sent.map(({ type }) => type).slice(1);
}

function redeemBy(author: number, owner: Writer): void {
  const writer = new Writer(keyOf(author), owner.replica.database, sha256);
  writer.receive(owner.entries);
  owner.receive([writer.write(settingsParts(redeem)) as VouchedEntry]);
}

function admitAll(guests: Guests, count: number, from = 0, by: PublicKey = invite): number {
  let admitted = 0;
  for (let i = from; i < from + count; i++) if (guests.admit(by, `key ${i}` as PublicKey, startMs)) admitted += 1;
  return admitted;
}

test("[SESSION-30] whoever never redeems uses an invite too, in whichever session and as often as it comes back", () => {
  const { host } = hosting(offer(1));
  expect(visit(host, 8)).toEqual(["everything"]);
  expect(visit(host, 9)).toEqual(["unavailable"]);
  expect(visit(host, 8)).toEqual(["everything"]);
});

test("[SESSION-30] the key counts with which a newcomer takes part in the database", () => {
  const { host } = hosting(offer(1));
  expect(visit(host, 8, keyOf(9))).toEqual(["everything"]);
  expect(visit(host, 7, keyOf(9))).toEqual(["everything"]);
  expect(visit(host, 7)).toEqual(["unavailable"]);
});

test("[SESSION-30] redemptions in effect take uses away, and those of guests none a second time", () => {
  const { owner } = hosting(offer(3));
  const guests = guestsOf(owner.replica);
  const admits = (...numbers: readonly number[]): readonly boolean[] =>
    numbers.map((number) => guests.admit(invite, keyOf(number), startMs));
  expect(admits(8, 9)).toEqual([true, true]);
  redeemBy(8, owner);
  expect(admits(10, 11)).toEqual([true, false]);
  redeemBy(12, owner);
  expect(admits(8, 9, 10, 11, 12)).toEqual([true, true, true, false, true]);
});

test("[SESSION-30] what is remembered is bounded, and what is of no use any more is forgotten then", () => {
  const other = keyOf(41);
  const { owner } = hosting(offer(2 * guestsMax), offer(2 * guestsMax, other));
  const guests = guestsOf(owner.replica);
  expect([guests.admit(invite, keyOf(8), startMs), admitAll(guests, 1, 0, other)]).toEqual([true, 1]);
  expect(admitAll(guests, guestsMax)).toBe(guestsMax - 2);
  expect(admitAll(guests, 2, guestsMax)).toBe(0);
  redeemBy(8, owner);
  expect(admitAll(guests, 2, guestsMax)).toBe(1);
  owner.write(settingsParts({ type: "invite", key: other, power: NONE }));
  expect(admitAll(guests, 2, 2 * guestsMax)).toBe(1);
});

test("[SESSION-30] a key that is not let in uses nothing", () => {
  const { host, owner } = hosting(offer(1), { type: "set", key: keyOf(9), power: NONE });
  expect(visit(host, 9)).toEqual(["unavailable"]);
  expect(visit(host, 8)).toEqual(["everything"]);
  expect(guestsOf(owner.replica).admit(keyOf(41), keyOf(8), startMs)).toBe(false);
});

test("[SESSION-10] what a guest sends after time has ended its invite ends the session, and nothing of it is kept", () => {
  const { host, owner } = hosting(offer(1, invite, 2 * startMs));
  const guest = new Site(8, sha256);
  const { database } = owner.replica;
  guest.open(database);
  const [line, back] = new Conversation(host, guest).connect(host, guest);
  const talk = (): void => {
    for (let i = 0; i < 20; i++) {
      for (const each of [line, back]) each.deliver();
      for (const site of [host, guest]) site.store();
    }
  };
  back.step({ type: "joining", database, invite, signature: new Uint8Array(64).fill(1) });
  talk();
  expect(guest.replica(database).graph.size).toBe(1);
  host.nowMs += 1 + startMs;
  guest.write(database, settingsParts(redeem));
  guest.store();
  talk();
  expect([line.isOver, line.failure, host.replica(database).graph.size]).toEqual([true, undefined, 1]);
});
