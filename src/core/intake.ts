/**
 * How entries get into the graph of one database, or wait for it: judged, tried before they are taken, taken, refused.
 *
 * [REPLICA-2] An entry that misses something it follows, or whose time has not come, waits; everything else is accepted or
 *             refused at once. What stands on a refused entry leaves with it.
 * [REPLICA-4] An entry that is here already changes nothing.
 * [REPLICA-10] A branch of a chain beyond `forksMax` is accepted and reported with ENTRY_FORKS.
 * [REPLICA-13] Void entries are kept aside within a limit, and beyond it when something waits that may make them count.
 */
import type { Authority } from "./authority/authority.ts";
import { type Entry, follows, type VouchedEntry } from "./entry.ts";
import { type Failure, type Result, unreachable } from "./errors.ts";
import type { Graph } from "./graph.ts";
import type { DatabaseId, EntryId, PublicKey } from "./ids.ts";
import { decodeParts, judge, type Surroundings, settingsIn, type Verdict } from "./judgement.ts";
import { clockAheadMsMax, forksMax, pendingEntriesMax, voidBytesMax, voidEntriesMax } from "./limits.ts";
import { type Outcome, refusal } from "./outcome.ts";
import { Pending } from "./pending.ts";
import { type DecodedPart, type DecodedPayloads, noneDecoded } from "./store/kinds.ts";
import { indexOf, tryEntries } from "./trial.ts";

export class Intake {
  readonly graph: Graph;
  readonly authority: Authority;
  readonly pending: Pending = new Pending();
  readonly #surroundings: Surroundings;
  /** Of entries that are tried before they are taken: payloads are decoded once. */
  readonly #parts = new WeakMap<Entry, Result<readonly DecodedPart[]>>();
  /** Of the batch that was tried last, until it is taken. */
  #tried: ReadonlyMap<EntryId, Verdict> = noVerdicts;
  /** Of the batch that is being taken. */
  #decoded: DecodedPayloads = noneDecoded;
  #decidedBelow = 0;

