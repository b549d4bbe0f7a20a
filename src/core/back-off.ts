/** How long to wait before trying again what failed. */
import { backOffMsMax } from "./limits.ts";

/**
 * Milliseconds to wait after this many failures in a row (the first is 0): 2^n s, at most 64 s, of which up to half is taken off
 * as two random bytes say, so that those who failed together do not come back together.
 */
export function backOffMs(failures: number, randomBytes: Uint8Array): number {
  const fullMs = Math.min(backOffMsMax, 1_000 * 2 ** Math.min(failures, 16));
  const [high = 0, low = 0] = randomBytes;
  return Math.round(fullMs * (1 - (high * 256 + low) / 0x20000));
}
