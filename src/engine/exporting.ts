/**
 * Writing databases into a file, a chunk at a time. The form of the file is in core/export.
 *
 * [EXPORT-8] A file holds what was durable when it was begun: of each database every entry, void ones too, in the order in which they were
 *            accepted. A database whose root has not come is left out.
 * [EXPORT-11] What the disk has lost of a database does not end the file: it stands in it as missing, and whoever asked for the file is told.
 *
 * At most one chunk is in memory, and what comes next is read when it is asked for.
 */
import { TidemarkError } from "../core/errors.ts";
import { formatExportChunk, formatExportHeader } from "../core/export/framing.ts";
import { type ExportRecord, encodeExportRecord } from "../core/export/records.ts";
import { RunningCheck } from "../core/export/running-check.ts";
import type { Node } from "../core/graph.ts";
import type { DatabaseId, EntryId } from "../core/ids.ts";
import { exportChunkBytes, exportDatabasesMax, exportEntriesMax } from "../core/limits.ts";
import type { SealedFile } from "../ports/chunk-cipher.ts";
import type { OpenDatabase } from "./database.ts";
import type { Instance } from "./instance.ts";
import type { EnginePorts } from "./ports.ts";
import { placeOf } from "./recovery.ts";
import { readSound } from "./sound-reading.ts";

/** What is told while a file is written or read. */
export interface FileProgress {
  /** Entries that were written to the file, or read from it and are durable; and those that are missing in it. */
  readonly entries: number;
  /** Entries of the whole file; 0 while that is not known. */
  readonly total: number;
  /** Bytes of the file so far. */
  readonly bytes: number;
}

/** The next bytes of a file, and how far it is with them. */
export interface ExportPiece {
  readonly bytes: Uint8Array;
  readonly progress: FileProgress;
  /** What belongs here and cannot be read. */
  readonly missing?: MissingEntries;
}

export interface MissingEntries {
  readonly database: DatabaseId;
  /** In the order in which they were accepted; at most `exportEntriesMax`. */
  readonly ids: readonly EntryId[];
}

export interface ExportFileOptions {
  readonly instance: Instance;
  readonly ports: Pick<EnginePorts, "sha256" | "clock" | "relays">;
  /** Default: all that have arrived. */
  readonly database?: DatabaseId;
  readonly sealed?: SealedFile;
  /** Makes a recovery key, as a text. It is made first, so that the entries that let it in are in the file. */
  readonly recovery?: () => Promise<string>;
}

/** A database, and how many of its entries go into the file. */
interface Source {
  readonly id: DatabaseId;
  readonly entries: number;
}

type Seal = (chunk: Uint8Array, isLast: boolean) => Promise<Uint8Array> | Uint8Array;

/**
 * Rejects with DATABASE_UNKNOWN, also for one that is forgotten meanwhile; with DATABASE_NOT_READY for one that has not arrived; with a STORAGE_ code
 * for what cannot be read.
 */
export async function* exportFile(options: ExportFileOptions): AsyncGenerator<ExportPiece, void> {
  const { instance, ports, database, sealed } = options;
  const recovery = await options.recovery?.();
  const sources = sourcesOf(instance, database);
  const total = sources.reduce((sum, { entries }) => sum + entries, 0);
  const header = formatExportHeader(sealed?.figures, ports.sha256);
  let [entries, bytes] = [0, 0];
  const piece = (part: Uint8Array, missing?: MissingEntries): ExportPiece => {
    bytes += part.length;
    return { bytes: part, progress: { entries, total, bytes }, ...(missing && { missing }) };
  };
  yield piece(header.bytes);
  const seal = sealWith(sealed, header.check, ports);
  const chunk = async (record: ExportRecord): Promise<Uint8Array> => {
    const isLast = record.type === "end";
    return formatExportChunk(await seal(encodeExportRecord(record), isLast), isLast);
  };
  yield piece(await chunk({ type: "head", createdMs: ports.clock.now(), databases: sources.length, entries: total }));
  for (const source of sources) {
    yield piece(await chunk(describe(instance.database(source.id), source, ports)));
    for (let from = 0; from < source.entries; ) {
      const nodes = nextNodes(instance.database(source.id), from, source.entries);
      const { read, ids } = await readSound(instance.database(source.id), nodes);
      from += nodes.length;
      entries += ids.length;
      if (ids.length > 0) yield piece(await chunk({ type: "missing", ids }), { database: source.id, ids });
      entries += read.length;
      if (read.length > 0) yield piece(await chunk({ type: "entries", entries: read.map((entry) => entry.bytes) }));
    }
  }
  if (recovery !== undefined) yield piece(await chunk({ type: "recovery", text: recovery }));
  yield piece(await chunk({ type: "end" }));
}

function sealWith(sealed: SealedFile | undefined, check: Uint8Array, { sha256 }: Pick<EnginePorts, "sha256">): Seal {
  if (sealed !== undefined) return (chunk, isLast) => sealed.cipher.seal(chunk, isLast, check);
  const running = new RunningCheck(sha256, check);
  return (chunk, isLast) => running.seal(chunk, isLast);
}

function sourcesOf(instance: Instance, only: DatabaseId | undefined): readonly Source[] {
  if (only !== undefined) {
    const source = sourceOf(instance.database(only));
    if (source === undefined) throw new TidemarkError("DATABASE_NOT_READY", { database: only });
    return [source];
  }
  const sources = instance.records().flatMap(({ id }) => sourceOf(instance.database(id)) ?? []);
  if (sources.length <= exportDatabasesMax) return sources;
  const expected = `at most ${exportDatabasesMax} in one file`;
  throw new TidemarkError("INPUT_INVALID", { field: "databases", got: String(sources.length), expected });
}

function sourceOf({ id, replica }: OpenDatabase): Source | undefined {
  return replica.stored === 0 ? undefined : { id, entries: replica.stored };
}

function describe(
  { record, identity }: OpenDatabase,
  { entries }: Source,
  ports: Pick<EnginePorts, "relays">,
): ExportRecord {
  return { type: "database", ...placeOf(record, ports.relays), key: identity.publicKey, entries };
}

/** As many as fit into a chunk, at least one. */
function nextNodes({ replica: { graph } }: OpenDatabase, from: number, to: number): readonly Node[] {
  const nodes: Node[] = [];
  for (let size = 0; from + nodes.length < to && nodes.length < exportEntriesMax; ) {
    const node = graph.at(from + nodes.length);
    size += node.size;
    if (nodes.length > 0 && size > exportChunkBytes) break;
    nodes.push(node);
  }
  return nodes;
}
