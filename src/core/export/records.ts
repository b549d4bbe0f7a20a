/**
 * What the chunks of an export file say, one record each:
 *
 *   [0, created, databases, entries]                          first: when, in milliseconds since 1970, and how many of what follow
 *   [1, database, name, [relay, …], key, entries]             a database, the key that was used in it, and how many of its entries follow
 *   [2, [entry, …]]                                           the next ones of that database, in the order in which they were accepted
 *   [3, text]                                                 a recovery key, as `keys.backup` gives it
 *   [4]                                                       last: that was all
 *   [5, [id, …]]                                              entries of that database that the file lacks: whoever wrote it had lost them
 *
 * [EXPORT-4] Encoding and decoding are inverses; any other bytes are refused with EXPORT_MALFORMED.
 * [EXPORT-5] Records come in that order, databases one after the other and each once, with as many entries as were announced, there or missing; the
 *            recovery key after all of them, and only in a sealed file.
 *
 * What makes others let somebody in is not among them: neither tickets nor the secrets of invites.
 */
import { CborReader } from "../cbor-reader.ts";
import { CborWriter } from "../cbor-writer.ts";
import { unreachable } from "../errors.ts";
import type { DatabaseId, EntryId, PublicKey } from "../ids.ts";
import {
  addressBytesMax,
  backupRelaysMax,
  backupTextLengthMax,
  entryBytesMax,
  exportChunkBytesMax,
  exportDatabasesMax,
  exportEntriesMax,
  labelBytesMax,
} from "../limits.ts";
import { relaysForTicket } from "../ticket.ts";
import { malformed, orMalformed } from "./framing.ts";

export type ExportRecord =
  | { readonly type: "head"; readonly createdMs: number; readonly databases: number; readonly entries: number }
  | ExportedDatabase
  | { readonly type: "entries"; readonly entries: readonly Uint8Array[] }
  | { readonly type: "recovery"; readonly text: string }
  | { readonly type: "end" }
  | { readonly type: "missing"; readonly ids: readonly EntryId[] };

export interface ExportedDatabase {
  readonly type: "database";
  readonly id: DatabaseId;
  readonly name: string;
  /** All of them fit into a ticket: `relaysForTicket`. */
  readonly relays: readonly string[];
  /** The key that was used in it. */
  readonly key: PublicKey;
  /** How many follow, those that are missing included. */
  readonly entries: number;
}

const types: readonly ExportRecord["type"][] = ["head", "database", "entries", "recovery", "end", "missing"];

export function encodeExportRecord(record: ExportRecord): Uint8Array {
  const writer = new CborWriter(record.type === "entries" ? chunkBytesOf(record.entries) : 256, exportChunkBytesMax);
  switch (record.type) {
    case "head":
      writeType(writer, record, 4);
      writer.uint(record.createdMs);
      writer.uint(record.databases);
      writer.uint(record.entries);
      break;
    case "database":
      writeDatabase(writer, record);
      break;
    case "entries":
      writeType(writer, record, 2);
      writer.array(record.entries.length);
      for (const entry of record.entries) writer.bytes(entry);
      break;
    case "recovery":
      writeType(writer, record, 2);
      writer.text(record.text);
      break;
    case "end":
      writeType(writer, record, 1);
      break;
    case "missing":
      writeType(writer, record, 2);
      writer.array(record.ids.length);
      for (const id of record.ids) writer.link(id);
      break;
    default:
      unreachable(record);
  }
  return writer.finish();
}

/** Room for them from the start: else most of the work is growing. */
function chunkBytesOf(entries: readonly Uint8Array[]): number {
  return entries.reduce((sum, { length }) => sum + length + 5, 8);
}

function writeType(writer: CborWriter, { type }: Pick<ExportRecord, "type">, fields: number): void {
  writer.array(fields);
  writer.uint(types.indexOf(type));
}

function writeDatabase(writer: CborWriter, record: ExportedDatabase): void {
  writeType(writer, record, 6);
  writer.link(record.id);
  writer.text(record.name);
  writer.array(record.relays.length);
  for (const relay of record.relays) writer.text(relay);
  writer.publicKey(record.key);
  writer.uint(record.entries);
}

/** Throws EXPORT_MALFORMED. The bytes of entries are views into the input. */
export function decodeExportRecord(bytes: Uint8Array): ExportRecord {
  return orMalformed("a record", () => {
    const reader = new CborReader(bytes);
    const record = readRecord(reader);
    reader.end();
    return record;
  });
}

function readRecord(reader: CborReader): ExportRecord {
  const fields = reader.array();
  const type = types[reader.uint()];
  switch (`${type} ${fields}`) {
    case "head 4":
      return {
        type: "head",
        createdMs: reader.uint(),
        databases: reader.uint(exportDatabasesMax),
        entries: reader.uint(),
      };
    case "database 6":
      return readDatabase(reader);
    case "entries 2":
      return { type: "entries", entries: readSome(reader, () => reader.bytes(entryBytesMax)) };
    case "recovery 2":
      return { type: "recovery", text: reader.text(backupTextLengthMax) };
    case "end 1":
      return { type: "end" };
    case "missing 2":
      return { type: "missing", ids: readSome(reader, () => reader.link()) };
    default:
      throw malformed(`a record of ${fields} fields`, "a record of this version");
  }
}

function readDatabase(reader: CborReader): ExportedDatabase {
  const id = reader.link();
  const name = reader.text(labelBytesMax);
  const relays: string[] = [];
  for (let left = reader.array(backupRelaysMax); left > 0; left--) relays.push(reader.text(addressBytesMax));
  // They come to stand in every ticket that is made here, which would fail by them.
  if (relaysForTicket(relays).length < relays.length)
    throw malformed("relays that no ticket can name", "WebSocket URLs that fit into half a ticket");
  return { type: "database", id, name, relays, key: reader.publicKey(), entries: reader.uint() };
}

function readSome<T>(reader: CborReader, read: () => T): readonly T[] {
  const all: T[] = [];
  for (let left = reader.array(exportEntriesMax); left > 0; left--) all.push(read());
  if (all.length === 0) throw malformed("no entries", "at least one");
  return all;
}
