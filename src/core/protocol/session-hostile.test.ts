/** Peers that break the rules, by mistake or on purpose. */
import { sha256 } from "@noble/hashes/sha2.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { arbitraryMessage } from "../../testing/arbitrary-message.ts";
import { Conversation, type Line, openHanded, Site } from "../../testing/sites.ts";
import { growWorld, type World } from "../../testing/world.ts";
import { keyOf, rowParts, type Writer } from "../../testing/writers.ts";
import type { VouchedEntry } from "../entry.ts";
import { unwrap } from "../errors.ts";
import type { Frontier } from "../frontier.ts";
import { type EntryId, encodeHex } from "../ids.ts";
import { batchEntriesMax, batchesInFlightMax, wantsMax } from "../limits.ts";
import { encodeBatch } from "./batch.ts";
import { decodeMessage, encodeMessage, type FrontierMessage, type Message } from "./message.ts";
import { Session, type SessionEffect } from "./session.ts";
import { shortDigest } from "./short-digest.ts";

/** Three writers, forks among them, each with entries that the others miss. */
function someWorld(): World {
  const step = (writer: number, row: number): readonly ["write", number, number] => ["write", writer, row];
  const plan = [step(0, 0), step(1, 1), step(1, 2), step(2, 3), step(0, 1)].map(([type, writer, row], i) => ({
    type,
    writer,
    row,
    value: i % 10,
  }));
  const forks = [
    { type: "restore", writer: 1, keep: 1 },
    { type: "write", writer: 1, row: 3, value: 9 },
  ] as const;
  return growWorld([...plan, { type: "sync", writer: 0, from: 1 }, ...forks], 3, sha256, false);
}

const world = someWorld();
const { database } = world;

function sessionOf(world: World): { readonly session: Session; readonly size: number } {
  const writer = world.writers[0];
  if (writer === undefined) throw new Error("a world has writers");
  writer.store();
  const options = { ...openHanded, self: keyOf(0), peer: keyOf(1), sha256 };
  const session = new Session({ ...options, replicas: new Map([[database, writer.replica]]) });
  session.step({ type: "started" });
  return { session, size: writer.replica.graph.size };
}

function receive(session: Session, ...messages: readonly Message[]): readonly SessionEffect[] {
  return messages.flatMap((message) => session.step({ type: "received", bytes: encodeMessage(message) }));
}

function codesOf(effects: readonly SessionEffect[]): readonly string[] {
  return effects.flatMap((effect) => (effect.type === "fail" ? [effect.failure.code] : []));
}

const batch = encodeBatch(world.writers[1]?.entries.slice(0, 1) ?? []);

describe("[SESSION-8] the session ends with a code", () => {
  const entries = (number: number): Message => ({
    type: "entries",
    database,
    number,
    left: 0,
    leftBytes: 0,
    digest: "",
    batch,
  });

  test.each<[string, string, readonly Message[]]>([
    ["MESSAGE_UNEXPECTED", "when a batch is left out", [entries(2)]],
    ["MESSAGE_UNEXPECTED", "when a batch comes twice", [entries(1), entries(1)]],
    [
      "MESSAGE_UNEXPECTED",
      "when a batch is confirmed that was never sent",
      [
        { type: "frontier", database, asks: true, since: "", frontier: new Map() },
        { type: "stored", database, number: 2, complete: true, digest: "" },
      ],
    ],
    [
      "CBOR_TRUNCATED",
      "when a batch cannot be read",
      [{ type: "entries", database, number: 1, left: 0, leftBytes: 0, digest: "", batch: Uint8Array.of(0x81) }],
    ],
  ])("%s %s", (code, _when, messages) => {
    const { session } = sessionOf(world);
    const effects = receive(session, ...messages);
    expect(codesOf(effects)).toEqual([code]);
    expect(effects.at(-1)?.type).toBe("fail");
    expect(receive(session, entries(1))).toEqual([]);
    expect(session.step({ type: "offered", database })).toEqual([]);
  });

  test("CBOR_TRUNCATED when a message cannot be read", () => {
    expect(codesOf(sessionOf(world).session.step({ type: "received", bytes: new Uint8Array() }))).toEqual([
      "CBOR_TRUNCATED",
    ]);
  });
});

