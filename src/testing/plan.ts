/** What happens in one simulated life, drawn from a seed: data, so that a life can be told again without some of it. */
import { unreachable } from "../core/errors.ts";
import { NONE, type Power, READ, RELAY, WRITE } from "../core/store/power.ts";
import type { Preset } from "../engine/settings.ts";
import { addDocuments, type DocumentDeed } from "./document-plan.ts";
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
  /** It goes back to an earlier state of its disk, as from a backup, and writes at once: its chain forks. */
  | {
      readonly type: "restore";
      readonly peer: number;
      /** Which of the states that its disk has had is in the backup. */
      readonly keep: number;
      readonly entries: number;
      readonly downMs: number;
    }
  /** An admin sets what a peer may do: granting, lowering, taking away, giving back. */
  | { readonly type: "set"; readonly by: number; readonly peer: number; readonly power: Power }
  /** An admin gives away what nobody has to be given. */
  | { readonly type: "public"; readonly by: number; readonly power: Power }
  | { readonly type: "rename"; readonly by: number }
  /** An admin makes an invite, for so many keys and so long; 0: without a limit. */
  | {
      readonly type: "invite";
      readonly by: number;
      readonly power: Power;
      readonly uses: number;
      readonly forMs: number;
    }
  /** The same, and Mallory gets hold of the ticket. */
  | {
      readonly type: "leak";
      readonly by: number;
      readonly power: Power;
      readonly uses: number;
      readonly forMs: number;
    }
  | { readonly type: "withdraw"; readonly by: number; readonly invite: number }
  /** Somebody who is there already gets a ticket too. */
  | { readonly type: "redeem"; readonly peer: number; readonly invite: number }
  /** Mallory plays so many tricks. */
  | { readonly type: "trick"; readonly times: number }
  /** The same, of those that are about who may do what. */
  | { readonly type: "cheat"; readonly times: number }
  /** The next who has nothing gets a ticket. */
  | { readonly type: "join" }
  | DocumentDeed;

export type Action = Deed & {
  /** How long nothing else is done afterwards. */
  readonly pauseMs: number;
};

export interface PeerPlan {
  /** latecomer: has nothing at first. mallory: cheats. */
  readonly role: "member" | "latecomer" | "mallory";
  readonly power: Power;
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
  /** Nothing but writes and who may do what, with a cheat among them. Default: everything. */
  readonly about?: "permissions";
  /** In which lives tabs write to documents, and say that they are there. Default: in none. */
  readonly documents?: "some" | "all";
}

/** What happens between eight takes nine times as long as between three, and hardly ever shows more. */
const counts = [3, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 5, 5, 5, 5, 6, 7, 8];

const presetNames: readonly Preset[] = ["interactive", "interactive", "interactive", "bulk", "lowBandwidth", "lan"];

/** Of one strength, of another, and of another again: who may lower whom has to be more than one thing. */
const adminPowers: readonly Power[] = [10, 50, 50];

const skewsMs = [0, 0, 0, 0, 20_000, -20_000, 90_000, -90_000];

export function drawPlan(seed: number, options: PlanOptions = {}): Plan {
  const random = new SeededRandom(seed);
  const count = options.peers ?? random.pick(counts);
  const withMallory = random.chance(0.5) || options.about === "permissions";
  const withLatecomer = count > 3 && random.chance(0.3);
  const peers = Array.from({ length: count }, (_, i): PeerPlan => {
    const role = i === 1 && withMallory ? "mallory" : i === 2 && withLatecomer ? "latecomer" : "member";
    return {
      role,
      power: drawPower(role, i, random),
      skewMs: i === 0 ? 0 : random.pick(skewsMs),
      writeMsMax: random.pick([0, 3, 30]),
      preset: random.pick(presetNames),
    };
  });
  const actions = Array.from({ length: options.actions ?? 25 }, () => ({
    ...drawDeed(random, options.about),
    pauseMs: drawPause(random),
  }));
  const { documents } = options;
  return { seed, peers, actions: documents === undefined ? actions : addDocuments(seed, actions, documents) };
}

function drawPower(role: PeerPlan["role"], i: number, random: SeededRandom): Power {
  if (role === "mallory") return random.pick([WRITE, WRITE, 20, RELAY]);
  if (role === "latecomer" || i === 0) return WRITE;
  if (random.chance(0.3)) return random.pick(adminPowers);
  return i > 2 && random.chance(0.2) ? READ : WRITE;
}

/** Often so soon that nothing has settled: storage takes up to 30 ms, a message up to 40. */
function drawPause(random: SeededRandom): number {
  if (random.chance(0.6)) return random.int(25);
  return random.chance(0.9) ? random.int(600) : random.int(40_000);
}

type WeightedDeed = readonly [weight: number, draw: () => Deed];

function drawDeed(random: SeededRandom, about: PlanOptions["about"]): Deed {
  const peer = (): number => random.int(840);
  const forMs = (): number => (random.chance(0.7) ? random.int(2_000) : random.int(50_000));
  const pair = (): { readonly one: number; readonly other: number } => ({ one: peer(), other: peer() });
  const way = (): { readonly from: number; readonly to: number } => ({ from: peer(), to: peer() });
  const chance = (): number => (random.chance(0.5) ? 0 : 0.3);
  const permissions: readonly WeightedDeed[] = [
    [40, () => ({ type: "write", peer: peer(), entries: 1 + random.int(3) })],
    [10, () => ({ type: "cheat", times: 1 + random.int(4) })],
    [10, () => ({ type: "set", by: peer(), peer: peer(), power: random.pick(setPowers) })],
    [1, () => ({ type: "public", by: peer(), power: random.pick([WRITE, READ, NONE]) })],
    [1, () => ({ type: "rename", by: peer() })],
    [6, () => ({ type: "invite", by: peer(), ...drawInvite(random) })],
    [4, () => ({ type: "withdraw", by: peer(), invite: peer() })],
    [5, () => ({ type: "redeem", peer: peer(), invite: peer() })],
    [4, () => ({ type: "leak", by: peer(), ...drawInvite(random) })],
    [3, () => ({ type: "join" })],
  ];
  const faults: readonly WeightedDeed[] = [
    [8, () => ({ type: "trick", times: 1 + random.int(4) })],
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
    [1, () => ({ type: "restore", peer: peer(), keep: peer(), entries: 1 + random.int(3), downMs: random.int(3_000) })],
    [3, () => ({ type: "rot", peer: peer(), position: peer(), bit: random.int(8_000) })],
    [3, () => ({ type: "block", ...way(), forMs: forMs() })],
    [3, () => ({ type: "unrelate", ...way(), forMs: forMs() })],
  ];
  return pickWeighted(about === "permissions" ? permissions : [...permissions, ...faults], random)();
}

const setPowers: readonly Power[] = [10, 50, WRITE, WRITE, WRITE, READ, READ, RELAY, NONE, NONE];

function drawInvite(random: SeededRandom): {
  readonly power: Power;
  readonly uses: number;
  readonly forMs: number;
} {
  return {
    power: random.pick([WRITE, WRITE, WRITE, READ, READ, 50]),
    uses: random.chance(0.5) ? 1 + random.int(2) : 0,
    forMs: random.chance(0.4) ? random.int(5_000) : 0,
  };
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
