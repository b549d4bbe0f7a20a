import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { keyOf } from "../../testing/writers.ts";
import { encodeHex, type PublicKey } from "../ids.ts";
import { presenceBeatMs, presencePagesMax, presencePagesPerKeyMax, presenceSkewMsMax } from "../limits.ts";
import { type Announcement, originOf, type PageId, pageIdFromHex } from "./announcement.ts";
import { Roster, type Seen, type Verdict } from "./roster.ts";

const startMs = 1_000_000_000;

function pageOf(number: number): PageId {
  const bytes = new Uint8Array(16);
  new DataView(bytes.buffer).setUint32(0, number);
  return pageIdFromHex(encodeHex(bytes));
}

interface Said {
  readonly author?: PublicKey;
  readonly page?: number;
  readonly counter?: number;
  readonly sentMs?: number;
  readonly lifeMs?: number;
  readonly isGone?: boolean;
}

function announced({ author = keyOf(1), page = 1, counter = 1, sentMs = startMs, ...said }: Said): Announcement {
  const content = said.isGone === true ? new Uint8Array() : new Uint8Array([counter % 24]);
  return {
    author,
    page: pageOf(page),
    counter,
    sentMs,
    lifeMs: said.lifeMs ?? 30_000,
    content,
    signature: new Uint8Array(64),
  };
}

/** What whoever has checked the signature does. */
function hear(roster: Roster, said: Said, nowMs = startMs, ageMs = 0, isOwn = false): Verdict {
  const announcement = announced(said);
  const verdict = roster.judge(announcement, ageMs, nowMs);
  const seen: Seen = { announcement, state: 1, sentHereMs: nowMs - ageMs, arrivedMs: nowMs, isOwn };
  if (verdict === "new" || isOwn) roster.take(seen, nowMs);
  return verdict;
}

function pagesThere(roster: Roster, nowMs = startMs): readonly string[] {
  return [...roster.there(nowMs)].map(([, { announcement }]) => announcement.page);
}

test("[PRESENCE-4] whatever order announcements come in, each page says what it said last", () => {
  const said = fc.record({ page: fc.nat(3), counter: fc.nat(5), isGone: fc.boolean() });
  fc.assert(
    fc.property(fc.array(said, { maxLength: 20 }), (all) => {
      const once = new Map(all.map((each) => [`${each.page} ${each.counter}`, each]));
      const roster = new Roster();
      for (const each of once.values()) hear(roster, each);
      for (const each of once.values()) {
        const { page } = each;
        const counter = Math.max(
          ...[...once.values()].filter((other) => other.page === page).map((other) => other.counter),
        );
        const last = once.get(`${page} ${counter}`);
        expect(roster.get(originOf(announced(each)))?.announcement.counter).toBe(counter);
        expect(pagesThere(roster).includes(pageOf(page))).toBe(last?.isGone === false);
        expect(hear(roster, each)).toBe(each.counter === counter ? "same" : "old");
      }
    }),
  );
});

describe("[PRESENCE-5] a page is there", () => {
  test("for as long as it said, and no longer, whatever its clock says", () => {
    for (const skewMs of [-500_000, 0, 500_000]) {
      const roster = new Roster();
      expect(hear(roster, { sentMs: startMs + skewMs, lifeMs: 10_000 })).toBe("new");
      expect(pagesThere(roster, startMs + 9_999)).toHaveLength(1);
      expect(pagesThere(roster, startMs + 10_000)).toHaveLength(0);
    }
  });

  test("for what is left of that when it comes by others, and not at all when nothing is", () => {
    const roster = new Roster();
    expect(hear(roster, { lifeMs: 10_000 }, startMs, 10_000)).toBe("over");
    expect(hear(roster, { lifeMs: 10_000 }, startMs, 9_000)).toBe("new");
    expect(pagesThere(roster, startMs + 999)).toHaveLength(1);
    expect(pagesThere(roster, startMs + 1_000)).toHaveLength(0);
  });

  test("until it says that it goes", () => {
    const roster = new Roster();
    hear(roster, {});
    hear(roster, { counter: 2, isGone: true });
    expect(pagesThere(roster)).toEqual([]);
  });
});

