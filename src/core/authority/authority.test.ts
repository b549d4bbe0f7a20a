import { sha256 } from "@noble/hashes/sha2.js";
import { describe, expect, test } from "vitest";
import {
  keyOf,
  refusalsIn,
  rowParts,
  seal,
  sealRoot,
  setPower,
  settingsParts,
  startMs,
  Writer,
} from "../../testing/writers.ts";
import type { StorePart, VouchedEntry } from "../entry.ts";
import type { PublicKey } from "../ids.ts";
import { NONE, OWNER, READ, WRITE } from "../store/power.ts";
import type { SettingsOp } from "../store/settings.ts";
import { explainEntry, explainKey } from "./explain.ts";

type Written = ReturnType<Writer["write"]>;

const keys = Array.from({ length: 6 }, (_, i) => keyOf(i));
const [owner, admin, other, stranger, equal, puppet] = keys as [
  PublicKey,
  PublicKey,
  PublicKey,
  PublicKey,
  PublicKey,
  PublicKey,
];
const invite = keyOf(50);
const root = sealRoot(owner, sha256, settingsParts(setPower(admin, 10), setPower(equal, 10), setPower(other, WRITE)));

function writerOf(key: PublicKey, ...entries: readonly VouchedEntry[]): Writer {
  const writer = new Writer(key, root.id, sha256);
  writer.receive([root, ...entries]);
  return writer;
}

function accepted(written: Written): VouchedEntry {
  if ("code" in written) throw new Error(`refused: ${written.code}`);
  return written;
}

/** What a key writes that knows just these entries. */
function writtenBy(key: PublicKey, known: readonly VouchedEntry[], parts?: readonly StorePart[]): VouchedEntry {
  return accepted(writerOf(key, ...known).write(parts));
}

function setBy(key: PublicKey, known: readonly VouchedEntry[], ...ops: readonly SettingsOp[]): VouchedEntry {
  return writtenBy(key, known, settingsParts(...ops));
}

function redeem(key: PublicKey = invite): readonly StorePart[] {
  return settingsParts({ type: "redeem", invite: key, proof: new Uint8Array(64) });
}

/** The ids that count where these entries are held, in all orders in which the last two come. */
function countingIn(entries: readonly VouchedEntry[]): ReadonlySet<string> {
  const { graph } = writerOf(owner, ...entries).replica;
  const counting = entries.filter(({ id }) => graph.counts(graph.get(id) ?? graph.at(graph.size)));
  const backwards = writerOf(owner, ...[...entries].reverse()).replica;
  expect(backwards.graph.tips().map(({ id }) => id)).toEqual(graph.tips().map(({ id }) => id));
  return new Set(counting.map(({ id }) => id));
}

function powerIn(key: PublicKey, ...entries: readonly VouchedEntry[]): number {
  return writerOf(owner, ...entries).replica.authority.power(key);
}

const denied = { code: "ENTRY_PERMISSION" };

