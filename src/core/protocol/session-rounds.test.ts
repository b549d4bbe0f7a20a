/** How rounds begin and end: greetings, pushes, what both know afterwards, and what the next session makes of it. */
import { sha256 } from "@noble/hashes/sha2.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SeededRandom } from "../../testing/random.ts";
import { Conversation, type Line, openHanded, Site } from "../../testing/sites.ts";
import { arbitraryWorld, growWorld } from "../../testing/world.ts";
import { keyOf, rowParts, seal, sealRoot, setPower, settingsParts, startMs, Writer } from "../../testing/writers.ts";
import type { VouchedEntry } from "../entry.ts";
import type { DatabaseId, EntryId } from "../ids.ts";
import { databasesPerDigestMax } from "../limits.ts";
import { WRITE } from "../store/power.ts";
import { encodeMessage, type FrontierMessage, type Message } from "./message.ts";

interface Meeting {
  readonly id: DatabaseId;
  readonly talk: Conversation;
  readonly lines: readonly [Line, Line];
  readonly sites: readonly [Site, Site];
}

/** Two sites that hold the same and have found that out; what they said until then is forgotten. */
function acquainted(rows = 0): Meeting {
  const world = growWorld([], 2, sha256, false);
  const sites = [new Site(0, sha256), new Site(1, sha256)] as const;
  for (const site of sites) site.open(world.database, world.entries);
  for (let i = 0; i < rows; i++) sites[0].write(world.database, rowParts(`r${i}`));
  const talk = new Conversation(...sites);
  const lines = talk.connect(...sites);
  talk.run();
  for (const line of lines) line.sent.length = 0;
  return { id: world.database, talk, lines, sites };
}

function typesOf(...lines: readonly Line[]): readonly Message["type"][] {
  return lines.flatMap((line) => line.sent.map(({ type }) => type));
}

function frontiersOf(...lines: readonly Line[]): readonly FrontierMessage[] {
  return lines.flatMap((line) => line.sent.flatMap((message) => (message.type === "frontier" ? [message] : [])));
}

function expectSame({ id, sites, lines }: Pick<Meeting, "id" | "sites" | "lines">): void {
  const [one, other] = sites.map((site) => site.replica(id));
  expect(one?.digest()).toBe(other?.digest());
  for (const line of lines) {
    expect(line.failure).toBeUndefined();
    expect(line.session.lane(id)).toMatchObject({ phase: "live", unconfirmed: 0, unconfirmedBytes: 0 });
    expect(line.from.cursors.get(id + line.to.key)?.digest).toBe(one?.digest());
    expect(line.held.get(id)).toBe(line.from.replica(id).stored);
  }
}

function reconnect({ talk, lines, sites }: Meeting): readonly [Line, Line] {
  lines[0].close();
  return talk.connect(...sites);
}

describe("[SESSION-2] a greeting", () => {
  function databases(count: number): readonly VouchedEntry[] {
    const shared = settingsParts({ type: "name", name: "x" }, setPower(keyOf(1), WRITE));
    return Array.from({ length: count }, (_, i) => sealRoot(keyOf(0), sha256, shared, startMs + i));
  }

  function greet(ours: readonly VouchedEntry[], theirs: readonly VouchedEntry[]): readonly [Line, Line] {
    const sites = [new Site(0, sha256), new Site(1, sha256)] as const;
    for (const [i, roots] of [ours, theirs].entries()) for (const root of roots) sites[i]?.open(root.id, [root]);
    const talk = new Conversation(...sites);
    const lines = talk.connect(...sites);
    talk.run();
    return lines;
  }

  test("is answered by one bit a database, and what it does not name the other side names", () => {
    const roots = databases(5);
    const lines = greet(roots.slice(0, 3), roots.slice(1));
    expect(lines.map((line) => typesOf(line))).toEqual([["digest"], ["same", "digest"]]);
    expect(lines[1].sent[0]).toEqual({ type: "same", number: 1, bits: [false, true, true] });
    expect(lines[1].sent[1]).toMatchObject({ digests: [{}, {}] });
  });

  test("in which nothing is the same is not answered, and one that names nothing makes the other side speak", () => {
    const roots = databases(3);
    expect(greet(roots.slice(0, 1), roots.slice(1)).map((line) => typesOf(line))).toEqual([["digest"], ["digest"]]);
    expect(greet([], roots).map((line) => typesOf(line))).toEqual([["digest"], ["digest"]]);
    expect(greet([], []).map((line) => typesOf(line))).toEqual([["digest"], []]);
  });

  test("of more databases than a message names is several, and what none of them named is named at their end", () => {
    const roots = databases(databasesPerDigestMax + 2);
    const lines = greet(roots.slice(0, -1), roots);
    expect(lines.map((line) => typesOf(line))).toEqual([
      ["digest", "digest"],
      ["same", "same", "digest"],
    ]);
    expect(lines[0].sent).toMatchObject([{ continues: true }, { continues: false, digests: [{}] }]);
    expect(lines[1].sent[2]).toMatchObject({ continues: false, digests: [{}] });
  });
});