  constructor(database: DatabaseId, graph: Graph, authority: Authority) {
    this.graph = graph;
    this.authority = authority;
    this.#surroundings = {
      database,
      authority,
      find: (id) => graph.get(id),
      root: () => graph.root,
      partsOf: (entry) => this.#partsOf(entry),
    };
  }

  /** Once so many entries are durable, everything is that decided what counts. */
  get decidedBelow(): number {
    return this.#decidedBelow;
  }

  /** Whether these entries, of which some were not checked themselves, may be taken as they are: [REPLICA-8]. */
  isProved(entries: readonly VouchedEntry[], isChecked: (id: EntryId) => boolean, nowMs: number): boolean {
    const { isProved, verdicts } = tryEntries(entries, isChecked, this.#surroundings, this.pending, nowMs);
    this.#tried = verdicts;
    return isProved;
  }

  /** `decoded`: what was found of their payloads before. */
  takeAll(entries: readonly VouchedEntry[], nowMs: number, outcome: Outcome, decoded: DecodedPayloads): void {
    this.#decoded = decoded;
    for (const entry of entries) this.#takeOne(entry, nowMs, outcome);
    this.#tried = noVerdicts;
    this.#decoded = noneDecoded;
    for (const id of outcome.missing) if (this.graph.has(id) || this.pending.has(id)) outcome.missing.delete(id);
  }

  /** Judges an entry and then, without recursion, whatever its acceptance released. */
  #takeOne(first: VouchedEntry, nowMs: number, outcome: Outcome): void {
    const queue = [first];
    for (let entry = queue.shift(); entry !== undefined; entry = queue.shift()) {
      if (this.graph.has(entry.id) || this.pending.has(entry.id)) continue;
      this.#follow(this.#judge(entry, nowMs), entry, outcome);
      if (this.graph.has(entry.id)) queue.push(...this.pending.takeReady(entry.id));
    }
  }

  /** What was tried is not judged again, as long as it stands where it stood: [REPLICA-1]. */
  #judge(entry: VouchedEntry, nowMs: number): Verdict {
    const tried = this.#tried.get(entry.id);
    if (tried?.type === "accept" && follows(entry).every((id) => this.graph.has(id))) return tried;
    return judge(entry, this.#surroundings, nowMs);
  }

  #follow(verdict: Verdict, entry: VouchedEntry, outcome: Outcome): void {
    switch (verdict.type) {
      case "accept":
        return this.#accept(entry, verdict.parts, outcome);
      case "refuse":
        return this.#refuse(entry, verdict.failure, outcome);
      case "wait":
        return this.#wait(entry, verdict.missing, outcome);
      case "hold": {
        if (!this.pending.holdBack(entry)) return this.#refuse(entry, pendingFull, outcome);
        // Held back, it keeps no more in memory than its bytes.
        this.#parts.delete(entry);
        const details = { aheadMs: verdict.aheadMs, maxMs: clockAheadMsMax };
        outcome.folded.refusals.push(refusal(entry, { code: "ENTRY_TIME_AHEAD", details }));
        return;
      }
      default:
        unreachable(verdict);
    }
  }

  #wait(entry: VouchedEntry, missing: readonly EntryId[], outcome: Outcome): void {
    const lost = missing.find((id) => outcome.refused.has(id));
    const why = lost === undefined ? undefined : outcome.refused.get(lost);
    if (why !== undefined) return this.#refuse(entry, why, outcome);
    if (!this.pending.wait(entry, missing, this.authority.mayWrite(entry.author)))
      return this.#refuse(entry, pendingFull, outcome);
    for (const id of missing) outcome.missing.add(id);
  }

  #accept(entry: VouchedEntry, parts: readonly DecodedPart[], outcome: Outcome): void {
    const { author } = entry;
    const branches = this.graph.countHeads(author);
    const node = this.graph.link(indexOf(entry, parts));
    const ops = settingsIn(parts);
    if (ops.length > 0) this.authority.record(node, ops);
    const weighing = this.authority.weigh(node);
    if (!weighing.isGood && this.#isVoidFull(entry) && !this.#isAwaited(entry, outcome)) {
      if (ops.length > 0) this.authority.forget(node);
      return this.#refuse(entry, voidFull, outcome);
    }
    const revived = this.graph.insert(node, weighing.isGood);
    this.authority.adopt(node, weighing);
    outcome.recounted(node, revived, this.graph.regard(weighing.changes));
    if (!weighing.isGood || outcome.isRecounted) this.#decidedBelow = this.graph.size;
    this.#parts.delete(entry);
    outcome.taken.push({ entry, node, parts });
    if (this.graph.countHeads(author) > Math.max(branches, forksMax))
      outcome.folded.refusals.push(refusal(entry, { code: "ENTRY_FORKS", details: { author, max: forksMax } }));
  }

  #isVoidFull({ bytes }: Entry): boolean {
    const { voidCount, voidBytes } = this.graph;
    return voidCount >= voidEntriesMax || voidBytes + bytes.length > voidBytesMax;
  }

  /** Whether something that waits or comes with it may make an entry count by standing on it. */
  #isAwaited({ id }: Entry, outcome: Outcome): boolean {
    const mayWrite = (author: PublicKey): boolean => this.authority.mayWrite(author);
    const above = outcome.above(id);
    return (
      above.some(({ author }) => mayWrite(author)) ||
      this.pending.isAwaited([id, ...above.map((each) => each.id)], mayWrite)
    );
  }

  /** What stands on an entry that is not here now cannot stay: it comes again with it, or never. */
  #refuse(entry: Entry, why: Failure, outcome: Outcome): void {
    for (const each of [entry, ...this.pending.takeDependents(entry.id)]) {
      this.#parts.delete(each);
      outcome.folded.refusals.push(refusal(each, why));
      outcome.refused.set(each.id, why);
    }
  }

  #partsOf(entry: Entry): Result<readonly DecodedPart[]> {
    const known = this.#parts.get(entry);
    if (known !== undefined) return known;
    const parts = decodeParts(entry, this.#decoded);
    this.#parts.set(entry, parts);
    return parts;
  }
}

const noVerdicts: ReadonlyMap<EntryId, Verdict> = new Map();

const pendingFull: Failure<"ENTRY_PENDING_FULL"> = { code: "ENTRY_PENDING_FULL", details: { max: pendingEntriesMax } };
const voidFull: Failure<"ENTRY_VOID_FULL"> = { code: "ENTRY_VOID_FULL", details: { max: voidEntriesMax } };