describe("who may do what", () => {
  test("[AUTHORITY-1] a key that was never set has none, and the owner is the owner whatever is set", () => {
    const { authority } = writerOf(owner).replica;
    expect(authority.power(stranger)).toBe(NONE);
    expect([authority.mayRead(stranger), authority.mayWrite(stranger)]).toEqual([false, false]);
    const self = writerOf(owner);
    accepted(self.write(settingsParts(setPower(owner, NONE))));
    expect(self.replica.authority.power(owner)).toBe(OWNER);
  });

  test("[AUTHORITY-1] of concurrent sets the weakest counts, until one that knows both", () => {
    const weak = setBy(owner, [], setPower(other, NONE));
    const strong = setBy(admin, [], setPower(other, WRITE));
    expect([powerIn(other, weak, strong), powerIn(other, strong, weak)]).toEqual([NONE, NONE]);
    expect(powerIn(other, weak, strong, setBy(admin, [weak, strong], setPower(other, 50)))).toBe(50);
  });

  test("[AUTHORITY-1] what is open to everybody is what a key may do that nobody named, and no less than what one has by name", () => {
    const open = setBy(owner, [], { type: "public", power: READ });
    const removed = setBy(owner, [open], setPower(puppet, NONE));
    expect([stranger, other, puppet].map((key) => powerIn(key, open, removed))).toEqual([READ, WRITE, NONE]);
    const wider = setBy(owner, [removed, open], { type: "public", power: WRITE });
    const named = setBy(owner, [open, removed, wider], setPower(other, READ));
    expect([stranger, other, puppet].map((key) => powerIn(key, open, removed, wider, named))).toEqual([
      WRITE,
      WRITE,
      NONE,
    ]);
  });

  test("[AUTHORITY-1] a redemption yields to a concurrent set, be it stronger or weaker", () => {
    const offer = setBy(owner, [], { type: "invite", key: invite, power: READ });
    const redeemed = writtenBy(stranger, [offer], redeem());
    expect(powerIn(stranger, offer, redeemed)).toBe(READ);
    for (const power of [50, WRITE, NONE]) {
      const set = setBy(owner, [offer], setPower(stranger, power));
      expect(powerIn(stranger, offer, redeemed, set)).toBe(power);
    }
  });

  test("[AUTHORITY-2] a reader's and a stranger's entries are refused", () => {
    const grant = setBy(owner, [], setPower(stranger, READ));
    expect(writerOf(stranger).write()).toMatchObject(denied);
    expect(writerOf(stranger, grant).write()).toMatchObject(denied);
    expect(writerOf(stranger, grant).replica.authority.mayRead(stranger)).toBe(true);
  });

  test("[AUTHORITY-2] who was removed cannot write on what removed it, nor settle it by itself", () => {
    const removal = setBy(owner, [], setPower(other, NONE));
    expect(writerOf(other, removal).write()).toMatchObject(denied);
    expect(writerOf(other, removal).write(settingsParts(setPower(other, WRITE)))).toMatchObject(denied);
  });

  test("[AUTHORITY-2] who knows that something is void cannot build on it, and what it may build on may be below", () => {
    const removal = setBy(owner, [], setPower(other, NONE));
    const late = writtenBy(other, []);
    const knowing = writerOf(admin, removal, late);
    const draft = knowing.draft();
    const parents = [removal.id, late.id].sort();
    expect(refusalsIn(knowing.receive([seal({ ...draft, parents }, sha256)]))).toMatchObject([
      { code: "ENTRY_STANDS_ON_VOID", details: { author: admin, follows: late.id } },
    ]);
    // In its own past the late entry counts here: something good that did not know better stands on it.
    const kept = writtenBy(admin, [late]);
    const both = writerOf(equal, removal, late, kept);
    const above = { ...both.draft(), parents: [removal.id, late.id, kept.id].sort() };
    expect(refusalsIn(both.receive([seal(above, sha256)]))).toEqual([]);
  });

  test("[AUTHORITY-3] a writer does not write settings, whatever they say", () => {
    const all: readonly SettingsOp[] = [
      { type: "name", name: "x" },
      setPower(stranger, READ),
      { type: "invite", key: invite, power: READ },
      { type: "public", power: READ },
      { type: "epoch", number: 2, keys: [{ key: stranger, wrapped: new Uint8Array(1) }] },
    ];
    for (const op of all) expect(writerOf(other).write(settingsParts(op))).toMatchObject(denied);
  });

  test("[AUTHORITY-3] an admin sets keys weaker than itself to powers weaker than its own, and nothing else", () => {
    expect(writerOf(admin).write(settingsParts(setPower(other, 11)))).not.toMatchObject(denied);
    expect(writerOf(admin).write(settingsParts(setPower(other, 10)))).toMatchObject(denied);
    expect(writerOf(admin).write(settingsParts(setPower(owner, NONE)))).toMatchObject(denied);
    expect(writerOf(admin).write(settingsParts({ type: "invite", key: invite, power: 10 }))).toMatchObject(denied);
    expect(writerOf(admin).write(settingsParts({ type: "invite", key: invite, power: 11 }))).not.toMatchObject(denied);
  });

  test("[AUTHORITY-3] an admin changes no invite to its own power or a stronger one", () => {
    const [strong, weak] = [5, 11].map((power) => setBy(owner, [], { type: "invite", key: invite, power }));
    const withdrawal = settingsParts({ type: "invite", key: invite, power: NONE });
    expect(writerOf(admin, strong as VouchedEntry).write(withdrawal)).toMatchObject(denied);
    expect(writerOf(admin, weak as VouchedEntry).write(withdrawal)).not.toMatchObject(denied);
  });

  test("[DELETION-4] only the owner removes the database, whatever else is in the entry", () => {
    const removal: SettingsOp = { type: "remove" };
    for (const key of [admin, other, stranger])
      expect(writerOf(key).write(settingsParts(removal))).toMatchObject({ code: "ENTRY_PERMISSION" });
    expect(writerOf(admin).write(settingsParts(removal, { type: "name", name: "T" }))).toMatchObject({
      code: "ENTRY_PERMISSION",
    });
    const removed = setBy(owner, [], removal);
    const late = writtenBy(other, []);
    const { replica } = writerOf(other, removed, late);
    expect(replica.settings.removed?.author).toBe(owner);
    // What was written without knowing of it counts, and so does what follows both.
    expect(countingIn([root, removed, late])).toContain(late.id);
  });

  test("[AUTHORITY-3] one bad op refuses all of an entry's settings", () => {
    const ops = [setPower(stranger, WRITE), setPower(owner, WRITE)];
    expect(writerOf(admin).write(settingsParts(...ops))).toMatchObject(denied);
  });

  test("[AUTHORITY-3] the root makes nobody else an owner", () => {
    const two = sealRoot(owner, sha256, settingsParts(setPower(admin, OWNER)));
    const [refused] = refusalsIn(new Writer(admin, two.id, sha256).receive([two]));
    expect(refused).toMatchObject(denied);
  });

  test("[AUTHORITY-4] what comes later does not change what is accepted", () => {
    const late = writtenBy(other, [], rowParts("late"));
    const removal = setBy(owner, [], setPower(other, NONE));
    const [one, two] = [writerOf(owner, late, removal), writerOf(owner, removal, late)];
    expect([one, two].map(({ replica }) => replica.graph.has(late.id))).toEqual([true, true]);
    expect(one.replica.digest()).toBe(two.replica.digest());
  });
});

