/**
 * What is remembered about peers: names, states, addresses, statistics.
 *
 * [PEER-1] A peer is registered by what the user says about it; others are remembered once they were met.
 * [PEER-5] Of those that were only met at most 1,000 are remembered.
 *
 * Deliberately not here: relations (`relation-book.ts`), channels, and when to try again (`attempts.ts`).
 */
import { show, TidemarkError } from "../core/errors.ts";
import { type PublicKey, publicKeyFromHex } from "../core/ids.ts";
import { addressBytesMax, addressesPerPeerMax, metPeersMax, peerNameBytesMax } from "../core/limits.ts";
import type { Clock } from "../ports/clock.ts";
import { byScore } from "./address-score.ts";
import { checkLabel, isTextOf } from "./label.ts";
import type { LocalStore } from "./local-store.ts";
import type { AddressRecord, ErrorNote, PeerRecord, PeerState } from "./records.ts";

export interface PeerBookOptions {
  readonly store: LocalStore;
  readonly clock: Clock;
  readonly hasRelations: (key: PublicKey) => boolean;
  /** A peer that was only met was one too many. */
  readonly forgotten: (key: PublicKey) => void;
}

export interface PeerGiven {
  readonly name?: string;
  readonly state?: PeerState;
  readonly addresses?: readonly string[];
}

export interface Measured {
  readonly bytesSent?: number;
  readonly bytesReceived?: number;
  readonly roundTripMs?: number;
}

const states: ReadonlySet<unknown> = new Set<PeerState>(["active", "inactive", "blocked"]);
/** Odd, so that one of them is in the middle. */
const roundTripsMax = 9;

export class PeerBook {
  readonly #options: PeerBookOptions;
  /** Only met. */
  readonly #met = new Set<PublicKey>();
  readonly #roundTrips = new Map<PublicKey, readonly number[]>();

  constructor(options: PeerBookOptions) {
    this.#options = options;
    for (const { key, isRegistered } of this.all()) if (!isRegistered) this.#met.add(key);
    this.#limit(undefined);
  }

  all(): readonly PeerRecord[] {
    return this.#options.store.all("peer");
  }

  get(key: PublicKey): PeerRecord | undefined {
    return this.#options.store.get("peer", key);
  }

  /** Fails with PEER_UNKNOWN. */
  known(key: PublicKey): PeerRecord {
    const found = this.get(key);
    if (found === undefined) throw new TidemarkError("PEER_UNKNOWN", { peer: key });
    return found;
  }

