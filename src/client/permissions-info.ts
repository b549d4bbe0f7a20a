/** What is told about permissions in the form that apps see: entries by their CIDs. */
import { formatCid } from "../core/ids.ts";
import type { EntryExplained, GrantLink, KeyExplained, PermissionsChanged } from "../engine/permissions-info.ts";
import { given } from "./input.ts";

/** One link of the chain by which a key got its power; `entry` is the CID of the entry that says so. */
export interface Grant extends Omit<GrantLink, "entry"> {
  readonly entry: string;
}

/** Why a key may do what it may. */
export interface KeyExplanation extends Omit<KeyExplained, "chain"> {
  readonly type: "key";
  /** From the root to what says it of the key; empty when nobody ever gave it anything. */
  readonly chain: readonly Grant[];
}

/** What became of an entry, with CIDs in place of ids. */
export interface EntryExplanation extends Omit<EntryExplained, "entry" | "by" | "follows" | "keptUnder" | "revived"> {
  readonly entry: string;
  /** The settings entry that cut it; of a refused one that which says what its author, or its invite, was not entitled to, where there is one. */
  readonly by?: string;
  /** Of a refused one: the entry that it stands on and that `by` cuts. */
  readonly follows?: string;
  /** It is void by the rule, and counts all the same because this one stands on it. */
  readonly keptUnder?: string;
  /** It counts because what would cut it lost its own effect. */
  readonly revived?: Revival;
}

/** What brought an entry back; settings entries by their CIDs. */
export interface Revival {
  /** It would cut the entry, or what entitled its author, and has no effect. */
  readonly would: string;
  /** It took that one's effect away; left out where it was the uses of an invite. */
  readonly by?: string;
}

export type Explanation = KeyExplanation | EntryExplanation;

/** What changed about permissions, and about what counts because of them; entries by their CIDs. */
export interface PermissionsChange extends Omit<PermissionsChanged, "voided" | "revived" | "because"> {
  /** Entries that counted and do not any more; at most 1,000 of them. */
  readonly voided: readonly string[];
  /** Entries that did not count and do now; at most 1,000 of them. */
  readonly revived: readonly string[];
  /** The settings entries that decided it. */
  readonly because: readonly string[];
}

export function toKeyExplanation(told: KeyExplained): KeyExplanation {
  return { ...told, type: "key", chain: told.chain.map((link) => ({ ...link, entry: formatCid(link.entry) })) };
}

export function toEntryExplanation(told: EntryExplained): EntryExplanation {
  const { entry, by, follows, keptUnder, revived, ...rest } = told;
  const cid = (id: typeof by): string | undefined => (id === undefined ? undefined : formatCid(id));
  const back = revived && { would: formatCid(revived.would), ...given({ by: cid(revived.by) }) };
  const entries = given({ by: cid(by), follows: cid(follows), keptUnder: cid(keptUnder), revived: back });
  return { ...rest, entry: formatCid(entry), ...entries };
}

export function toPermissionsChange(told: PermissionsChanged): PermissionsChange {
  const { members, voided, revived, because } = told;
  return {
    members,
    voided: voided.map(formatCid),
    revived: revived.map(formatCid),
    because: because.map(formatCid),
  };
}