test("[SESSION-5] a peer that sends more batches than may be unconfirmed is cut off, one that waits is not", () => {
  const { session } = sessionOf(world);
  const send = (number: number): readonly string[] =>
    codesOf(receive(session, { type: "entries", database, number, left: 0, leftBytes: 0, digest: "", batch }));
  for (let number = 1; number <= batchesInFlightMax; number++) expect(send(number)).toEqual([]);
  session.step({ type: "batchStored", database, number: 1, ids: [], missing: [] });
  expect(send(batchesInFlightMax + 1)).toEqual([]);
  expect(send(batchesInFlightMax + 2)).toEqual(["MESSAGE_UNEXPECTED"]);
});

test("[SESSION-5] more than fits the window waits for confirmations, and arrives", () => {
  const [one, other] = [new Site(0, sha256), new Site(1, sha256)];
  const small = growWorld([], 2, sha256, false);
  one.open(small.database, small.entries);
  other.open(small.database, small.entries);
  for (let i = 0; i < 40; i++) one.write(small.database, rowParts(`r${i}`, { text: "x".repeat(100_000) }));
  one.store();
  const talk = new Conversation(one, other);
  const [line] = talk.connect(one, other) as readonly [Line, Line];
  const batches = (): number => line.sent.filter(({ type }) => type === "entries").length;
  // Nothing becomes durable at the other site: nothing is confirmed.
  for (let i = 0; i < 50; i++) for (const each of [line, line.back]) each.deliver();
  expect(batches()).toBe(0.75 * batchesInFlightMax);
  talk.run();
  expect(batches()).toBe(20);
  expect(other.replica(small.database).digest()).toBe(one.replica(small.database).digest());
});

test("[SESSION-8] whatever valid messages come in whatever order, nothing throws and no queue grows past its limit", () => {
  const message = arbitraryMessage({ databases: [database], keys: world.keys, entries: world.entries });
  const seen = { failed: 0, served: 0, sent: 0 };
  fc.assert(
    fc.property(fc.array(message, { maxLength: 60, size: "max" }), (messages) => {
      const { session, size } = sessionOf(world);
      for (const each of messages) {
        const effects = receive(session, each);
        // One answer or two to a message, beside the skeletons, of which there is one an author and round.
        expect(effects.filter(({ type }) => type === "send").length).toBeLessThanOrEqual(2 + world.keys.length);
        const lane = session.lane(database);
        expect(lane?.unconfirmed ?? 0).toBeLessThanOrEqual(
          2 * size + 2 * wantsMax + batchesInFlightMax * batchEntriesMax,
        );
        seen.failed += codesOf(effects).length;
        seen.served += effects.filter(({ type }) => type === "serve").length;
        seen.sent += effects.filter(({ type }) => type === "send").length;
      }
    }),
    { numRuns: 300 },
  );
  expect(Math.min(seen.failed, seen.served, seen.sent)).toBeGreaterThan(50);
});

describe("[SESSION-8] asking again and again", () => {
  test("for the same entries fills no queue", () => {
    const { session } = sessionOf(world);
    const ids = Array<EntryId>(wantsMax).fill(database);
    for (let i = 0; i < 50; i++) receive(session, { type: "want", database, ids });
    expect(session.lane(database)?.unconfirmed).toBeLessThanOrEqual(
      2 * wantsMax + batchesInFlightMax * batchEntriesMax,
    );
  });

  test("for everything sends it once, until it is confirmed", () => {
    const { session, size } = sessionOf(world);
    const ask: Message = { type: "frontier", database, asks: true, since: "", frontier: new Map() };
    const first = receive(session, ask);
    expect(first.filter(({ type }) => type === "serve")).toHaveLength(1);
    expect(receive(session, ask, ask, ask).filter(({ type }) => type === "serve")).toEqual([]);
    expect(session.lane(database)?.unconfirmed).toBe(size);
    receive(session, { type: "stored", database, number: 1, complete: true, digest: "" });
    expect(receive(session, ask).filter(({ type }) => type === "serve")).toHaveLength(1);
  });

  test("for the same skeleton sends its part once a round", () => {
    const { session } = sessionOf(world);
    const skeleton: Message = { type: "skeleton", database, author: keyOf(1), samples: [] };
    receive(session, skeleton);
    const before = session.lane(database)?.unconfirmed;
    receive(session, skeleton, skeleton);
    expect(session.lane(database)?.unconfirmed).toBe(before);
  });
});

