import * as A from "@automerge/automerge";
import { type Endpoint, wrap } from "comlink";
import { describe, expect, test } from "vitest";
import { changeHashFromHex } from "../core/document/change-bytes.ts";
import { encodeSnapshot } from "../core/document/snapshot.ts";
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId } from "../core/ids.ts";
import { READ, WRITE } from "../core/store/power.ts";
import { TableChanges } from "../core/store/table-changes.ts";
import { holdsText } from "../testing/plaintext.ts";
import { type Note, SiteDocument } from "../testing/site-document.ts";
import { type SitePage, TabSite } from "../testing/tab-site.ts";
import type { CreateOptions, StoreWrites } from "./api.ts";

function openSite(seed: number, beside?: TabSite): Promise<TabSite> {
  return TabSite.open(seed, (endpoint) => wrap(endpoint as Endpoint), beside);
}

/** A page that leads. */
async function leadOn(site: TabSite, name = "a"): Promise<SitePage> {
  const page = await site.addPage(name);
  await site.world.until(() => page.standing.type === "leading");
  return page;
}

interface Scene {
  readonly site: TabSite;
  readonly leader: SitePage;
  readonly database: DatabaseId;
}

async function setUp(seed: number, options: Partial<CreateOptions> = {}): Promise<Scene> {
  const site = await openSite(seed);
  const leader = await leadOn(site);
  const made = leader.write((api, write) => api.createDatabase({ name: "Board", ...options }, write));
  const { id } = await site.world.settle(made);
  return { site, leader, database: id };
}

/** Another device that may write. */
async function addDevice({ site, leader, database }: Scene, seed = 99): Promise<Scene> {
  const { world } = site;
  const other = await openSite(seed, site);
  const page = await leadOn(other, "ben");
  const ticket = await world.settle(leader.write((api, write) => api.share(database, { power: WRITE }, write)));
  await other.world.settle(page.write((api, write) => api.join(ticket, {}, write)));
  await other.world.settle(page.call((api) => api.ready(database)));
  return { site: other, leader: page, database };
}

function openDoc({ site, leader, database }: Scene, page = leader, store = "text"): Promise<SiteDocument> {
  return new SiteDocument(site, page, database, store).open();
}

async function write(doc: SiteDocument, text: string): Promise<void> {
  doc.type(text);
  await doc.site.world.settle(doc.commit());
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return await promise.then(
    () => "done",
    (error: unknown) => (error instanceof TidemarkError ? error.code : String(error)),
  );
}

function row(id: string): StoreWrites {
  const changes = new TableChanges("rows");
  changes.put(id, {});
  return { type: "table", store: "rows", payload: changes.encode(), updatedRows: [] };
}

