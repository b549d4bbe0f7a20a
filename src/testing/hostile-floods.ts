/**
 * More than anybody needs: endless messages of one kind, each well-formed, for a test that something stays bounded.
 *
 *     flood(talk, "pings", { database, random: cluster.random }, 10_000);
 */
import type { Frontier } from "../core/frontier.ts";
import { type DatabaseId, type EntryId, encodeHex, entryIdFromDigest, publicKeyFromBytes } from "../core/ids.ts";
import { databasesPerDigestMax, presenceLifeMs, wantsMax } from "../core/limits.ts";
import { pageIdFromHex } from "../core/presence/announcement.ts";
import { encodeBatch } from "../core/protocol/batch.ts";
import type { Message } from "../core/protocol/message.ts";
import type { Forger } from "./hostile-entries.ts";
import type { HostileTalk } from "./hostile-talk.ts";
import type { SeededRandom } from "./random.ts";
import { rowParts } from "./writers.ts";

/** What a flood is about, and what it draws from. */
export interface FloodSubject {
  readonly database: DatabaseId;
  readonly random: SeededRandom;
  /** For what says when it was said. Default: 1970, which nobody takes. */
  readonly nowMs?: () => number;
}

export type FloodName =
  | "pings"
  | "paces"
  | "flows"
  | "digests"
  | "frontiers"
  | "skeletons"
  | "wants"
  | "joins"
  | "proofs"
  | "knocks"
  | "unavailables"
  | "presences"
  | "channels"
  | "appMessages"
  | "garbageBatches";

/** Message number `i` of each flood. No two are alike, so nothing can be answered from memory. */
export const floods: Readonly<Record<FloodName, (subject: FloodSubject, i: number) => Message>> = {
  pings: (_subject, id) => ({ type: "ping", id }),
  paces: (_subject, i) => ({ type: "pace", bytesPerSecond: i }),
  flows: ({ database }, i) => ({ type: "flow", database, paused: i % 2 === 0 }),
  digests: ({ database, random }) => {
    const item = () => ({ prefix: encodeHex(random.bytes(6)), digest: encodeHex(random.bytes(12)) });
    const known = { prefix: database.slice(0, 12), digest: encodeHex(random.bytes(12)) };
    const digests = [known, ...Array.from({ length: databasesPerDigestMax - 1 }, item)];
    return { type: "digest", continues: true, digests };
  },
  frontiers: ({ database, random }) => {
    const frontier: Frontier = new Map([[drawKey(random), [{ seq: 1, id: drawId(random) }]]]);
    return { type: "frontier", database, asks: true, since: "", frontier };
  },
  skeletons: ({ database, random }) => ({ type: "skeleton", database, author: drawKey(random), samples: [] }),
  wants: ({ database, random }) => {
    const ids = Array.from({ length: wantsMax }, () => drawId(random));
    return { type: "want", database, ids };
  },
  joins: ({ random }) => {
    const [commitment, signature] = [encodeHex(random.bytes(12)), random.bytes(64)];
    return { type: "join", commitment, invite: drawKey(random), signature };
  },
  proofs: ({ random }) => ({ type: "prove", commitment: encodeHex(random.bytes(12)), hidden: random.bytes(96) }),
  knocks: ({ random }) => ({ type: "knock", commitment: encodeHex(random.bytes(12)), hidden: random.bytes(600) }),
  unavailables: ({ random }) => ({ type: "unavailable", commitment: encodeHex(random.bytes(12)) }),
  presences: ({ database, random, nowMs = () => 0 }, counter) => {
    const [page, content] = [pageIdFromHex(encodeHex(random.bytes(16))), random.bytes(64)];
    const header = { author: drawKey(random), page, counter, sentMs: nowMs(), lifeMs: presenceLifeMs };
    return { type: "presence", database, ageMs: 0, announcement: { ...header, content, signature: random.bytes(64) } };
  },
  channels: (_subject, i) => ({ type: "channel", channel: `${i % 10}`, isOpen: i % 20 < 10 }),
  appMessages: ({ random }) => ({ type: "message", channel: "flood", bytes: random.bytes(1_000) }),
  garbageBatches: ({ database }, i) => {
    const batch = encodeBatch([]);
    return { type: "entries", database, number: i + 1, left: 0, leftBytes: 0, digest: "", batch };
  },
};

export const floodNames = Object.keys(floods) as readonly FloodName[];

/** Says `count` messages of a kind at once. */
export function flood(talk: HostileTalk, name: FloodName, subject: FloodSubject, count: number): void {
  for (let i = 0; i < count && talk.isOpen; i++) talk.say(floods[name](subject, i));
}

/** Says batches of `count` entries in all whose signatures are bad: each costs its receiver a check. */
export async function floodBadSignatures(
  talk: HostileTalk,
  forger: Forger,
  subject: FloodSubject,
  count: number,
): Promise<void> {
  await floodEntries(talk, subject, count, () =>
    forger.forge(rowParts("flood", { n: subject.random.int(2 ** 31) }), { signature: subject.random.bytes(64) }),
  );
}

/** Says batches of `count` good entries in all that stand on entries which nobody has: each is to wait. */
export async function floodOrphans(
  talk: HostileTalk,
  forger: Forger,
  subject: FloodSubject,
  count: number,
): Promise<void> {
  await floodEntries(talk, subject, count, () =>
    forger.forge(rowParts("flood", { n: subject.random.int(2 ** 31) }), { parents: [drawId(subject.random)] }),
  );
}

async function floodEntries(
  talk: HostileTalk,
  { database }: FloodSubject,
  count: number,
  make: () => ReturnType<Forger["forge"]>,
): Promise<void> {
  const perBatch = 500;
  for (let at = 0; at < count && talk.isOpen; at += perBatch) {
    const entries = await Promise.all(Array.from({ length: Math.min(perBatch, count - at) }, make));
    talk.offer(database, entries);
  }
}

function drawKey(random: SeededRandom): ReturnType<typeof publicKeyFromBytes> {
  return publicKeyFromBytes(random.bytes(32));
}

function drawId(random: SeededRandom): EntryId {
  return entryIdFromDigest(random.bytes(32));
}