test("[SESSION-3] an answer that nobody asked for is not answered: two sites cannot go on for ever", () => {
  const { session } = sessionOf(world);
  expect(receive(session, { type: "frontier", database, asks: false, since: "", frontier: new Map() })).toEqual([]);
});

test("[SESSION-3] while two sites compare, another digest leads to nothing more", () => {
  const { session } = sessionOf(world);
  const digest = (byte: string): Message => ({
    type: "digest",
    continues: false,
    digests: [{ prefix: database.slice(0, 12), digest: byte.repeat(12) }],
  });
  const counts = ["ab", "cd", "ef"].map((byte) => receive(session, digest(byte)).length);
  expect([(counts[0] ?? 0) > 0, counts.slice(1)]).toEqual([true, [0, 0]]);
});

test("[SESSION-3] a frontier that comes while entries are under way brings what it misses beside them, and nothing twice", () => {
  const { session, size } = sessionOf(world);
  const ask = (frontier: Frontier): readonly SessionEffect[] =>
    receive(session, { type: "frontier", database, asks: true, since: "", frontier });
  const root = world.entries[0] as VouchedEntry;
  const served = [ask(new Map([[root.author, [{ seq: 0, id: root.id }]]])), ask(new Map())].map((effects) =>
    effects.flatMap((effect) => (effect.type === "serve" ? effect.nodes.map(({ id }) => id) : [])),
  );
  expect(served[0]?.length).toBe(size - 1);
  expect(served[1]).toEqual([root.id]);
});

test("[SESSION-4] entries that are not durable are not sent, though they are asked for by name", () => {
  const { session } = sessionOf(world);
  const writer = world.writers[0] as Writer;
  const fresh = writer.write(rowParts("fresh")) as VouchedEntry;
  const want = (): readonly string[] =>
    receive(session, { type: "want", database, ids: [fresh.id] }).flatMap(({ type }) =>
      type === "serve" ? [type] : [],
    );
  expect(want()).toEqual([]);
  writer.store();
  expect(want()).toEqual(["serve"]);
});

test("[SESSION-3] what comparing cannot settle is compared once", () => {
  const { session } = sessionOf(world);
  const other: Message = {
    type: "digest",
    continues: false,
    digests: [{ prefix: database.slice(0, 12), digest: "ab".repeat(12) }],
  };
  const answer: Message = { type: "frontier", database, asks: false, since: "", frontier: new Map() };
  const asked = (): number => receive(session, other).filter(({ type }) => type === "send").length;
  expect(asked()).toBe(1);
  receive(session, answer, { type: "stored", database, number: 1, complete: true, digest: "" });
  expect([asked(), asked()]).toEqual([0, 0]);
});

