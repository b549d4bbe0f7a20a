/**
 * What was changed on this page and is on its way to be durable: one write at a time, and while it is under way the next gathers.
 *
 * Not here: where the changes come from (copy.ts), and what becomes of the document when one is refused (replica.ts).
 */
import { changeHashFromBytes, splitChange } from "../../core/document/change-bytes.ts";
import { encodeDocPayload, type SentChange } from "../../core/document/doc-payload.ts";
import { TidemarkError } from "../../core/errors.ts";
import { docChangesMax, docOpsMax, docTailsBytesMax } from "../../core/limits.ts";
import { plainSha256 } from "../../crypto/plain-sha256.ts";
import type { StoreWrites } from "../../worker/api.ts";
import { checkDraft } from "./draft-check.ts";

export interface OutgoingOptions {
  /** Resolves when it is durable. */
  readonly send: (write: StoreWrites) => Promise<void>;
  readonly store: string;
  /** Of the flight that ended so, and of nothing that was written after it. `isPart`: it was one with other things, whose writer knows. */
  readonly refused: (changes: readonly Uint8Array[], error: unknown, isPart: boolean) => void;
  /** A flight is not under way any more: what waits can go. */
  readonly ended: () => void;
}

/** What waits, as a part of a write that the caller sends. */
export interface TakenWrite {
  readonly write: StoreWrites;
  /** To be told at once how that ends. */
  readonly sent: (promise: Promise<void>) => void;
}

interface Made extends SentChange {
  /** The whole change. */
  readonly bytes: Uint8Array;
  readonly ops: number;
  /** Why no replica would take it. */
  readonly fault?: TidemarkError;
}

/** Changes that are sent together. */
interface Flight {
  /** How many changes were made before, of all. */
  readonly from: number;
  readonly changes: readonly Made[];
  readonly isPart: boolean;
}

interface Waiter {
  /** How many changes are to be durable. */
  upTo: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** What a change's hash is made of begins behind magic and checksum. */
const hashedFrom = 8;

export class Outgoing {
  readonly #options: OutgoingOptions;
  #nonce: Uint8Array = new Uint8Array();
  #waiting: Made[] = [];
  readonly #flights = new Set<Flight>();
  readonly #waiters = new Set<Waiter>();
  #made = 0;
  #lastDurable: string | undefined;
  /** What came back from a flight, and is to be written anew: nothing from here on is durable. */
  #lostFrom: number | undefined;
  #isHeld = true;
  #settled: () => void = () => {};

  /** Holds everything until `resume`. */
  constructor(options: OutgoingOptions) {
    this.#options = options;
  }

  /** In the order in which they were made. */
  add(changes: readonly Uint8Array[]): void {
    this.#made += changes.length;
    for (const change of changes) this.#waiting.push(toMade(change));
  }

  /** Sends what waits, unless something is under way. `all`: then too. */
  flush(all = false): void {
    while (!this.#isHeld && this.#waiting.length > 0 && (all || this.#flights.size === 0)) {
      const flight = this.#begin();
      const fault = flight.changes[0]?.fault;
      const sent = fault === undefined ? this.#options.send(this.#writeOf(flight.changes)) : Promise.reject(fault);
      this.#follow(flight, sent);
    }
  }

