import fc from "fast-check";
import { expect, test } from "vitest";
import type { EntryId, PublicKey } from "../ids.ts";
import { NONE } from "./power.ts";
import type { SettingsOp } from "./settings.ts";
import { type PowerSet, type SettingsEntry, SettingsView } from "./settings-view.ts";

const keys = ["a", "b", "c", "d"].map((digit) => digit.repeat(64) as PublicKey);
const [ada, bob, cy, door] = keys as [PublicKey, PublicKey, PublicKey, PublicKey];
const sealKeys = [1, 2].map((byte) => new Uint8Array(65).fill(byte));
const proof = new Uint8Array(64);

function entry(time: number, author: PublicKey, ...ops: readonly SettingsOp[]): SettingsEntry {
  return { id: time.toString(16).padStart(64, "0") as EntryId, author, time, ops };
}

const key = fc.constantFrom(...keys);
const power = fc.constantFrom(1, 100, 200, NONE);
const described = fc.record(
  { name: fc.constantFrom("x", "y"), sealKey: fc.constantFrom(...sealKeys) },
  { requiredKeys: [] },
);
const op: fc.Arbitrary<SettingsOp> = fc.oneof(
  fc.record({ type: fc.constant("name" as const), name: fc.constantFrom("T", "U") }),
  fc.record({ type: fc.constant("public" as const), power: fc.constantFrom(100, 200, NONE) }),
  fc.tuple(key, power, described).map(([key, power, said]) => ({ type: "set" as const, key, power, ...said })),
  fc.record({ type: fc.constant("invite" as const), key, power, uses: fc.integer({ min: 1, max: 3 }) }),
  fc.tuple(key, described).map(([invite, said]) => ({ type: "redeem" as const, invite, proof, ...said })),
  fc.record({ type: fc.constant("epoch" as const), number: fc.integer({ min: 1, max: 3 }), keys: fc.constant([]) }),
  fc.constant({ type: "remove" as const }),
);
/** Entries with many equal times, each with its own id, as they are and in another order. */
const given = fc
  .uniqueArray(fc.tuple(key, fc.array(op, { maxLength: 3 }), fc.integer({ min: 1, max: 3 }), fc.nat(255)), {
    selector: ([, , , id]) => id,
    maxLength: 10,
  })
  .map((all) =>
    all.map(([author, ops, time, id]): SettingsEntry => {
      return { id: id.toString(16).padStart(64, "0") as EntryId, author, time, ops };
    }),
  )
  .chain((all) => fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length })));

function listing(view: SettingsView): unknown {
  return [
    view.name,
    view.removed,
    view.public,
    view.invites(),
    view.sets(),
    view.members(),
    view.epochs(),
    view.encode(),
  ];
}

test("[SETTINGS-4] [SETTINGS-5] [SETTINGS-7] a view is the same for the same entries, in whatever order they come", () => {
  fc.assert(
    fc.property(given, ([all, shuffled]) => {
      expect(listing(new SettingsView(shuffled))).toEqual(listing(new SettingsView(all)));
    }),
  );
});