describe("[SESSION-24] comparing to no avail", () => {
  /** Somebody who claims to hold entries that nobody has heard of, others each time. */
  const ask = (number: number): Message => {
    const id = encodeHex(new Uint8Array(32).fill(number)) as EntryId;
    return { type: "frontier", database, asks: true, since: "", frontier: new Map([[keyOf(50), [{ seq: 1, id }]]]) };
  };
  const ends = (session: Session, from: number): number => {
    for (let number = from; number < from + 100; number++)
      if (codesOf(receive(session, ask(number))).includes("MESSAGE_UNEXPECTED")) return number - from;
    return Number.POSITIVE_INFINITY;
  };

  test("ends after 32 times, however the questions differ", () => {
    expect(ends(sessionOf(world).session, 0)).toBe(32);
  });

  test("ends likewise where we ask because of what the peer claims", () => {
    const { session } = sessionOf(world);
    // It holds all that is here: nothing is sent, so nothing can be confirmed.
    const all = (world.writers[0] as Writer).replica.frontier();
    const answer = (number: number): Message => {
      const { frontier, ...question } = ask(number) as FrontierMessage;
      return { ...question, asks: false, frontier: new Map([...all, ...frontier]) };
    };
    const claim = (number: number): Message => ({
      type: "digest",
      continues: false,
      digests: [{ prefix: database.slice(0, 12), digest: encodeHex(new Uint8Array(12).fill(number)) }],
    });
    const round = (number: number): readonly string[] => codesOf(receive(session, claim(number), answer(number)));
    const codes = Array.from({ length: 60 }, (_, number) => round(number)[0]);
    expect(codes.filter((code) => code !== undefined)).toEqual(["MESSAGE_UNEXPECTED"]);
  });

  test("goes on when something changed here, or what was sent is confirmed", () => {
    const own = someWorld();
    const { session } = sessionOf(own);
    const again = (from: number, count: number): readonly string[] =>
      Array.from({ length: count }, (_, i) => codesOf(receive(session, ask(from + i)))).flat();
    expect(again(0, 32)).toEqual([]);
    receive(session, { type: "stored", database, number: 1, complete: true, digest: "" });
    expect(again(40, 2)).toEqual([]);
    const writer = own.writers[0] as Writer;
    writer.write(rowParts("fresh"));
    writer.store();
    expect(again(50, 2)).toEqual([]);
    expect(again(60, 1)).toEqual(["MESSAGE_UNEXPECTED"]);
  });

  test("of the same pair again finds nothing anew, until what was sent is confirmed", () => {
    const { session } = sessionOf(world);
    const author = (world.writers[0] as Writer).key;
    const forked = new Map([[author, [{ seq: 0, id: encodeHex(new Uint8Array(32).fill(9)) as EntryId }]]]);
    const asking: Message = { type: "frontier", database, asks: true, since: "", frontier: forked };
    const skeletons = (): number =>
      receive(session, asking).flatMap((effect) => {
        if (effect.type !== "send") return [];
        return unwrap(decodeMessage(effect.bytes)).type === "skeleton" ? [1] : [];
      }).length;
    expect([skeletons(), skeletons()]).toEqual([1, 0]);
    receive(session, { type: "stored", database, number: 1, complete: true, digest: "" });
    expect(skeletons()).toBe(1);
  });
});

test("[SESSION-26] what a batch said is forgotten when the peer says something newer", () => {
  const newer: readonly Message[] = [
    { type: "frontier", database, asks: true, since: "", frontier: new Map() },
    { type: "digest", continues: false, digests: [{ prefix: database.slice(0, 12), digest: "ab".repeat(12) }] },
  ];
  for (const message of newer) {
    const { session } = sessionOf(world);
    const digest = shortDigest((world.writers[0] as Writer).replica.digest());
    const held = encodeBatch((world.writers[0] as Writer).entries.slice(0, 1));
    const ids = (world.writers[0] as Writer).entries.slice(0, 1).map(({ id }) => id);
    receive(session, { type: "frontier", database, asks: true, since: "", frontier: new Map() });
    receive(session, { type: "stored", database, number: 1, complete: true, digest: "" });
    receive(session, { type: "entries", database, number: 1, left: 0, leftBytes: 0, digest, batch: held });
    const agreed = session.step({ type: "batchStored", database, number: 1, ids, missing: [] });
    expect(agreed.map(({ type }) => type)).toContain("agreed");
    const effects = [...receive(session, message), ...session.step({ type: "announced", database, nodes: [] })];
    expect(effects.map(({ type }) => type)).not.toContain("agreed");
  }
});
