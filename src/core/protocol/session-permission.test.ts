/** Who is told what: strangers, joiners, readers that stop being readers, and sites that do not know of each other yet. */
import { sha256 } from "@noble/hashes/sha2.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { arbitraryMessage } from "../../testing/arbitrary-message.ts";
import { SeededRandom } from "../../testing/random.ts";
import { Conversation, Line, openHanded, Site } from "../../testing/sites.ts";
import { arbitraryWorld, growWorld } from "../../testing/world.ts";
import { keyOf, rowParts, sealRoot, setPower, settingsParts, startMs, Writer } from "../../testing/writers.ts";
import type { VouchedEntry } from "../entry.ts";
import { digestFrontier } from "../frontier.ts";
import { type DatabaseId, encodeHex, type PublicKey } from "../ids.ts";
import { READ, RELAY, WRITE } from "../store/power.ts";
import type { SettingsOp } from "../store/settings.ts";
import { encodeBatch } from "./batch.ts";
import { commitmentOf } from "./commitments.ts";
import { encodeMessage, type Message } from "./message.ts";
import { Session, type SessionEffect, type SessionEvent } from "./session.ts";
import { prefixOf, shortDigest } from "./short-digest.ts";

/** A database of site 0 with these ops in its root, and `rows` rows. */
function database(ops: readonly SettingsOp[], rows = 0): { readonly id: DatabaseId; readonly owner: Writer } {
  const root = sealRoot(keyOf(0), sha256, settingsParts({ type: "name", name: "x" }, ...ops));
  const owner = new Writer(keyOf(0), root.id, sha256);
  owner.receive([root]);
  for (let i = 0; i < rows; i++) owner.write(rowParts(`r${i}`), startMs);
  owner.store();
  return { id: root.id, owner };
}

/** What an initiator says that has nothing to share. */
const emptyGreeting: Message = { type: "digest", continues: false, digests: [] };

function sites(count: number): readonly Site[] {
  return Array.from({ length: count }, (_, i) => new Site(i, sha256));
}

/** As an engine does: proofs of somebody who holds every secret but these. */
function answerChecks(session: Session, event: SessionEvent, lacks: readonly PublicKey[]): readonly SessionEffect[] {
  return session.step(event).flatMap((effect): readonly SessionEffect[] => {
    if (effect.type === "checkJoin") {
      const valid = !lacks.includes(effect.invite);
      return [effect, ...session.step({ ...effect, type: "joinChecked", valid })];
    }
    if (effect.type !== "checkKey") return [effect];
    return [effect, ...session.step({ ...effect, type: "keyChecked", valid: !lacks.includes(effect.key) })];
  });
}

function sent(line: Line): readonly Message["type"][] {
  return line.sent.map(({ type }) => type);
}