test("[SESSION-8] an answer that nobody asked for, that comes twice, or that is of another length ends the session", () => {
  const answer = (number: number, bits: number): Message => ({ type: "same", number, bits: Array(bits).fill(true) });
  for (const [sent, isFailure] of [
    [[answer(1, 1)], false],
    [[answer(2, 1)], true],
    [[answer(0, 1)], true],
    [[answer(1, 2)], true],
    [[answer(1, 1), answer(1, 1)], true],
  ] as const) {
    const { lines, sites } = acquainted();
    const [line] = new Conversation(...sites).connect(...sites);
    for (const message of sent) line.step({ type: "received", bytes: encodeMessage(message) });
    expect(line.failure?.code).toBe(isFailure ? "MESSAGE_UNEXPECTED" : undefined);
    lines[0].close();
  }
});

describe("[SESSION-11] a new entry", () => {
  test("costs two messages, after which both know that they hold the same", () => {
    const meeting = acquainted(20);
    const { id, talk, sites, lines } = meeting;
    sites[0].write(id);
    talk.run();
    expect(lines.map((line) => typesOf(line))).toEqual([["entries"], ["stored"]]);
    expectSame(meeting);
  });

  test("of each side at once costs no exchange of frontiers, whatever overtakes what", () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 1, max: 4 }), (seed, rounds) => {
        const meeting = acquainted(2);
        const { id, talk, sites, lines } = meeting;
        const random = new SeededRandom(seed);
        for (let i = 0; i < rounds; i++) {
          for (const site of sites) site.write(id, rowParts("r", { i }));
          if (random.chance(0.5)) talk.run((count) => random.int(count), 20_000);
        }
        talk.run((count) => random.int(count));
        expect(frontiersOf(...lines)).toEqual([]);
        expect(typesOf(...lines).filter((type) => type === "entries").length).toBeLessThanOrEqual(2 * rounds);
        expect(typesOf(...lines).filter((type) => type === "stored").length).toBeLessThanOrEqual(4 * rounds);
        expectSame(meeting);
      }),
    );
  });

  test("that is accepted long after it came is confirmed then: both know that they hold the same", () => {
    const { id, talk, sites, lines } = acquainted();
    const [one, other] = sites;
    const fresh = one.replica(id).draft(one.key, rowParts("r"), 2 * startMs + 70_000);
    const entry = seal({ ...fresh, time: fresh.time + 70_000 * 2_048 }, sha256);
    other.nowMs = startMs;
    one.nowMs = 4 * startMs;
    one.add(id, entry);
    talk.run();
    expect(lines[1].sent[0]).toMatchObject({ type: "stored", complete: false });
    const before = lines[1].sent.length;
    expect(lines[0].held.get(id)).toBe(1);
    other.tick(id, 4 * startMs);
    talk.run();
    expect(lines[1].sent.slice(before)).toMatchObject([{ type: "stored", number: 2, complete: true }]);
    expectSame({ id, sites, lines });
    expect(lines[1].sentEntries).toEqual([]);
  });
});