describe("a document that pages have open", () => {
  test("[DOC-30] [DOC-31] is the same on the page that leads and on another, and nobody is sent what they wrote", async () => {
    const scene = await setUp(1);
    const { site } = scene;
    const other = await site.addPage("b");
    const one = await openDoc(scene);
    expect([one.opened?.author, one.opened?.snapshot]).toEqual([site.publicKey, undefined]);
    await write(one, "hello");
    const two = await openDoc(scene, other);
    await site.world.until(() => two.text === "hello");
    two.type(" world");
    await write(two, "!");
    await site.world.until(() => one.text === "hello world!");
    for (let i = 0; i < 5; i++) {
      one.type("a");
      two.type("b");
      await site.world.settle(Promise.all([one.commit(), two.commit()]));
    }
    await site.world.until(() => one.text.length === 22 && two.text === one.text);
    expect([one.received, two.received]).toEqual([7, 6]);
    expect([one, two].flatMap(({ events }) => events.filter(({ isAnew }) => isAnew))).toEqual([]);
  });

  test("[DOC-30] comes in one event per turn, however many entries came in it, and is in one entry with a table", async () => {
    const scene = await setUp(2);
    const { site, leader, database } = scene;
    const [one, two] = [await openDoc(scene), await openDoc(scene, await site.addPage("b"))];
    one.type("x");
    const writes = [one.writes()];
    for (const letter of "yz") {
      one.type(letter);
      writes.push(one.writes());
    }
    const events = two.events.length;
    two.take();
    await site.world.settle(Promise.all(writes.map((each, i) => one.send([each, ...(i === 0 ? [row("r1")] : [])]))));
    await site.world.until(() => two.text === "xyz");
    expect(two.events.length - events).toBeLessThanOrEqual(4);
    expect(await site.world.settle(leader.call((api) => api.allRows(database, "rows")))).toEqual([["r1", {}]]);
    expect((await site.world.settle(leader.call((api) => api.stateDigest(database)))).entries).toBe(4);
  });

  test("[DOC-30] is on another device, and what is written there comes back", async () => {
    const scene = await setUp(3);
    const one = await openDoc(scene);
    await write(one, "from Ann");
    const ben = await addDevice(scene);
    const two = await openDoc(ben);
    await scene.site.world.until(() => two.text === "from Ann");
    await write(two, " and Ben");
    await scene.site.world.until(() => one.text === "from Ann and Ben");
    expect(one.docHeads).toEqual(two.docHeads);
  });

  test("[DOC-33] is not told of to who closed it, or was opening it when they did", async () => {
    const scene = await setUp(4);
    const { site, leader, database } = scene;
    const [one, two] = [await openDoc(scene), await openDoc(scene, await site.addPage("b"))];
    await write(one, "a");
    await site.world.until(() => two.text === "a");
    await two.close();
    const goOn = site.stall("getSnapshot");
    const nonce = new Uint8Array(16);
    const opening = leader.call((api) => api.openDoc(900, database, "text", { heads: [], nonce }));
    await site.world.pass(100);
    await site.world.settle(leader.call((api) => api.closeDoc(900)));
    goOn();
    await site.world.settle(opening);
    const before = [two.page, leader].map(({ events }) => events.length);
    await write(one, "b");
    await site.world.pass(100);
    const after = [two.page, leader].map(({ events }, i) => events.slice(before[i]));
    expect(after.flat().filter((event) => event.type === "changes" && event.watch !== one.number)).toEqual([]);
    expect(two.text).toBe("a");
  });

  test("[DOC-33] is not told of any more to a page that is served anew, until it opens it again", async () => {
    const scene = await setUp(6);
    const { site, leader } = scene;
    const [one, two] = [await openDoc(scene), await openDoc(scene, await site.addPage("b"))];
    await write(two, "a");
    await site.world.until(() => one.text === "a");
    leader.attachAgain();
    await site.world.pass(100);
    const before = leader.events.length;
    await write(two, "b");
    await site.world.pass(100);
    expect(leader.events.slice(before).filter(({ type }) => type === "changes")).toEqual([]);
    await one.reopen();
    await site.world.until(() => one.text === "ab");
    await write(two, "c");
    await site.world.until(() => one.text === "abc");
    expect(one.received).toBe(3);
  });

  test("[DOC-30] comes in pieces when it is large, with what is written meanwhile behind", async () => {
    const scene = await setUp(8);
    const { site } = scene;
    const one = await openDoc(scene);
    one.type("0");
    for (let i = 0; i < 4_100; i++) one.change((note) => void A.splice(note as A.Doc<Note>, ["text"], 0, 0, "x"));
    await site.world.settle(one.commit());
    const two = await openDoc(scene, await site.addPage("b"));
    one.type("end");
    const committed = one.commit();
    await site.world.until(() => two.text.endsWith("end"));
    await site.world.settle(committed);
    expect(two.text).toBe(one.text);
    const [sizes, left] = [two.events.map(({ ends }) => ends.length), two.events.map((event) => event.left)];
    expect([sizes.slice(0, 2), sizes.reduce((sum, size) => sum + size)]).toEqual([[2_000, 2_000], 4_102]);
    expect(left.slice(0, 2).every((each) => each > 100) && left.at(-1) === 0).toBe(true);
  });

  test("[DOC-32] begins anew when storage failed beneath a change that was shown already", async () => {
    const scene = await setUp(9);
    const { site } = scene;
    const [one, two] = [await openDoc(scene), await openDoc(scene, await site.addPage("b"))];
    await write(one, "kept");
    await site.world.until(() => two.text === "kept");
    const goOn = site.stall("commit");
    one.type(" lost");
    const committed = codeOf(one.commit());
    await site.world.until(() => two.text === "kept lost");
    site.failing.set("commit", new TidemarkError("STORAGE_QUOTA", { reason: "full" }));
    one.type(" too");
    const later = codeOf(one.commit());
    goOn();
    expect(await site.world.settle(Promise.all([committed, later]))).toEqual(["done", "STORAGE_QUOTA"]);
    await site.world.until(() => two.text === "kept lost" && one.text === "kept lost");
    expect([one, two].map(({ events }) => events.filter(({ isAnew }) => isAnew).length)).toEqual([1, 1]);
  });

  test("[DOC-30] is handed over to the page of the leader without a copy", async () => {
    const scene = await setUp(7);
    const { site, leader } = scene;
    const [one, two] = [await openDoc(scene), await openDoc(scene, await site.addPage("b"))];
    for (const text of ["a", "b", "c"]) await write(two, text);
    await site.world.until(() => one.text === "abc");
    // Bytes and ends.
    expect(leader.transferred).toBe(one.events.length * 2);
    expect(two.page.transferred).toBe(0);
  });

  test("[DOC-33] INPUT_INVALID and DATABASE_UNKNOWN answer what no page asks", async () => {
    const { site, leader, database } = await setUp(5);
    const nonce = new Uint8Array(16);
    const ask = (id: DatabaseId, heads: readonly string[], bytes: Uint8Array): Promise<string> =>
      site.world.settle(codeOf(leader.call((api) => api.openDoc(1, id, "text", { heads, nonce: bytes }))));
    expect(await ask(database, ["x"], nonce)).toBe("INPUT_INVALID");
    expect(await ask(database, [], nonce.subarray(1))).toBe("INPUT_INVALID");
    expect(await ask("e".repeat(64) as DatabaseId, [], nonce)).toBe("DATABASE_UNKNOWN");
    const keep = leader.call((api) => api.putSnapshot(database, "text", { heads: ["x"], bytes: nonce }));
    expect(await site.world.settle(codeOf(keep))).toBe("INPUT_INVALID");
  });
});