  /** One change that waits and nothing else. Throws ENTRY_TOO_LARGE; then it is refused. */
  take(): TakenWrite | undefined {
    const [made] = this.#waiting;
    if (made === undefined) return undefined;
    const flight = this.#begin(true);
    const { fault } = made;
    if (fault !== undefined) {
      this.#follow(flight, Promise.reject(fault));
      throw fault;
    }
    return { write: this.#writeOf(flight.changes), sent: (promise) => this.#follow(flight, promise) };
  }

  /** Nothing is sent from now on. Resolves when nothing is under way. */
  async hold(): Promise<void> {
    this.#isHeld = true;
    if (this.#flights.size > 0) {
      await new Promise<void>((resolve) => {
        this.#settled = resolve;
      });
    }
  }

  /** What waits or was lost is in these changes now, which are made under another nonce. */
  resume(nonce: Uint8Array, changes: readonly Uint8Array[]): void {
    this.#nonce = nonce;
    this.#lastDurable = undefined;
    this.#isHeld = false;
    this.#lostFrom = undefined;
    this.#waiting = [];
    this.add(changes);
    for (const waiter of this.#waiters) waiter.upTo = this.#made;
    this.#release();
  }

  /** Resolves when all changes that were added are durable; rejects with why one of them was refused. */
  saved(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiters.add({ upTo: this.#made, resolve, reject });
      this.#release();
    });
  }

  /** The hash of the last change of the last flight that arrived, under this nonce. */
  get lastDurable(): string | undefined {
    return this.#lastDurable;
  }

  /** What is added waits. */
  get isUnderWay(): boolean {
    return this.#flights.size > 0 || this.#isHeld;
  }

  /** Something is not durable. */
  get isBusy(): boolean {
    return this.#waiting.length > 0 || this.#flights.size > 0 || this.#isHeld;
  }

  /** The document is given up. */
  fail(error: unknown): void {
    this.#waiting = [];
    for (const { reject } of this.#waiters) reject(error);
    this.#waiters.clear();
  }

  #begin(isPart = false): Flight {
    const from = this.#made - this.#waiting.length;
    const changes = this.#waiting.splice(0, this.#fitting());
    const flight = { from, changes, isPart };
    this.#flights.add(flight);
    return flight;
  }

  #follow(flight: Flight, sent: Promise<void>): void {
    sent.then(
      () => this.#ended(flight),
      (error: unknown) => this.#ended(flight, error),
    );
  }

  #ended(flight: Flight, error?: unknown): void {
    this.#flights.delete(flight);
    if (error !== undefined) this.#refuse(flight, error);
    else this.#lastDurable = lastHash(flight.changes);
    this.#release();
    if (this.#flights.size === 0) this.#settled();
    this.#options.ended();
  }

  #refuse(flight: Flight, error: unknown): void {
    const isOutdated = error instanceof TidemarkError && error.code === "DOC_OUTDATED";
    // Outdated ones are written anew, and whoever waits for them waits for that.
    if (!isOutdated) this.#rejectFrom(flight.from, error);
    this.#lostFrom = Math.min(this.#lostFrom ?? flight.from, flight.from);
    const changes = flight.changes.map(({ bytes }) => bytes);
    this.#options.refused(changes, error, flight.isPart);
  }

  #rejectFrom(from: number, error: unknown): void {
    for (const waiter of this.#waiters) {
      if (waiter.upTo <= from) continue;
      this.#waiters.delete(waiter);
      waiter.reject(error);
    }
  }

  #release(): void {
    const durable = this.#durable();
    for (const waiter of this.#waiters) {
      if (waiter.upTo > durable) continue;
      this.#waiters.delete(waiter);
      waiter.resolve();
    }
  }

  #durable(): number {
    const open = [...this.#flights].map(({ from }) => from);
    return Math.min(this.#made - this.#waiting.length, this.#lostFrom ?? this.#made, ...open);
  }

  /** How many of those that wait fit into one part of an entry: one at least. */
  #fitting(): number {
    let [bytes, ops, count] = [0, 0, 0];
    for (const made of this.#waiting) {
      bytes += made.tail.length;
      ops += made.ops;
      // What nobody would take goes alone, so that nothing else is refused with it.
      const isAlone = count > 0 && made.fault !== undefined;
      if (isAlone || (count > 0 && (count === docChangesMax || bytes > docTailsBytesMax || ops > docOpsMax))) break;
      count += 1;
      if (made.fault !== undefined) break;
    }
    return count;
  }

  #writeOf(changes: readonly Made[]): StoreWrites {
    // A page's change always names its own one before, so a single one that stands behind it is that.
    const shortened = changes.map((made, i) =>
      i > 0 && made.deps?.length === 1 ? { ...made, deps: undefined } : made,
    );
    const payload = encodeDocPayload(this.#nonce, shortened);
    return { type: "doc", store: this.#options.store, payload, updatedRows: [], last: lastHash(changes) };
  }
}

/** The hash that Automerge gives a change. */
export function hashOf(change: Uint8Array): string {
  return changeHashFromBytes(plainSha256(change.subarray(hashedFrom)));
}

function lastHash(changes: readonly Made[]): string {
  const last = changes.at(-1);
  if (last === undefined) throw new Error("Tidemark bug: a flight of nothing");
  return hashOf(last.bytes);
}

const noLabel = new Uint8Array();

function toMade(bytes: Uint8Array): Made {
  const { tail, deps } = splitChange(bytes);
  return { bytes, tail, deps, label: noLabel, ...checkDraft(tail) };
}