describe("revocation that holds", () => {
  const removal = setBy(owner, [], setPower(other, NONE));

  test("[AUTHORITY-5] what a key wrote in a partition in which it was removed is void, and what was known to the remover stays", () => {
    const before = writtenBy(other, []);
    const known = setBy(owner, [before], setPower(other, NONE));
    const after = writtenBy(other, [before], rowParts("after"));
    expect(countingIn([before, after, known])).toEqual(new Set([before.id, known.id]));
  });

  test("[AUTHORITY-5] a reader keeps nothing that needs write, and a lowering among writers takes nothing", () => {
    const late = writtenBy(other, []);
    expect(countingIn([late, setBy(owner, [], setPower(other, READ))])).not.toContain(late.id);
    const settings = setBy(admin, [], setPower(stranger, READ));
    const content = writtenBy(admin, []);
    const lowered = setBy(owner, [], setPower(admin, WRITE));
    expect(countingIn([settings, lowered])).not.toContain(settings.id);
    expect(countingIn([content, lowered])).toContain(content.id);
  });

  test("[AUTHORITY-5] an entry written after the removal as if it were from before is void", () => {
    const writer = writerOf(other, removal);
    const backDated = seal({ ...writerOf(other).draft(rowParts("r"), 0), time: root.time + 1 }, sha256);
    expect(refusalsIn(writer.receive([backDated]))).toEqual([]);
    expect(countingIn([removal, backDated])).toEqual(new Set([removal.id]));
  });

  test("[AUTHORITY-5] when the database is closed to the public, what strangers wrote meanwhile is void, and members lose nothing", () => {
    const open = setBy(owner, [], { type: "public", power: WRITE });
    const [theirs, ours] = [stranger, other].map((key) => writtenBy(key, [open])) as [VouchedEntry, VouchedEntry];
    const closed = setBy(owner, [open], { type: "public", power: NONE });
    expect(countingIn([open, closed, theirs])).not.toContain(theirs.id);
    expect(countingIn([open, closed, ours])).toContain(ours.id);
    expect(writerOf(stranger, open, closed).write()).toMatchObject(denied);
  });

  test("[AUTHORITY-7] a puppet that a removed admin let in late loses what it wrote, also what it wrote knowing nothing of it", () => {
    const removed = setBy(owner, [], setPower(admin, NONE));
    const grant = setBy(admin, [], setPower(puppet, WRITE));
    const row = writtenBy(puppet, [grant]);
    const writer = writerOf(owner, grant, row, removed);
    expect(writer.replica.authority.power(puppet)).toBe(NONE);
    expect(countingIn([grant, row, removed])).toEqual(new Set([removed.id]));
    expect(writer.replica.settings.members().map(({ key }) => key)).not.toContain(puppet);
  });

  test("[AUTHORITY-7] honest work that did not know better keeps what it stands on, and void settings under it have no effect", () => {
    const removed = setBy(owner, [], setPower(admin, NONE));
    const grant = setBy(admin, [], setPower(puppet, WRITE));
    const honest = writtenBy(other, [grant]);
    expect(countingIn([grant, honest, removed])).toEqual(new Set([grant.id, honest.id, removed.id]));
    expect(powerIn(puppet, grant, honest, removed)).toBe(NONE);
  });

  test("[AUTHORITY-6] when the remover is removed itself, what it cut counts again", () => {
    const cut = setBy(admin, [], setPower(other, NONE));
    const late = writtenBy(other, []);
    const rescue = setBy(owner, [], setPower(admin, NONE));
    expect(countingIn([cut, late])).toEqual(new Set([cut.id]));
    expect(countingIn([cut, late, rescue])).toEqual(new Set([late.id, rescue.id]));
    expect(powerIn(other, cut, late, rescue)).toBe(WRITE);
  });

  test("[AUTHORITY-5] a removal that stands on whatever counts cuts what was void then, should that count again", () => {
    const cut = setBy(admin, [], setPower(other, NONE));
    const late = writtenBy(other, []);
    const row = writtenBy(equal, [cut]);
    const again = setBy(equal, [cut, row], setPower(other, NONE));
    const rescue = setBy(owner, [], setPower(admin, NONE));
    // Where the row came it was on top of everything but what was void: what stands on it does not know that.
    expect(countingIn([cut, late, row, again, rescue])).not.toContain(late.id);
    expect(countingIn([cut, late, row, rescue])).toContain(late.id);
  });

  test("[AUTHORITY-6] when whoever closed the database to the public is removed itself, what strangers wrote counts again", () => {
    const open = setBy(owner, [], { type: "public", power: WRITE });
    const theirs = writtenBy(stranger, [open]);
    const closed = setBy(admin, [open], { type: "public", power: NONE });
    const rescue = setBy(owner, [open], setPower(admin, NONE));
    expect(countingIn([open, theirs, closed])).not.toContain(theirs.id);
    expect(countingIn([open, theirs, closed, rescue])).toContain(theirs.id);
  });

  test("[AUTHORITY-6] equals cannot remove each other", () => {
    expect(writerOf(admin).write(settingsParts(setPower(equal, NONE)))).toMatchObject(denied);
    expect(writerOf(equal).write(settingsParts(setPower(admin, NONE)))).toMatchObject(denied);
  });

  test("[AUTHORITY-6] that an equal stepped down makes it no weaker for its equals: removing it has no effect, and nothing is built on that", () => {
    const down = setBy(admin, [], setPower(admin, WRITE));
    const end = setBy(equal, [down], setPower(admin, NONE));
    expect(powerIn(admin, down, end)).toBe(WRITE);
    expect(countingIn([down, end])).toEqual(new Set([down.id]));
    const above = { ...writerOf(other, down, end).draft(), parents: [end.id], height: end.height + 1 };
    const entry = seal({ ...above, time: end.time + 1 }, sha256);
    expect(refusalsIn(writerOf(owner, down, end).receive([entry]))).toMatchObject([{ code: "ENTRY_STANDS_ON_VOID" }]);
  });

  test("[AUTHORITY-6] nobody removes the owner", () => {
    for (const key of [admin, equal])
      expect(writerOf(key).write(settingsParts(setPower(owner, NONE)))).toMatchObject(denied);
  });

  test("[AUTHORITY-5] who is let in again goes on from where it counts, and its void entries stay void", () => {
    const late = writtenBy(other, []);
    const again = setBy(owner, [removal], setPower(other, WRITE));
    const writer = writerOf(other, late, removal, again);
    const next = accepted(writer.write());
    expect([next.seq, next.prev]).toEqual([0, undefined]);
    expect(countingIn([late, removal, again, next])).toEqual(new Set([removal.id, again.id, next.id]));
  });

  test("[AUTHORITY-3] an admin may step down, and is then what it made itself", () => {
    const self = writerOf(admin);
    const down = accepted(self.write(settingsParts(setPower(admin, WRITE))));
    expect(self.replica.authority.power(admin)).toBe(WRITE);
    expect(self.write(settingsParts(setPower(admin, 10)))).toMatchObject(denied);
    const earlier = setBy(admin, [], setPower(stranger, WRITE));
    // Concurrent settings of its own were decided with it, at one strength.
    expect(countingIn([down, earlier])).toEqual(new Set([down.id, earlier.id]));
  });

  test("[AUTHORITY-7] [REPLICA-13] of a device that went on writing for a month nothing counts, and only so much is kept", () => {
    const device = writerOf(other);
    const month = Array.from({ length: 10_050 }, (_, i) => accepted(device.write(rowParts(`r${i % 7}`), startMs + i)));
    const { replica, ...rest } = { replica: writerOf(owner, removal).replica, codes: new Set<string>() };
    const before = replica.digest();
    for (let at = 0; at < month.length; at += 1_000) {
      const batch = month.slice(at, at + 1_000);
      for (const { code } of refusalsIn(replica.step({ type: "received", entries: batch, nowMs: startMs + 100_000 })))
        rest.codes.add(code);
    }
    expect([replica.graph.voidCount, replica.graph.size - replica.graph.voidCount]).toEqual([10_000, 2]);
    expect([replica.digest(), [...rest.codes]]).toEqual([before, ["ENTRY_VOID_FULL"]]);
    expect(replica.state.table("rows")).toBeUndefined();
    expect(replica.authority.work).toMatchObject({ recounts: 0, strata: 0 });
  });

  test("[REPLICA-13] what an honest entry stands on is taken beyond the limit, whether it comes before or with it", () => {
    const device = writerOf(other);
    const month = Array.from({ length: 10_010 }, (_, i) => accepted(device.write(rowParts("r"), startMs + i)));
    const last = month.at(-1) as VouchedEntry;
    const honest = accepted(
      ((writer: Writer) => {
        writer.receive(month, startMs + 100_000);
        return writer.write(rowParts("kept"), startMs + 100_000);
      })(writerOf(admin)),
    );
    for (const order of [
      [honest, ...month.slice(10_000)],
      [...month.slice(10_000), honest],
    ]) {
      const { replica } = writerOf(owner, removal);
      replica.step({ type: "received", entries: month.slice(0, 10_000), nowMs: startMs + 100_000 });
      expect(replica.graph.voidCount).toBe(10_000);
      const effects = replica.step({ type: "received", entries: order, nowMs: startMs + 100_000 });
      expect([replica.graph.has(last.id), replica.graph.voidCount]).toEqual([true, 0]);
      expect(effects.find(({ type }) => type === "recounted")).toMatchObject({
        voided: [],
        because: [{ id: honest.id }],
      });
    }
  });
});