describe("[SESSION-1] a stranger", () => {
  const invite = keyOf(40);
  const { id, owner } = database(
    [setPower(keyOf(1), WRITE), setPower(keyOf(3), RELAY), { type: "invite", key: invite, power: WRITE }],
    5,
  );
  const message = arbitraryMessage({
    databases: [id],
    keys: [keyOf(0), keyOf(1), keyOf(2), keyOf(3), invite],
    entries: owner.entries,
    commitments: [keyOf(2), keyOf(3)].map((peer) => commitmentOf(id, peer, openHanded.transcript, sha256)),
  });

  test.each([
    ["without any permission", keyOf(2)],
    ["that may only relay", keyOf(3)],
  ])("%s is answered byte for byte as if the database did not exist", (_who, peer) => {
    let answers = 0;
    fc.assert(
      fc.property(fc.array(message, { maxLength: 12 }), (messages) => {
        const replies = [new Map([[id, owner.replica]]), new Map()].map((replicas) => {
          const session = new Session({ ...openHanded, self: keyOf(0), peer, replicas, sha256 });
          const events = messages.map((each) => ({ type: "received" as const, bytes: encodeMessage(each) }));
          const lacks = [keyOf(0), keyOf(1), invite];
          const all = [{ type: "started" as const }, ...events];
          const effects = all.flatMap((event) => answerChecks(session, event, lacks));
          // What the engine alone hears of: it keeps a request, or does not; and it checks one signature or another.
          return effects
            .filter(({ type }) => type !== "knocked")
            .map((effect) =>
              effect.type === "checkKey" ? { ...effect, key: undefined, signature: undefined } : effect,
            );
        });
        expect(replies[0]).toEqual(replies[1]);
        answers += replies[0]?.length ?? 0;
      }),
      { numRuns: 300 },
    );
    expect(answers).toBeGreaterThan(50);
  });

  test("with permission is answered, so that the test above can see a difference", () => {
    const options = { ...openHanded, self: keyOf(0), peer: keyOf(1), sha256 };
    const session = new Session({ ...options, replicas: new Map([[id, owner.replica]]) });
    expect(session.step({ type: "started" }).map(({ type }) => type)).toEqual(["allowLargeMessages", "send"]);
  });

  test("that claims to hold what is being joined learns no frontier of it", () => {
    const [host, joiner] = sites(2) as [Site, Site];
    const admin = database([setPower(keyOf(9), 1)], 3);
    joiner.open(admin.id, admin.owner.entries.slice(0, 2));
    const stranger = new Site(5, sha256);
    stranger.open(admin.id, admin.owner.entries);
    const [line] = Line.pair(joiner, stranger);
    line.step({ type: "joining", database: admin.id, invite: keyOf(7), signature: new Uint8Array(64) });
    line.back.send(encodeMessage({ type: "frontier", database: admin.id, asks: true, since: "", frontier: new Map() }));
    line.back.deliver();
    expect(line.sent).toMatchObject([{ type: "join" }, { type: "frontier", frontier: new Map() }]);
    expect(host.lines).toEqual([]);
  });
});

