/**
 * Files of databases, as the app writes and reads them: a stream of bytes either way.
 *
 * [EXPORT-10] A file is a stream that is read when it is asked for, and stops when it is cancelled or its signal is aborted; it is taken from a
 *             Blob or a stream piece by piece.
 */
import { TidemarkError } from "../core/errors.ts";
import { type DatabaseId, formatCid } from "../core/ids.ts";
import { exportChunkBytes } from "../core/limits.ts";
import { invalid } from "../core/store/values.ts";
import type { FileProgress, MissingEntries as LostEntries } from "../engine/exporting.ts";
import type { ImportReport as ImportedAll, ImportedDatabase as ImportedHere } from "../engine/importing.ts";
import type { ExportOptions as StreamOptions, WorkerApi } from "../worker/api.ts";
import { assertBoolean, assertFunction, assertText, given } from "./input.ts";
import { type Restored, toRestored } from "./keys.ts";
import type { Line } from "./line.ts";
import { callSafely } from "./listeners.ts";

export interface ExportOptions {
  /** Seals the file: whoever lacks it reads nothing. At least 8 characters. Default: anybody who has the file can read it. */
  readonly passphrase?: string;
  /** Ends it: the stream fails with ABORTED. */
  readonly signal?: AbortSignal;
  /** With every piece of up to about 256 KiB. */
  readonly onProgress?: (progress: FileProgress) => void;
  /** With every piece of which something is missing in the file, because the disk has lost it and no peer has sent it again yet. */
  readonly onMissing?: (missing: MissingEntries) => void;
}

/** Entries that a file lacks. Whoever imports it is told as well. */
export interface MissingEntries {
  readonly database: string;
  /** Their ids, at most 1,000. */
  readonly entries: readonly string[];
}

export interface ExportAllOptions extends ExportOptions {
  /**
   * Whether a recovery key is made for the file, as `keys.backup` makes one: by it another device gets back into every database that this one administers, and
   * reads encrypted ones. Only with a passphrase, and then the default.
   */
  readonly recovery?: boolean;
}

export interface ImportOptions {
  /** The one with which the file was sealed. */
  readonly passphrase?: string;
  /** Ends it: rejects with ABORTED at once. What was taken stays. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: FileProgress) => void;
}

/** What became of one database of a file: see `ImportReport`. */
export interface ImportedDatabase extends Omit<ImportedHere, "database"> {
  readonly id: string;
}

export interface ImportReport {
  /** When the file was made, by the clock of whoever made it, in milliseconds since 1970. */
  readonly createdAtMs: number;
  /** In the order in which they are in the file. */
  readonly databases: readonly ImportedDatabase[];
  /** The recovery key of the file, and what it leads back to; undefined: there is none in it. */
  readonly recovery: Restored | undefined;
}

type FileLine = Pick<Line, "call" | "send">;

/** Never again on any line: the leader may be another one at every call. */
const once = { kind: "once" } as const;

/** `database`: default all. Throws INPUT_INVALID. */
export function exportStream(
  line: FileLine,
  database: DatabaseId | undefined,
  options: ExportAllOptions,
): ReadableStream<Uint8Array> {
  checkOptions(options, "export");
  const { signal, onProgress, onMissing } = options;
  if (onMissing !== undefined) assertFunction(onMissing, "onMissing");
  const asked = { ...toStreamOptions(options), ...given({ database }) };
  const stream = streamNumber();
  let opening: Promise<void> | undefined;
  let stop = (): void => {};
  const close = (): void => {
    stop();
    if (opening !== undefined) line.send((api) => api.exportClose(stream));
  };
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        stop = whenAborted(signal, () => {
          close();
          controller.error(new TidemarkError("ABORTED", { call: "export" }));
        });
      },
      async pull(controller) {
        opening ??= line.call("export", (api) => api.exportOpen(stream, asked), { ...once, signal });
        try {
          await opening;
          const piece = await line.call("export", (api) => api.exportNext(stream), { ...once, signal });
          if (piece === undefined) {
            stop();
            return controller.close();
          }
          controller.enqueue(piece.bytes);
          if (onProgress !== undefined) callSafely(onProgress, piece.progress);
          if (onMissing !== undefined && piece.missing !== undefined) callSafely(onMissing, toMissing(piece.missing));
        } catch (error) {
          close();
          throw error;
        }
      },
      cancel: close,
    },
    // Nothing is read before it is asked for.
    { highWaterMark: 0 },
  );
}

