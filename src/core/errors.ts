/**
 * The one error class of Tidemark, its stable codes, and failures as values.
 *
 * Inside the core an expected failure is a `Failure` value; at the edge it becomes a `TidemarkError`.
 * `assert` is for bugs of our own: no byte from outside may ever reach one.
 */

/** Every code with the type of its details. Codes are public API: `docs/errors.md` lists them. */
export interface ErrorDetails {
  // Bytes
  CBOR_TRUNCATED: { readonly at: number };
  CBOR_TRAILING: { readonly at: number };
  CBOR_NONCANONICAL: { readonly at: number; readonly what: string };
  CBOR_UNSUPPORTED: { readonly at: number; readonly what: string };
  CBOR_TOO_DEEP: { readonly at: number; readonly max: number };
  CBOR_TOO_LARGE: { readonly got: number; readonly max: number };
  CBOR_UNEXPECTED: { readonly at: number; readonly got: string; readonly expected: string };
  // Entries
  ENTRY_TOO_LARGE: { readonly got: number; readonly max: number };
  ENTRY_MALFORMED: { readonly field: string; readonly got: string; readonly expected: string };
  ENTRY_VERSION: { readonly got: number; readonly expected: number };
  ENTRY_DATABASE: { readonly got: string; readonly expected: string };
  ENTRY_CHAIN: { readonly got: string; readonly expected: string };
  ENTRY_FORKS: { readonly author: string; readonly max: number };
  ENTRY_HEIGHT: { readonly got: number; readonly expected: number };
  ENTRY_TIME: { readonly got: number; readonly expected: string };
  ENTRY_TIME_AHEAD: { readonly aheadMs: number; readonly maxMs: number };
  ENTRY_SIGNATURE: { readonly author: string };
  ENTRY_PERMISSION: { readonly author: string; readonly need: string; readonly by?: string };
  ENTRY_PAYLOAD: { readonly store: string; readonly got: string; readonly expected: string };
  ENTRY_STANDS_ON_VOID: { readonly author: string; readonly follows: string; readonly by?: string };
  ENTRY_INVITE: { readonly author: string; readonly reason: string; readonly by?: string };
  ENTRY_PENDING_FULL: { readonly max: number };
  ENTRY_VOID_FULL: { readonly max: number };
  ENTRY_INVITE_PROOF: { readonly author: string; readonly invite: string };
  ENTRY_CLEAR: { readonly store: string };
  ENTRY_SEAL_BROKEN: { readonly author: string; readonly reason: string };
  DOC_FAULTY: {
    readonly database: string;
    readonly store: string;
    readonly entry: string;
    readonly author: string;
    readonly reason: string;
  };
  // Conversation with a peer
  FRAME_MALFORMED: { readonly got: string; readonly expected: string };
  MESSAGE_TOO_LARGE: { readonly got: number; readonly max: number };
  MESSAGE_MALFORMED: { readonly field: string; readonly got: string; readonly expected: string };
  MESSAGE_QUEUE_FULL: { readonly peer: string; readonly max: number };
  MESSAGE_UNEXPECTED: { readonly got: string; readonly expected: string };
  HANDSHAKE_VERSION: { readonly got: string; readonly expected: string };
  HANDSHAKE_SIGNATURE: { readonly peer: string };
  HANDSHAKE_PEER: { readonly got: string; readonly expected: string };
  HANDSHAKE_SELF: { readonly peer: string };
  HANDSHAKE_TIMEOUT: { readonly afterMs: number };
  CHANNEL_CLOSED: { readonly reason: string };
  // Peers, transports and what they carry
  PEER_UNKNOWN: { readonly peer: string };
  PEER_INACTIVE: { readonly peer: string };
  PEER_BLOCKED: { readonly peer: string };
  PEER_GIVEN_UP: { readonly peer: string; readonly attempts: number };
  PEER_LOST_DATA: { readonly peer: string; readonly database: string };
  PEER_SILENT: { readonly peer: string; readonly afterMs: number };
  PEER_AWAY: { readonly peer: string; readonly channel: string };
  PUSH_GIVEN_UP: { readonly peer: string; readonly database: string; readonly entries: number };
  EXCHANGE_STALLED: { readonly peer: string; readonly afterMs: number };
  ADDRESS_INVALID: { readonly address: string; readonly expected: string };
  CONNECT_FAILED: { readonly address: string; readonly reason: string };
  CONNECT_REFUSED: { readonly address: string };
  TRANSPORT_UNKNOWN: { readonly name: string };
  TRANSPORT_EXISTS: { readonly name: string };
  TRANSPORT_TYPE: { readonly name: string; readonly got: string; readonly expected: string };
  TRANSPORT_CONFIG: { readonly name: string; readonly field: string; readonly got: string; readonly expected: string };
  TRANSPORT_STARTED: { readonly name: string };
  TRANSPORT_STOPPED: { readonly name: string };
  // Jobs and hooks
  JOB_UNKNOWN: { readonly job: string };
  JOB_STATE: { readonly job: string; readonly got: string; readonly expected: string };
  HOOK_FAILED: { readonly hook: string; readonly reason: string };
  CURSOR_INVALID: { readonly got: string };
  // Earlier states
  ENTRY_UNKNOWN: { readonly entry: string };
  VIEW_LIMIT: { readonly max: number };
  VIEW_CLOSED: { readonly call: string };
  // What the app asked for
  INPUT_INVALID: { readonly field: string; readonly got: string; readonly expected: string };
  ROW_MISSING: { readonly store: string; readonly row: string };
  STORE_TYPE: { readonly store: string; readonly got: string; readonly expected: string };
  DATABASE_UNKNOWN: { readonly database: string };
  DATABASE_NOT_READY: { readonly database: string };
  EPOCH_KEY_MISSING: { readonly database: string };
  PERMISSION_DENIED: { readonly need: string; readonly got: string };
  TICKET_MALFORMED: { readonly field: string; readonly got: string; readonly expected: string };
  JOIN_REFUSED: { readonly database: string; readonly reason: string };
  INVITE_UNKNOWN: { readonly invite: string };
  REQUEST_UNKNOWN: { readonly key: string };
  REQUEST_DECIDED: { readonly key: string; readonly got: string };
  KEY_UNKNOWN: { readonly name: string };
  KEY_EXISTS: { readonly name: string };
  KEY_IN_USE: { readonly name: string };
  KEY_LIMIT: { readonly max: number };
  KEY_MALFORMED: { readonly got: string; readonly expected: string };
  BACKUP_MALFORMED: { readonly got: string; readonly expected: string };
  BACKUP_VERSION: { readonly got: number; readonly expected: number };
  BACKUP_PASSPHRASE: { readonly expected: string };
  BACKUP_LIMIT: { readonly max: number };
  EXPORT_MALFORMED: { readonly got: string; readonly expected: string };
  DOC_CHANGE: { readonly got: string; readonly expected: string };
  DOC_NOT_EMPTY: { readonly store: string };
  DOC_OUTDATED: { readonly store: string; readonly reason: string };
  DOC_UNAVAILABLE: { readonly reason: string };
  DOC_CLOSED: { readonly store: string };
  DOC_LARGE: { readonly store: string; readonly ops: number; readonly bytes: number };
  DATABASE_REMOVED: { readonly database: string };
  ABORTED: { readonly call: string };
  CALL_INTERRUPTED: { readonly call: string };
  TIMEOUT: { readonly call: string; readonly afterMs: number };
  // Where it runs
  INSTANCE_IN_USE: { readonly name: string };
  INSTANCE_CLOSED: { readonly name: string };
  INSTANCE_WIPED: { readonly name: string };
  ENVIRONMENT_UNSUPPORTED: { readonly missing: string };
  STORAGE_UNAVAILABLE: { readonly reason: string };
  STORAGE_QUOTA: { readonly reason: string };
  STORAGE_CORRUPT: { readonly where: string };
  STORAGE_CLOSED: { readonly reason: string };
  STORAGE_CONFLICT: { readonly database: string; readonly got: number; readonly expected: number };
  STORAGE_FENCED: { readonly got: number; readonly expected: number };
  STORAGE_NEWER: { readonly got: number; readonly expected: number };
  MEMORY_LOST: { readonly name: string };
  BUILD_OUTDATED: { readonly got: string; readonly expected: string };
  EDIT_LOST: { readonly database: string; readonly code: string };
  WORKER_BOOT: { readonly reason: string; readonly afterMs: number };
  WORKER_DEAD: { readonly reason: string };
  RELAY_LISTEN: { readonly host: string; readonly port: number; readonly reason: string };
  RELAY_MESSAGE: { readonly got: string; readonly expected: string };
  INTERNAL: { readonly reason: string };
}

