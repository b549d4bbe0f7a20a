import { sha256 } from "@noble/hashes/sha2.js";
import fc from "fast-check";
import { expect, test } from "vitest";
import { SeededRandom } from "../../testing/random.ts";
import { Conversation, type Line, Site } from "../../testing/sites.ts";
import { arbitraryWorld, growWorld, type World } from "../../testing/world.ts";
import { rowParts } from "../../testing/writers.ts";
import type { EntryId } from "../ids.ts";
import type { Message } from "./message.ts";

const seed = fc.integer();

function picker(number: number): (count: number) => number {
  const random = new SeededRandom(number);
  return (count) => random.int(count);
}

/** Sites with what the writers of a world hold, and the lines between neighbours. */
function meet(world: World, count: number): { readonly talk: Conversation; readonly lines: readonly Line[] } {
  const sites = Array.from({ length: count }, (_, i) => new Site(i, sha256));
  for (const [i, site] of sites.entries()) site.open(world.database, world.writers[i]?.entries);
  const talk = new Conversation(...sites);
  const lines = sites.slice(1).flatMap((site, i) => talk.connect(sites[i] as Site, site));
  return { talk, lines };
}

function expectAgreement(talk: Conversation, database: EntryId): void {
  const digests = talk.sites.map((site) => site.replica(database).digest());
  expect(new Set(digests).size).toBe(1);
  for (const site of talk.sites) {
    expect(site.replica(database).pending.size).toBe(0);
    for (const line of site.lines) {
      expect(line.failure).toBeUndefined();
      expect(line.session.lane(database)).toMatchObject({ phase: "live", unconfirmed: 0 });
    }
  }
}

function minus(one: ReadonlySet<EntryId>, other: ReadonlySet<EntryId>): readonly EntryId[] {
  return [...one].filter((id) => !other.has(id)).sort();
}

function typesOf(lines: readonly Line[]): readonly Message["type"][] {
  return lines.flatMap((line) => line.sent.map(({ type }) => type));
}

test("[SESSION-2] equal digests cost one message and its answer", () => {
  const world = growWorld([{ type: "write", writer: 0, row: 1, value: 1 }], 2, sha256, false);
  world.writers[1]?.receive(world.entries);
  const { talk, lines } = meet(world, 2);
  talk.run();
  expectAgreement(talk, world.database);
  expect(lines.map((line) => line.sent.map(({ type }) => type))).toEqual([["digest"], ["same"]]);
});

test("[SESSION-3] in whatever order things happen two sites converge, and exactly the missing entries travel, once", () => {
  let travelled = 0;
  fc.assert(
    fc.property(arbitraryWorld(sha256, { writers: 2, forks: false }), seed, (world, number) => {
      const { talk, lines } = meet(world, 2);
      const [a, b] = talk.sites as [Site, Site];
      const expected = [
        minus(a.holds(world.database), b.holds(world.database)),
        minus(b.holds(world.database), a.holds(world.database)),
      ];
      talk.run(picker(number));
      expectAgreement(talk, world.database);
      expect(lines.map((line) => [...line.sentEntries].sort())).toEqual(expected);
      expect(typesOf(lines).filter((type) => type === "frontier").length).toBeLessThanOrEqual(2);
      travelled += expected.flat().length;
    }),
  );
  expect(travelled).toBeGreaterThan(100);
});

test("[SESSION-3] [SESSION-4] entries written while sites compare and send arrive as well, once, and never go back", () => {
  fc.assert(
    fc.property(arbitraryWorld(sha256, { writers: 3, forks: false }), seed, (world, number) => {
      const { talk, lines } = meet(world, 3);
      const random = new SeededRandom(number);
      let writes = 8;
      const pick = (count: number): number => {
        if (writes > 0 && random.chance(0.2)) {
          writes -= 1;
          random.pick(talk.sites).write(world.database, rowParts("r", { writes }));
        }
        return random.int(count);
      };
      talk.run(pick);
      for (; writes > 0; writes--) random.pick(talk.sites).write(world.database, rowParts("r", { writes }));
      talk.run(pick);
      expectAgreement(talk, world.database);
      for (const line of lines) expect(new Set(line.sentEntries).size).toBe(line.sentEntries.length);
    }),
  );
});

test("[SESSION-7] with forks sites converge too, and what is sent again is less than what is new", () => {
  let forked = 0;
  fc.assert(
    fc.property(arbitraryWorld(sha256, { writers: 2, stepsMax: 40 }), seed, (world, number) => {
      const { talk, lines } = meet(world, 2);
      const [a, b] = talk.sites as [Site, Site];
      const missing =
        minus(a.holds(world.database), b.holds(world.database)).length +
        minus(b.holds(world.database), a.holds(world.database)).length;
      talk.run(picker(number));
      expectAgreement(talk, world.database);
      const skeletons = typesOf(lines).filter((type) => type === "skeleton").length;
      forked += skeletons;
      expect(lines.flatMap((line) => line.sentEntries).length).toBeLessThanOrEqual(
        skeletons === 0 ? missing : 2 * missing,
      );
    }),
    { numRuns: 200 },
  );
  expect(forked).toBeGreaterThan(20);
});