describe("invites", () => {
  function offer(terms: Partial<Extract<SettingsOp, { type: "invite" }>> = {}, by: PublicKey = owner): VouchedEntry {
    return setBy(by, [], { type: "invite", key: invite, power: WRITE, ...terms });
  }

  function refusedFor(reason: string): object {
    return { code: "ENTRY_INVITE", details: { reason } };
  }

  test("[AUTHORITY-10] a newcomer admits itself with no admin near, and writes on", () => {
    const open = offer();
    const redeemed = writtenBy(stranger, [open], redeem());
    const row = writtenBy(stranger, [open, redeemed]);
    expect(countingIn([open, redeemed, row])).toEqual(new Set([open.id, redeemed.id, row.id]));
    expect(powerIn(stranger, open, redeemed)).toBe(WRITE);
  });

  test("[AUTHORITY-10] an invite that is unknown, withdrawn, expired or used up, or whose maker may not give it any more, admits nobody", () => {
    const open = offer();
    const withdrawn = setBy(owner, [open], { type: "invite", key: invite, power: NONE });
    const once = offer({ uses: 1 });
    const used = writtenBy(puppet, [once], redeem());
    const theirs = offer({}, admin);
    const removed = setBy(owner, [theirs], setPower(admin, WRITE));
    expect(writerOf(stranger).write(redeem())).toMatchObject(refusedFor("unknown"));
    expect(writerOf(stranger, open, withdrawn).write(redeem())).toMatchObject(refusedFor("withdrawn"));
    expect(writerOf(stranger, once, used).write(redeem())).toMatchObject(refusedFor("used up"));
    expect(writerOf(stranger, theirs, removed).write(redeem())).toMatchObject(refusedFor("unentitled"));
    const short = offer({ expiresMs: startMs + 10 });
    expect(writerOf(stranger, short).write(redeem(), startMs + 11)).toMatchObject(refusedFor("expired"));
    expect(writerOf(stranger, short).write(redeem(), startMs + 10)).not.toHaveProperty("code");
  });

  test("[AUTHORITY-10] a key that was removed by name cannot come back by an invite, and nobody redeems what it has", () => {
    const open = offer();
    const removed = setBy(owner, [open], setPower(stranger, NONE));
    expect(writerOf(stranger, open, removed).write(redeem())).toMatchObject(refusedFor("removed"));
    const again = setBy(owner, [open, removed], { type: "invite", key: invite, power: WRITE });
    expect(writerOf(stranger, open, removed, again).write(redeem())).toMatchObject(refusedFor("removed"));
    expect(writerOf(other, open).write(redeem())).toMatchObject(refusedFor("needless"));
    expect(writerOf(owner, open).write(redeem())).toMatchObject(refusedFor("needless"));
    const redeemed = writtenBy(puppet, [open], redeem());
    expect(writerOf(puppet, open, redeemed).write(redeem())).toMatchObject(refusedFor("needless"));
  });

  test("[AUTHORITY-10] of concurrent terms that give the same those of the lowest id hold, in whatever order they come", () => {
    const lasting = offer({}, admin);
    const short = offer({ expiresMs: startMs + 1 }, equal);
    for (const known of [
      [lasting, short],
      [short, lasting],
    ]) {
      const written = writerOf(stranger, ...known).write(redeem(), startMs + 10);
      expect("code" in written).toBe(short.id < lasting.id);
    }
  });

  test("[AUTHORITY-10] a key that was lowered by name gets nothing back by an invite that does not know of it", () => {
    const open = offer();
    const redeemed = writtenBy(puppet, [open], redeem());
    const known = [open, redeemed];
    const lowered = setBy(owner, known, setPower(puppet, READ));
    expect(writerOf(puppet, ...known, lowered).write(redeem())).toMatchObject(refusedFor("removed"));
    const apart = offer({ power: 50 });
    expect(writerOf(puppet, ...known, lowered, apart).write(redeem())).toMatchObject(refusedFor("removed"));
    const again = setBy(owner, [...known, lowered], { type: "invite", key: invite, power: WRITE });
    const back = writtenBy(puppet, [...known, lowered, again], redeem());
    expect(powerIn(puppet, ...known, lowered, again, back)).toBe(WRITE);
    const both = setBy(owner, known, setPower(puppet, READ), { type: "invite", key: invite, power: WRITE });
    expect(writerOf(puppet, ...known, both).write(redeem())).not.toHaveProperty("code");
  });

  test("[AUTHORITY-10] what lowered a key stands against an earlier invite also after a later one, and beside a set that it knows", () => {
    const [strong, weak] = [keyOf(51), keyOf(52)];
    const early = setBy(owner, [], { type: "invite", key: strong, power: 50 });
    const lowered = setBy(owner, [early], setPower(puppet, READ));
    const late = setBy(owner, [early, lowered], { type: "invite", key: weak, power: WRITE });
    const known = [early, lowered, late];
    const redeemed = writtenBy(puppet, known, redeem(weak));
    expect(powerIn(puppet, ...known, redeemed)).toBe(WRITE);
    expect(writerOf(puppet, ...known, redeemed).write(redeem(strong))).toMatchObject(refusedFor("removed"));
    const raised = setBy(owner, [...known, redeemed], setPower(puppet, WRITE - 1));
    expect(writerOf(puppet, ...known, redeemed, raised).write(redeem(strong))).toMatchObject(refusedFor("removed"));
    const apart = setBy(admin, [early], setPower(puppet, WRITE));
    expect(writerOf(puppet, ...known, apart).write(redeem(weak))).not.toHaveProperty("code");
    expect(writerOf(puppet, ...known, setBy(admin, [early], setPower(puppet, 150))).write(redeem(weak))).toMatchObject(
      refusedFor("removed"),
    );
  });

  test("[AUTHORITY-10] a redemption stands alone in its entry", () => {
    const writer = writerOf(stranger, offer());
    const parts = [...redeem(), ...rowParts("r")];
    expect(writer.write(parts)).toMatchObject(denied);
    const member = writerOf(other, offer({ power: 20 }));
    expect(member.write(parts)).toMatchObject(refusedFor("not alone"));
    expect(member.write(redeem())).not.toHaveProperty("code");
  });

  test("[AUTHORITY-11] of more redemptions than an invite has uses the earliest stay, in whatever order they come", () => {
    const once = offer({ uses: 2 });
    const newcomers = [20, 21, 22, 23].map((number) => keyOf(number));
    const redeemed = newcomers.map((key, i) => accepted(writerOf(key, once).write(redeem(), startMs + 10 - i)));
    const rows = newcomers.map((key, i) => writtenBy(key, [once, redeemed[i] as VouchedEntry]));
    const expected = new Set([once, ...redeemed.slice(2), ...rows.slice(2)].map(({ id }) => id));
    expect(countingIn([once, ...redeemed, ...rows])).toEqual(expected);
    const all = [once, ...redeemed, ...rows];
    expect(newcomers.map((key) => powerIn(key, ...all))).toEqual([NONE, NONE, WRITE, WRITE]);
  });

  test("[AUTHORITY-11] when a redemption that was cut has an effect again, one that took its use knowing it is void", () => {
    const once = offer({ uses: 1 });
    const first = writtenBy(stranger, [once], redeem());
    const kept = writtenBy(other, [once, first]);
    const cut = setBy(admin, [once], setPower(stranger, NONE));
    const second = writtenBy(puppet, [once, first, kept, cut], redeem());
    const rescue = setBy(owner, [once], setPower(admin, WRITE));
    const all = [once, first, kept, cut];
    expect(countingIn([...all, second])).toContain(second.id);
    for (const entries of [
      [...all, rescue, second],
      [...all, second, rescue],
    ])
      expect([powerIn(stranger, ...entries), powerIn(puppet, ...entries)]).toEqual([WRITE, NONE]);
  });

  test("[AUTHORITY-12] withdrawing an invite, or lowering who made it, cuts redemptions that are concurrent, and no others", () => {
    const open = offer({}, admin);
    const early = writtenBy(puppet, [open], redeem());
    const late = writtenBy(stranger, [open], redeem());
    const row = writtenBy(stranger, [open, late]);
    const ends = [
      setBy(equal, [open, early], { type: "invite", key: invite, power: NONE }),
      setBy(owner, [open, early], setPower(admin, WRITE)),
      setBy(owner, [open, early], { type: "invite", key: invite, power: READ }),
    ];
    for (const end of ends) {
      expect(countingIn([open, early, late, row, end])).toEqual(new Set([open.id, early.id, end.id]));
      expect([puppet, stranger].map((key) => powerIn(key, open, early, late, row, end))).toEqual([WRITE, NONE]);
    }
  });

  test("[AUTHORITY-12] a newcomer that is removed meanwhile is out, and one that is granted writing keeps what it wrote", () => {
    const open = offer({ power: 50 });
    const redeemed = writtenBy(stranger, [open], redeem());
    const row = writtenBy(stranger, [open, redeemed]);
    const all = [open, redeemed, row];
    expect(countingIn([...all, setBy(owner, [open], setPower(stranger, NONE))])).not.toContain(redeemed.id);
    const granted = setBy(owner, [open], setPower(stranger, WRITE));
    expect(countingIn([...all, granted])).toEqual(new Set([...all, granted].map(({ id }) => id)));
    expect(powerIn(stranger, ...all, granted)).toBe(WRITE);
  });
});