describe("[DOC-31] what a page wrote is not sent to it", () => {
  test("by the next leader, though the last one did not live to answer", async () => {
    for (let seed = 10; seed < 22; seed++) {
      const scene = await setUp(seed);
      const { site, leader } = scene;
      const follower = await site.addPage("b");
      const [one, two] = [await openDoc(scene), await openDoc(scene, follower)];
      await write(one, "one");
      await site.world.until(() => two.text === "one");
      two.type(" two");
      const committed = two.commit();
      await site.world.pass(seed - 10);
      leader.kill();
      await site.world.until(() => follower.standing.type === "leading");
      await two.reopen();
      await site.world.settle(committed);
      await two.reopen();
      const third = await openDoc({ ...scene, leader: follower }, await site.addPage("c"));
      await site.world.until(() => third.text === "one two");
      expect([two.text, two.received, two.events.some(({ isAnew }) => isAnew)]).toEqual(["one two", 1, false]);
      await write(third, " three");
      await site.world.until(() => two.text === "one two three");
    }
  });

  test("when it slept, and its outbox was written for it meanwhile", async () => {
    const scene = await setUp(23);
    const { site } = scene;
    const sleeper = await site.addPage("b");
    const [one, two] = [await openDoc(scene), await openDoc(scene, sleeper)];
    two.type("kept");
    const writes = two.writes();
    // It reaches nobody before the page sleeps.
    sleeper.line.hold();
    const committed = two.send([writes]);
    sleeper.suspend(true);
    expect(site.outbox).toHaveLength(1);
    await site.world.until(() => one.text === "kept");
    await write(one, " and more");
    sleeper.resume();
    await site.world.settle(committed);
    two.noteDone(writes);
    await two.reopen();
    await site.world.until(() => two.text === "kept and more");
    expect([two.received, two.events.some(({ isAnew }) => isAnew)]).toEqual([1, false]);
  });
});

