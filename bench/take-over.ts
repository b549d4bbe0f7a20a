/** T1: for how long a tab's calls wait when the tab that leads is closed, crashes, or loses its worker. */
import type { BrowserContext } from "@playwright/test";
import type { Device } from "../e2e/device.ts";
import type { Relay } from "../e2e/fixtures.ts";
import { Tab, type TabOptions } from "../e2e/tabs.ts";
import { type Figures, percentile, scaled, type Workload } from "./workload.ts";

export const takeOver: Workload = {
  name: "T1",
  what: "take-over: two tabs, the leading one ends; until the other's call is answered, and its write is at a peer",
  run: (bench) => bench.withDevices((a, b, relay) => takeOverOften(a, b, relay, scaled(45, bench, 3))),
  targets: [
    { figure: "answeredP99Ms", atMost: 1_000 },
    { figure: "atPeerP99Ms", atMost: 1_000 },
  ],
};

const ends = {
  closed: (leader: Tab): Promise<void> => leader.close(),
  crashed: (leader: Tab): Promise<void> => leader.crash(),
  killed: (leader: Tab): Promise<void> => leader.killWorker(),
} as const;
type End = keyof typeof ends;

interface Round {
  readonly end: End;
  readonly answeredMs: number;
  readonly atPeerMs: number;
}

async function takeOverOften(a: Device, b: Device, relay: Relay, times: number): Promise<Figures> {
  await b.join(await a.createAndShare());
  await b.run(noteArrivals);
  const options = { site: a.page.url(), relay: relay.url };
  let leader = await Tab.open(a.context, options);
  await a.page.close();
  const kinds = Object.keys(ends) as readonly End[];
  const rounds: Round[] = [];
  for (let i = 0; i < times; i++) {
    const end = kinds[i % kinds.length] as End;
    const follower = await follow(a.context, leader, options);
    rounds.push({ end, ...(await oneRound(leader, follower, b, { end, prefix: `round-${i}-` })) });
    if (end === "killed") await leader.page.close();
    leader = follower;
  }
  return figuresOf(rounds, kinds);
}

/** A second tab. Resolves when each knows what it is. */
async function follow(context: BrowserContext, leader: Tab, options: TabOptions): Promise<Tab> {
  const follower = await Tab.open(context, options);
  await leader.page.waitForFunction(() => tide.tab.state === "leading");
  await follower.page.waitForFunction(() => tide.tab.state === "following");
  return follower;
}

async function oneRound(
  leader: Tab,
  follower: Tab,
  peer: Device,
  { end, prefix }: { readonly end: End; readonly prefix: string },
): Promise<Omit<Round, "end">> {
  await follower.run(beginCalls, prefix);
  // The peer is connected.
  await peer.page.waitForFunction((key) => seenAt.has(key), `${prefix}0`);
  const endedAt = Date.now();
  await ends[end](leader);
  const { lastAnsweredMs, firstAfter } = await follower.run(endCalls, endedAt);
  await peer.page.waitForFunction((key) => seenAt.has(key), firstAfter);
  const seen = await peer.run((key) => seenAt.get(key) ?? Number.NaN, firstAfter);
  return { answeredMs: lastAnsweredMs, atPeerMs: seen - endedAt };
}

function figuresOf(rounds: readonly Round[], kinds: readonly End[]): Figures {
  const figures: Record<string, number> = { times: rounds.length };
  const add = (name: string, values: number[]): void => {
    figures[`${name}P50Ms`] = percentile(values, 0.5);
    figures[`${name}P99Ms`] = percentile(values, 0.99);
  };
  const answered = (of: readonly Round[]): number[] => of.map(({ answeredMs }) => answeredMs);
  add("answered", answered(rounds));
  add(
    "atPeer",
    rounds.map(({ atPeerMs }) => atPeerMs),
  );
  for (const kind of kinds) add(`answered, ${kind}, `, answered(rounds.filter(({ end }) => end === kind)));
  return figures;
}

interface Call {
  readonly key: string;
  readonly askedAt: number;
  answeredAt: number | undefined;
}

declare global {
  var calls: Call[];
  var stopCalls: () => void;
}

/** On the peer's page: when each row came. */
function noteArrivals(): void {
  globalThis.seenAt = new Map();
  db.table("rows").subscribe((rows) => {
    const now = performance.timeOrigin + performance.now();
    for (const { id } of rows) if (!seenAt.has(id)) seenAt.set(id, now);
  });
}

/** On the follower's page: a write every 5 ms, whether or not those before are answered. */
function beginCalls(prefix: string): void {
  const now = (): number => performance.timeOrigin + performance.now();
  globalThis.calls = [];
  const timer = setInterval(() => {
    const call: Call = { key: `${prefix}${calls.length}`, askedAt: now(), answeredAt: undefined };
    calls.push(call);
    void db
      .table("rows")
      .put(call.key, { at: call.askedAt })
      .then(() => {
        call.answeredAt = now();
      });
  }, 5);
  globalThis.stopCalls = () => clearInterval(timer);
}

/** On the follower's page: until a call that was made after the leader's end is answered, and all before it. */
async function endCalls(endedAt: number): Promise<{ readonly lastAnsweredMs: number; readonly firstAfter: string }> {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    const after = calls.findIndex(({ askedAt }) => askedAt > endedAt);
    const upTo = calls.slice(0, after + 1);
    if (after < 0 || upTo.some(({ answeredAt }) => answeredAt === undefined)) continue;
    // Those of before may have been answered before the end: what was made after it waited as well.
    stopCalls();
    const waits = calls.flatMap(({ askedAt, answeredAt }) =>
      answeredAt === undefined || answeredAt < endedAt ? [] : [answeredAt - Math.max(askedAt, endedAt)],
    );
    return { lastAnsweredMs: Math.max(...waits), firstAfter: calls[after]?.key ?? "" };
  }
}