describe("[SESSION-9] somebody who wants in", () => {
  const invite = keyOf(40);
  const offer: SettingsOp = { type: "invite", key: invite, power: WRITE };
  const good = new Uint8Array(64).fill(1);

  function join(
    ops: readonly SettingsOp[],
    options: { readonly key?: PublicKey; readonly signature?: Uint8Array; readonly host?: number } = {},
  ): { readonly lines: readonly [Line, Line]; readonly talk: Conversation; readonly id: DatabaseId } {
    const { key = invite, signature = good, host: number = 0 } = options;
    const { id, owner } = database(ops, 3);
    const [host, joiner] = [new Site(number, sha256), new Site(8, sha256)];
    host.open(id, owner.entries);
    joiner.open(id);
    const talk = new Conversation(host, joiner);
    const lines = talk.connect(host, joiner);
    lines[1].step({ type: "joining", database: id, invite: key, signature });
    talk.run();
    return { lines, talk, id };
  }

  function expectRefused({ lines, talk, id }: ReturnType<typeof join>): void {
    const commitment = commitmentOf(id, keyOf(8), openHanded.transcript, sha256);
    expect(lines[0].sent).toEqual([emptyGreeting, { type: "unavailable", commitment }]);
    expect(lines[1].happened).toContain("refusedJoin");
    expect(talk.sites[1]?.replica(id).graph.size).toBe(0);
  }

  test("with a good proof gets everything from any member, and no permission", () => {
    for (const host of [0, 4]) {
      const { talk, id, lines } = join([offer, setPower(keyOf(4), READ)], { host });
      expect(talk.sites.map((site) => site.replica(id).authority.power(keyOf(8)))).toEqual([999, 999]);
      expect(new Set(talk.sites.map((site) => site.replica(id).digest())).size).toBe(1);
      expect(lines[1].happened).toContain("caughtUp");
      expect([lines[0].session.isReadable(id), lines[0].session.isEntitled(id)]).toEqual([true, false]);
    }
  });

  test("gets everything from an admin too, though what made it an admin comes last", () => {
    const { id, owner } = database([offer], 2_500);
    owner.write(settingsParts(setPower(keyOf(4), 1)));
    const [host, joiner] = [new Site(4, sha256), new Site(8, sha256)];
    host.open(id, owner.entries);
    joiner.open(id);
    const talk = new Conversation(host, joiner);
    const lines = talk.connect(host, joiner);
    lines[1].step({ type: "joining", database: id, invite, signature: good });
    talk.run();
    expect(joiner.replica(id).digest()).toBe(host.replica(id).digest());
    expect(joiner.replica(id).graph.size).toBe(1 + 2_500 + 1);
  });

  test("and has everything already is told so", () => {
    const { id, owner } = database([offer, setPower(keyOf(8), WRITE)], 3);
    const [host, joiner] = [new Site(0, sha256), new Site(8, sha256)];
    for (const site of [host, joiner]) site.open(id, owner.entries);
    const talk = new Conversation(host, joiner);
    const lines = talk.connect(host, joiner);
    lines[1].step({ type: "joining", database: id, invite, signature: good });
    talk.run();
    expect(lines[1].happened).toContain("caughtUp");
    expect(lines.flatMap((line) => line.sentEntries)).toEqual([]);
  });

  test("with a bad proof, an unknown invite, or one that was withdrawn, is told that there is no such database", () => {
    expectRefused(join([offer], { signature: new Uint8Array(64) }));
    expectRefused(join([offer], { key: keyOf(41) }));
    expectRefused(join([{ ...offer, power: 999 }]));
  });

  test("with an invite that has expired, by the clock of whoever is asked, is told the same", () => {
    expectRefused(join([{ ...offer, expiresMs: 2 * startMs - 1 }]));
    const { talk, id } = join([{ ...offer, expiresMs: 2 * startMs }]);
    expect(talk.sites[1]?.replica(id).graph.size).toBe(4);
  });

  test("with an invite that gives less than reading, is told the same", () => {
    expectRefused(join([{ ...offer, power: RELAY }]));
  });

  test("with an invite of somebody who may no longer give that, is told the same", () => {
    const { id, owner } = database([setPower(keyOf(4), 1)], 1);
    const admin = new Writer(keyOf(4), id, sha256);
    admin.receive(owner.entries);
    const made = admin.write(settingsParts(offer)) as VouchedEntry;
    owner.receive([made]);
    const lowered = owner.write(settingsParts(setPower(keyOf(4), WRITE))) as VouchedEntry;
    for (const [entries, isIn] of [
      [owner.entries.slice(0, -1), true],
      [owner.entries, false],
    ] as const) {
      const [host, joiner] = [new Site(0, sha256), new Site(8, sha256)];
      host.open(id, entries);
      joiner.open(id);
      const talk = new Conversation(host, joiner);
      const lines = talk.connect(host, joiner);
      lines[1].step({ type: "joining", database: id, invite, signature: good });
      talk.run();
      expect(joiner.replica(id).graph.size > 0).toBe(isIn);
    }
    expect(lowered.author).toBe(keyOf(0));
  });

  test("stays out when its key was removed, however good its ticket is", () => {
    expectRefused(join([offer, setPower(keyOf(8), 999)]));
  });

  test.each([
    ["the key that it proves was removed, and the key of the session was not", 9],
    ["the key of the session was removed, and the key that it proves was not", 8],
  ])("stays out when %s", (_which, removed) => {
    const { id, owner } = database([offer, setPower(keyOf(removed), 999)], 3);
    const [host, joiner] = [new Site(0, sha256), new Site(8, sha256)];
    host.open(id, owner.entries);
    joiner.open(id);
    const talk = new Conversation(host, joiner);
    const lines = talk.connect(host, joiner);
    lines[1].step({ type: "proving", database: id, key: keyOf(9), signature: good });
    lines[1].step({ type: "joining", database: id, invite, signature: good });
    talk.run();
    expect(sent(lines[0])).toEqual(["digest", "unavailable"]);
  });

  test.each([
    ["its invite is withdrawn", settingsParts({ ...offer, power: 999 }), 0],
    ["its key is removed", settingsParts(setPower(keyOf(8), 999)), 0],
    ["its key is set to less than reading", settingsParts(setPower(keyOf(8), 300)), 0],
    ["its invite expires", rowParts("later"), startMs],
  ])("gets nothing more from the moment at which %s", (_what, parts, ms) => {
    const { id, owner } = database([{ ...offer, expiresMs: 2 * startMs + 1_000 }]);
    const [host, joiner] = [new Site(0, sha256), new Site(8, sha256)];
    host.open(id, owner.entries);
    joiner.open(id);
    for (let i = 0; i < 40; i++) host.write(id, rowParts(`r${i}`, { text: "x".repeat(100_000) }));
    host.store();
    const talk = new Conversation(host, joiner);
    const [line, back] = talk.connect(host, joiner);
    back.step({ type: "joining", database: id, invite, signature: good });
    for (let i = 0; i < 20; i++) for (const each of [line, back]) each.deliver();
    const before = line.sentEntries.length;
    joiner.store();
    host.nowMs += ms;
    host.write(id, parts);
    for (let i = 0; i < 20; i++) for (const each of [back, line]) each.deliver();
    expect([before > 0, before < 40, line.sentEntries.length]).toEqual([true, true, before]);
  });
});