describe("[SESSION-12] both sides know when they hold the same", () => {
  test("after any history and in whatever order things happen, and then they hold it all confirmed", () => {
    fc.assert(
      fc.property(arbitraryWorld(sha256, { writers: 2 }), fc.integer(), (world, seed) => {
        const sites = [new Site(0, sha256), new Site(1, sha256)] as const;
        for (const [i, site] of sites.entries()) site.open(world.database, world.writers[i]?.entries);
        const talk = new Conversation(...sites);
        const lines = talk.connect(...sites);
        const random = new SeededRandom(seed);
        talk.run((count) => random.int(count));
        expectSame({ id: world.database, sites, lines });
      }),
    );
  });

  test("when both greet again, at any moment, as often as they like, it settles", () => {
    let resumed = 0;
    fc.assert(
      fc.property(arbitraryWorld(sha256, { writers: 2, stepsMax: 15 }), fc.integer(), (world, seed) => {
        const sites = [new Site(0, sha256), new Site(1, sha256)] as const;
        for (const [i, site] of sites.entries()) site.open(world.database, world.writers[i]?.entries);
        const talk = new Conversation(...sites);
        const lines = talk.connect(...sites);
        const random = new SeededRandom(seed);
        let left = 12;
        talk.run((count) => {
          if (left > 0 && random.chance(0.4)) {
            left -= 1;
            resumed += 1;
            if (random.chance(0.3)) random.pick(sites).write(world.database, rowParts("r", { left }));
            for (const line of random.chance(0.5) ? lines : [random.pick(lines)])
              line.step(random.chance(0.5) ? { type: "resumed" } : { type: "resumed", database: world.database });
          }
          return random.int(count);
        });
        expectSame({ id: world.database, sites, lines });
      }),
    );
    expect(resumed).toBeGreaterThan(200);
  });

  test("greeting again while nothing is different costs a digest and its answer, each way", () => {
    const meeting = acquainted(3);
    for (const line of meeting.lines) line.step({ type: "resumed" });
    meeting.talk.run();
    expect(meeting.lines.map((line) => typesOf(line))).toEqual([
      ["digest", "same"],
      ["digest", "same"],
    ]);
  });
});

describe("[SESSION-13] a frontier says only what changed", () => {
  test("of 10,000 authors with one chain that is longer, it takes less than 1 kB", { timeout: 60_000 }, () => {
    const keys = Array.from({ length: 10_000 }, (_, i) => keyOf(i));
    const sets = (part: number): VouchedEntry["stores"] =>
      settingsParts(...keys.slice(part * 1_000, (part + 1) * 1_000).map((key) => setPower(key, WRITE)));
    const root = sealRoot(keyOf(20_000), sha256, settingsParts({ type: "name", name: "crowd" }));
    const owner = new Writer(keyOf(20_000), root.id, sha256);
    owner.receive([root]);
    for (let part = 0; part < 10; part++) owner.write(sets(part));
    const tip = owner.replica.graph.tips()[0];
    const first = { ...owner.draft(), seq: 0, prev: undefined, parents: [tip?.id as EntryId] };
    owner.receive(keys.map((author) => seal({ ...first, author }, sha256)));
    const sites = [new Site(0, sha256), new Site(1, sha256)] as const;
    for (const site of sites) site.open(root.id, owner.entries);
    const talk = new Conversation(...sites);
    const lines = talk.connect(...sites);
    talk.run();
    lines[0].close();
    sites[0].write(root.id);
    sites[0].store();
    const again = talk.connect(...sites);
    talk.run();
    expect(typesOf(...again).toSorted()).toEqual(["digest", "entries", "frontier", "frontier", "stored"]);
    const said = again.flatMap((line) => line.sent).filter(({ type }) => type !== "entries");
    expect(said.reduce((sum, message) => sum + encodeMessage(message).length, 0)).toBeLessThan(1_000);
    expectSame({ id: root.id, sites, lines: again });
  });

  test("when the other side cannot know since when, both say everything, and it settles", () => {
    const since = (forget: readonly number[]): readonly string[] => {
      const meeting = acquainted(3);
      for (const i of forget) meeting.sites[i]?.cursors.clear();
      meeting.lines[0].close();
      for (const site of meeting.sites) site.write(meeting.id);
      for (const site of meeting.sites) site.store();
      const lines = reconnect(meeting);
      meeting.talk.run();
      expectSame({ ...meeting, lines });
      return frontiersOf(...lines)
        .map((message) => (message.since === "" ? "all" : "part"))
        .toSorted();
    };
    expect(since([])).toEqual(["part", "part"]);
    expect(since([1])).toEqual(["all", "all"]);
    expect(since([0])).toEqual(["all", "all", "part"]);
    expect(since([0, 1])).toEqual(["all", "all"]);
  });

  test("sessions that end at any moment, and begin with what either side remembers, settle", () => {
    const seen = { part: 0, all: 0 };
    fc.assert(
      fc.property(arbitraryWorld(sha256, { writers: 2 }), fc.integer(), (world, seed) => {
        const sites = [new Site(0, sha256), new Site(1, sha256)] as const;
        for (const [i, site] of sites.entries()) site.open(world.database, world.writers[i]?.entries);
        const talk = new Conversation(...sites);
        const random = new SeededRandom(seed);
        let lines = talk.connect(...sites);
        for (let round = 0; round < 4; round++) {
          for (let steps = random.int(30); steps > 0; steps--) {
            const actions = talk.actions();
            if (actions.length > 0) random.pick(actions)();
          }
          lines[0].close();
          for (const site of sites) {
            if (random.chance(0.6)) site.write(world.database, rowParts("r", { round }));
            if (random.chance(0.2)) site.cursors.clear();
          }
          lines = random.chance(0.5) ? talk.connect(...sites) : talk.connect(sites[1], sites[0]);
          if (random.chance(0.3)) for (const line of lines) line.step({ type: "resumed" });
        }
        talk.run((count) => random.int(count));
        expectSame({ id: world.database, sites, lines });
        for (const site of sites)
          for (const message of frontiersOf(...site.lines)) seen[message.since === "" ? "all" : "part"] += 1;
      }),
      { numRuns: 200 },
    );
    expect(Math.min(seen.part, seen.all)).toBeGreaterThan(50);
  });
});