describe("[PRESENCE-6] an announcement", () => {
  test("of another time than ours is not taken", () => {
    const roster = new Roster();
    for (const sentMs of [startMs - presenceSkewMsMax - 1, startMs + presenceSkewMsMax + 1])
      expect(hear(roster, { sentMs })).toBe("untimely");
    expect(hear(roster, { sentMs: startMs - presenceSkewMsMax })).toBe("new");
    expect(hear(roster, { page: 2, sentMs: startMs + presenceSkewMsMax })).toBe("new");
  });

  test("that is said again after its page was gone brings it back at no time", () => {
    fc.assert(
      fc.property(fc.integer({ min: -presenceSkewMsMax, max: presenceSkewMsMax }), fc.boolean(), (skewMs, saysSo) => {
        const roster = new Roster();
        const said: Said = { sentMs: startMs + skewMs };
        expect(hear(roster, said)).toBe("new");
        if (saysSo) hear(roster, { ...said, counter: 2, isGone: true });
        for (let nowMs = startMs + 30_000; nowMs < startMs + 3 * presenceSkewMsMax; nowMs += 15_000) {
          roster.forget(nowMs);
          expect(hear(roster, said, nowMs)).not.toBe("new");
        }
        expect(roster.size).toBe(0);
      }),
    );
  });
});

describe("[PRESENCE-7] of one more page", () => {
  /** So many pages of one key, one after the other. */
  function fill(roster: Roster, count: number, nowMs = startMs): readonly Verdict[] {
    return Array.from({ length: count }, (_, page) => hear(roster, { page }, nowMs));
  }

  test("of a key nothing is kept while the others are there", () => {
    const roster = new Roster();
    const verdicts = fill(roster, 1_000);
    expect(verdicts.filter((verdict) => verdict === "new")).toHaveLength(presencePagesPerKeyMax);
    expect(pagesThere(roster)).toEqual(Array.from({ length: presencePagesPerKeyMax }, (_, page) => pageOf(page)));
    expect(hear(roster, { page: 0, counter: 2 })).toBe("new");
    expect(hear(roster, { author: keyOf(2) })).toBe("new");
  });

  test("one that is gone gives way first, then one that has missed its turn", () => {
    const roster = new Roster();
    fill(roster, presencePagesPerKeyMax);
    hear(roster, { page: 5, counter: 2, isGone: true });
    expect(hear(roster, { page: 100 })).toBe("new");
    expect(roster.get(originOf(announced({ page: 5 })))).toBeUndefined();
    const laterMs = startMs + 1.5 * presenceBeatMs;
    expect(hear(roster, { page: 101 }, laterMs)).toBe("full");
    hear(roster, { page: 0, counter: 2 }, laterMs);
    expect(hear(roster, { page: 101 }, laterMs + 1)).toBe("new");
    expect(pagesThere(roster, laterMs + 1)).toContain(pageOf(0));
    expect(pagesThere(roster, laterMs + 1)).not.toContain(pageOf(1));
  });

  test("of a database that is full nothing is kept, but of this device", () => {
    const roster = new Roster();
    const perKey = presencePagesPerKeyMax;
    for (let key = 0; key < presencePagesMax / perKey; key++)
      for (let page = 0; page < perKey; page++) hear(roster, { author: keyOf(key), page });
    expect(roster.size).toBe(presencePagesMax);
    expect(hear(roster, { author: keyOf(200) })).toBe("full");
    hear(roster, { author: keyOf(201) }, startMs, 0, true);
    expect(roster.size).toBe(presencePagesMax + 1);
    expect(hear(roster, { author: keyOf(200) }, startMs + 1.5 * presenceBeatMs + 1)).toBe("new");
    expect(roster.size).toBeLessThanOrEqual(presencePagesMax + 1);
    expect(roster.get(originOf(announced({ author: keyOf(201) })))).toBeDefined();
  });
});
