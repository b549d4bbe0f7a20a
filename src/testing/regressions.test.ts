/** Lives that failed once, as short as they could be made: whole plans, which do not change when others are drawn from their seeds. */
import { expect, test } from "vitest";
import type { Plan } from "./plan.ts";
import { simulate } from "./simulation.ts";

interface Regression extends Omit<Plan, "seed"> {
  readonly name: string;
  /** Chances with which it failed. */
  readonly seeds: readonly number[];
}

const regressions: readonly Regression[] = [
  {
    name: "who came back without its disk says that it still sends to a peer that was removed meanwhile",
    seeds: [423],
    peers: [
      { role: "member", power: 100, skewMs: 0, writeMsMax: 0, preset: "lan" },
      { role: "member", power: 100, skewMs: 0, writeMsMax: 30, preset: "lowBandwidth" },
      { role: "member", power: 100, skewMs: 90000, writeMsMax: 0, preset: "lan" },
      { role: "member", power: 100, skewMs: 0, writeMsMax: 0, preset: "interactive" },
      { role: "member", power: 100, skewMs: 20000, writeMsMax: 30, preset: "lowBandwidth" },
      { role: "member", power: 100, skewMs: 90000, writeMsMax: 0, preset: "lowBandwidth" },
      { role: "member", power: 100, skewMs: 0, writeMsMax: 0, preset: "interactive" },
      { role: "member", power: 100, skewMs: 0, writeMsMax: 3, preset: "lan" },
    ],
    actions: [
      { type: "set", by: 0, peer: 474, power: 999, pauseMs: 19 },
      { type: "restart", peer: 509, downMs: 1100, pauseMs: 24 },
      { type: "write", peer: 485, entries: 1, pauseMs: 184 },
      { type: "wipe", peer: 614, downMs: 1199, pauseMs: 6 },
    ],
  },
  {
    name: "the same, while permissions change",
    seeds: [305],
    peers: [
      { role: "member", power: 100, skewMs: 0, writeMsMax: 30, preset: "interactive" },
      { role: "mallory", power: 100, skewMs: 0, writeMsMax: 30, preset: "interactive" },
      { role: "member", power: 100, skewMs: 0, writeMsMax: 0, preset: "interactive" },
      { role: "member", power: 100, skewMs: 0, writeMsMax: 0, preset: "bulk" },
    ],
    actions: [
      { type: "wipe", peer: 447, downMs: 2082, pauseMs: 16 },
      { type: "set", by: 0, peer: 594, power: 200, pauseMs: 136 },
      { type: "write", peer: 746, entries: 3, pauseMs: 209 },
      { type: "hold", from: 217, to: 627, forMs: 91, pauseMs: 561 },
      { type: "cut", one: 696, other: 548, pauseMs: 154 },
      { type: "set", by: 0, peer: 293, power: 999, pauseMs: 137 },
      { type: "set", by: 0, peer: 113, power: 200, pauseMs: 359 },
      { type: "set", by: 0, peer: 663, power: 100, pauseMs: 533 },
      { type: "write", peer: 477, entries: 3, pauseMs: 143 },
      { type: "trick", times: 3, pauseMs: 17 },
    ],
  },
  {
    name: "somebody who was removed is asked what it holds, hears that we hold nothing, and sends everything back",
    seeds: [22679],
    peers: [
      { role: "member", power: 100, skewMs: 0, writeMsMax: 0, preset: "interactive" },
      { role: "member", power: 100, skewMs: 90000, writeMsMax: 30, preset: "lan" },
      { role: "member", power: 100, skewMs: 0, writeMsMax: 3, preset: "interactive" },
      { role: "member", power: 100, skewMs: -90000, writeMsMax: 3, preset: "lan" },
      { role: "member", power: 200, skewMs: -20000, writeMsMax: 30, preset: "interactive" },
    ],
    actions: [
      { type: "write", peer: 486, entries: 2, pauseMs: 107 },
      { type: "block", from: 320, to: 307, forMs: 1243, pauseMs: 96 },
      { type: "write", peer: 22, entries: 3, pauseMs: 399 },
      { type: "set", by: 0, peer: 658, power: 200, pauseMs: 2 },
      { type: "set", by: 0, peer: 464, power: 999, pauseMs: 265 },
    ],
  },
  {
    name: "who comes back with a ticket hears last that it was lowered before, when it has put the ticket away",
    seeds: [379],
    peers: [
      { role: "member", power: 100, skewMs: 0, writeMsMax: 3, preset: "interactive" },
      { role: "member", power: 100, skewMs: 0, writeMsMax: 30, preset: "lowBandwidth" },
      { role: "member", power: 50, skewMs: 0, writeMsMax: 0, preset: "lan" },
      { role: "member", power: 100, skewMs: 0, writeMsMax: 0, preset: "interactive" },
      { role: "member", power: 100, skewMs: -90000, writeMsMax: 3, preset: "interactive" },
      { role: "member", power: 100, skewMs: 0, writeMsMax: 30, preset: "lan" },
    ],
    actions: [
      { type: "set", by: 233, peer: 216, power: 300, pauseMs: 10 },
      { type: "restart", peer: 448, downMs: 1177, pauseMs: 365 },
      { type: "wipe", peer: 837, downMs: 820, pauseMs: 17 },
    ],
  },
  {
    name: "a guest redeems its invite when that has just ended where it was served: what is not taken must not be forgotten silently",
    seeds: [1234],
    peers: [
      { role: "member", power: 100, skewMs: 0, writeMsMax: 3, preset: "lowBandwidth" },
      { role: "mallory", power: 20, skewMs: -90000, writeMsMax: 0, preset: "interactive" },
      { role: "latecomer", power: 100, skewMs: 0, writeMsMax: 3, preset: "bulk" },
      { role: "member", power: 100, skewMs: 0, writeMsMax: 0, preset: "interactive" },
    ],
    actions: [
      { type: "leak", by: 400, power: 200, uses: 2, forMs: 2941, pauseMs: 2 },
      { type: "join", pauseMs: 6 },
      { type: "heal", one: 56, other: 210, pauseMs: 24 },
      { type: "restart", peer: 96, downMs: 1998, pauseMs: 21 },
      { type: "cut", one: 184, other: 285, pauseMs: 21 },
      { type: "write", peer: 400, entries: 2, pauseMs: 252 },
      { type: "write", peer: 521, entries: 2, pauseMs: 594 },
      { type: "write", peer: 631, entries: 3, pauseMs: 420 },
      { type: "fill", peer: 352, forMs: 2241, pauseMs: 297 },
      { type: "write", peer: 489, entries: 1, pauseMs: 401 },
    ],
  },
  {
    name: "what was void as soon as it came is not missed at a peer: it is stored and remembered in the step in which space is back",
    seeds: [896, 3, 19, 42, 57],
    peers: [
      { role: "member", power: 100, skewMs: 0, writeMsMax: 0, preset: "interactive" },
      { role: "mallory", power: 100, skewMs: 90000, writeMsMax: 0, preset: "interactive" },
      { role: "member", power: 100, skewMs: 90000, writeMsMax: 30, preset: "bulk" },
    ],
    actions: [
      { type: "trick", times: 4, pauseMs: 14 },
      { type: "rename", by: 781, pauseMs: 529 },
      { type: "set", by: 763, peer: 516, power: 200, pauseMs: 6 },
      { type: "block", from: 180, to: 35, forMs: 535, pauseMs: 33202 },
      { type: "write", peer: 338, entries: 2, pauseMs: 20791 },
      { type: "block", from: 146, to: 258, forMs: 48986, pauseMs: 529 },
      { type: "fill", peer: 194, forMs: 2698, pauseMs: 238 },
      { type: "block", from: 626, to: 39, forMs: 20751, pauseMs: 429 },
    ],
  },
  {
    name: "who was asked to let us in steps down, asks in that moment what is here, hears that it is nothing, and sends everything back",
    seeds: [2229, 5, 7, 20, 40],
    peers: [
      { role: "member", power: 100, skewMs: 0, writeMsMax: 0, preset: "interactive" },
      { role: "mallory", power: 100, skewMs: -20000, writeMsMax: 0, preset: "lan" },
      { role: "latecomer", power: 100, skewMs: -90000, writeMsMax: 30, preset: "interactive" },
      { role: "member", power: 10, skewMs: 90000, writeMsMax: 0, preset: "interactive" },
      { role: "member", power: 100, skewMs: 0, writeMsMax: 30, preset: "interactive" },
    ],
    actions: [
      { type: "write", peer: 655, entries: 3, pauseMs: 24 },
      { type: "write", peer: 515, entries: 2, pauseMs: 10 },
      { type: "set", by: 675, peer: 266, power: 300, pauseMs: 310 },
      { type: "restart", peer: 720, downMs: 12945, pauseMs: 1 },
    ],
  },
  {
    name: "a backup ends between two commits, and never between an entry and the one that alone vouches for it",
    seeds: [3093, 61, 65],
    peers: [
      { role: "member", power: 100, skewMs: 0, writeMsMax: 30, preset: "interactive" },
      { role: "mallory", power: 100, skewMs: 0, writeMsMax: 30, preset: "lan" },
      { role: "member", power: 100, skewMs: 0, writeMsMax: 30, preset: "lan" },
    ],
    actions: [
      { type: "write", peer: 636, entries: 2, pauseMs: 8585 },
      { type: "leak", by: 577, power: 50, uses: 2, forMs: 0, pauseMs: 13 },
      { type: "fill", peer: 182, forMs: 1540, pauseMs: 27 },
      { type: "write", peer: 245, entries: 3, pauseMs: 16 },
      { type: "write", peer: 104, entries: 2, pauseMs: 11 },
      { type: "trick", times: 4, pauseMs: 17 },
      { type: "redeem", peer: 531, invite: 732, pauseMs: 15 },
      { type: "redeem", peer: 815, invite: 298, pauseMs: 3 },
      { type: "write", peer: 193, entries: 3, pauseMs: 132 },
      { type: "restore", peer: 639, keep: 471, entries: 2, downMs: 867, pauseMs: 23 },
    ],
  },
];

for (const { name, seeds, ...plan } of regressions) {
  test.each(seeds)(`[SIMULATION-9] ${name} (seed %i)`, async (seed) => {
    expect((await simulate({ seed, plan })).problems).toEqual([]);
  });
}