test("[SESSION-14] a cursor that is not true of what is here is not used", () => {
  const used = (change: (cursor: { digest: string; position: number }) => void): boolean => {
    const meeting = acquainted(3);
    const cursor = {
      ...(meeting.sites[1].cursors.get(meeting.id + meeting.sites[0].key) ?? { digest: "", position: 0 }),
    };
    change(cursor);
    meeting.sites[1].cursors.set(meeting.id + meeting.sites[0].key, cursor);
    meeting.sites[0].write(meeting.id);
    meeting.sites[0].store();
    const lines = reconnect(meeting);
    meeting.talk.run();
    expectSame({ ...meeting, lines });
    return frontiersOf(lines[1])[0]?.since !== "";
  };
  expect(used(() => {})).toBe(true);
  expect(used((cursor) => (cursor.position -= 1))).toBe(false);
  expect(used((cursor) => (cursor.position += 100))).toBe(false);
  expect(used((cursor) => (cursor.digest = "ab".repeat(32)))).toBe(false);
});

describe("[SESSION-15] what the peer is said to hold", () => {
  test("it holds, durably, at every step, though it refuses and holds back; in the end that is everything", () => {
    const seen = { refused: 0, partial: 0 };
    fc.assert(
      fc.property(arbitraryWorld(sha256, { writers: 3, stepsMax: 40 }), fc.integer(), (world, seed) => {
        const random = new SeededRandom(seed);
        const sites = Array.from({ length: 3 }, (_, i) => new Site(i, sha256));
        const refused = new Set<string>();
        for (const [i, site] of sites.entries()) {
          site.open(world.database, world.writers[i]?.entries);
          const batchEntries = 1 + random.int(4);
          site.options = { settings: () => ({ ...openHanded.settings(), batchEntries, queueRanges: 2 }) };
          // Once each: what stands on it waits, and it is asked for again.
          site.refuses = (id) => {
            if (!random.chance(0.2) || refused.has(site.key + id)) return false;
            refused.add(site.key + id);
            return true;
          };
        }
        const talk = new Conversation(...sites);
        const [a, b, c] = sites as [Site, Site, Site];
        const lines = [...talk.connect(a, b), ...talk.connect(c, b)];
        let writes = 10;
        talk.run((count) => {
          if (writes > 0 && random.chance(0.2))
            random.pick(sites).write(world.database, rowParts("r", { n: writes-- }));
          return random.int(count);
        });
        for (const line of lines) line.step({ type: "resumed" });
        talk.run((count) => random.int(count));
        seen.refused += refused.size;
        for (const line of lines) {
          const { stored } = line.from.replica(world.database);
          expect(line.held.get(world.database)).toBe(stored);
          seen.partial += line.happened.filter((type) => type === "held").length - 1;
        }
      }),
      { numRuns: 150 },
    );
    expect(Math.min(seen.refused, seen.partial)).toBeGreaterThan(100);
  });

  test("grows with every confirmation, and not past what the peer did not take", () => {
    const { id, talk, sites, lines } = acquainted();
    sites[0].options = {};
    const before = lines[0].held.get(id);
    sites[0].write(id, rowParts("refused"));
    sites[0].store();
    sites[1].refuses = () => true;
    lines[0].deliver();
    lines[1].deliver();
    expect([before, lines[0].held.get(id)]).toEqual([1, 1]);
    sites[1].refuses = () => false;
    talk.run();
    expect(lines[0].held.get(id)).toBe(2);
  });
});

