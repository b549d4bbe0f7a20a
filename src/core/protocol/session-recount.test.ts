/** Sessions of two of whom one knows what made entries void, or what made them count again. */
import { sha256 } from "@noble/hashes/sha2.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SeededRandom } from "../../testing/random.ts";
import { Conversation, type Line, Site } from "../../testing/sites.ts";
import { keyOf, rowParts, sealRoot, setPower, settingsParts, startMs, Writer } from "../../testing/writers.ts";
import type { VouchedEntry } from "../entry.ts";
import type { DatabaseId } from "../ids.ts";
import { voidEntriesMax } from "../limits.ts";
import { WRITE } from "../store/power.ts";
import { CommonGround } from "./common-ground.ts";
import type { Cursor } from "./cursor.ts";
import type { Message } from "./message.ts";
import { shortDigest } from "./short-digest.ts";

const [owner, admin, reader, removed, third] = [0, 1, 2, 3, 4];

/** A database with an owner, an admin, a reader, and a writer whom the admin removes, all of whom may write. */
class Scene {
  readonly owner: Writer;
  readonly admin: Writer;
  readonly removed: Writer;
  readonly id: DatabaseId;
  readonly common: readonly VouchedEntry[];

  constructor(rows = 5) {
    const writing = [reader, removed, third].map((number) => setPower(keyOf(number), WRITE));
    const sets = [setPower(keyOf(admin), 1), ...writing];
    const root = sealRoot(keyOf(owner), sha256, settingsParts({ type: "name", name: "x" }, ...sets));
    this.id = root.id;
    const writers = [owner, admin, removed].map((number) => new Writer(keyOf(number), root.id, sha256));
    [this.owner, this.admin, this.removed] = writers as [Writer, Writer, Writer];
    this.owner.receive([root]);
    for (let i = 0; i < rows; i++) this.owner.write(rowParts(`r${i}`));
    this.common = [...this.owner.entries];
    for (const writer of [this.admin, this.removed]) writer.receive(this.common);
  }

  /** What the removed key writes without knowing that it is. */
  late(count: number): readonly VouchedEntry[] {
    for (let i = 0; i < count; i++) entryOf(this.removed.write(rowParts(`late ${i}`)));
    return this.removed.entries.slice(this.common.length);
  }

  /** The admin removes it, without knowing what it wrote since. */
  cut(): VouchedEntry {
    return entryOf(this.admin.write(settingsParts(setPower(keyOf(removed), 999)), startMs + 10));
  }

  /** The owner removes the admin, without knowing what that did. */
  revival(): VouchedEntry {
    return entryOf(this.owner.write(settingsParts(setPower(keyOf(admin), 999)), startMs + 20));
  }

  site(number: number, ...entries: readonly (readonly VouchedEntry[])[]): Site {
    const site = new Site(number, sha256);
    site.open(this.id, this.common);
    for (const entry of entries.flat()) site.add(this.id, entry);
    site.store();
    return site;
  }
}

function entryOf(written: ReturnType<Writer["write"]>): VouchedEntry {
  if ("code" in written) throw new Error(written.code);
  return written;
}

function voidAt(site: Site, id: DatabaseId): number {
  return site.replica(id).graph.voidCount;
}

function expectEqual(id: DatabaseId, ...sites: readonly Site[]): void {
  expect(new Set(sites.map((site) => site.replica(id).digest())).size).toBe(1);
  const states = sites.map((site) => sha256(site.replica(id).encodeState()).join());
  expect(new Set(states).size).toBe(1);
  for (const { lines } of sites)
    for (const line of lines) {
      expect(line.failure).toBeUndefined();
      expect([line.session.lane(id)?.phase, line.session.lane(id)?.unconfirmed]).toEqual(["live", 0]);
    }
}

function sent(...lines: readonly Line[]): readonly Message["type"][] {
  return lines.flatMap((line) => line.sent.map(({ type }) => type));
}

