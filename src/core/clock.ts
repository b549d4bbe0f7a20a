/**
 * Hybrid logical time: one integer, milliseconds since 1970 times 1,024 plus a counter.
 *
 * [CLOCK-1] The time of an entry is greater than the time of every entry it follows, whatever the device's clock says.
 * [CLOCK-2] It is otherwise the device's clock. A counter that overflows runs into the milliseconds, which keeps the order.
 * [CLOCK-3] A time is ahead of a clock by the whole milliseconds between them, behind it by a negative number.
 * As in Kulkarni et al., "Logical Physical Clocks" (2014), folded into one 53-bit integer, good until the year 2248.
 */

export type HybridTime = number;

export const ticksPerMs = 1_024;
export const hybridTimeMax: number = Number.MAX_SAFE_INTEGER;

/** Whole milliseconds since 1970. */
export function millisecondsOf(time: HybridTime): number {
  return Math.floor(time / ticksPerMs);
}

export function nextTime(nowMs: number, latestFollowed: HybridTime): HybridTime {
  return Math.max(Math.floor(nowMs) * ticksPerMs, latestFollowed + 1);
}

/** By how many milliseconds a time is ahead of the clock; negative when it is behind. */
export function aheadMs(time: HybridTime, nowMs: number): number {
  return Math.floor(time / ticksPerMs) - nowMs;
}