  /** Fails with INPUT_INVALID and ADDRESS_INVALID, then nothing is changed. */
  register(key: PublicKey, given: PeerGiven): PeerRecord {
    const { name, state, addresses = [] } = given;
    if (name !== undefined) checkLabel("name", name, peerNameBytesMax);
    if (state !== undefined) checkState(state);
    for (const address of addresses) checkAddress(address);
    const record = this.get(key) ?? this.#blank(publicKeyFromHex(key));
    this.#met.delete(key);
    return this.#put({
      ...record,
      isRegistered: true,
      ...(name !== undefined && { name }),
      ...(state !== undefined && { state }),
      addresses: this.#merged(record.addresses, addresses),
    });
  }

  /** Remembers a peer that was not known before. */
  meet(key: PublicKey): PeerRecord {
    const found = this.get(key);
    if (found !== undefined) return found;
    const record = this.#put(this.#blank(publicKeyFromHex(key)));
    this.#met.add(key);
    this.#limit(key);
    return record;
  }

  remove(key: PublicKey): void {
    this.#options.store.delete("peer", key);
    this.#met.delete(key);
    this.#roundTrips.delete(key);
  }

  attempted(key: PublicKey, address: string | undefined): void {
    const record = this.get(key);
    if (record === undefined) return;
    this.#put({ ...record, attempts: record.attempts + 1, addresses: this.#merged(record.addresses, listOf(address)) });
  }

  succeeded(key: PublicKey, address: string | undefined, version: number): void {
    const record = this.meet(key);
    const nowMs = this.#options.clock.now();
    const successes = record.successes + 1;
    const known = this.#merged(record.addresses, listOf(address));
    this.#put({
      ...record,
      successes,
      // Whoever comes to us by itself was not tried.
      attempts: Math.max(record.attempts, successes),
      version,
      ...seen(record, nowMs),
      addresses: changed(known, address, (it) => ({
        ...it,
        successes: it.successes + 1,
        failuresInRow: 0,
        lastOkMs: nowMs,
      })),
    });
  }

  failed(key: PublicKey, address: string | undefined, error: ErrorNote): void {
    const record = this.get(key);
    if (record === undefined) return;
    this.#put({
      ...record,
      // A clock may have been set back: what came before stays before.
      lastSeenMs: record.lastSeenMs === undefined ? undefined : Math.min(record.lastSeenMs, error.atMs),
      lastError: error,
      addresses: changed(record.addresses, address, (it) => ({
        ...it,
        failures: it.failures + 1,
        failuresInRow: it.failuresInRow + 1,
        lastError: error,
      })),
    });
  }

  measured(key: PublicKey, { bytesSent = 0, bytesReceived = 0, roundTripMs }: Measured): void {
    const record = this.get(key);
    if (record === undefined) return;
    this.#put({
      ...record,
      bytesSent: record.bytesSent + bytesSent,
      bytesReceived: record.bytesReceived + bytesReceived,
      ...(bytesReceived > 0 && seen(record, this.#options.clock.now())),
      roundTripMs: roundTripMs === undefined ? record.roundTripMs : this.#medianWith(key, roundTripMs),
    });
  }

  addressesByScore(key: PublicKey): readonly string[] {
    return byScore(this.get(key)?.addresses ?? [], this.#options.clock.now()).map(({ address }) => address);
  }

  #put(record: PeerRecord): PeerRecord {
    this.#options.store.put("peer", record.key, record);
    return record;
  }

  #blank(key: PublicKey): PeerRecord {
    return {
      key,
      isRegistered: false,
      name: "",
      state: "active",
      addresses: [],
      firstSeenMs: this.#options.clock.now(),
      lastSeenMs: undefined,
      attempts: 0,
      successes: 0,
      bytesSent: 0,
      bytesReceived: 0,
      roundTripMs: undefined,
      version: undefined,
      lastError: undefined,
    };
  }

  #merged(known: readonly AddressRecord[], given: readonly string[]): readonly AddressRecord[] {
    const records = new Map(known.map((record) => [record.address, record]));
    for (const address of given) if (!records.has(address)) records.set(address, untried(address));
    const all = [...records.values()];
    if (all.length <= addressesPerPeerMax) return all;
    const kept = new Set(byScore(all, this.#options.clock.now()).slice(0, addressesPerPeerMax));
    return all.filter((record) => kept.has(record));
  }

  #medianWith(key: PublicKey, roundTripMs: number): number {
    const last = [...(this.#roundTrips.get(key) ?? []), roundTripMs].slice(-roundTripsMax);
    this.#roundTrips.set(key, last);
    return [...last].sort((a, b) => a - b)[last.length >> 1] as number;
  }

  #limit(newest: PublicKey | undefined): void {
    while (this.#met.size > metPeersMax) {
      const gone = this.#leastMissed(newest);
      this.remove(gone);
      this.#options.forgotten(gone);
    }
  }

  /** Of those that were only met: without relations first, then the one that was not seen for longest. */
  #leastMissed(newest: PublicKey | undefined): PublicKey {
    const rank = (key: PublicKey): readonly [number, number] => {
      const record = this.get(key);
      return [this.#options.hasRelations(key) ? 1 : 0, record?.lastSeenMs ?? record?.firstSeenMs ?? 0];
    };
    const ranked = [...this.#met].filter((key) => key !== newest).map((key) => ({ key, rank: rank(key) }));
    const first = ranked.reduce((a, b) => ((a.rank[0] - b.rank[0] || a.rank[1] - b.rank[1]) <= 0 ? a : b));
    return first.key;
  }
}

/** What is wrong with a peer: its last error, unless it was heard of since. The record keeps that for people. */
export function currentError({ lastError, lastSeenMs }: PeerRecord): ErrorNote | undefined {
  if (lastError === undefined || lastError.atMs < (lastSeenMs ?? 0)) return undefined;
  return lastError;
}

/** Heard of now: after its last error, also when both are of one millisecond, or the clock was set back between them. */
function seen({ lastError }: PeerRecord, nowMs: number): Pick<PeerRecord, "lastSeenMs" | "lastError"> {
  if (lastError === undefined || lastError.atMs < nowMs) return { lastSeenMs: nowMs, lastError };
  return { lastSeenMs: nowMs, lastError: { ...lastError, atMs: nowMs - 1 } };
}

function checkState(state: unknown): void {
  if (states.has(state)) return;
  throw new TidemarkError("INPUT_INVALID", {
    field: "state",
    got: show(state),
    expected: "active, inactive or blocked",
  });
}

/** Printable, without spaces: it stands in lists and logs. */
const typeAndRest = /^[a-z][a-z0-9+.-]{0,31}:[^\p{Cc}\s]+$/u;

function isAddress(address: unknown): address is string {
  return isTextOf(address, addressBytesMax) && typeAndRest.test(address);
}

/** What was dialled, when it can be remembered. */
function listOf(address: string | undefined): readonly string[] {
  return isAddress(address) ? [address] : [];
}

function checkAddress(address: string): void {
  if (isAddress(address)) return;
  const expected = `type:rest, at most ${addressBytesMax} bytes, without spaces and control characters`;
  throw new TidemarkError("ADDRESS_INVALID", { address: show(address), expected });
}

function untried(address: string): AddressRecord {
  return { address, successes: 0, failures: 0, failuresInRow: 0, lastOkMs: undefined, lastError: undefined };
}

function changed(
  addresses: readonly AddressRecord[],
  address: string | undefined,
  change: (record: AddressRecord) => AddressRecord,
): readonly AddressRecord[] {
  return addresses.map((record) => (record.address === address ? change(record) : record));
}