describe("what it costs", () => {
  test("[AUTHORITY-13] nothing is judged twice for a hundred authors without a lowering", () => {
    const authors = Array.from({ length: 100 }, (_, i) => keyOf(300 + i));
    const grants = setBy(owner, [], ...authors.map((key) => setPower(key, WRITE)));
    const writers = authors.map((key) => writerOf(key, grants));
    const rows = writers.flatMap((writer) => Array.from({ length: 100 }, () => accepted(writer.write())));
    const { replica } = writerOf(owner, grants, ...rows);
    expect(replica.graph.size).toBe(10_002);
    expect(replica.authority.work).toEqual({ strata: 0, recounts: 0, judged: 0 });
  });

  test("[AUTHORITY-13] a lowering that knows everything, and one of a key that wrote nothing unknown, cost nothing", () => {
    const writer = writerOf(owner);
    const rows = Array.from({ length: 200 }, () => accepted(writer.write()));
    const theirs = writtenBy(other, rows);
    const concurrent = writtenBy(equal, rows);
    const lowered = setBy(owner, [...rows, theirs], setPower(other, NONE), setPower(admin, NONE));
    const { authority, graph } = writerOf(owner, ...rows, theirs, concurrent, lowered).replica;
    expect([graph.voidCount, authority.work]).toEqual([0, { strata: 0, recounts: 0, judged: 0 }]);
  });

  test("[AUTHORITY-13] a lowering judges what the lowered key wrote meanwhile once, and settings as a whole only when that was settings", () => {
    const writer = writerOf(other);
    const early = Array.from({ length: 300 }, () => accepted(writer.write()));
    const late = Array.from({ length: 20 }, () => accepted(writer.write()));
    const removal = setBy(owner, early, setPower(other, NONE));
    const { authority } = writerOf(owner, ...early, ...late, removal).replica;
    expect(authority.work).toEqual({ strata: 0, recounts: 1, judged: 20 });
    const grant = setBy(admin, [], setPower(stranger, WRITE));
    const removed = setBy(owner, [], setPower(admin, NONE));
    expect(writerOf(owner, grant, removed).replica.authority.work).toMatchObject({ strata: 1 });
  });

  test("[AUTHORITY-13] who redeems an invite after it was used up elsewhere has no effect, and nothing is decided as a whole for that", () => {
    const twice = setBy(owner, [], { type: "invite", key: invite, power: WRITE, uses: 2 });
    const newcomers = Array.from({ length: 200 }, (_, i) => keyOf(300 + i));
    const redeemed = newcomers.map((key, i) => accepted(writerOf(key, twice).write(redeem(), startMs + i)));
    const { authority, graph } = writerOf(owner, twice, ...redeemed).replica;
    expect(newcomers.filter((key) => authority.mayWrite(key))).toEqual(newcomers.slice(0, 2));
    expect([graph.voidCount, authority.work.strata]).toEqual([198, 0]);
  });

  test("[AUTHORITY-13] settings that others write in the meantime are not decided as a whole", () => {
    const [one, two] = [writerOf(admin), writerOf(equal)];
    const members = (from: number): readonly SettingsOp[] =>
      Array.from({ length: 50 }, (_, i) => setPower(keyOf(from + i), WRITE));
    const ours = members(100).map((op) => accepted(one.write(settingsParts(op))));
    const theirs = members(200).map((op) => accepted(two.write(settingsParts(op))));
    const reader = writerOf(owner, ...ours.flatMap((entry, i) => [entry, theirs[i] as VouchedEntry]));
    accepted(reader.write());
    expect(reader.replica.graph.size).toBe(102);
    expect(reader.replica.authority.work).toEqual({ strata: 0, recounts: 0, judged: 0 });
  });
});