describe("[DOC-32] after a leader comes the next", () => {
  test("of whom a page with heads gets what came after them, and nothing else", async () => {
    const scene = await setUp(30);
    const { site, leader } = scene;
    const [b, c] = [await site.addPage("b"), await site.addPage("c")];
    const [one, two, three] = [await openDoc(scene), await openDoc(scene, b), await openDoc(scene, c)];
    for (let i = 0; i < 20; i++) await write(one, "a");
    await site.world.until(() => two.text.length === 20 && three.text.length === 20);
    leader.kill();
    await site.world.until(() => b.standing.type === "leading");
    const before = two.received;
    await three.reopen();
    await write(three, "c");
    expect((await two.reopen()).snapshot).toBeUndefined();
    await site.world.until(() => two.text.endsWith("c"));
    expect([two.received - before, two.events.at(-1)?.isAnew]).toEqual([1, false]);
    expect(two.docHeads).toEqual(three.docHeads);
  });

  test("and a page whose heads nobody knows begins anew", async () => {
    const scene = await setUp(31);
    const { site } = scene;
    const [one, two] = [await openDoc(scene), await openDoc(scene, await site.addPage("b"))];
    for (let i = 0; i < 3; i++) await write(one, "a");
    await site.world.until(() => two.text === "aaa");
    two.heads = ["9".repeat(64)];
    await two.reopen();
    await site.world.until(() => two.text === "aaa" && two.events.at(-1)?.isAnew === true);
    expect(two.events.at(-1)?.ends.length).toBe(3);
  });
});

describe("[DOC-32] what does not count any more", () => {
  test("is gone from the page that had it, which begins anew; other documents go on as they were", async () => {
    const ann = await setUp(40);
    const { site, leader, database } = ann;
    const { world } = site;
    const [mine, other] = [await openDoc(ann), await openDoc(ann, leader, "other")];
    await write(mine, "Ann");
    await write(other, "quiet");
    const ben = await addDevice(ann);
    const benPage = await ben.site.addPage("ben's second");
    const [his, hisOther] = [await openDoc(ben), await openDoc(ben, ben.leader, "other")];
    const second = await openDoc(ben, benPage);
    await world.until(() => his.text === "Ann" && hisOther.text === "quiet");
    await world.settle(ben.leader.call((api) => api.setOnline(false)));
    await write(his, " and void");
    await ben.site.world.until(() => second.text === "Ann and void");
    const { publicKey } = ben.site;
    await world.settle(leader.write((api, id) => api.setPermission(database, { key: publicKey, power: READ }, id)));
    await write(mine, " alone");
    await world.settle(ben.leader.call((api) => api.setOnline(true)));
    await ben.site.world.until(() => second.text === "Ann alone" && his.text === "Ann alone");
    for (const doc of [his, second]) expect(doc.events.filter(({ isAnew }) => isAnew)).toHaveLength(1);
    await write(other, " still");
    await world.until(() => hisOther.text === "quiet still");
    expect([hisOther.events.some(({ isAnew }) => isAnew), hisOther.received]).toEqual([false, 2]);
  });
});

describe("[DOC-32] what a page wrote and is void before it hears that it was written", () => {
  test("is gone from the page, whose outbox was written for it while it slept", async () => {
    const ann = await setUp(41);
    const { world } = ann.site;
    const mine = await openDoc(ann);
    await write(mine, "Ann");
    const ben = await addDevice(ann);
    const sleeper = await ben.site.addPage("ben's second");
    const [awake, his] = [await openDoc(ben), await openDoc(ben, sleeper)];
    await world.until(() => his.text === "Ann" && awake.text === "Ann");
    await world.settle(ben.leader.call((api) => api.setOnline(false)));
    his.type(" and void");
    // It reaches nobody before the page sleeps.
    sleeper.line.hold();
    const committed = his.commit();
    sleeper.suspend(true);
    await world.until(() => awake.text === "Ann and void");
    const { publicKey: key } = ben.site;
    await world.settle(ann.leader.write((api, id) => api.setPermission(ann.database, { key, power: READ }, id)));
    await world.settle(ben.leader.call((api) => api.setOnline(true)));
    await world.until(() => awake.text === "Ann");
    // As a page does: before anything is asked again.
    sleeper.line.stand(({ api }) => {
      his.number = 900;
      void api.openDoc(his.number, ben.database, "text", { heads: his.heads, nonce: his.nonce });
    });
    sleeper.resume();
    await world.settle(committed);
    await world.until(() => his.text === "Ann");
    expect(his.events.map(({ isAnew }) => isAnew)).toEqual([false, false, true]);
  });
});

