import fc from "fast-check";
import { expect, test } from "vitest";
import { entryIdFromDigest } from "../core/ids.ts";
import { createMemoryStorage, MemoryDisk } from "../storage/memory.ts";
import { SimulatedClock } from "../testing/clock.ts";
import { LocalStore } from "./local-store.ts";
import { Preferences } from "./preferences.ts";
import type { PreferencesRecord } from "./records.ts";

const [x, y] = [3, 4].map((n) => entryIdFromDigest(new Uint8Array(32).fill(n))) as [
  PreferencesRecord["database"],
  PreferencesRecord["database"],
];
const unsaid = { enabled: true, onCommit: true, intervalMs: 0, properties: {} };

function wish(user: string, given: Partial<PreferencesRecord> = {}): PreferencesRecord {
  return { database: x, user, enabled: false, onCommit: false, intervalMs: 0, properties: {}, ...given };
}

const intervals = fc.oneof(fc.constant(0), fc.integer({ min: 1_000, max: 2_147_483_647 }));
const users = fc.string({ minLength: 1, maxLength: 8, unit: fc.constantFrom("a", "b", "/", "ä", "😀") });
const properties = fc.dictionary(fc.constantFrom("a", "b", "__proto__", "1"), fc.string({ maxLength: 20 }));
const wishes = fc.uniqueArray(
  fc
    .tuple(users, fc.boolean(), fc.boolean(), intervals, properties)
    .map(([user, enabled, onCommit, intervalMs, own]) =>
      wish(user, { enabled, onCommit, intervalMs, properties: own }),
    ),
  { selector: ({ user }) => user, minLength: 1, maxLength: 8 },
);

/** Nothing is damaged here. */
const failed = (error: unknown): never => {
  throw error;
};

async function open(disk = new MemoryDisk()) {
  const [storage, clock] = [createMemoryStorage(disk), new SimulatedClock()];
  const store = await LocalStore.open({ storage, clock, failed });
  return { disk, store, preferences: new Preferences(store) };
}

test("[PREFERENCES-1] any user enables, any pushes on commit, the shortest interval counts, the last user's property", async () => {
  await fc.assert(
    fc.asyncProperty(wishes, async (all) => {
      const { disk, store, preferences } = await open();
      for (const each of all) preferences.set(each);
      const ordered = [...all].sort((a, b) => (a.user < b.user ? -1 : 1));
      const merged = new Map(ordered.flatMap((each) => Object.entries(each.properties)));
      const lengths = all.map(({ intervalMs }) => intervalMs).filter((ms) => ms !== 0);
      const combined = preferences.combined(x);
      expect(combined.enabled).toBe(all.some(({ enabled }) => enabled));
      expect(combined.onCommit).toBe(all.some(({ onCommit }) => onCommit));
      expect(combined.intervalMs).toBe(lengths.length === 0 ? 0 : Math.min(...lengths));
      expect(new Map(Object.entries(combined.properties))).toEqual(merged);
      expect(preferences.combined(y)).toEqual(unsaid);
      await store.flush();
      expect((await open(disk)).preferences.combined(x)).toEqual(combined);
    }),
  );
});

test("[PREFERENCES-2] nobody said anything: enabled, on commit, no interval of its own; also when all have taken it back", async () => {
  const { disk, store, preferences } = await open();
  expect(preferences.combined(x)).toEqual(unsaid);
  preferences.set(wish("a", { intervalMs: 5_000 }));
  preferences.set(wish("b", { intervalMs: 2_000 }));
  preferences.set(wish("a", { intervalMs: 9_000, onCommit: true }));
  expect(preferences.combined(x)).toEqual({ ...unsaid, enabled: false, intervalMs: 2_000 });
  preferences.remove(x, "b");
  preferences.remove(x, "c");
  expect(preferences.combined(x)).toEqual({ ...unsaid, enabled: false, intervalMs: 9_000 });
  await store.flush();
  expect((await open(disk)).preferences.combined(x).intervalMs).toBe(9_000);
  expect((await open(disk)).store.all("preferences")).toHaveLength(1);
  preferences.remove(x, "a");
  expect(preferences.combined(x)).toEqual(unsaid);
  for (const database of [x, y]) for (const user of ["a", "b"]) preferences.set(wish(user, { database }));
  preferences.forgetDatabase(x);
  expect([preferences.combined(x), preferences.combined(y).enabled]).toEqual([unsaid, false]);
  await store.flush();
  const again = await open(disk);
  expect(again.store.all("preferences").map(({ database, user }) => [database, user])).toEqual([
    [y, "a"],
    [y, "b"],
  ]);
});

const invalid = expect.objectContaining({ code: "INPUT_INVALID" });

test("[PREFERENCES-3] what is too much or not what it should be is refused, and nothing is changed", async () => {
  const { store, preferences } = await open();
  const many = Object.fromEntries(Array.from({ length: 33 }, (_, n) => [`p${n}`, ""]));
  const bad: readonly Partial<Record<keyof PreferencesRecord, unknown>>[] = [
    { user: "" },
    { user: "ä".repeat(33) },
    { user: "a\nb" },
    { enabled: 1 },
    { onCommit: undefined },
    ...[1, 999, 1_000.5, -1_000, Number.NaN, Number.POSITIVE_INFINITY, 2_147_483_648].map((intervalMs) => ({
      intervalMs,
    })),
    { properties: many },
    { properties: null },
    { properties: { a: 1 } },
    { properties: { a: "ä".repeat(129) } },
    { properties: { ["a".repeat(257)]: "" } },
    { properties: { a: "\ud800" } },
  ];
  for (const each of bad) expect(() => preferences.set({ ...wish("a"), ...each } as never)).toThrow(invalid);
  expect([preferences.combined(x), store.all("preferences")]).toEqual([unsaid, []]);
  preferences.set(wish("ä".repeat(32), { intervalMs: 1_000, properties: { ["a".repeat(256)]: "ä".repeat(128) } }));
  expect(preferences.combined(x).intervalMs).toBe(1_000);
});

test("[PREFERENCES-3] 32 users have a say in a database, and each may change its mind", async () => {
  const { store, preferences } = await open();
  for (let n = 0; n < 32; n++) preferences.set(wish(`user ${n}`));
  expect(() => preferences.set(wish("one more", { enabled: true }))).toThrow(invalid);
  expect([store.all("preferences").length, preferences.combined(x).enabled]).toEqual([32, false]);
  preferences.set(wish("user 7", { enabled: true }));
  preferences.set(wish("one more", { database: y }));
  expect([store.all("preferences").length, preferences.combined(x).enabled]).toEqual([33, true]);
});

test("[PREFERENCES-3] what was handed in can be altered afterwards without effect", async () => {
  const { preferences } = await open();
  const own: Record<string, string> = { a: "1" };
  preferences.set(wish("a", { properties: own }));
  own.a = "2";
  preferences.set(wish("b"));
  expect(preferences.combined(x).properties).toEqual({ a: "1" });
});
