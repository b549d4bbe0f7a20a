/** Something done again and again, at times of which nothing depends. */
import type { Clock } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";

/** Timers in browsers count with 31 bits. */
const timerMsMax: number = 2 ** 31 - 1;

/**
 * Runs `action` after each pause, until the returned function is called.
 *
 * Each pause is drawn anew, evenly within `ms` × (1 ± `jitter`), so that those who started together do not go on together. `ms` 0: never.
 * What an action throws is dropped: it reports itself what goes wrong.
 */
export function every(clock: Clock, random: Random, ms: number, jitter: number, action: () => void): () => void {
  if (ms <= 0) return () => {};
  let cancel: () => void = () => {};
  const schedule = (): void => {
    const pauseMs = ms * (1 + jitter * (2 * drawFraction(random) - 1));
    cancel = clock.after(Math.min(pauseMs, timerMsMax), run);
  };
  const run = (): void => {
    // Before the action, which may stop it.
    schedule();
    try {
      action();
    } catch {
      // See above.
    }
  };
  schedule();
  return () => cancel();
}

/** 0 to 1. */
function drawFraction(random: Random): number {
  const bytes = random.bytes(4);
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0) / 0xffff_ffff;
}
