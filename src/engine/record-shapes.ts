/** What a local record of each kind has to look like: what is loaded from the disk, and what the app hands in, may be anything. */
import { isHex64 } from "../core/ids.ts";
import { isPower } from "../core/store/power.ts";
import type {
  AddressRecord,
  Cursor,
  ErrorNote,
  HistoryRecord,
  HookRecord,
  JobRecord,
  PeerRecord,
  PreferencesRecord,
  RecordByKind,
  RelationRecord,
  RequestRecord,
  TransportRecord,
} from "./records.ts";

type Check = (value: unknown) => boolean;
/** One check for every field: a new field does not compile without. */
type Shape<T> = { readonly [Field in keyof T]-?: Check };

/** Deeper data would let a check, or a later walk over it, run out of stack. */
const depthMax = 32;

const isText: Check = (value) => typeof value === "string";
const isFlag: Check = (value) => typeof value === "boolean";
const isId: Check = (value) => typeof value === "string" && isHex64(value);
const isCount: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
/** A time or a duration in milliseconds. */
const isMs: Check = (value) => typeof value === "number" && Number.isFinite(value);
const isData: Check = (value) => isPlainData(value, depthMax);

function optional(check: Check): Check {
  return (value) => value === undefined || check(value);
}

function oneOf(...values: readonly string[]): Check {
  return (value) => values.some((each) => each === value);
}

function listOf(check: Check): Check {
  return (value) => Array.isArray(value) && value.every(check);
}

function shaped<T>(shape: Shape<T>): Check {
  const fields = Object.entries<Check>(shape);
  return (value) => isObject(value) && fields.every(([name, check]) => check(value[name]));
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

function isPlainData(value: unknown, depth: number): boolean {
  switch (typeof value) {
    case "undefined":
    case "boolean":
    case "number":
    case "string":
      return true;
    case "object":
      if (value === null || value instanceof Uint8Array) return true;
      return depth > 0 && isPlain(value) && Object.values(value).every((each) => isPlainData(each, depth - 1));
    default:
      return false;
  }
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return Array.isArray(value) || prototype === null || Object.getPrototypeOf(prototype) === null;
}

const isErrorNote = shaped<ErrorNote>({ code: isText, atMs: isMs });

const isAddress = shaped<AddressRecord>({
  address: isText,
  successes: isCount,
  failures: isCount,
  failuresInRow: isCount,
  lastOkMs: optional(isMs),
  lastError: optional(isErrorNote),
});

const isCursor = shaped<Cursor>({ digest: isId, position: isCount });

const checks: { readonly [Kind in keyof RecordByKind]: Check } = {
  peer: shaped<PeerRecord>({
    key: isId,
    isRegistered: isFlag,
    name: isText,
    state: oneOf("active", "inactive", "blocked"),
    addresses: listOf(isAddress),
    firstSeenMs: isMs,
    lastSeenMs: optional(isMs),
    attempts: isCount,
    successes: isCount,
    bytesSent: isCount,
    bytesReceived: isCount,
    roundTripMs: optional(isMs),
    version: optional(isCount),
    lastError: optional(isErrorNote),
  }),
  relation: shaped<RelationRecord>({
    peer: isId,
    database: isId,
    state: oneOf("on", "off"),
    epoch: isText,
    heldThrough: isCount,
    cursor: optional(isCursor),
    attempts: isCount,
    successes: isCount,
    entriesSent: isCount,
    entriesReceived: isCount,
    bytesSent: isCount,
    bytesReceived: isCount,
    lastOkMs: optional(isMs),
    lastError: optional(isErrorNote),
  }),
  preferences: shaped<PreferencesRecord>({
    database: isId,
    user: isText,
    enabled: isFlag,
    onCommit: isFlag,
    intervalMs: isMs,
    properties: (value) => isObject(value) && !Array.isArray(value) && Object.values(value).every(isText),
  }),
  transport: shaped<TransportRecord>({
    name: isText,
    type: isText,
    config: isData,
    state: isData,
    isRunning: isFlag,
    accepts: isFlag,
  }),
  job: shaped<JobRecord>({
    id: isText,
    type: oneOf("bootstrap", "backfill"),
    database: isId,
    peer: isId,
    state: oneOf("waiting", "running", "paused", "done", "cancelled", "failed"),
    startedMs: isMs,
    endedMs: optional(isMs),
    receivedEntries: isCount,
    receivedBytes: isCount,
    totalEntries: isCount,
    totalBytes: isCount,
    batches: isCount,
    error: optional(isErrorNote),
  }),
  hook: shaped<HookRecord>({ name: isText, database: isId, position: isCount }),
  history: shaped<HistoryRecord>({
    id: isText,
    peer: isId,
    database: isId,
    startedMs: isMs,
    endedMs: isMs,
    entriesSent: isCount,
    entriesReceived: isCount,
    bytesSent: isCount,
    bytesReceived: isCount,
    error: optional(isText),
  }),
  request: shaped<RequestRecord>({
    database: isId,
    key: isId,
    name: isText,
    note: isText,
    power: isPower,
    sealKey: optional((value) => value instanceof Uint8Array),
    askedMs: isMs,
    held: isPower,
    state: oneOf("pending", "approved", "rejected"),
    decidedBy: optional(isId),
    decidedMs: optional(isMs),
    decidedWrite: optional(isText),
  }),
};

/** Whether this is a record of the kind, with everything that its type promises. */
export function isRecordOf<Kind extends keyof RecordByKind>(kind: Kind, value: unknown): value is RecordByKind[Kind] {
  return checks[kind](value);
}

export const recordKinds: readonly (keyof RecordByKind)[] = Object.keys(checks) as (keyof RecordByKind)[];
