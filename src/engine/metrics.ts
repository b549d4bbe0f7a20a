/** Numbers for people who operate an app: what was counted, what is at present, how long things took. */

export interface MetricsSnapshot {
  readonly counters: Readonly<Record<string, number>>;
  readonly gauges: Readonly<Record<string, number>>;
  /** In milliseconds. */
  readonly latencies: Readonly<Record<string, LatencySummary>>;
}

export interface LatencySummary {
  readonly count: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

/** Of each kind; a guess, many times what there is. */
const namesMax = 200;
const nameLengthMax = 80;
const otherName = "other";

/** Neighbouring bounds are this far apart: a value in between is off by less than 5 % (Masson et al., "DDSketch", 2019). */
const growth = 1.1;
const logGrowth: number = Math.log(growth);
const shortestMs = 0.01;
const longestMs = 10_000_000;
const bucketsCount: number = Math.ceil(Math.log(longestMs / shortestMs) / logGrowth) + 1;

/**
 * Counts, measures and times under names.
 *
 * [METRICS-1] A percentile is within 5 % for times of 0.01 ms to 10,000,000 ms, however many there were.
 * [METRICS-2] Memory is bounded: 200 names of each kind, of 80 characters; what comes under further ones is kept as "other".
 * [METRICS-3] No number that is handed in makes another one wrong.
 *
 * Recording takes constant time and allocates nothing under a name that is known.
 */
export class Metrics {
  readonly #counters = new Map<string, { value: number }>();
  readonly #gauges = new Map<string, { value: number }>();
  readonly #latencies = new Map<string, Latency>();

  /** Adds to a counter. */
  count(name: string, by = 1): void {
    if (Number.isFinite(by) && by > 0) cellOf(this.#counters, name, createNumber).value += by;
  }

  /** Remembers how much there is at present. */
  gauge(name: string, value: number): void {
    if (Number.isFinite(value)) cellOf(this.#gauges, name, createNumber).value = value;
  }

  /** Something took this long; a clock that jumped back meanwhile makes it 0. */
  took(name: string, ms: number): void {
    if (Number.isFinite(ms)) cellOf(this.#latencies, name, createLatency).add(Math.max(0, ms));
  }

  snapshot(): MetricsSnapshot {
    return {
      counters: mapCells(this.#counters, ({ value }) => value),
      gauges: mapCells(this.#gauges, ({ value }) => value),
      latencies: mapCells(this.#latencies, (latency) => latency.summary()),
    };
  }
}

class Latency {
  /** Doubles: 32 bits would run over within days on a busy device. */
  readonly #counts = new Float64Array(bucketsCount);
  #count = 0;
  #max = 0;

  add(ms: number): void {
    const at = ms <= shortestMs ? 0 : Math.ceil(Math.log(ms / shortestMs) / logGrowth);
    const bucket = Math.min(at, bucketsCount - 1);
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1;
    this.#count += 1;
    this.#max = Math.max(this.#max, ms);
  }

  summary(): LatencySummary {
    const [p50, p90, p99] = [0.5, 0.9, 0.99].map((part) => this.#percentile(part)) as [number, number, number];
    return { count: this.#count, p50, p90, p99, max: this.#max };
  }

  /** By nearest rank. */
  #percentile(part: number): number {
    const rank = Math.ceil(part * this.#count);
    let seen = 0;
    for (let bucket = 0; bucket < bucketsCount; bucket++) {
      seen += this.#counts[bucket] as number;
      if (seen >= rank) return Math.min(this.#max, middleOf(bucket));
    }
    return this.#max;
  }
}

/** As far, relatively, from the lower bound of a bucket as from the upper one. */
function middleOf(bucket: number): number {
  const upper = shortestMs * growth ** bucket;
  return bucket === 0 ? upper : (2 * upper) / (1 + growth);
}

function createNumber(): { value: number } {
  return { value: 0 };
}

function createLatency(): Latency {
  return new Latency();
}

function cellOf<T>(cells: Map<string, T>, name: string, create: () => T): T {
  const known = cells.get(name);
  if (known !== undefined) return known;
  const isFull = cells.size >= namesMax - 1 || name.length > nameLengthMax;
  if (isFull && name !== otherName) return cellOf(cells, otherName, create);
  const cell = create();
  cells.set(name, cell);
  return cell;
}

function mapCells<T, U>(cells: ReadonlyMap<string, T>, read: (cell: T) => U): Readonly<Record<string, U>> {
  return Object.fromEntries([...cells].map(([name, cell]) => [name, read(cell)]));
}