describe("[SESSION-16] new entries gather", () => {
  const settings = { ...openHanded.settings(), flushEntries: 3, flushBytes: 1e9, flushAgeMs: 500 };

  function gathering(options: Site["options"]): Meeting {
    const world = growWorld([], 2, sha256, false);
    const sites = [new Site(0, sha256), new Site(1, sha256)] as const;
    for (const site of sites) site.open(world.database, world.entries);
    sites[0].options = options;
    const talk = new Conversation(...sites);
    const lines = talk.connect(...sites);
    talk.run();
    for (const line of lines) line.sent.length = 0;
    return { id: world.database, talk, lines, sites };
  }

  function write({ id, talk, sites }: Meeting, count: number): void {
    for (let i = 0; i < count; i++) sites[0].write(id, rowParts("r", { i }));
    talk.run();
  }

  test("until there are enough of them, or their time has passed", () => {
    const meeting = gathering({ settings: () => settings });
    const { id, talk, lines } = meeting;
    write(meeting, 1);
    write(meeting, 1);
    expect([typesOf(...lines), lines[0].session.lane(id)?.unconfirmed]).toEqual([[], 2]);
    expect(lines[0].happened.filter((type) => type === "flushAfter")).toHaveLength(1);
    write(meeting, 1);
    expect(typesOf(...lines)).toEqual(["entries", "stored"]);
    write(meeting, 1);
    expect(lines[0].happened.filter((type) => type === "flushAfter")).toHaveLength(2);
    lines[0].step({ type: "flush", database: id });
    talk.run();
    expect(lines[0].sentEntries).toHaveLength(4);
    expectSame(meeting);
  });

  test("for a flush or another greeting, where they are not to be pushed by themselves", () => {
    const meeting = gathering({ onCommit: () => false });
    const { id, talk, lines } = meeting;
    write(meeting, 5);
    expect([typesOf(...lines), lines[0].happened.includes("flushAfter")]).toEqual([[], false]);
    lines[0].step({ type: "resumed" });
    talk.run();
    expect(lines.map((line) => typesOf(line))).toEqual([["entries"], ["stored"]]);
    write(meeting, 1);
    lines[0].step({ type: "flush", database: id });
    talk.run();
    expectSame(meeting);
  });

  test("and are sent when the peer asks for what it lacks", () => {
    const meeting = gathering({ onCommit: () => false });
    write(meeting, 2);
    meeting.lines[1].step({ type: "resumed" });
    meeting.talk.run();
    expectSame(meeting);
  });
});

test("[SESSION-17] what there is no room for is reported, and found by the comparison that follows", () => {
  const meeting = acquainted(1);
  const { id, talk, sites, lines } = meeting;
  sites[0].options = {};
  // Entries of the peer lie between ours: each of ours is a range of its own.
  lines[1].step({ type: "flowing", database: id, paused: true });
  talk.run();
  for (let i = 0; i < 240; i++) {
    sites[i % 2]?.write(id, rowParts("r", { i }));
    talk.run();
  }
  expect(lines[0].happened).toContain("overflowed");
  expect(lines[0].session.lane(id)?.unconfirmed).toBe(100);
  lines[1].step({ type: "flowing", database: id, paused: false });
  talk.run();
  expectSame(meeting);
  expect(new Set(lines[0].sentEntries).size).toBe(lines[0].sentEntries.length);
});