describe("[SESSION-28] two of whom one knows what makes entries void", () => {
  test("end holding the same, after one exchange of frontiers", () => {
    const scene = new Scene();
    const [knowing, other] = [scene.site(owner, [scene.cut()]), scene.site(reader, scene.late(10))];
    const talk = new Conversation(knowing, other);
    const lines = talk.connect(knowing, other);
    talk.run();
    expectEqual(scene.id, knowing, other);
    expect([voidAt(knowing, scene.id), voidAt(other, scene.id), other.recounts]).toEqual([10, 10, 1]);
    expect(sent(...lines).length).toBeLessThanOrEqual(12);
    expect(sent(...lines).filter((type) => type === "frontier").length).toBe(2);
    for (const line of lines) expect(line.held.get(scene.id)).toBe(line.from.replica(scene.id).graph.size);
    // And nothing more, when they meet again.
    const [again, back] = talk.connect(knowing, other);
    talk.run();
    expect([sent(again), sent(back)]).toEqual([["digest"], ["same"]]);
  });

  test("while both are connected: void entries are not passed on, and what was queued of them is dropped", () => {
    const scene = new Scene();
    const [middle, late, knowing] = [
      scene.site(owner),
      scene.site(reader, scene.late(10)),
      scene.site(admin, [scene.cut()]),
    ];
    const [line] = new Conversation(middle, knowing).connect(middle, knowing);
    new Conversation(middle, knowing).run();
    const talk = new Conversation(middle, late, knowing);
    talk.connect(middle, late);
    talk.run();
    expectEqual(scene.id, middle, late, knowing);
    expect([voidAt(middle, scene.id), voidAt(late, scene.id), voidAt(knowing, scene.id)]).toEqual([10, 10, 0]);
    expect(line.sentEntries).toEqual([]);
  });

  test("though there are more of them than one keeps", () => {
    const scene = new Scene();
    const count = voidEntriesMax + 500;
    const [knowing, other] = [scene.site(owner, [scene.cut()]), scene.site(reader, scene.late(count))];
    const talk = new Conversation(knowing, other);
    const lines = talk.connect(knowing, other);
    // What makes them void comes last: the other one goes on to send them.
    for (let i = 0; i < 60; i++) {
      lines[1].deliver();
      lines[0].overtake();
      knowing.store();
    }
    expect([voidAt(knowing, scene.id), voidAt(other, scene.id)]).toEqual([voidEntriesMax, 0]);
    talk.run();
    expectEqual(scene.id, knowing, other);
    expect([voidAt(knowing, scene.id), voidAt(other, scene.id)]).toEqual([voidEntriesMax, count]);
    // Each batch and its confirmation, and few more.
    expect(sent(...lines).length).toBeLessThanOrEqual(2 * Math.ceil(count / 1_000) + 20);
    expect(lines.map((line) => line.sentEntries.length <= count)).toEqual([true, true]);
  }, 60_000);

  test("what is void is served when it is asked for by name: something may stand on it", () => {
    const scene = new Scene();
    const late = scene.late(2);
    const [knowing, other] = [scene.site(owner, [scene.cut()], late), scene.site(reader)];
    const talk = new Conversation(knowing, other);
    const [line] = talk.connect(knowing, other);
    talk.run();
    expect(line.sentEntries.length).toBe(1);
    line.step({
      type: "queued",
      database: scene.id,
      nodes: late.map(({ id }) => knowing.replica(scene.id).graph.get(id) as never),
      first: true,
    });
    talk.run();
    expect(line.sentEntries.length).toBe(1);
    line.back.step({ type: "missed", database: scene.id, ids: late.map(({ id }) => id) });
    talk.run();
    expect(line.sentEntries.slice(1)).toEqual(late.map(({ id }) => id));
    expectEqual(scene.id, knowing, other);
  });
});

