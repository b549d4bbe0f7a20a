/** What happens in one simulated life, drawn from a seed: data, so that a life can be told again without some of it. */
import { unreachable } from "../core/errors.ts";
import { READ, WRITE } from "../core/store/power.ts";
import type { Preset } from "../engine/settings.ts";
import { SeededRandom } from "./random.ts";

/** Numbers of peers are taken modulo what there is, so that any list of actions has a meaning. */
export type Deed =
  | { readonly type: "write"; readonly peer: number; readonly entries: number }
  | { readonly type: "cut" | "heal" | "drop"; readonly one: number; readonly other: number }
  /** One way is held up, the other flows. */
  | { readonly type: "hold"; readonly from: number; readonly to: number; readonly forMs: number }
  | {
      readonly type: "clog";
      readonly from: number;
      readonly to: number;
      readonly bytesPerSecond: number;
      readonly forMs: number;
    }
  /** Messages are lost, delivered twice or in another order, with these chances. */
  | {
      readonly type: "spoil";
      readonly from: number;
      readonly to: number;
      readonly lose: number;
      readonly duplicate: number;
      readonly reorder: number;
      readonly forMs: number;
    }
  /** Peers whose bits differ are cut off from each other. */
  | { readonly type: "partition"; readonly sides: number; readonly forMs: number }
  /** The links of a peer are cut one after the other, and healed in another order. */
  | {
      readonly type: "swizzle";
      readonly peer: number;
      readonly cuts: readonly number[];
      readonly heals: readonly number[];
      readonly everyMs: number;
    }
  | {
      readonly type: "crash";
      readonly peer: number;
      /** Commits that are made just before. */
      readonly entries: number;
      /** The power goes so much later. */
      readonly afterMs: number;
      readonly finishes: number;
      readonly losesRelaxed: number;
      readonly downMs: number;
    }
  | { readonly type: "restart"; readonly peer: number; readonly downMs: number }
  /** It loses its disk, and gets a ticket. */
  | { readonly type: "wipe"; readonly peer: number; readonly downMs: number }
  | { readonly type: "fill"; readonly peer: number; readonly forMs: number }
  | { readonly type: "rot"; readonly peer: number; readonly position: number; readonly bit: number }
  | { readonly type: "skew"; readonly peer: number; readonly ms: number }
  | { readonly type: "offline"; readonly peer: number; readonly forMs: number }
  /** Somebody blocks another, or does not sync the database with it, and takes that back. */
  | { readonly type: "block" | "unrelate"; readonly from: number; readonly to: number; readonly forMs: number }
  /** The owner sets what a peer may do. */
  | { readonly type: "set"; readonly peer: number; readonly power: number }
  /** The owner takes everything from a peer, which stays in the room. */
  | { readonly type: "remove"; readonly peer: number }
  /** Mallory plays so many tricks. */
  | { readonly type: "trick"; readonly times: number }
  /** The latecomer, if there is one, gets a ticket. */
  | { readonly type: "join" };

export type Action = Deed & {
  /** How long nothing else is done afterwards. */
  readonly pauseMs: number;
};

export interface PeerPlan {
  /** latecomer: has nothing at first. mallory: cheats. */
  readonly role: "member" | "latecomer" | "mallory";
  readonly power: number;
  readonly skewMs: number;
  /** How long its storage takes at most. */
  readonly writeMsMax: number;
  readonly preset: Preset;
}

export interface Plan {
  readonly seed: number;
  readonly peers: readonly PeerPlan[];
  readonly actions: readonly Action[];
}

export interface PlanOptions {
  /** 3 to 8. Default: drawn. */
  readonly peers?: number;
  /** Default 25. */
  readonly actions?: number;
}

/** What happens between eight takes nine times as long as between three, and hardly ever shows more. */
const counts = [3, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 5, 5, 5, 5, 6, 7, 8];

const presetNames: readonly Preset[] = ["interactive", "interactive", "interactive", "bulk", "lowBandwidth", "lan"];

const skewsMs = [0, 0, 0, 0, 20_000, -20_000, 90_000, -90_000];