describe("[DOC-34] a change that would not be applied as the page has it is DOC_OUTDATED, and nothing of its entry is written", () => {
  test("as when what it stands on is not there, its hash is another, or its number was used", async () => {
    const scene = await setUp(50);
    const { site, leader, database } = scene;
    const one = await openDoc(scene);
    await write(one, "a");
    const entries = async (): Promise<number> =>
      (await site.world.settle(leader.call((api) => api.stateDigest(database)))).entries;
    const before = await entries();
    const twin = one.twin();
    twin.type("other");
    const other = twin.writes();
    one.type("b");
    const skipped = one.writes();
    one.type("c");
    const standing = one.writes();
    expect(await site.world.settle(codeOf(one.send([row("r1"), standing])))).toBe("DOC_OUTDATED");
    const { last: _, ...without } = skipped;
    expect(await site.world.settle(codeOf(one.send([without])))).toBe("INPUT_INVALID");
    expect(await site.world.settle(codeOf(one.send([{ ...skipped, last: "a".repeat(64) }])))).toBe("DOC_OUTDATED");
    expect(await site.world.settle(codeOf(one.send([{ ...skipped, payload: Uint8Array.of(0x80) }])))).not.toBe("done");
    expect([await entries(), one.page.problems()]).toEqual([before, []]);
    await site.world.settle(one.send([skipped]));
    await site.world.settle(one.send([standing]));
    expect(await site.world.settle(codeOf(one.send([other])))).toBe("DOC_OUTDATED");
    expect(await entries()).toBe(before + 2);
    const two = await openDoc(scene, await site.addPage("b"));
    await site.world.until(() => two.text === "abc");
  });

  test("and so it is when the database is written with another key since", async () => {
    const scene = await setUp(51);
    const { site, leader, database } = scene;
    const one = await openDoc(scene);
    await write(one, "a");
    const { key } = await site.world.settle(leader.call((api) => api.createKey("second")));
    await site.world.settle(
      leader.write((api, id) => api.setPermission(database, { key: key.publicKey, power: WRITE }, id)),
    );
    const ticket = await site.world.settle(leader.call((api) => api.ticket(database)));
    await site.world.settle(leader.write((api, id) => api.join(ticket, { key: "second" }, id)));
    one.type("b");
    expect(await site.world.settle(codeOf(one.commit()))).toBe("DOC_OUTDATED");
    const again = await openDoc(scene);
    expect(again.opened?.author).toBe(key.publicKey);
    await site.world.until(() => again.text === "a");
    await write(again, "c");
    await site.world.until(() => one.received > 0);
  });
});