test("[SETTINGS-4] [SETTINGS-5] [SETTINGS-7] a view shows what the latest of each said, and all that gave a power", () => {
  fc.assert(
    fc.property(given, ([all]) => {
      const view = new SettingsView(all);
      const sorted = [...all].sort((a, b) => a.time - b.time || (a.id < b.id ? -1 : 1));
      const ops = sorted.flatMap(({ author, time, id, ops }) => ops.map((op) => ({ author, stamp: { time, id }, op })));
      const latest = <T extends SettingsOp["type"]>(type: T, isIt: (op: SettingsOp) => boolean = () => true) =>
        ops.findLast(({ op }) => op.type === type && isIt(op));
      expect(view.name).toBe((latest("name")?.op as { name: string } | undefined)?.name);
      const opened = latest("public");
      expect(view.public?.power).toBe((opened?.op as { power: number } | undefined)?.power);
      expect([view.public?.author, view.public?.stamp]).toEqual([opened?.author, opened?.stamp]);
      const removed = latest("remove");
      expect(view.removed).toEqual(removed && { author: removed.author, stamp: removed.stamp });
      const invites = keys.flatMap((key) => {
        const { op, ...origin } = latest("invite", (op) => op.type === "invite" && op.key === key) ?? {};
        if (op?.type !== "invite" || op.power === NONE) return [];
        return [{ ...origin, key, power: op.power, label: undefined, expiresMs: undefined, uses: op.uses }];
      });
      expect(view.invites()).toEqual(invites);
      const sets = ops.flatMap(({ op, author, stamp }): readonly PowerSet[] => {
        if (op.type === "set") return [{ via: "set", key: op.key, power: op.power, author, stamp }];
        return op.type === "redeem" ? [{ via: "redeem", key: author, invite: op.invite, author, stamp }] : [];
      });
      expect(view.sets()).toEqual(sets);
      const members = keys.filter((key) => sets.some((set) => set.key === key));
      const said = (key: PublicKey, isSaid: (op: { name?: string; sealKey?: Uint8Array }) => boolean) =>
        ops.findLast(
          ({ op, author }) =>
            (op.type === "set" ? op.key === key : op.type === "redeem" && author === key) && isSaid(op as object),
        )?.op as { name?: string; sealKey?: Uint8Array } | undefined;
      expect(view.members()).toEqual(
        members.map((key) => ({
          key,
          name: said(key, ({ name }) => name !== undefined)?.name,
          sealKey: said(key, ({ sealKey }) => sealKey !== undefined)?.sealKey,
        })),
      );
      for (const key of keys) expect(view.member(key)).toEqual(view.members().find((member) => member.key === key));
      const numbers = view.epochs().map(({ number }) => number);
      expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
      expect(numbers.length).toBe(ops.filter(({ op }) => op.type === "epoch").length);
    }),
  );
});

test("[DELETION-6] what comes later takes no removal back", () => {
  const removal = entry(1, ada, { type: "remove" });
  const later = entry(2, ada, { type: "name", name: "Back again" }, { type: "public", power: 100 });
  expect(new SettingsView([removal, later]).removed).toEqual({ author: ada, stamp: { time: 1, id: removal.id } });
  expect(new SettingsView([later]).removed).toBeUndefined();
});

test("[SETTINGS-7] a name that one entry leaves out stays, and a member that was removed is still listed", () => {
  const view = new SettingsView([
    entry(1, ada, { type: "set", key: bob, power: 100, name: "Bob" }),
    entry(2, cy, { type: "redeem", invite: door, proof, name: "Cy" }),
    entry(3, ada, { type: "set", key: bob, power: NONE }),
  ]);
  expect(view.members().map(({ key, name }) => [key, name])).toEqual([
    [bob, "Bob"],
    [cy, "Cy"],
  ]);
});

test("[SETTINGS-4] a withdrawn invite is not listed, and one that was made again is", () => {
  const made = entry(1, ada, { type: "invite", key: door, power: 100, label: "door", expiresMs: 5, uses: 2 });
  const withdrawn = entry(2, ada, { type: "invite", key: door, power: NONE });
  const again = entry(3, bob, { type: "invite", key: door, power: 200 });
  expect(new SettingsView([withdrawn, made]).invites()).toEqual([]);
  expect(new SettingsView([made]).invites()).toMatchObject([{ label: "door", expiresMs: 5, uses: 2, author: ada }]);
  expect(new SettingsView([again, withdrawn, made]).invites()).toMatchObject([
    { power: 200, author: bob, expiresMs: undefined },
  ]);
});

test("[REPLICA-5] two views have equal bytes only when they are made of the same entries", () => {
  const name = entry(1, ada, { type: "name", name: "T" });
  const views = [
    [],
    [name],
    [{ ...name, time: 2 }],
    [{ ...name, author: bob }],
    [{ ...name, ops: [{ type: "name", name: "U" }] } satisfies SettingsEntry],
    [name, entry(2, ada, { type: "nonce", nonce: new Uint8Array(16) })],
  ].map((entries) => Buffer.from(new SettingsView(entries).encode()).toString("hex"));
  expect(new Set(views).size).toBe(views.length);
});