describe("explanations", () => {
  test("[AUTHORITY-14] a key's power is explained from the root down to it", () => {
    const grant = setBy(admin, [], { type: "invite", key: invite, power: WRITE });
    const redeemed = writtenBy(stranger, [grant], redeem());
    const { replica } = writerOf(owner, grant, redeemed);
    expect(explainKey(replica, stranger)).toMatchObject({
      power: WRITE,
      permission: "write",
      isPublic: false,
      chain: [
        { entry: root.id, author: owner, power: OWNER, via: "root" },
        { entry: root.id, author: owner, power: 10, via: "set" },
        { entry: redeemed.id, author: admin, power: WRITE, via: "redeem" },
      ],
    });
    expect(explainKey(replica, owner).chain).toMatchObject([{ via: "root" }]);
    expect(explainKey(replica, puppet)).toMatchObject({ power: NONE, chain: [] });
  });

  test("[AUTHORITY-14] what everybody may do explains a key that nobody named", () => {
    const open = setBy(admin, [], { type: "public", power: READ });
    const { replica } = writerOf(owner, open);
    expect(explainKey(replica, stranger)).toMatchObject({
      isPublic: true,
      chain: [
        { via: "root" },
        { via: "set", power: 10 },
        { entry: open.id, author: admin, power: READ, via: "public" },
      ],
    });
    expect(explainKey(replica, other)).toMatchObject({ isPublic: false, chain: [{ via: "root" }, { via: "set" }] });
  });

  test("[AUTHORITY-15] an entry is explained by the rule and the entry that decided it, and by what it is kept under", () => {
    const removed = setBy(owner, [], setPower(admin, NONE));
    const grant = setBy(admin, [], setPower(puppet, WRITE));
    const row = writtenBy(puppet, [grant]);
    const late = writtenBy(admin, []);
    const later = writtenBy(admin, [late]);
    const honest = writtenBy(other, [late, later]);
    const { replica } = writerOf(owner, removed, grant, row, late, later, honest);
    expect(explainEntry(replica, row.id)).toEqual({
      type: "void",
      author: puppet,
      rule: "not entitled",
      by: removed.id,
    });
    expect(explainEntry(replica, grant.id)).toEqual({ type: "void", author: admin, rule: "cut", by: removed.id });
    expect(explainEntry(replica, late.id)).toEqual({
      type: "counts",
      author: admin,
      rule: "cut",
      by: removed.id,
      keptUnder: honest.id,
    });
    expect(explainEntry(replica, honest.id)).toEqual({ type: "counts", author: other });
    expect(explainEntry(replica, keyOf(9) as never)).toEqual({ type: "unknown" });
  });

  test("[AUTHORITY-15] what a removal knows is not explained by it, also when it was judged again", () => {
    const row = writtenBy(other, []);
    const removal = setBy(owner, [row], setPower(other, NONE));
    const grant = setBy(admin, [], setPower(other, WRITE));
    const theirs = writtenBy(admin, []);
    const end = setBy(owner, [theirs], setPower(admin, NONE));
    const { replica } = writerOf(owner, row, removal, grant, theirs, end);
    expect(replica.authority.work.judged).toBe(1);
    expect(explainEntry(replica, row.id)).toEqual({ type: "counts", author: other });
  });

  test("[AUTHORITY-15] what lost its permission with an invite, or with what everybody may do, is explained by what ended that", () => {
    const offer = setBy(admin, [], { type: "invite", key: invite, power: WRITE });
    const redeemed = writtenBy(stranger, [offer], redeem());
    const row = writtenBy(stranger, [offer, redeemed]);
    const open = setBy(admin, [], { type: "public", power: WRITE });
    const theirs = writtenBy(puppet, [open]);
    const removed = setBy(owner, [], setPower(admin, NONE));
    const { replica } = writerOf(owner, offer, redeemed, row, open, theirs, removed);
    for (const { id } of [redeemed, row, theirs])
      expect(explainEntry(replica, id)).toMatchObject({ type: "void", rule: "not entitled", by: removed.id });
  });

  test("[AUTHORITY-15] who wrote because a removal had no effect is void by the removal once it has one again", () => {
    const [strong, rescuer] = [keyOf(30), keyOf(31)];
    const admins = setBy(owner, [], setPower(strong, 20), setPower(rescuer, 5));
    const removal = setBy(strong, [admins], setPower(other, NONE));
    const rescue = setBy(rescuer, [admins], setPower(strong, NONE));
    const honest = writtenBy(equal, [admins, removal]);
    const row = writtenBy(other, [admins, removal, honest, rescue]);
    const end = setBy(owner, [admins], setPower(rescuer, NONE));
    const { replica } = writerOf(owner, admins, removal, rescue, honest, row, end);
    expect(explainEntry(replica, row.id)).toMatchObject({ type: "void", rule: "not entitled", by: removal.id });
  });

  test("[AUTHORITY-15] what counts although a removal would cut it is explained by that removal and by what ended it", () => {
    const cut = setBy(admin, [], setPower(other, NONE));
    const late = writtenBy(other, []);
    const rescue = setBy(owner, [], setPower(admin, NONE));
    const revived = { would: cut.id, by: rescue.id };
    for (const entries of [
      [cut, late, rescue],
      [late, rescue, cut],
    ]) {
      const { replica } = writerOf(owner, ...entries);
      expect(explainEntry(replica, late.id)).toEqual({ type: "counts", author: other, revived });
      expect(explainEntry(replica, rescue.id)).toEqual({ type: "counts", author: owner });
    }
    const known = setBy(admin, [late], setPower(other, NONE));
    const knowing = writtenBy(other, [late, rescue]);
    const { replica } = writerOf(owner, late, rescue, cut, knowing);
    expect(explainEntry(replica, knowing.id), "it knows what ended it").toEqual({ type: "counts", author: other });
    const { replica: after } = writerOf(owner, late, known, rescue);
    expect(explainEntry(after, late.id), "the removal knows it").toEqual({ type: "counts", author: other });
  });

  test("[AUTHORITY-15] what was written by a permission that a removal would have cut is revived with it", () => {
    const [strong, second] = [keyOf(30), keyOf(31)];
    const admins = setBy(owner, [], setPower(strong, 5), setPower(second, 20));
    const grant = setBy(second, [admins], setPower(puppet, WRITE));
    const row = writtenBy(puppet, [admins, grant]);
    const offer = setBy(second, [admins], { type: "invite", key: invite, power: WRITE });
    const redeemed = writtenBy(stranger, [admins, offer], redeem());
    const third = setBy(second, [admins, offer], setPower(keyOf(33), 50));
    const theirOffer = setBy(keyOf(33), [admins, offer, third], { type: "invite", key: keyOf(51), power: WRITE });
    const farther = writtenBy(keyOf(34), [admins, offer, third, theirOffer], redeem(keyOf(51)));
    const open = setBy(second, [admins, offer], { type: "public", power: WRITE });
    const theirs = writtenBy(keyOf(32), [admins, offer, open]);
    const cut = setBy(strong, [admins], setPower(second, NONE));
    const rescue = setBy(owner, [admins], setPower(strong, NONE));
    const all = [admins, grant, row, offer, redeemed, third, theirOffer, farther, open, theirs, cut];
    const affected = [grant, row, offer, redeemed, third, theirOffer, farther, open, theirs];
    const { replica: before } = writerOf(owner, ...all);
    for (const { id } of affected) expect(explainEntry(before, id)).toMatchObject({ type: "void", by: cut.id });
    const knowing = writtenBy(puppet, [admins, grant, rescue]);
    const { replica } = writerOf(owner, ...all, rescue, knowing);
    for (const { id } of affected)
      expect(explainEntry(replica, id)).toMatchObject({ type: "counts", revived: { would: cut.id, by: rescue.id } });
    expect(explainEntry(replica, knowing.id), "it knows how that was settled").not.toHaveProperty("revived");
    const named = setBy(owner, [admins], setPower(puppet, WRITE));
    const twice = writtenBy(puppet, [admins, grant, named]);
    const { replica: both } = writerOf(owner, admins, named, ...all, rescue, twice);
    expect(explainEntry(both, twice.id), "another permission is enough").not.toHaveProperty("revived");
  });

  test("[AUTHORITY-15] when whoever closed the database to the public is removed, what strangers wrote is explained so, and a member's is not", () => {
    const open = setBy(owner, [], { type: "public", power: WRITE });
    const [theirs, ours] = [stranger, other].map((key) => writtenBy(key, [open])) as [VouchedEntry, VouchedEntry];
    const closed = setBy(admin, [open], { type: "public", power: NONE });
    const rescue = setBy(owner, [open], setPower(admin, NONE));
    const { replica } = writerOf(owner, open, theirs, ours, closed, rescue);
    expect(explainEntry(replica, theirs.id)).toMatchObject({ revived: { would: closed.id, by: rescue.id } });
    expect(explainEntry(replica, ours.id)).toEqual({ type: "counts", author: other });
  });

  test("[AUTHORITY-15] a set that has no effect for its power cuts nothing, so nothing is revived from it", () => {
    const [first, weak] = [keyOf(30), keyOf(31)];
    const admins = setBy(owner, [], setPower(weak, 20), setPower(first, WRITE));
    const raised = setBy(owner, [admins], setPower(first, 15));
    const grant = setBy(first, [admins, raised], setPower(puppet, WRITE));
    const lowering = setBy(weak, [admins], setPower(first, NONE));
    const rescue = setBy(owner, [admins], setPower(weak, NONE));
    const { replica } = writerOf(owner, admins, raised, grant, lowering, rescue);
    expect(explainEntry(replica, lowering.id)).toMatchObject({ type: "void", rule: "cut", by: rescue.id });
    expect(explainEntry(replica, grant.id)).toEqual({ type: "counts", author: first });
  });

  test("[AUTHORITY-15] what is refused names the settings entry that says so", () => {
    const removal = setBy(owner, [], setPower(other, NONE));
    const named = (id: string | undefined): object => (id === undefined ? {} : { by: id });
    const refusal = (need: string, author: PublicKey, id?: string): object => ({
      code: "ENTRY_PERMISSION",
      details: { author, need, ...named(id) },
    });
    expect(writerOf(other, removal).write()).toEqual(refusal("write", other, removal.id));
    expect(writerOf(other).write(settingsParts(setPower(puppet, READ)))).toEqual(refusal("admin", other, root.id));
    expect(writerOf(stranger).write()).toEqual(refusal("write", stranger));
    const open = setBy(owner, [], { type: "public", power: READ });
    expect(writerOf(stranger, open).write()).toEqual(refusal("write", stranger, open.id));
    const late = writtenBy(other, []);
    const knowing = writerOf(admin, removal, late);
    const draft = { ...knowing.draft(), parents: [removal.id, late.id].sort() };
    expect(refusalsIn(knowing.receive([seal(draft, sha256)]))).toEqual([
      { code: "ENTRY_STANDS_ON_VOID", details: { author: admin, follows: late.id, by: removal.id } },
    ]);
  });

  test("[AUTHORITY-15] what stands on something void is refused for what cut that in its own past, not for what came since", () => {
    const [one, two] = [admin, owner].map((key) => setBy(key, [], setPower(other, NONE))) as [
      VouchedEntry,
      VouchedEntry,
    ];
    const late = writtenBy(other, []);
    for (const [first, second] of [
      [one, two],
      [two, one],
    ] as const) {
      const draft = { ...writerOf(equal, late, first).draft(), parents: [first.id, late.id].sort() };
      const refused = refusalsIn(writerOf(equal, second, late, first).receive([seal(draft, sha256)]));
      expect(refused).toMatchObject([{ details: { by: first.id } }]);
    }
  });

  test("[AUTHORITY-15] a redemption that is refused names the word about the invite, its maker or the newcomer", () => {
    const offer = setBy(admin, [], { type: "invite", key: invite, power: WRITE, uses: 1, expiresMs: startMs + 10 });
    const withdrawn = setBy(owner, [offer], { type: "invite", key: invite, power: NONE });
    const removed = setBy(owner, [offer], setPower(stranger, NONE));
    const lowered = setBy(owner, [offer], setPower(admin, WRITE));
    const used = writtenBy(puppet, [offer], redeem());
    const cases: readonly (readonly [string, PublicKey, readonly VouchedEntry[], VouchedEntry | undefined, number?])[] =
      [
        ["unknown", stranger, [], undefined],
        ["withdrawn", stranger, [offer, withdrawn], withdrawn],
        ["removed", stranger, [offer, removed], removed],
        ["unentitled", stranger, [offer, lowered], lowered],
        ["used up", stranger, [offer, used], offer],
        ["expired", stranger, [offer], offer, startMs + 11],
        ["needless", other, [offer], root],
      ];
    for (const [reason, author, known, by, atMs = startMs + 5] of cases) {
      const details = { author, reason, ...(by === undefined ? {} : { by: by.id }) };
      expect(writerOf(author, ...known).write(redeem(), atMs)).toEqual({ code: "ENTRY_INVITE", details });
    }
  });

  test("[AUTHORITY-15] a redemption that came too late is explained by the uses", () => {
    const once = setBy(owner, [], { type: "invite", key: invite, power: WRITE, uses: 1 });
    const first = accepted(writerOf(stranger, once).write(redeem(), startMs + 1));
    const second = accepted(writerOf(puppet, once).write(redeem(), startMs + 2));
    const { replica } = writerOf(owner, once, second, first);
    expect(explainEntry(replica, second.id)).toEqual({ type: "void", author: puppet, rule: "uses" });
  });
});
