/**
 * Random lives of two devices that sync, each with several tabs in which real hosts lead real engines: what happens is drawn from a seed,
 * and what must be so is checked all the time and in the end.
 */

import { asTidemarkError } from "../core/errors.ts";
import type { DatabaseId } from "../core/ids.ts";
import { KvChanges } from "../core/store/kv-changes.ts";
import { WRITE } from "../core/store/power.ts";
import { TableChanges } from "../core/store/table-changes.ts";
import { leaderLockName } from "../tabs/names.ts";
import type { StoreWrites } from "../worker/api.ts";
import { SeededRandom } from "./random.ts";
import { TabSite, type Wrap } from "./tab-site.ts";
import { instanceName, type SitePage } from "./tab-site-page.ts";
import { type EditName, editsKeys, editsTable, rowOf, StoredEdits } from "./tabs-engine-checks.ts";

export interface TabsEngineLife {
  readonly seed: number;
  /** Everything that was not as it should be; empty when the life went well. */
  readonly problems: readonly string[];
  /** How often what happened. */
  readonly tally: ReadonlyMap<string, number>;
}

const tabsAtOnceMax = 3;
/** Longer than any back-off, and than a leader tries again to do what a tab had left. */
const quietMsMax = 300_000;

/** Lives one life of this many actions. `wrap`: Comlink's. Never rejects because of what happens in it. */
export async function liveTabsWithEngines(seed: number, wrap: Wrap, actions = 25): Promise<TabsEngineLife> {
  const life = new Life(seed, await TabSite.open(seed, wrap), wrap);
  try {
    await life.run(actions);
  } catch (error) {
    life.problems.push(String(error));
  }
  return { seed, problems: life.problems, tally: life.tally };
}

interface Edit extends EditName {
  readonly page: SitePage;
  /** left: its page went, and had put it into the outbox. lost: its page went without a word, or was told nothing. */
  state: "open" | "done" | "left" | "lost";
}

/** One device. */
interface Home {
  readonly site: TabSite;
  readonly stored: StoredEdits;
  readonly edits: Edit[];
}

class Life {
  readonly problems: string[] = [];
  readonly tally: Map<string, number> = new Map();
  readonly #random: SeededRandom;
  readonly #seed: number;
  readonly #wrap: Wrap;
  readonly #homes: Home[] = [];
  readonly #numbers = new Map<SitePage, number>();
  #database = "" as DatabaseId;

  constructor(seed: number, site: TabSite, wrap: Wrap) {
    this.#seed = seed;
    this.#random = new SeededRandom(seed ^ 0x7ab5);
    this.#wrap = wrap;
    this.#addHome(site);
  }

