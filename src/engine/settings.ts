/** How sync behaves where the user may choose: times, batches, caps. */
import { show, TidemarkError } from "../core/errors.ts";
import { batchBytesMax, batchEntriesMax } from "../core/limits.ts";

export interface SyncSettings {
  /** Digests of all shared databases are compared with every peer this often, in milliseconds. 0: never. */
  readonly antiEntropyMs: number;
  /** Peers that could be dialled are looked for this often, in milliseconds, beside their back-off. 0: never; back-offs go on. */
  readonly retryScanMs: number;
  /** A peer that was silent for this long is asked whether it lives, in milliseconds. 0: never. */
  readonly connectionCheckMs: number;
  /** By which part of itself a time may be longer or shorter, 0 to 0.5: those who started together do not act together. */
  readonly jitter: number;
  /** An exchange without progress for this long is begun anew, in milliseconds. 0: never. */
  readonly stallTimeoutMs: number;
  /** Failed attempts to reach a peer in a row before it is given up until something changes. */
  readonly attemptsMax: number;
  /** New entries for a peer wait for this many of them, this many bytes, or this long, whichever comes first. */
  readonly flushEntries: number;
  readonly flushBytes: number;
  readonly flushAgeMs: number;
  /** Ranges of the log that may wait for one peer and database before pushing gives way to comparing. */
  readonly queueRanges: number;
  /** What one batch holds at most; the protocol's own limits are 1,000 entries and 262,144 bytes. */
  readonly batchEntries: number;
  readonly batchBytes: number;
  /** Bytes per second, over all peers and for each. 0: no cap. */
  readonly sendBytesPerSecond: number;
  readonly receiveBytesPerSecond: number;
  readonly peerSendBytesPerSecond: number;
  readonly peerReceiveBytesPerSecond: number;
  /** Finished exchanges are remembered for this long, in milliseconds, and this many of them. */
  readonly historyMs: number;
  readonly historyRows: number;
  /** Connected peers at once. */
  readonly peersMax: number;
}

const kib = 1024;
const dayMs = 86_400_000;

export const defaultSettings: SyncSettings = {
  antiEntropyMs: 300_000,
  retryScanMs: 30_000,
  connectionCheckMs: 60_000,
  jitter: 0.1,
  stallTimeoutMs: 30_000,
  attemptsMax: 10,
  flushEntries: 1,
  flushBytes: 1,
  flushAgeMs: 0,
  queueRanges: 100,
  batchEntries: 1_000,
  batchBytes: 256 * kib,
  sendBytesPerSecond: 0,
  receiveBytesPerSecond: 0,
  peerSendBytesPerSecond: 0,
  peerReceiveBytesPerSecond: 0,
  historyMs: 30 * dayMs,
  historyRows: 1_000,
  peersMax: 128,
};

export type Preset = "interactive" | "bulk" | "lowBandwidth" | "lan";

/**
 * interactive: every change at once (the default). bulk: changes gather for a second. lowBandwidth: small batches, changes gather for five
 * seconds, 32 KiB/s each way. lan: every change at once, and looked after more often.
 */
export const presets: Readonly<Record<Preset, Partial<SyncSettings>>> = {
  interactive: {},
  bulk: { flushEntries: 1_000, flushBytes: 256 * kib, flushAgeMs: 1_000 },
  lowBandwidth: {
    flushEntries: 500,
    flushBytes: 32 * kib,
    flushAgeMs: 5_000,
    batchEntries: 250,
    batchBytes: 16 * kib,
    sendBytesPerSecond: 32 * kib,
    receiveBytesPerSecond: 32 * kib,
    antiEntropyMs: 900_000,
  },
  lan: { antiEntropyMs: 60_000, retryScanMs: 5_000, connectionCheckMs: 15_000 },
};

/** The lowest cap that there can be: below it a single batch would take minutes. */
export const bytesPerSecondMin = 1_024;

interface Range {
  readonly min: number;
  readonly max: number;
  /** 0 is allowed too, and means off. */
  readonly canBeOff?: boolean;
  readonly isFraction?: boolean;
}

/** Shorter than this, a timer is a load and not a net. */
const timer: Range = { min: 100, max: 7 * dayMs, canBeOff: true };
/** Up to 1 TiB/s, far within what is counted exactly. */
const cap: Range = { min: bytesPerSecondMin, max: 2 ** 40, canBeOff: true };

const ranges: Readonly<Record<keyof SyncSettings, Range>> = {
  antiEntropyMs: timer,
  retryScanMs: timer,
  connectionCheckMs: timer,
  jitter: { min: 0, max: 0.5, isFraction: true },
  stallTimeoutMs: timer,
  attemptsMax: { min: 1, max: 1_000_000 },
  flushEntries: { min: 1, max: 100_000 },
  flushBytes: { min: 1, max: 64 * kib * kib },
  flushAgeMs: { min: 0, max: dayMs },
  queueRanges: { min: 1, max: 10_000 },
  batchEntries: { min: 1, max: batchEntriesMax },
  batchBytes: { min: kib, max: batchBytesMax },
  sendBytesPerSecond: cap,
  receiveBytesPerSecond: cap,
  peerSendBytesPerSecond: cap,
  peerReceiveBytesPerSecond: cap,
  historyMs: { min: 0, max: 3_650 * dayMs },
  historyRows: { min: 0, max: 100_000 },
  peersMax: { min: 1, max: 1_000 },
};

/**
 * Settings with some changed; a field that is undefined is not. `base` stays as it is.
 *
 * Throws INPUT_INVALID that names the field, for the first one that is unknown, no number, or out of its range.
 */
export function applySettings(base: SyncSettings, changes: Partial<SyncSettings>): SyncSettings {
  // They come from the app, or over a worker's border: their type is a wish.
  const given: unknown = changes;
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    throw invalid("settings", given, "an object of settings");
  }
  const checked = Object.entries(given).filter(([, value]) => value !== undefined);
  for (const [field, value] of checked) checkField(field, value);
  return { ...base, ...Object.fromEntries(checked) };
}

/** The name of a preset. Throws INPUT_INVALID. */
export function parsePreset(value: unknown): Preset {
  if (typeof value === "string" && Object.hasOwn(presets, value)) return value as Preset;
  throw invalid("preset", value, Object.keys(presets).join(", "));
}

function checkField(field: string, value: unknown): void {
  if (!Object.hasOwn(ranges, field)) throw invalid("settings", field, Object.keys(ranges).join(", "));
  const { min, max, canBeOff = false, isFraction = false } = ranges[field as keyof SyncSettings];
  const isNumber = typeof value === "number" && (isFraction ? Number.isFinite(value) : Number.isSafeInteger(value));
  if (isNumber && ((value >= min && value <= max) || (canBeOff && value === 0))) return;
  throw invalid(field, value, `${isFraction ? "a number" : "an integer"} ${canBeOff ? "0 or " : ""}${min} to ${max}`);
}

function invalid(field: string, got: unknown, expected: string): TidemarkError {
  return new TidemarkError("INPUT_INVALID", { field, got: show(got), expected });
}