describe("[SESSION-10] a peer that may no longer read", () => {
  test("gets nothing more from the moment at which that is accepted, though much is queued for it", () => {
    const { id, owner } = database([setPower(keyOf(1), WRITE)]);
    const [host, reader] = sites(2) as [Site, Site];
    reader.open(id, owner.entries);
    host.open(id, owner.entries);
    for (let i = 0; i < 40; i++) host.write(id, rowParts(`r${i}`, { text: "x".repeat(100_000) }));
    host.store();
    const talk = new Conversation(host, reader);
    const [line] = talk.connect(host, reader);
    for (let i = 0; i < 20; i++) for (const each of [line, line.back]) each.deliver();
    const before = line.sentEntries.length;
    reader.store();
    // Accepted, and not durable yet: the session does not know of it.
    host.write(id, settingsParts(setPower(keyOf(1), 999)));
    for (let i = 0; i < 20; i++) for (const each of [line.back, line]) each.deliver();
    expect([before > 0, before < 40, line.sentEntries.length]).toEqual([true, true, before]);
  });

  test("is not answered from that moment on either, though we once asked it to let us in", () => {
    const invite = keyOf(40);
    const { id, owner } = database([
      { type: "invite", key: invite, power: WRITE },
      setPower(keyOf(8), 1),
      setPower(keyOf(1), 50),
    ]);
    const [host, joiner] = [new Site(1, sha256), new Site(8, sha256)];
    for (const site of [host, joiner]) site.open(id, owner.entries);
    const talk = new Conversation(host, joiner);
    const [line, back] = talk.connect(host, joiner);
    back.step({ type: "joining", database: id, invite, signature: new Uint8Array(64).fill(1) });
    talk.run();
    const before = back.sent.length;
    // Accepted, and not durable yet: the session does not know of it.
    joiner.write(id, settingsParts(setPower(keyOf(1), RELAY)));
    const frontier = host.replica(id).frontier();
    line.send(encodeMessage({ type: "frontier", database: id, asks: true, since: "", frontier }));
    for (let i = 0; i < 20; i++) for (const each of [line, back]) each.deliver();
    // An answer would say that nothing is here, and everything would be sent back.
    expect([back.sent.length - before, line.sentEntries]).toEqual([0, []]);
  });

  test("is let go without a word, gets nothing of what follows, and is not told of the database again", () => {
    const { id, owner } = database([setPower(keyOf(1), WRITE)], 3);
    const [host, reader] = sites(2) as [Site, Site];
    host.open(id, owner.entries);
    reader.open(id, owner.entries);
    const talk = new Conversation(host, reader);
    const lines = talk.connect(host, reader);
    talk.run();
    const before = lines[0].sent.length;
    host.write(id, settingsParts(setPower(keyOf(1), 999)));
    host.write(id, rowParts("secret"));
    talk.run();
    expect([lines[0].isOver, lines[0].failure, lines[0].sent.length]).toEqual([true, undefined, before]);
    const again = talk.connect(host, reader);
    talk.run();
    expect([again[0].sent, again[0].isOver]).toEqual([[emptyGreeting], false]);
    expect(reader.replica(id).graph.size).toBe(4);
  });
});

