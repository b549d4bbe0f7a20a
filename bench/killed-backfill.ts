/** K1: the tab that leads ends again and again while a database comes in; in the end nothing is missing, and nothing was done twice. */
import type { BrowserContext } from "@playwright/test";
import type { Device } from "../e2e/device.ts";
import type { Relay } from "../e2e/fixtures.ts";
import { Tab, type TabOptions } from "../e2e/tabs.ts";
import { type Figures, scaled, type Workload } from "./workload.ts";
import { waitForRows, writeRows } from "./workloads.ts";

export const killedBackfill: Workload = {
  name: "K1",
  what: "a backfill into a device of three tabs, of which the leading one ends again and again",
  run: (bench) => bench.withDevices((a, b, relay) => runBackfills(a, b, relay, scaled(50, bench, 3))),
  targets: [
    { figure: "missing", atMost: 0, isExact: true },
    { figure: "twice", atMost: 0, isExact: true },
  ],
};

const rowsPerBackfill = 20_000;
/** So many more entries have come before the leader ends again. */
const entriesPerCycle = 500;
/** The root, the invite, and what redeemed it. */
const otherEntries = 3;
const ends: readonly ((leader: Tab) => Promise<void>)[] = [
  (leader) => leader.close(),
  (leader) => leader.crash(),
  (leader) => leader.killWorker(),
];

const settleTimeoutMs = 60_000;

interface Held {
  readonly rows: number;
  readonly entries: number;
  /** A digest of everything. */
  readonly state: string;
}

interface Total {
  cycles: number;
  backfills: number;
  rows: number;
  missing: number;
  twice: number;
  /** How often everything had come when the leading tab ended: that is no cycle. */
  late: number;
  /** To the receiver's own database, by tabs that stayed. */
  written: number;
}

declare global {
  var mine: typeof db;
}

async function runBackfills(a: Device, b: Device, relay: Relay, cycles: number): Promise<Figures> {
  const total: Total = { cycles: 0, backfills: 0, rows: 0, missing: 0, twice: 0, late: 0, written: 0 };
  const options = { site: b.page.url(), relay: relay.url };
  const own = await b.run(async () => (await tide.createDatabase({ name: "Mine" })).id);
  const tabs = [await Tab.open(b.context, options), await Tab.open(b.context, options)];
  await b.page.close();
  const start = performance.now();
  while (total.cycles < cycles) {
    const ticket = await a.createAndShare();
    await a.run(writeRows, { count: rowsPerBackfill, from: 0 });
    await oneBackfill({ a, context: b.context, options, tabs, ticket, own, total, cycles });
    total.backfills += 1;
  }
  for (const tab of tabs) await tab.run(useDatabases, { id: own, own });
  await judge(tabs, { rows: total.written, others: 1 }, total);
  return { ...total, seconds: (performance.now() - start) / 1_000 };
}

interface Backfill {
  readonly a: Device;
  readonly context: BrowserContext;
  readonly options: TabOptions;
  /** Two or three, of which one leads. */
  readonly tabs: Tab[];
  readonly ticket: string;
  /** The receiver's own database. */
  readonly own: string;
  readonly total: Total;
  readonly cycles: number;
}

async function oneBackfill({ a, context, options, tabs, ticket, own, total, cycles }: Backfill): Promise<void> {
  const id = await (tabs[0] as Tab).run(async (text) => {
    globalThis.db = await tide.join(text);
    return db.id;
  }, ticket);
  for (const tab of tabs) await tab.run(useDatabases, { id, own });
  for (let entries = 0; total.cycles < cycles && entries < rowsPerBackfill; ) {
    tabs.push(await Tab.open(context, options));
    await (tabs.at(-1) as Tab).run(useDatabases, { id, own });
    const leader = await leaderOf(tabs);
    const others = tabs.filter((tab) => tab !== leader);
    entries = await (others[0] as Tab).run(
      waitForEntries,
      entries + Math.min(entriesPerCycle, rowsPerBackfill - entries),
    );
    // Writes of the tabs that stay are under way as the leader ends: to a database of this device, as it may not write to the other before that is here.
    const writing = others.map((tab, i) => tab.run(writeMine, `end-${total.cycles + total.late}-${i}`));
    await (ends[total.cycles % ends.length] as (leader: Tab) => Promise<void>)(leader);
    for (const count of await Promise.all(writing)) total.written += count;
    if (!leader.page.isClosed()) await leader.page.close();
    tabs.splice(tabs.indexOf(leader), 1);
    if (entries < rowsPerBackfill) total.cycles += 1;
    else total.late += 1;
    if (total.late > cycles) throw new Error("every backfill is over before the leading tab ends");
  }
  await (tabs[0] as Tab).run(waitForRows, rowsPerBackfill);
  await judge([a, ...tabs], { rows: rowsPerBackfill, others: otherEntries }, total);
}

/** All of them have to hold the same in the end: so many rows, each by one entry, and so many entries that write none. */
async function judge(
  devices: readonly Pick<Tab, "run">[],
  expected: { readonly rows: number; readonly others: number },
  total: Total,
): Promise<void> {
  for (const { rows, entries } of await settledAmong(devices)) {
    total.missing += Math.max(0, expected.rows - rows);
    total.twice += Math.max(0, entries - expected.others - expected.rows);
  }
  total.rows += expected.rows;
}

/** What each holds when all hold the same: the last rows come before the receiver's last word is at the sender. */
async function settledAmong(devices: readonly Pick<Tab, "run">[]): Promise<readonly Held[]> {
  const givenUpAt = Date.now() + settleTimeoutMs;
  for (;;) {
    const held = await Promise.all(devices.map((device) => device.run(countHeld)));
    if (new Set(held.map(({ state }) => state)).size === 1) return held;
    if (Date.now() > givenUpAt) throw new Error(`they hold different states: ${JSON.stringify(held)}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function leaderOf(tabs: readonly Tab[]): Promise<Tab> {
  for (;;) {
    const states = await Promise.all(tabs.map((tab) => tab.standing()));
    const leader = tabs[states.indexOf("leading")];
    if (leader !== undefined && states.every((state) => state !== "waiting")) return leader;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** On a page: the one that comes in is `db`, the device's own is `mine`. */
async function useDatabases({ id, own }: { readonly id: string; readonly own: string }): Promise<void> {
  for (;;) {
    const all = await tide.databases();
    const [found, foundOwn] = [id, own].map((wanted) => all.find((each) => each.id === wanted));
    if (found !== undefined && foundOwn !== undefined) {
      globalThis.db = found;
      globalThis.mine = foundOwn;
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** On a page: until so many entries have come; how many there are then. */
async function waitForEntries(count: number): Promise<number> {
  for (;;) {
    const { entries } = await db.sync.status();
    if (entries >= count) return entries;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** On a page: writes that are answered while the leader ends, and after. */
async function writeMine(key: string): Promise<number> {
  const all = Array.from({ length: 20 }, (_, i) => mine.table("rows").put(`${key}-${i}`, { i }));
  return (await Promise.all(all)).length;
}

/** On a page. */
async function countHeld(): Promise<Held> {
  const { entries, state } = await db.digest();
  return { rows: (await db.table("rows").all()).length, entries, state };
}
