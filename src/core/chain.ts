/**
 * Checking many signatures by few: a good signature on an author's entry vouches, by hash, for the chain below it.
 *
 * [CHAIN-1] Of each branch of each author only the newest entry is checked, if that is good.
 * [CHAIN-2] What a good entry names as its `prev` is vouched for when it is of the same author and numbered one less; the
 *           signature of an entry that is vouched for is not looked at. It is covered by the hash that the later one signs.
 * [CHAIN-3] An entry whose check fails is refused alone. What it followed is checked next, downwards until one is good.
 * [CHAIN-4] No entry is checked twice, and none that an entry verified earlier vouches for.
 * Not here: whether who vouches is accepted itself (trial.ts), doing the checks (a port does), and whether entries are permitted or fit into the graph.
 */
import { type Entry, entryMessage, entrySignature, type VouchedEntry } from "./entry.ts";
import { assert, type Failure } from "./errors.ts";
import type { EntryId, PublicKey } from "./ids.ts";

/** One signature to verify. */
export interface Check {
  readonly entry: Entry;
  readonly publicKey: PublicKey;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
}

export interface CheckOutcome {
  /** In the order in which they were handed in, each once. */
  readonly vouched: readonly VouchedEntry[];
  readonly refused: readonly { readonly entry: Entry; readonly failure: Failure<"ENTRY_SIGNATURE"> }[];
}

/** What has to be verified to know that an entry is signed by its author. */
export function checkOf(entry: Entry): Check {
  return { entry, publicKey: entry.author, message: entryMessage(entry), signature: entrySignature(entry) };
}

export function signatureFailure({ author }: Entry): Failure<"ENTRY_SIGNATURE"> {
  return { code: "ENTRY_SIGNATURE", details: { author } };
}

/** The only cast: below or at a verified signature. */
function vouch(entry: Entry): VouchedEntry {
  return entry as VouchedEntry;
}

/** The door for an entry that this device has just signed itself. */
export function vouchOwn(entry: Entry): VouchedEntry {
  return vouch(entry);
}

interface Link {
  readonly entry: Entry;
  /** The link of `entry.prev`, where this entry can vouch for it. */
  prev: Link | undefined;
  /** Entries of the batch that could vouch for this one and have not been refused. */
  successors: number;
  state: "open" | "vouched" | "refused";
}

/**
 * Plans the checks for entries that were decoded but not verified. Ask for checks, verify them, answer, until there are none;
 * then read the outcome. An id that occurs twice counts once.
 *
 *     for (let checks = bulk.next(); checks.length > 0; checks = bulk.next()) bulk.answer(checks.map(verify));
 */
export class BulkCheck {
  readonly #links = new Map<EntryId, Link>();
  readonly #isVouchedFor: (id: EntryId, author: PublicKey) => boolean;
  #asked: Link[] = [];

  /** `isVouchedFor` says whether an entry of `author` that was verified before names `id` as its `prev`. */
  constructor(entries: readonly Entry[], isVouchedFor: (id: EntryId, author: PublicKey) => boolean) {
    this.#isVouchedFor = isVouchedFor;
    for (const entry of entries) this.#links.set(entry.id, { entry, prev: undefined, successors: 0, state: "open" });
    for (const link of this.#links.values()) this.#connect(link);
    for (const link of this.#links.values()) {
      if (link.successors === 0) this.#settleOrAsk(link);
    }
  }

  /** What has to be verified next; empty when everything is decided. The same until `answer` is called. */
  next(): readonly Check[] {
    return this.#asked.map(({ entry }) => checkOf(entry));
  }

  /** One verdict for each of the checks of `next`, in their order. */
  answer(verdicts: readonly boolean[]): void {
    const answered = this.#asked;
    assert(verdicts.length === answered.length, "as many verdicts as checks");
    this.#asked = [];
    for (const [i, link] of answered.entries()) {
      if (verdicts[i]) vouchDown(link);
      else this.#refuse(link);
    }
  }

  /** Complete once `next` is empty. */
  get outcome(): CheckOutcome {
    assert(this.#asked.length === 0, "every check is answered");
    const links = [...this.#links.values()];
    return {
      vouched: links.filter((link) => link.state === "vouched").map((link) => vouch(link.entry)),
      refused: links
        .filter((link) => link.state === "refused")
        .map(({ entry }) => ({ entry, failure: signatureFailure(entry) })),
    };
  }

  #connect(link: Link): void {
    const { prev, author, seq } = link.entry;
    const before = prev === undefined ? undefined : this.#links.get(prev);
    if (before === undefined || before.entry.author !== author || before.entry.seq + 1 !== seq) return;
    link.prev = before;
    before.successors++;
  }

  #refuse(link: Link): void {
    link.state = "refused";
    const before = link.prev;
    if (before === undefined) return;
    before.successors--;
    // At 0 nothing has vouched for it: what vouches for an entry stays its successor.
    if (before.successors === 0) this.#settleOrAsk(before);
  }

  /** For an entry that nothing in the batch can vouch for any more. */
  #settleOrAsk(link: Link): void {
    if (this.#isVouchedFor(link.entry.id, link.entry.author)) vouchDown(link);
    else this.#asked.push(link);
  }
}

/** Iterates: a chain may be as long as the batch. */
function vouchDown(head: Link): void {
  for (let link: Link | undefined = head; link !== undefined && link.state === "open"; link = link.prev)
    link.state = "vouched";
}