test("[SESSION-4] pushes are not lost when one site learns later than the other that they share a database", () => {
  const { id, owner } = database([setPower(keyOf(1), WRITE)], 2);
  const [host, early, late] = sites(3) as [Site, Site, Site];
  const before = [...owner.entries];
  const grant = owner.write(settingsParts(setPower(keyOf(2), WRITE))) as VouchedEntry;
  host.open(id, owner.entries);
  early.open(id, before);
  late.open(id, [...before, grant]);
  const talk = new Conversation(host, early, late);
  const lines = talk.connect(early, late);
  talk.run();
  expect([lines[0].sent, sent(lines[1])]).toEqual([[emptyGreeting], ["digest"]]);
  talk.connect(host, early);
  talk.run();
  early.write(id, rowParts("from early"));
  late.write(id, rowParts("from late"));
  talk.run();
  const digests = talk.sites.map((site) => site.replica(id).digest());
  expect(new Set(digests).size).toBe(1);
  expect(lines[1].session.lane(id)?.phase).toBe("live");
});

test("[SESSION-1] [SESSION-3] while permissions change, those who may read each other's entries converge, and the others get nothing", () => {
  let over = 0;
  fc.assert(
    fc.property(arbitraryWorld(sha256, { writers: 3, sets: true, stepsMax: 40 }), fc.integer(), (world, seed) => {
      const all = sites(3);
      for (const [i, site] of all.entries()) site.open(world.database, world.writers[i]?.entries);
      const talk = new Conversation(...all);
      const random = new SeededRandom(seed);
      const mayRead = (one: Site, other: Site): boolean => one.replica(world.database).authority.mayRead(other.key);
      // A session that ends because of a permission is followed by another, as networks do it.
      for (let round = 0; round < 6; round++) {
        for (const [i, one] of all.entries()) {
          for (const other of all.slice(i + 1))
            if (!one.lines.some((line) => line.to === other && !line.isOver)) talk.connect(one, other);
        }
        talk.run((count) => random.int(count));
      }
      for (const one of all) {
        for (const other of all) {
          if (one === other || !mayRead(one, other) || !mayRead(other, one)) continue;
          expect(one.replica(world.database).digest()).toBe(other.replica(world.database).digest());
        }
        over += one.lines.filter((line) => line.isOver).length;
        for (const line of one.lines) expect(line.failure).toBeUndefined();
      }
    }),
  );
  expect(over).toBeGreaterThan(10);
});

test("[SESSION-6] entries of a database that the peer may not read, and that we did not ask to join, are not looked at", () => {
  const { id, owner } = database([], 3);
  const world = growWorld([], 1, sha256, false);
  const replicas = new Map([[id, owner.replica]]);
  const session = new Session({ ...openHanded, self: keyOf(0), peer: keyOf(6), replicas, sha256 });
  const effects = [id, world.database].flatMap((database): readonly SessionEffect[] => {
    const garbage = Uint8Array.of(1, 2, 3);
    return session.step({
      type: "received",
      bytes: encodeMessage({ type: "entries", database, number: 7, left: 0, leftBytes: 0, digest: "", batch: garbage }),
    });
  });
  expect(effects).toEqual([]);
});