describe("[SESSION-29] when entries count again", () => {
  test("a peer that never had them gets them, and is not taken to hold them before", () => {
    const scene = new Scene();
    const late = scene.late(10);
    const [one, other] = [scene.site(owner, late), scene.site(reader)];
    one.add(scene.id, scene.cut());
    one.store();
    const talk = new Conversation(one, other);
    const lines = talk.connect(one, other);
    talk.run();
    expectEqual(scene.id, one, other);
    expect([voidAt(one, scene.id), voidAt(other, scene.id), lines[0].sentEntries.length]).toEqual([10, 0, 1]);
    expect(lines[0].held.get(scene.id)).toBe(one.replica(scene.id).graph.size);
    // Accepted, and not durable yet: from this moment on.
    one.add(scene.id, scene.revival());
    expect(lines[0].held.get(scene.id)).toBe(scene.common.length);
    one.store();
    talk.run();
    expectEqual(scene.id, one, other);
    expect([voidAt(one, scene.id), voidAt(other, scene.id)]).toEqual([1, 1]);
    expect([lines[0].sentEntries.length, other.holds(scene.id).size]).toEqual([12, one.holds(scene.id).size]);
    expect(lines[0].held.get(scene.id)).toBe(one.replica(scene.id).graph.size);
    expect(sent(...lines).length).toBeLessThanOrEqual(20);
  });

  test("of a remembered agreement nothing is used that is not true any more", () => {
    const scene = new Scene();
    const late = scene.late(10);
    const [one, other] = [scene.site(owner, late), scene.site(reader, late)];
    const talk = new Conversation(one, other);
    const [first] = talk.connect(one, other);
    talk.run();
    first.close();
    one.add(scene.id, scene.cut());
    one.store();
    const lines = talk.connect(one, other);
    talk.run();
    expect(other.replica(scene.id).digest()).toBe(one.replica(scene.id).digest());
    expect(sent(...lines).filter((type) => type === "frontier").length).toBeLessThanOrEqual(4);
  });

  test("an answer to what was said before is no agreement", () => {
    const scene = new Scene();
    const late = scene.late(10);
    const [one, other] = [scene.site(owner, late), scene.site(reader, late)];
    const talk = new Conversation(one, other);
    const [line, back] = talk.connect(one, other);
    talk.run();
    const agreed = (): number => line.happened.filter((type) => type === "agreed").length;
    const before = agreed();
    line.step({ type: "resumed" });
    line.deliver();
    one.add(scene.id, scene.cut());
    one.store();
    expect(sent(back).at(-1)).toBe("same");
    back.deliver();
    expect(agreed()).toBe(before);
    talk.run();
    expectEqual(scene.id, one, other);
  });

  test("nothing is agreed on while that may be taken back by a crash", () => {
    const scene = new Scene();
    const late = scene.late(10);
    const [one, other] = [scene.site(owner, late), scene.site(reader)];
    // It holds the same but for what is void at the first, for a reason that is not durable.
    one.add(scene.id, scene.cut());
    const talk = new Conversation(one, other);
    const [line] = talk.connect(one, other);
    for (let i = 0; i < 20; i++) for (const each of [line, line.back]) each.deliver();
    expect([line.happened.includes("agreed"), line.held.get(scene.id)]).toEqual([false, undefined]);
    talk.run();
    expectEqual(scene.id, one, other);
    expect(line.happened).toContain("agreed");
  });
});

test("[SESSION-28] [SESSION-29] whoever learns what when, in whatever order messages and stores happen, all end equal and nobody is taken to hold what it does not", () => {
  let [recounts, revivals] = [0, 0];
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const random = new SeededRandom(seed);
      const scene = new Scene(3);
      const news: VouchedEntry[][] = [[...scene.late(1 + random.int(8))], [scene.cut()], [scene.revival()]];
      const sites = [scene.site(owner), scene.site(reader), scene.site(third)] as const;
      const talk = new Conversation(...sites);
      talk.connect(sites[0], sites[1]);
      talk.run((count) => random.int(count));
      talk.connect(sites[0], sites[2]);
      talk.connect(sites[1], sites[2]);
      while (news.length > 0) {
        const [some] = news.splice(random.int(news.length), 1);
        const site = sites[random.int(3)] as Site;
        for (const entry of some ?? []) site.add(scene.id, entry);
        if (random.int(2) === 0) talk.run((count) => random.int(count));
        else for (let i = random.int(10); i > 0; i--) for (const { lines } of sites) lines[random.int(2)]?.deliver();
      }
      talk.run((count) => random.int(count));
      for (const one of sites) expect(one.replica(scene.id).digest()).toBe(sites[0].replica(scene.id).digest());
      recounts += sites.reduce((sum, site) => sum + site.recounts, 0);
      revivals += sites.filter((site) => site.recounts > 1).length;
    }),
    { numRuns: 100 },
  );
  expect([recounts > 100, revivals > 5]).toEqual([true, true]);
});

test("[SESSION-14] what was agreed, said or asked is not referred to any more when it has ceased to be true", () => {
  const cursors = ["a", "b", "c", "d"].map((digit, position): Cursor => ({ digest: digit.repeat(64), position }));
  const [remembered, agreed, said, asked] = cursors as [Cursor, Cursor, Cursor, Cursor];
  const untrue = new Set<Cursor>();
  const check = (cursor: Cursor | undefined): Cursor | undefined =>
    cursor === undefined || untrue.has(cursor) ? undefined : cursor;
  const ground = new CommonGround(() => remembered, check);
  const known = (): readonly (number | undefined)[] =>
    cursors.map(({ digest }) => ground.find(shortDigest(digest))?.position);
  ground.agree(agreed);
  ground.say(said);
  ground.ask(asked);
  expect(known()).toEqual([0, 1, 2, 3]);
  for (const cursor of [remembered, said, asked]) {
    untrue.add(cursor);
    ground.recounted();
    expect(known()).toEqual(cursors.map((each) => (untrue.has(each) ? undefined : each.position)));
  }
  // Whether something was asked is known all the same: the answer may be to something else.
  expect([ground.asked, ground.base, ground.said]).toEqual([asked, agreed, ""]);
  untrue.delete(asked);
  ground.ask(asked);
  expect(known()).toEqual([undefined, 1, undefined, 3]);
});