describe("[SESSION-18] a peer that asks to hold back", () => {
  test("gets no more batches of that database, and its own go on; afterwards everything comes", () => {
    const meeting = acquainted();
    const { id, talk, sites, lines } = meeting;
    lines[1].step({ type: "flowing", database: id, paused: true });
    talk.run();
    for (const site of sites) site.write(id);
    talk.run();
    expect(lines[0].session.lane(id)).toMatchObject({ isPaused: true, unconfirmed: 1 });
    expect([lines[0].sentEntries.length, lines[1].sentEntries.length]).toEqual([1 - 1, 1]);
    expect(lines[1].session.lane(id)).toMatchObject({ isPaused: false, unconfirmed: 0 });
    lines[1].step({ type: "flowing", database: id, paused: false });
    talk.run();
    expectSame(meeting);
  });

  test("is not told whether a database exists that it may not read, and nobody is asked about one", () => {
    const { id, talk, sites } = acquainted();
    const stranger = new Site(9, sha256);
    const [line] = new Conversation(sites[0], stranger).connect(sites[0], stranger);
    line.step({ type: "flowing", database: id, paused: true });
    line.step({ type: "received", bytes: encodeMessage({ type: "flow", database: id, paused: true }) });
    expect([typesOf(line), line.session.lane(id)]).toEqual([["digest"], undefined]);
    talk.run();
  });
});

test("[SESSION-19] a ping is answered with its number, and a pace is handed on", () => {
  const { talk, lines } = acquainted();
  lines[0].step({ type: "pinged", id: 7 });
  lines[0].step({ type: "pacing", bytesPerSecond: 1_000 });
  talk.run();
  expect(lines[1].sent).toEqual([{ type: "pong", id: 7 }]);
  expect([lines[0].happened.at(-1), lines[1].happened.at(-1)]).toEqual(["ponged", "paced"]);
});

test("[SESSION-20] what our owner names is sent, before everything else when it says so, and only if it is durable", () => {
  const { id, talk, sites, lines } = acquainted(3);
  const { graph } = sites[0].replica(id);
  lines[0].sentEntries.length = 0;
  lines[1].step({ type: "flowing", database: id, paused: true });
  talk.run();
  const queue = (position: number, first: boolean): void =>
    lines[0].step({ type: "queued", database: id, nodes: [graph.at(position)], first });
  queue(1, false);
  queue(2, true);
  sites[0].write(id);
  lines[0].step({ type: "queued", database: id, nodes: [graph.at(graph.size - 1)], first: true });
  expect(lines[0].session.unconfirmed.entries).toBe(2);
  lines[1].step({ type: "flowing", database: id, paused: false });
  talk.run();
  expect(lines[0].sentEntries.slice(0, 2)).toEqual([graph.at(2).id, graph.at(1).id]);
});

test("[SESSION-21] a database that is not synced with this peer is as one that is not here", () => {
  const { id, talk, sites } = acquainted(2);
  sites[0].options = { shares: () => false };
  const lines = talk.connect(...sites);
  talk.run();
  expect(lines.map((line) => line.sent)).toEqual([
    [{ type: "digest", continues: false, digests: [] }],
    [expect.anything()],
  ]);
  expect(lines[0].session.lane(id)).toBeUndefined();
});

test("[SESSION-22] what the disk lost is neither sent nor taken to be held, the rest is; healed, comparing finds it", () => {
  const world = growWorld([], 2, sha256, false);
  const lost = new Set<EntryId>();
  const one = new Site(0, sha256);
  one.options = { isIntact: (_, { id }) => !lost.has(id) };
  const other = new Site(1, sha256);
  for (const site of [one, other]) site.open(world.database, world.entries);
  const before = one.replica(world.database).stored;
  for (let i = 0; i < 5; i++) one.write(world.database, rowParts(`r${i}`));
  one.store();
  const [third] =
    one
      .replica(world.database)
      .graph.frontier(before + 3)
      .get(keyOf(0)) ?? [];
  lost.add(third?.id as EntryId);
  const talk = new Conversation(one, other);
  const [line, back] = talk.connect(one, other);
  talk.run();
  expect(line.sentEntries).not.toContain(third?.id);
  expect(line.held.get(world.database)).toBe(before + 2);
  expect(other.replica(world.database).stored).toBe(before + 2);
  lost.clear();
  line.step({ type: "resumed", database: world.database });
  talk.run();
  expect([line.failure, back.failure]).toEqual([undefined, undefined]);
  expect(other.replica(world.database).digest()).toBe(one.replica(world.database).digest());
  expect(line.held.get(world.database)).toBe(before + 5);
});
