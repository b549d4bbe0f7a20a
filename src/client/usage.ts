/** How fast storage fills, from a few samples kept over days. */
import { usageSamplesMax } from "../core/limits.ts";

export interface UsageSample {
  /** Milliseconds since 1970. */
  readonly atMs: number;
  readonly usedBytes: number;
}

const dayMs = 86_400_000;

/** One sample a day, the first of it; the oldest go first. A clock that was set back begins anew. */
export function addSample(samples: readonly UsageSample[], sample: UsageSample): readonly UsageSample[] {
  const last = samples.at(-1);
  if (last === undefined) return [sample];
  if (sample.atMs < last.atMs) return [sample];
  if (dayOf(sample) === dayOf(last)) return samples;
  return [...samples, sample].slice(-usageSamplesMax);
}

/** Bytes per day between the oldest sample and now; undefined with less than a day between them. */
export function growthPerDay(samples: readonly UsageSample[], now: UsageSample): number | undefined {
  const [first] = samples;
  if (first === undefined || now.atMs - first.atMs < dayMs) return undefined;
  return ((now.usedBytes - first.usedBytes) * dayMs) / (now.atMs - first.atMs);
}

/** Undefined when it does not fill. */
export function daysUntilFull(freeBytes: number, perDay: number | undefined): number | undefined {
  return perDay !== undefined && perDay > 0 ? freeBytes / perDay : undefined;
}

function dayOf({ atMs }: UsageSample): number {
  return Math.floor(atMs / dayMs);
}
