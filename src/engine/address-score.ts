/**
 * Which address of a peer to try first.
 *
 * Those that worked when last tried, by how often and how lately; then those never tried; then those that failed when last tried, by
 * how long ago and how often. A failure loses half its weight in ten minutes, and a good past at most halves it: so every address that
 * fails comes first again in time, and none is stuck behind another.
 *
 * Deliberately not here: whether an address can be dialled at all; that is for the transports to say.
 */
import type { AddressRecord } from "./records.ts";

const halfLifeMs = 600_000;

/** Above 0, up to 1: worked when last tried. 0: never tried. Below 0, down to -1: failed when last tried. */
export function scoreOf(address: AddressRecord, nowMs: number): number {
  // Never 0 or 1: one try tells little.
  const rate = (address.successes + 1) / (address.successes + address.failures + 2);
  if (address.failuresInRow > 0) return -(1 - rate / 2) * weightOf(address.lastError?.atMs, nowMs);
  return address.successes > 0 ? rate * weightOf(address.lastOkMs, nowMs) : 0;
}

/** A time ahead of now was taken from a clock that was wrong: as old as it is far away. Never 0, however long ago. */
function weightOf(atMs: number | undefined, nowMs: number): number {
  return atMs === undefined ? 1 : 1 / (1 + Math.abs(nowMs - atMs) / halfLifeMs);
}

/** Best first; equal ones in the order of their text. */
export function byScore(addresses: readonly AddressRecord[], nowMs: number): readonly AddressRecord[] {
  const scored = addresses.map((address) => ({ address, score: scoreOf(address, nowMs) }));
  scored.sort((a, b) => b.score - a.score || (a.address.address < b.address.address ? -1 : 1));
  return scored.map(({ address }) => address);
}
