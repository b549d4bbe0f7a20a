/**
 * The verdict about one entry whose signature is vouched for: accept it, let it wait, hold it back, or refuse it.
 *
 * [REPLICA-1] Whether an entry is accepted or refused, and for what, follows from the entry and its past alone; when, from
 *             this device's clock too. Nothing depends on what else is held: replicas could not agree otherwise.
 * [REPLICA-6] Each fault has its own code: another database, the height, the time, the chain, a payload, the permission, what it
 *             stands on.
 * [REPLICA-7] An entry whose time is too far ahead of the clock is held back, unless what it follows leaves it no earlier time.
 */
import type { Authority } from "./authority/authority.ts";
import { aheadMs } from "./clock.ts";
import { type Entry, follows } from "./entry.ts";
import type { Failure, Result } from "./errors.ts";
import type { Node } from "./graph.ts";
import type { DatabaseId, EntryId } from "./ids.ts";
import { clockAheadMsMax, redeemBytesMax } from "./limits.ts";
import { type DecodedPart, type DecodedPayloads, decodeStores } from "./store/kinds.ts";
import { beginsEpoch, type SettingsOp, settingsStoreName } from "./store/settings.ts";

export type Verdict =
  | { readonly type: "accept"; readonly parts: readonly DecodedPart[] }
  | { readonly type: "wait"; readonly missing: readonly EntryId[] }
  | { readonly type: "hold"; readonly aheadMs: number }
  | { readonly type: "refuse"; readonly failure: Failure };

/** What an entry is judged by. */
export interface Surroundings {
  readonly database: DatabaseId;
  readonly authority: Authority;
  /** The node of an entry that is accepted. */
  find(id: EntryId): Node | undefined;
  /** The root, when it is accepted. */
  root(): Node | undefined;
  partsOf(entry: Entry): Result<readonly DecodedPart[]>;
}

export function judge(entry: Entry, surroundings: Surroundings, nowMs: number): Verdict {
  const { database, authority, find } = surroundings;
  const got = entry.database ?? entry.id;
  if (got !== database) return refuse({ code: "ENTRY_DATABASE", details: { got, expected: database } });
  const ids = follows(entry);
  const followed = ids.map(find).filter((node) => node !== undefined);
  if (followed.length < ids.length) return { type: "wait", missing: ids.filter((id) => find(id) === undefined) };
  const misplaced = misplacedIn(entry, followed) ?? chainFailure(entry, followed);
  if (misplaced !== undefined) return refuse(misplaced);
  const owner = surroundings.root()?.author;
  // Before anything is decoded: what a stranger sends must not cost more than its bytes.
  const stranger = authority.judge(entry.author, [], followed, owner);
  if (stranger !== undefined && !mayRedeem(entry)) return refuse(stranger);
  const parts = surroundings.partsOf(entry);
  if (!parts.ok) return refuse(parts.failure);
  const unfit = sealFailure(parts.value, surroundings);
  if (unfit !== undefined) return refuse(unfit);
  const redeeming = { time: entry.time, isAlone: entry.stores.length === 1 };
  const ops = settingsIn(parts.value);
  const denied =
    authority.judge(entry.author, ops, followed, owner, redeeming) ?? authority.standing(entry.author, followed);
  if (denied !== undefined) return refuse(denied);
  const ahead = aheadMs(entry.time, nowMs);
  if (ahead > clockAheadMsMax && entry.time > 1 + latestTime(followed)) return { type: "hold", aheadMs: ahead };
  return { type: "accept", parts: parts.value };
}

/** Fails with what the first bad payload is refused for. */
export function decodeParts({ stores }: Entry, known?: DecodedPayloads): Result<readonly DecodedPart[]> {
  return decodeStores(stores, known);
}

/** What an entry does to the settings; empty when nothing. */
export function settingsIn(parts: readonly DecodedPart[]): readonly SettingsOp[] {
  for (const part of parts) if (part.type === "settings" && part.name === settingsStoreName) return part.payload;
  return [];
}

/** [ENCRYPTION-4]: what the root says of its database binds every entry, the root too. */
function sealFailure(parts: readonly DecodedPart[], { root, authority }: Surroundings): Failure | undefined {
  const first = root();
  const isEncrypted = beginsEpoch(first === undefined ? settingsIn(parts) : authority.opsOf(first.id));
  const clear = parts.find(({ type }) => type !== "settings" && type !== "sealed");
  if (isEncrypted) return clear && { code: "ENTRY_CLEAR", details: { store: clear.name } };
  const sealed = parts.find(({ type }) => type === "sealed");
  const got = "a sealed part in a database that is not encrypted";
  return sealed && { code: "ENTRY_PAYLOAD", details: { store: sealed.name, got, expected: "content in clear" } };
}

/** Whether it may be a redemption, which is the one thing that a stranger can do. */
function mayRedeem({ stores }: Entry): boolean {
  const [part] = stores;
  return stores.length === 1 && part?.name === settingsStoreName && part.payload.length <= redeemBytesMax;
}

/** Heights and times against what the entry follows. */
function misplacedIn(entry: Entry, followed: readonly Node[]): Failure | undefined {
  if (followed.length === 0) return undefined;
  const height = 1 + greatest(followed, (node) => node.height);
  if (entry.height !== height) return { code: "ENTRY_HEIGHT", details: { got: entry.height, expected: height } };
  const time = latestTime(followed);
  if (entry.time <= time) return { code: "ENTRY_TIME", details: { got: entry.time, expected: `more than ${time}` } };
  return undefined;
}

function chainFailure(entry: Entry, followed: readonly Node[]): Failure | undefined {
  const prev = followed.find((node) => node.id === entry.prev);
  if (prev === undefined || (prev.author === entry.author && prev.seq + 1 === entry.seq)) return undefined;
  const got = `seq ${entry.seq} after seq ${prev.seq}${prev.author === entry.author ? "" : " of another author"}`;
  return { code: "ENTRY_CHAIN", details: { got, expected: `seq ${prev.seq + 1} of the same author` } };
}

function latestTime(nodes: readonly Node[]): number {
  return greatest(nodes, (node) => node.time);
}

/** 0 when there are none. */
export function greatest(nodes: readonly Node[], of: (node: Node) => number): number {
  return nodes.reduce((most, node) => Math.max(most, of(node)), 0);
}

function refuse(failure: Failure): Verdict {
  return { type: "refuse", failure };
}