  async run(actions: number): Promise<void> {
    await this.#meet();
    for (let i = 0; i < actions; i++) {
      if (this.#random.chance(0.5)) this.#editEverywhere();
      const { pass } = this.#random.pick(paces);
      await this.#world.pass(this.#random.int(pass));
      await this.#act();
    }
    await this.#comeToRest();
    for (const home of this.#homes) await this.#check(home);
    await this.#end();
  }

  get #world(): TabSite["world"] {
    return (this.#homes[0] as Home).site.world;
  }

  #addHome(site: TabSite): void {
    this.#homes.push({ site, stored: new StoredEdits(site), edits: [] });
  }

  /** The one device has a database, and the other joins it. */
  async #meet(): Promise<void> {
    const [first] = this.#homes as [Home];
    this.#addHome(await TabSite.open(this.#seed + 1e6, this.#wrap, first.site));
    const [host, guest] = [await this.#open(first), await this.#open(this.#homes[1] as Home)];
    const made = host.write((api, write) => api.createDatabase({ name: "Board", sync: true }, write));
    this.#database = (await this.#world.settle(made)).id;
    const ticket = await this.#world.settle(
      host.write((api, write) => api.share(this.#database, { power: WRITE }, write)),
    );
    await this.#world.settle(guest.write((api, write) => api.join(ticket, {}, write)));
    await this.#world.settle(guest.call((api) => api.ready(this.#database)));
    for (const home of this.#homes) for (let i = this.#random.int(tabsAtOnceMax); i > 0; i--) await this.#open(home);
  }

  async #act(): Promise<void> {
    const home = this.#random.pick(this.#homes);
    const alive = aliveIn(home);
    const page = alive.length > 0 ? this.#random.pick(alive) : await this.#open(home);
    const [name, action] = this.#random.pick(this.#actions());
    const isLeader = home.site.world.browser.holderOf(leaderLockName(instanceName)) === page.worker;
    this.#count(isLeader ? `${name} the leader` : name);
    await action(page, home);
  }

  #actions(): readonly (readonly [string, (page: SitePage, home: Home) => unknown])[] {
    const random = this.#random;
    return [
      ["open", (_page, home) => aliveIn(home).length < tabsAtOnceMax && this.#open(home)],
      ["open", (_page, home) => aliveIn(home).length < tabsAtOnceMax && this.#open(home)],
      ["edit", (page, home) => this.#editSome(page, home)],
      ["kill", (page, home) => this.#kill(page, home, "lost")],
      ["end", (page, home) => this.#vanish(page, home)],
      ["close", (page) => void page.close()],
      ["restart", (page) => page.isSuspended || page.restart()],
      ["freeze", (page) => page.freeze()],
      ["thaw", (_page, home) => aliveIn(home).map((each) => each.thaw())],
      ["suspend", (page) => page.suspend(random.chance(0.5))],
      ["resume", (_page, home) => aliveIn(home).map((each) => each.resume())],
      ["show", (page) => page.setVisible(true)],
      ["hide", (page) => this.#hide(page)],
      ["steal", (_page, home) => this.#steal(home)],
      ["cut", () => this.#network.cut(...this.#keys)],
      ["heal", () => this.#network.heal(...this.#keys)],
      ["drop", () => this.#network.drop(...this.#keys)],
    ];
  }

  get #network(): TabSite["network"] {
    return (this.#homes[0] as Home).site.network;
  }

  get #keys(): [TabSite["publicKey"], TabSite["publicKey"]] {
    const [one, other] = this.#homes as [Home, Home];
    return [one.site.publicKey, other.site.publicKey];
  }

  async #open({ site }: Home): Promise<SitePage> {
    return await site.addPage(`page ${site.pages.length}`);
  }

  #editEverywhere(): void {
    for (const home of this.#homes) for (const page of aliveIn(home)) this.#editSome(page, home);
  }

  #editSome(page: SitePage, home: Home): void {
    // Nothing runs there.
    if (page.page.state !== "running" || !page.isTaking) return;
    for (let i = this.#random.int(4); i >= 0; i--) this.#edit(page, home);
  }

  #edit(page: SitePage, { stored, edits }: Home): void {
    const number = (this.#numbers.get(page) ?? 0) + 1;
    this.#numbers.set(page, number);
    const edit: Edit = { tab: page.tab, number, page, state: "open" };
    edits.push(edit);
    const [database, stores] = [this.#database, storesOf(edit)];
    page
      .write((api, write) => api.commit(database, stores, write), { database, stores })
      .then(
        () => {
          edit.state = "done";
          if (!stored.rows.has(rowOf(edit))) this.problems.push(`${rowOf(edit)} was answered and is not stored`);
        },
        (error: unknown) => {
          const { code } = asTidemarkError(error);
          // It may have been put into the outbox, and is done later.
          if (code === "INSTANCE_CLOSED") edit.state = "left";
          else this.problems.push(`${rowOf(edit)}: ${String(error)}`);
        },
      );
  }

  /** What is open then is never answered. */
  #kill(page: SitePage, { edits }: Home, state: "left" | "lost"): void {
    for (const edit of edits) if (edit.page === page && edit.state === "open") edit.state = state;
    page.kill();
  }

  /** As a user does who closes a tab: a page that runs learns of it. */
  #vanish(page: SitePage, home: Home): void {
    // What is suspended has put everything away already.
    const isTold = page.page.state === "running" || page.isSuspended;
    if (isTold) page.keep();
    this.#kill(page, home, isTold ? "left" : "lost");
  }

  #hide(page: SitePage): void {
    if (page.page.state === "running") page.keep();
    page.setVisible(false);
  }

  /** Some script of the same origin takes the lock for a moment. */
  async #steal({ site: { world } }: Home): Promise<void> {
    const thief = world.realm(`thief ${this.#random.int(1e9)}`);
    const release = await world.settle(thief.locks.request(leaderLockName(instanceName), { steal: true }));
    await world.pass(this.#random.int(50));
    release?.();
  }

  async #comeToRest(): Promise<void> {
    this.#network.healAll();
    for (const home of this.#homes) {
      if (aliveIn(home).length === 0) await this.#open(home);
      for (const page of aliveIn(home)) {
        page.thaw();
        page.resume();
      }
    }
    // Whoever was about to close has closed.
    await this.#world.pass(10_000);
    for (const home of this.#homes) {
      if (aliveIn(home).length === 0) await this.#open(home);
      for (const page of aliveIn(home)) this.#edit(page, home);
    }
    const before = this.#world.clock.now();
    await this.#world.until(() => this.#isAtRest(), quietMsMax).catch(() => this.problems.push(this.#unrest()));
    this.#count("rested after ms", this.#world.clock.now() - before);
  }

  #isAtRest(): boolean {
    const [one, other] = this.#homes.map(entriesIn);
    return one === other && this.#homes.every((home) => isQuiet(home));
  }

  #unrest(): string {
    const homes = this.#homes.map((home) => {
      const pages = aliveIn(home).map(({ standing, line }) => `${standing.type}${line.isWaiting ? " waits" : ""}`);
      return `${pages.join(", ")}; ${home.site.outbox.length} left`;
    });
    return `no rest: ${homes.join(" | ")}`;
  }

  async #check(home: Home): Promise<void> {
    const { site, stored, edits } = home;
    this.problems.push(...stored.problems);
    this.#count("fenced", stored.fenced);
    this.#count("terms", stored.terms.size);
    for (const edit of edits) {
      const isStored = stored.rows.has(rowOf(edit));
      this.#count(isStored ? edit.state : `${edit.state}, not stored`);
      if (edit.state !== "lost" && !isStored) this.problems.push(`${rowOf(edit)}, ${edit.state}, is not stored`);
    }
    const page = aliveIn(home)[0] as SitePage;
    const ask = <T>(asked: Promise<T>): Promise<T> => this.#world.settle(asked);
    const rows = await ask(page.call((api) => api.allRows(this.#database, editsTable)));
    const keys = await ask(page.call((api) => api.allValues(this.#database, editsKeys, "")));
    const names = [rows, keys].map((items) =>
      items
        .map(([name]) => name)
        .sort()
        .join(),
    );
    if (names[0] !== names[1]) this.problems.push("half of an edit");
    if (names[0] !== [...stored.rows].sort().join()) this.problems.push("the state is not what is stored");
    this.#digests.add(JSON.stringify(await ask(page.call((api) => api.stateDigest(this.#database)))));
    if (this.#digests.size > 1) this.problems.push("two devices, two states");
    const peers = (await ask(page.call((api) => api.command("peers", {}, { id: 1e9 })))).map(({ key }) => key);
    const others = this.#keys.filter((key) => key !== site.publicKey);
    if (peers.join() !== others.join()) this.problems.push(`knows ${peers.join()}`);
    if ([...stored.authors()].some((author) => !this.#keys.includes(author))) this.problems.push("a stranger wrote");
    const told = site.pages.flatMap((each) => each.problems()).filter((code) => !ofTheWay.has(code));
    if (told.length > 0) this.problems.push(`told ${told.join()}`);
  }

  readonly #digests = new Set<string>();

  async #end(): Promise<void> {
    const pages = this.#homes.flatMap((home) => aliveIn(home));
    await this.#world.settle(Promise.all(pages.map((page) => page.close())));
    await this.#world.pass(60_000);
    for (const { site } of this.#homes) {
      const { locksInUse, channelsInUse } = site.world.browser;
      if (locksInUse.length > 0) this.problems.push(`locks are left: ${locksInUse.join()}`);
      if (channelsInUse.length > 0) this.problems.push(`channels are left: ${channelsInUse.join()}`);
    }
  }

  #count(what: string, times = 1): void {
    this.tally.set(what, (this.tally.get(what) ?? 0) + times);
  }
}

/** How much time passes between two actions: often so little that the one falls into the middle of the other. */
const paces = [{ pass: 4 }, { pass: 40 }, { pass: 400 }, { pass: 4_000 }, { pass: 12_000 }];

/** What an app is told of peers that are silent. */
const ofTheWay: ReadonlySet<string> = new Set(["HANDSHAKE_TIMEOUT", "EXCHANGE_STALLED"]);

function aliveIn({ site }: Home): readonly SitePage[] {
  return site.pages.filter(({ isAlive }) => isAlive);
}

function entriesIn({ site }: Home): string {
  return [...site.disk.databases.values()]
    .map(({ index }) =>
      index
        .map(({ id }) => id)
        .sort()
        .join(),
    )
    .join("|");
}

/** One leads and serves all pages, and everything that was asked for, or left behind, is done. */
function isQuiet(home: Home): boolean {
  const { site } = home;
  const isServed = aliveIn(home).every(({ line }) => line.leader !== undefined && !line.isWaiting);
  return site.leaders.length === 1 && isServed && site.outbox.length === 0;
}

function storesOf(edit: EditName): readonly StoreWrites[] {
  const [row, key] = [new TableChanges(editsTable), new KvChanges(editsKeys)];
  row.put(rowOf(edit), {});
  key.set(rowOf(edit), edit.number);
  return [
    { type: "table", store: editsTable, payload: row.encode(), updatedRows: [] },
    { type: "kv", store: editsKeys, payload: key.encode(), updatedRows: [] },
  ];
}