describe("a snapshot", () => {
  async function restart({ site, database }: Scene): Promise<Scene> {
    for (const page of site.pages) page.kill();
    return { site, leader: await leadOn(site, `after ${site.pages.length}`), database };
  }

  test("[DOC-36] is what a page begins with after a restart, and what came after it comes by events", async () => {
    const scene = await setUp(60);
    const one = await openDoc(scene);
    for (let i = 0; i < 30; i++) await write(one, "a");
    await one.putSnapshot();
    for (let i = 0; i < 5; i++) await write(one, "b");
    const again = await restart(scene);
    const two = await openDoc(again);
    expect(two.opened?.snapshot?.heads).toHaveLength(1);
    await scene.site.world.until(() => two.text === `${"a".repeat(30)}${"b".repeat(5)}`);
    expect([two.received, two.events.some(({ isAnew }) => isAnew)]).toEqual([5, false]);
    const three = await new SiteDocument(again.site, again.leader, again.database).open({ snapshot: false });
    expect(three.opened?.snapshot).toBeUndefined();
    await scene.site.world.until(() => three.text === two.text);
    expect(three.received).toBe(35);
  });

  test("[DOC-36] that cannot be kept or read, or is of changes that nobody knows, is as none, and no problem", async () => {
    const scene = await setUp(61);
    const { site, leader, database } = scene;
    const one = await openDoc(scene);
    await write(one, "a");
    const stored = (): number => site.disk.databases.get(database)?.snapshots.size ?? 0;
    const full = new TidemarkError("STORAGE_QUOTA", { reason: "full" });
    site.failing.set("putSnapshot", full);
    await one.putSnapshot();
    const unknown = { heads: ["9".repeat(64)], bytes: Uint8Array.of(1) };
    await site.world.settle(leader.call((api) => api.putSnapshot(database, "text", unknown)));
    await site.world.settle(leader.call((api) => api.putSnapshot(database, "nothing", { ...unknown, heads: [] })));
    expect(stored()).toBe(0);
    await one.putSnapshot();
    expect(stored()).toBe(1);
    const kept = site.disk.databases.get(database)?.snapshots as Map<string, Uint8Array>;
    const [sound] = [...kept.values()] as [Uint8Array];
    const open = async (): Promise<boolean> => {
      const two = await openDoc(scene, await site.addPage(`page ${site.pages.length}`));
      await site.world.until(() => two.text === "a");
      return two.opened?.snapshot !== undefined;
    };
    expect(await open()).toBe(true);
    const strange = encodeSnapshot({ ...unknown, heads: unknown.heads.map(changeHashFromHex) });
    for (const bytes of [new Uint8Array(), sound.subarray(1), sound.subarray(0, -1), strange]) {
      kept.set("text", bytes);
      expect(await open()).toBe(false);
    }
    kept.set("text", sound);
    site.failing.set("getSnapshot", new TidemarkError("STORAGE_CORRUPT", { where: "here" }));
    expect([await open(), await open()]).toEqual([false, true]);
    expect(site.pages.flatMap((page) => page.problems())).toEqual([]);
    await write(one, "b");
  });

  test("[DOC-37] is in no export", async () => {
    const scene = await setUp(63);
    const { site, leader, database } = scene;
    const one = await openDoc(scene);
    await write(one, "text in it");
    const bytes = new TextEncoder().encode("kept beside it");
    await site.world.settle(leader.call((api) => api.putSnapshot(database, "text", { heads: one.docHeads, bytes })));
    expect(holdsText(site.disk.databases.get(database)?.snapshots, "kept beside it")).toBe(true);
    await site.world.settle(leader.call((api) => api.exportOpen(1, {})));
    const pieces: unknown[] = [];
    for (let last: unknown = 0; last !== undefined; pieces.push(last))
      last = await site.world.settle(leader.call((api) => api.exportNext(1)));
    expect(["text in it", "kept beside it"].map((text) => holdsText(pieces, text))).toEqual([true, false]);
  });

  test("[DOC-37] of an encrypted database holds neither the text nor the document's name in clear", async () => {
    const scene = await setUp(62, { encrypted: true });
    const one = await openDoc(scene, scene.leader, "secret name");
    await write(one, "secret text");
    await one.putSnapshot();
    const { snapshots } = scene.site.disk.databases.get(scene.database) ?? {};
    expect(snapshots?.size).toBe(1);
    expect(holdsText(scene.site.disk.databases, "secret")).toBe(false);
    const two = await openDoc(await restart(scene), undefined, "secret name");
    expect([two.text, two.opened?.snapshot?.heads, two.received]).toEqual(["secret text", one.heads, 0]);
    const [[name, bytes]] = [...(snapshots ?? [])] as [[string, Uint8Array]];
    snapshots?.set(
      name,
      bytes.map((byte, i) => (i === 40 ? byte ^ 1 : byte)),
    );
    const three = await openDoc(await restart(scene), undefined, "secret name");
    await scene.site.world.until(() => three.text === "secret text");
    expect(three.opened?.snapshot).toBeUndefined();
  });
});