/** Rejects with INPUT_INVALID, ABORTED, CALL_INTERRUPTED, and as `Importing` does. */
export async function importFrom(
  line: FileLine,
  source: Blob | ReadableStream<Uint8Array>,
  options: ImportOptions,
): Promise<ImportReport> {
  checkOptions(options, "import");
  const { passphrase, signal } = options;
  const reader = toStream(source).getReader();
  const stream = streamNumber();
  const call = <T>(run: (api: WorkerApi) => Promise<T>): Promise<T> => line.call("import", run, { ...once, signal });
  try {
    await call((api) => api.importOpen(stream, passphrase));
    for await (const piece of piecesOf(reader, signal)) {
      const progress = await call((api) => api.importPush(stream, piece));
      if (options.onProgress !== undefined) callSafely(options.onProgress, progress);
    }
    return toReport(await call((api) => api.importEnd(stream)));
  } catch (error) {
    line.send((api) => api.importClose(stream));
    reader.cancel(error).catch(() => {}); // Whoever made it is told by its own errors.
    throw error;
  }
}

/** A stream hands out what it likes; what goes to the leader at once is about a chunk. */
async function* piecesOf(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void> {
  for (;;) {
    const { done, value } = await orAborted(reader.read(), signal);
    if (done) return;
    if (!(value instanceof Uint8Array)) throw invalid("piece of the file", value, "a Uint8Array");
    // Copies: a clone of a view takes the whole buffer along.
    for (let at = 0; at < value.length; at += exportChunkBytes) yield value.slice(at, at + exportChunkBytes);
  }
}

async function orAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  let stop = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = whenAborted(signal, () => reject(new TidemarkError("ABORTED", { call: "import" })));
  });
  return Promise.race([promise, aborted]).finally(() => stop());
}

function toStream(source: Blob | ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  if (source instanceof Blob) return source.stream();
  // One of another frame is no instance of ours.
  if (typeof source?.getReader === "function" && !source.locked) return source;
  throw invalid("file", source, "a Blob, or a ReadableStream that nobody reads yet");
}

function checkOptions({ passphrase, signal, onProgress }: ImportOptions, call: string): void {
  if (passphrase !== undefined) assertText(passphrase, "passphrase", "a text of at least 8 characters");
  if (signal !== undefined && !(signal instanceof AbortSignal))
    throw invalid(`signal of ${call}`, signal, "an AbortSignal");
  if (onProgress !== undefined) assertFunction(onProgress, "onProgress");
}

function toStreamOptions({ passphrase, recovery }: ExportAllOptions): StreamOptions {
  if (recovery !== undefined) assertBoolean(recovery, "recovery");
  if (recovery === true && passphrase === undefined)
    throw invalid("recovery", "no passphrase", "a passphrase: whoever read the file would have the key");
  return given({ passphrase, recovery });
}

function toMissing({ database, ids }: LostEntries): MissingEntries {
  return { database: formatCid(database), entries: ids.map(formatCid) };
}

function toReport({ createdMs, databases, recovery }: ImportedAll): ImportReport {
  return {
    createdAtMs: createdMs,
    databases: databases.map(({ database, ...rest }) => ({ id: formatCid(database), ...rest })),
    recovery: recovery && toRestored(recovery),
  };
}

/** Calls `abort` once, perhaps at once. The function that is returned stops it. */
function whenAborted(signal: AbortSignal | undefined, abort: () => void): () => void {
  if (signal?.aborted) abort();
  signal?.addEventListener("abort", abort, { once: true });
  return () => signal?.removeEventListener("abort", abort);
}

/** Two streams of one page never have the same; who serves the page tells them apart by it. */
function streamNumber(): number {
  const [high = 0, low = 0] = crypto.getRandomValues(new Uint32Array(2));
  return (high & 0x1fffff) * 2 ** 32 + low;
}