export type ErrorCode = keyof ErrorDetails;

/** An expected failure as a value: what the core returns instead of throwing. */
export interface Failure<C extends ErrorCode = ErrorCode> {
  readonly code: C;
  readonly details: ErrorDetails[C];
}

export type Result<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly failure: Failure };

export function success<T>(value: T): Result<T> {
  return { ok: true, value };
}

export function failure<C extends ErrorCode>(code: C, details: ErrorDetails[C]): Result<never> {
  return { ok: false, failure: { code, details } };
}

/** What to do about it, in a sentence, where there is something to do. */
const hints: Partial<Record<ErrorCode, string>> = {
  ENTRY_TIME_AHEAD: "The clock of the device that wrote this is ahead; the entry is held back until its time has come.",
  ENTRY_TOO_LARGE: "Split the transaction into smaller ones.",
  INSTANCE_IN_USE: "Another tab has this instance open. Close that tab, or open with another name.",
  INSTANCE_CLOSED: "Call open() again.",
  INSTANCE_WIPED: "Nothing of it is here any more. Call open() again for a new one.",
  EXPORT_MALFORMED: "Check that the file is whole, and an export. What was taken from it so far is kept.",
  DOC_NOT_EMPTY: "Import it under another name.",
  DOC_OUTDATED: "Open the document anew, and write the change again.",
  DOC_UNAVAILABLE:
    "Install @automerge/automerge beside tidemark, and serve its WebAssembly: see `automerge` of open().",
  DATABASE_REMOVED: "Its owner removed it. It can be read; forget() takes it from this device.",
  PEER_INACTIVE: "Set the peer to active to sync with it.",
  PEER_BLOCKED: "Set the peer to active to sync with it.",
  PEER_GIVEN_UP: "It is tried again when the network comes back, when it appears by itself, or on sync.connect().",
  PEER_LOST_DATA: "Its storage is a new one: what it had confirmed before is sent to it again.",
  PEER_AWAY: "Wait until the peer is up: it has to be connected, and to have the channel open.",
  MESSAGE_QUEUE_FULL: "Wait for one message to be sent before the next.",
  PUSH_GIVEN_UP: "Nothing is lost: the next comparison with the peer finds these entries.",
  ADDRESS_INVALID: "Check the address, and that a transport of its type is registered.",
  TRANSPORT_EXISTS: "Choose another name, or remove the transport of this name first.",
  TRANSPORT_TYPE:
    "What is stored under this name belongs to another type of transport: choose another name, or remove it.",
  TRANSPORT_STARTED: "Stop it first, or use it as it is.",
  TRANSPORT_STOPPED: "Start it first.",
  CURSOR_INVALID: "It belongs to another database or to storage that is gone: begin without a cursor.",
  VIEW_LIMIT: "Close a view of an earlier state that is not needed any more.",
  ROW_MISSING: "Use put() to create a row; update() changes an existing one.",
  DATABASE_NOT_READY: "Await ready() before writing: the database has not arrived from a peer yet.",
  EPOCH_KEY_MISSING: "Writing is possible as soon as a device of an admin has been online: it gives this one the key.",
  JOIN_REFUSED: "Ask whoever sent the ticket for a new one.",
  TICKET_MALFORMED: "Check that the whole link was copied.",
  KEY_UNKNOWN: "Restore the key from its backup under this name; what is here can be read meanwhile.",
  KEY_EXISTS: "Choose another name, or use the key that has this one.",
  KEY_MALFORMED: "Check that the whole key was copied: ed25519: and 48 characters.",
  BACKUP_MALFORMED: "Check that the whole text was copied, from its first line to its last.",
  BACKUP_VERSION: "A later version of the app made this backup: update the app.",
  BACKUP_PASSPHRASE: "Check the passphrase: capitals, spaces and all.",
  STORAGE_QUOTA: "Free some space on this device, or ask for persistent storage.",
  STORAGE_CONFLICT: "Nothing of it was written. Load the database again, and repeat the change.",
  STORAGE_FENCED: "Another tab leads now, and has what was stored. Nothing of it was written.",
  STORAGE_NEWER: "Another tab has stored data with a later version of the app: reload this page to get that version.",
  STORAGE_UNAVAILABLE: "IndexedDB is blocked here; private windows and site settings can do that.",
  CALL_INTERRUPTED: "It may have happened or not: look, then call again.",
  MEMORY_LOST: "Nothing could be saved on this device, and the tab that had it is gone: reload the page.",
  BUILD_OUTDATED: "A newer version of the app is open in another tab: reload this page to get it.",
  WORKER_BOOT: "The worker script did not start. If your bundler does not emit it, pass workerUrl or worker to open().",
  WORKER_DEAD: "The background worker ended; call open() again.",
  RELAY_LISTEN: "Choose another port or host, or stop the program that uses this one.",
};