export function drawPlan(seed: number, options: PlanOptions = {}): Plan {
  const random = new SeededRandom(seed);
  const count = options.peers ?? random.pick(counts);
  const withMallory = random.chance(0.5);
  const withLatecomer = count > 3 && random.chance(0.3);
  const peers = Array.from({ length: count }, (_, i): PeerPlan => {
    const role = i === 1 && withMallory ? "mallory" : i === 2 && withLatecomer ? "latecomer" : "member";
    const power = role === "member" && i > 2 && random.chance(0.2) ? READ : WRITE;
    return {
      role,
      power,
      skewMs: i === 0 ? 0 : random.pick(skewsMs),
      writeMsMax: random.pick([0, 3, 30]),
      preset: random.pick(presetNames),
    };
  });
  const actions = Array.from({ length: options.actions ?? 25 }, () => ({
    ...drawDeed(random),
    pauseMs: drawPause(random),
  }));
  return { seed, peers, actions };
}

/** Often so soon that nothing has settled: storage takes up to 30 ms, a message up to 40. */
function drawPause(random: SeededRandom): number {
  if (random.chance(0.6)) return random.int(25);
  return random.chance(0.9) ? random.int(600) : random.int(40_000);
}

function drawDeed(random: SeededRandom): Deed {
  const peer = (): number => random.int(840);
  const forMs = (): number => (random.chance(0.7) ? random.int(2_000) : random.int(50_000));
  const pair = (): { readonly one: number; readonly other: number } => ({ one: peer(), other: peer() });
  const way = (): { readonly from: number; readonly to: number } => ({ from: peer(), to: peer() });
  const chance = (): number => (random.chance(0.5) ? 0 : 0.3);
  const deeds: readonly (readonly [number, () => Deed])[] = [
    [40, () => ({ type: "write", peer: peer(), entries: 1 + random.int(3) })],
    [10, () => ({ type: "trick", times: 1 + random.int(4) })],
    [4, () => ({ type: "cut", ...pair() })],
    [4, () => ({ type: "heal", ...pair() })],
    [5, () => ({ type: "drop", ...pair() })],
    [4, () => ({ type: "hold", ...way(), forMs: forMs() })],
    [4, () => ({ type: "clog", ...way(), forMs: forMs(), bytesPerSecond: random.pick([300, 2_000]) })],
    [4, () => ({ type: "spoil", ...way(), forMs: forMs(), lose: 0.1, duplicate: chance(), reorder: chance() })],
    [3, () => ({ type: "partition", sides: random.int(256), forMs: forMs() })],
    [
      2,
      () => ({
        type: "swizzle",
        peer: peer(),
        cuts: shuffled(8, random),
        heals: shuffled(8, random),
        everyMs: random.int(1_000),
      }),
    ],
    [
      5,
      () => ({
        type: "crash",
        peer: peer(),
        entries: random.int(4),
        afterMs: random.int(40),
        finishes: random.int(3),
        losesRelaxed: random.int(4),
        downMs: forMs(),
      }),
    ],
    [3, () => ({ type: "restart", peer: peer(), downMs: forMs() })],
    [1, () => ({ type: "wipe", peer: peer(), downMs: random.int(3_000) })],
    [3, () => ({ type: "fill", peer: peer(), forMs: random.int(3_000) })],
    [2, () => ({ type: "skew", peer: peer(), ms: random.pick(skewsMs) })],
    [3, () => ({ type: "offline", peer: peer(), forMs: forMs() })],
    [4, () => ({ type: "set", peer: peer(), power: random.pick([READ, WRITE]) })],
    [2, () => ({ type: "remove", peer: peer() })],
    [3, () => ({ type: "join" })],
    [3, () => ({ type: "rot", peer: peer(), position: peer(), bit: random.int(8_000) })],
    [3, () => ({ type: "block", ...way(), forMs: forMs() })],
    [3, () => ({ type: "unrelate", ...way(), forMs: forMs() })],
  ];
  return pickWeighted(deeds, random)();
}

function pickWeighted<T>(items: readonly (readonly [weight: number, item: T])[], random: SeededRandom): T {
  let left = random.int(items.reduce((sum, [weight]) => sum + weight, 0));
  for (const [weight, item] of items) {
    left -= weight;
    if (left < 0) return item;
  }
  return unreachable(left as never);
}

function shuffled(count: number, random: SeededRandom): readonly number[] {
  const rest = Array.from({ length: count }, (_, i) => i);
  return Array.from({ length: count }, () => rest.splice(random.int(rest.length), 1)[0] as number);
}
