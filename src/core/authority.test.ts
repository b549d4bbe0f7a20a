import { sha256 } from "@noble/hashes/sha2.js";
import fc from "fast-check";
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
} from "../testing/writers.ts";
import type { EntryBody, VouchedEntry } from "./entry.ts";
import type { EntryId, PublicKey } from "./ids.ts";
import { NONE, OWNER, type Power, READ, WRITE } from "./store/power.ts";
import type { SettingsOp } from "./store/settings.ts";

/**
 * The rule written down once more, as sets of whole pasts: an entry is accepted when its author was entitled in its past. Knows
 * nothing of graphs, latest settings or caches.
 */
class Oracle {
  readonly #owner: PublicKey;
  readonly #pasts = new Map<EntryId, ReadonlySet<EntryId>>();
  readonly #sets = new Map<EntryId, { readonly key: PublicKey; readonly power: Power }>();

  constructor(root: VouchedEntry) {
    this.#owner = root.author;
    this.accept(root, undefined);
  }

  accept(entry: VouchedEntry, set: { readonly key: PublicKey; readonly power: Power } | undefined): void {
    this.#pasts.set(entry.id, this.pastOf(entry));
    if (set !== undefined) this.#sets.set(entry.id, set);
  }

  pastOf({ prev, parents }: EntryBody): ReadonlySet<EntryId> {
    const past = new Set<EntryId>();
    for (const id of [prev, ...parents]) {
      if (id === undefined) continue;
      past.add(id);
      for (const before of this.#pasts.get(id) ?? []) past.add(before);
    }
    return past;
  }

  /** The latest set; of concurrent ones the weakest. */
  power(key: PublicKey, known: ReadonlySet<EntryId>): Power {
    if (key === this.#owner) return OWNER;
    const ids = [...known].filter((id) => this.#sets.get(id)?.key === key);
    const latest = ids.filter((id) => !ids.some((other) => this.#pasts.get(other)?.has(id)));
    return Math.max(...latest.map((id) => this.#sets.get(id)?.power ?? NONE), latest.length === 0 ? NONE : OWNER);
  }

  isAcceptable(body: EntryBody, set: { readonly key: PublicKey; readonly power: Power } | undefined): boolean {
    const past = this.pastOf(body);
    const mine = this.power(body.author, past);
    if (set === undefined) return mine <= WRITE;
    if (mine >= WRITE || set.power <= mine) return false;
    return set.key === body.author || this.power(set.key, past) > mine;
  }
}

interface Attempt {
  readonly writer: number;
  /** What it takes from whom before. */
  readonly syncs: boolean;
  readonly from: number;
  readonly target: number | undefined;
  readonly power: Power;
  /** Undefined: honest, on everything known. Else it builds on some of what it knows, to look more entitled than it is. */
  readonly cheats: readonly number[] | undefined;
}

const count = 5;
const attempt: fc.Arbitrary<Attempt> = fc.record({
  writer: fc.nat(count - 1),
  syncs: fc.boolean(),
  from: fc.nat(count - 1),
  target: fc.option(fc.nat(count - 1), { nil: undefined, freq: 2 }),
  power: fc.constantFrom(0, 1, 2, 3, 50, 99, WRITE, WRITE, READ, NONE),
  cheats: fc.option(fc.array(fc.nat(100), { minLength: 1, maxLength: 3 }), { nil: undefined }),
});

/** A body on some entries of the writer's own, as a cheat would pick them. */
function bodyOn(writer: Writer, picks: readonly number[], body: EntryBody): EntryBody {
  const { graph } = writer.replica;
  const picked = picks.map((pick) => graph.at(pick % graph.size));
  const prev = body.prev === undefined ? undefined : graph.get(body.prev);
  const ids = [...new Set(picked.map((node) => node.id))].sort();
  const parents = ids.length === 1 && ids[0] === prev?.id ? [] : ids;
  const followed = prev === undefined ? picked : [...picked, prev];
  const height = 1 + Math.max(...followed.map((node) => node.height));
  return { ...body, parents, height, time: Math.max(...followed.map((node) => node.time)) + 1 };
}

function setOf(attempt: Attempt): { readonly key: PublicKey; readonly power: Power } | undefined {
  return attempt.target === undefined ? undefined : { key: keyOf(attempt.target), power: attempt.power };
}

test("[AUTHORITY-1] [AUTHORITY-2] [AUTHORITY-3] every verdict, and the power of every key, is that of a rule written independently", () => {
  const seen = { accepted: 0, refused: 0, sets: 0 };
  fc.assert(
    fc.property(fc.array(attempt, { maxLength: 40, size: "max" }), (attempts) => {
      const root = sealRoot(keyOf(0), sha256, rowParts("r"));
      const oracle = new Oracle(root);
      const writers = Array.from({ length: count }, (_, i) => new Writer(keyOf(i), root.id, sha256));
      for (const writer of writers) writer.receive([root]);
      for (const [i, each] of attempts.entries()) {
        const nowMs = startMs + i * 1_000;
        const writer = writers[each.writer] as Writer;
        if (each.syncs) writer.receive((writers[each.from] as Writer).entries, nowMs);
        const set = setOf(each);
        const ops: readonly SettingsOp[] = set === undefined ? [] : [{ type: "set", ...set }];
        const draft = writer.draft(set === undefined ? rowParts("r", { i }) : settingsParts(...ops), nowMs);
        const body = each.cheats === undefined ? draft : bodyOn(writer, each.cheats, draft);
        const entry = seal(body, sha256, i);
        const [refusal] = refusalsIn(writer.receive([entry], nowMs));
        expect(refusal?.code).toBe(oracle.isAcceptable(body, set) ? undefined : "ENTRY_PERMISSION");
        if (refusal === undefined) oracle.accept(entry, set);
        seen[refusal === undefined ? "accepted" : "refused"] += 1;
        if (refusal === undefined && set !== undefined) seen.sets += 1;
        const held = new Set(writer.entries.map(({ id }) => id));
        for (let key = 0; key < count; key++)
          expect(writer.replica.authority.power(keyOf(key))).toBe(oracle.power(keyOf(key), held));
      }
    }),
    { numRuns: 150 },
  );
  expect(Math.min(seen.accepted, seen.refused, seen.sets)).toBeGreaterThan(200);
});

describe("the rules one by one", () => {
  const [owner, admin, other, stranger] = [keyOf(0), keyOf(1), keyOf(2), keyOf(3)] as [
    PublicKey,
    PublicKey,
    PublicKey,
    PublicKey,
  ];
  const root = sealRoot(owner, sha256, settingsParts(setPower(admin, 10), setPower(other, WRITE)));

  function writerOf(key: PublicKey, ...entries: readonly VouchedEntry[]): Writer {
    const writer = new Writer(key, root.id, sha256);
    writer.receive([root, ...entries]);
    return writer;
  }

  function accepted(written: ReturnType<Writer["write"]>): VouchedEntry {
    if ("code" in written) throw new Error(`refused: ${written.code}`);
    return written;
  }

  const denied = { code: "ENTRY_PERMISSION" };

  test("[AUTHORITY-1] a key that was never set has none, and the owner is the owner whatever is set", () => {
    const { authority } = writerOf(owner).replica;
    expect(authority.power(stranger)).toBe(NONE);
    expect([authority.mayRead(stranger), authority.mayWrite(stranger)]).toEqual([false, false]);
    const self = writerOf(owner);
    accepted(self.write(settingsParts(setPower(owner, NONE))));
    expect(self.replica.authority.power(owner)).toBe(OWNER);
  });

  test("[AUTHORITY-1] of concurrent sets the weakest counts, until one that knows both", () => {
    const [one, two] = [writerOf(owner), writerOf(admin)];
    const weak = accepted(one.write(settingsParts(setPower(other, NONE))));
    const strong = accepted(two.write(settingsParts(setPower(other, WRITE))));
    one.receive([strong]);
    two.receive([weak]);
    expect([one, two].map(({ replica }) => replica.authority.power(other))).toEqual([NONE, NONE]);
    accepted(two.write(settingsParts(setPower(other, 50))));
    expect(two.replica.authority.power(other)).toBe(50);
  });

  test("[AUTHORITY-2] a reader's and a stranger's entries are refused", () => {
    const grant = accepted(writerOf(owner).write(settingsParts(setPower(stranger, READ))));
    expect(writerOf(stranger).write()).toMatchObject(denied);
    expect(writerOf(stranger, grant).write()).toMatchObject(denied);
    expect(writerOf(stranger, grant).replica.authority.mayRead(stranger)).toBe(true);
  });

  test("[AUTHORITY-2] who was removed cannot write on what removed it, nor settle it by itself", () => {
    const removal = accepted(writerOf(owner).write(settingsParts(setPower(other, NONE))));
    expect(writerOf(other, removal).write()).toMatchObject(denied);
    expect(writerOf(other, removal).write(settingsParts(setPower(other, WRITE)))).toMatchObject(denied);
  });

  test("[AUTHORITY-3] a writer does not write settings, whatever they say", () => {
    for (const op of [
      { type: "name", name: "x" },
      setPower(stranger, READ),
      { type: "invite", key: stranger, power: READ },
    ])
      expect(writerOf(other).write(settingsParts(op as SettingsOp))).toMatchObject(denied);
  });

  test("[AUTHORITY-3] an admin sets keys weaker than itself to powers weaker than its own, and nothing else", () => {
    expect(writerOf(admin).write(settingsParts(setPower(other, 11)))).not.toMatchObject(denied);
    expect(writerOf(admin).write(settingsParts(setPower(other, 10)))).toMatchObject(denied);
    expect(writerOf(admin).write(settingsParts(setPower(owner, NONE)))).toMatchObject(denied);
    const equal = accepted(writerOf(owner).write(settingsParts(setPower(other, 10))));
    expect(writerOf(admin, equal).write(settingsParts(setPower(other, NONE)))).toMatchObject(denied);
    expect(writerOf(admin).write(settingsParts({ type: "invite", key: stranger, power: 10 }))).toMatchObject(denied);
    expect(writerOf(admin).write(settingsParts({ type: "invite", key: stranger, power: 11 }))).not.toMatchObject(
      denied,
    );
  });

  test("[AUTHORITY-3] one bad op refuses all of an entry's settings", () => {
    expect(writerOf(admin).write(settingsParts(setPower(stranger, WRITE), setPower(owner, WRITE)))).toMatchObject(
      denied,
    );
  });

  test("[AUTHORITY-3] an admin may lower itself, and is then what it made itself", () => {
    const self = writerOf(admin);
    accepted(self.write(settingsParts(setPower(admin, WRITE))));
    expect(self.replica.authority.power(admin)).toBe(WRITE);
    expect(self.write(settingsParts(setPower(admin, 10)))).toMatchObject(denied);
  });

  test("[AUTHORITY-4] what is judged later does not change what was accepted", () => {
    const late = accepted(writerOf(other).write(rowParts("late")));
    const removal = accepted(writerOf(owner).write(settingsParts(setPower(other, NONE))));
    const [one, two] = [writerOf(owner, late, removal), writerOf(owner, removal, late)];
    expect(one.fingerprint).toBe(two.fingerprint);
    expect(one.replica.graph.has(late.id)).toBe(true);
  });
});