describe("[SESSION-25] while nothing of a database is here", () => {
  const { id, owner } = database([setPower(keyOf(1), WRITE)], 3);
  const prefix = prefixOf(id);
  const proof = { database: id, invite: keyOf(40), signature: new Uint8Array(64) };

  function empty(peer: number): Session {
    const site = new Site(0, sha256);
    site.open(id);
    return new Session({ ...openHanded, self: keyOf(0), peer: keyOf(peer), replicas: site.replicas, sha256 });
  }

  function receive(session: Session, message: Message): readonly SessionEffect[] {
    return session.step({ type: "received", bytes: encodeMessage(message) });
  }

  const nothing = shortDigest(digestFrontier(new Map(), sha256));
  const digest: Message = { type: "digest", continues: false, digests: [{ prefix, digest: nothing }] };
  const frontier: Message = { type: "frontier", database: id, asks: true, since: "", frontier: new Map() };
  const stored: Message = { type: "stored", database: id, number: 0, complete: true, digest: nothing };

  test.each([
    ["was not asked to let us join", false],
    ["was", true],
  ])("nobody agrees that it is nothing, be it that it %s", (_what, isAsked) => {
    const session = empty(5);
    if (isAsked) session.step({ type: "joining", ...proof });
    const effects = [digest, frontier, digest, stored, frontier].flatMap((message) => receive(session, message));
    const types = effects.map(({ type }) => type);
    for (const type of ["send", "agreed", "caughtUp"]) expect(types).not.toContain(type);
    expect([session.isShared, session.lane(id)]).toEqual([false, undefined]);
  });

  test("nor when its root came and is not durable yet", () => {
    const root = owner.entries[0] as VouchedEntry;
    const fresh = new Writer(keyOf(0), id, sha256);
    fresh.receive([root]);
    const replicas = new Map([[id, fresh.replica]]);
    const session = new Session({ ...openHanded, self: keyOf(0), peer: keyOf(1), replicas, sha256 });
    const types = [digest, frontier, stored].flatMap((each) => receive(session, each).map(({ type }) => type));
    expect(types.filter((type) => type === "agreed" || type === "caughtUp")).toEqual([]);
  });

  test("whoever has it is asked for it, and shares it once it came; what is refused catches nobody up", () => {
    const holds = { ...digest, digests: [{ prefix, digest: shortDigest(owner.replica.digest()) }] };
    for (const isAsked of [false, true]) {
      const session = empty(1);
      if (isAsked) session.step({ type: "joining", ...proof });
      expect(receive(session, holds).filter(({ type }) => type === "send")).toHaveLength(1);
      const entries = { type: "entries", database: id, number: 1, left: 0, leftBytes: 0, digest: "" } as const;
      receive(session, { ...entries, batch: encodeBatch(owner.entries.slice(1, 2)) });
      const after = session.step({ type: "batchStored", database: id, number: 1, ids: [], missing: [] });
      expect(after.some(({ type }) => type === "caughtUp")).toBe(isAsked);
      expect([session.isShared, session.lane(id) !== undefined]).toEqual([isAsked, isAsked]);
    }
  });
});

describe("[SESSION-23] whoever wants in", () => {
  const { id } = database([]);

  function join(self: number, transcript: number): { readonly session: Session; readonly bytes: Uint8Array } {
    const site = new Site(self, sha256);
    site.open(id);
    const options = { ...openHanded, transcript: new Uint8Array(32).fill(transcript), replicas: site.replicas, sha256 };
    const session = new Session({ ...options, self: keyOf(self), peer: keyOf(1) });
    const signature = new Uint8Array(64);
    const sent = session
      .step({ type: "joining", database: id, invite: keyOf(40), signature })
      .flatMap((effect) => (effect.type === "send" ? [effect.bytes] : []));
    return { session, bytes: sent[0] as Uint8Array };
  }

  test("does not say where, and says another thing in each session and for each key", () => {
    const all = [join(8, 1), join(8, 2), join(9, 1)].map(({ bytes }) => encodeHex(bytes));
    for (const each of all) expect(each).not.toContain(prefixOf(id));
    expect(new Set(all).size).toBe(3);
  });

  test("asks nobody by name to hold back who did not speak of it", () => {
    const { session } = join(8, 1);
    expect(session.step({ type: "flowing", database: id, paused: true })).toEqual([]);
  });

  test("hears only that it was refused where it asked", () => {
    const { session } = join(8, 1);
    const unavailable = (transcript: number): readonly SessionEffect[] => {
      const commitment = commitmentOf(id, keyOf(8), new Uint8Array(32).fill(transcript), sha256);
      return session.step({ type: "received", bytes: encodeMessage({ type: "unavailable", commitment }) });
    };
    expect([unavailable(2), unavailable(1)]).toEqual([[], [{ type: "refusedJoin", database: id }]]);
  });
});