/**
 * The only error class that leaves Tidemark. `code` is stable and listed in `docs/errors.md`, `details` is typed by the
 * code, `hint` says what to do. It crosses the worker boundary intact.
 */
export class TidemarkError<C extends ErrorCode = ErrorCode> extends Error {
  readonly code: C;
  readonly details: ErrorDetails[C];
  readonly hint: string | undefined;

  constructor(code: C, details: ErrorDetails[C], options?: { readonly cause?: unknown }) {
    super(describe(code, details), options);
    this.name = "TidemarkError";
    this.code = code;
    this.details = details;
    this.hint = hints[code];
  }
}

function describe(code: ErrorCode, details: object): string {
  const words = Object.entries(details).map(([name, value]) => `${name} ${String(value)}`);
  return words.length === 0 ? code : `${code}: ${words.join(", ")}`;
}

export function toError(failure: Failure): TidemarkError {
  return new TidemarkError(failure.code, failure.details);
}

/** Whatever was thrown: itself when it has a code, INTERNAL when it is a bug. */
export function asTidemarkError(thrown: unknown): TidemarkError {
  if (thrown instanceof TidemarkError) return thrown;
  return new TidemarkError("INTERNAL", { reason: String(thrown) }, { cause: thrown });
}

/** The value of a result, or its failure thrown. For edges, where an exception is the right form. */
export function unwrap<T>(result: Result<T>): T {
  if (result.ok) return result.value;
  throw toError(result.failure);
}

/** Runs a decoder that throws `TidemarkError`s and turns them into a value. Other exceptions are bugs and pass through. */
export function attempt<T>(decode: () => T): Result<T> {
  try {
    return success(decode());
  } catch (error) {
    if (error instanceof TidemarkError) return { ok: false, failure: { code: error.code, details: error.details } };
    throw error;
  }
}

/** Throws for a bug of our own. */
export function assert(condition: unknown, what: string): asserts condition {
  if (!condition) throw new Error(`Tidemark bug: ${what}`);
}

/** Closes a switch over a union. */
export function unreachable(value: never): never {
  throw new Error(`Tidemark bug: unreachable ${JSON.stringify(value)}`);
}

/** A value from outside in a few characters, for error messages. */
export function show(value: unknown): string {
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (Array.isArray(value)) return `array of ${value.length}`;
  if (typeof value === "string") return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
  if (typeof value === "object" && value !== null) return "object";
  return String(value);
}
