/** What the engine tells about sync, in the form that apps see: databases and entries by their CIDs. */
import { ticksPerMs } from "../core/clock.ts";
import { type DatabaseId, formatCid, type PublicKey } from "../core/ids.ts";
import type { WriteEvent as EngineWriteEvent } from "../engine/hook-reader.ts";
import type { HistoryRecord } from "../engine/records.ts";
import type { DatabaseStatus as EngineDatabaseStatus } from "../engine/status.ts";
import type { JobInfo as EngineJobInfo, RelationInfo as EngineRelationInfo } from "../engine/sync-info.ts";

/** A database syncs with a peer: what is remembered of it. */
export interface RelationInfo extends Omit<EngineRelationInfo, "database"> {
  readonly database: string;
}

/** A job, with how fast it goes: over the last five seconds; 0 while it does not run. */
export interface JobInfo extends Omit<EngineJobInfo, "database"> {
  readonly database: string;
}

/** What is saved where, and what keeps the rest from getting there, as far as this device can know. */
export interface DatabaseStatus extends Omit<EngineDatabaseStatus, "jobs"> {
  /** Initial syncs and backfills that are not over. */
  readonly jobs: readonly JobInfo[];
}

/** One finished exchange with a peer about a database. */
export interface Exchange extends Omit<HistoryRecord, "database"> {
  readonly database: string;
}

export interface WrittenEntry {
  /** CID of the entry. */
  readonly id: string;
  readonly author: PublicKey;
  /** Position in its author's chain, from 0. */
  readonly seq: number;
  /** When it was written by its author's clock, in milliseconds since 1970. */
  readonly atMs: number;
  readonly stores: readonly { readonly name: string; readonly type: string }[];
}

/** Entries that became durable on this device, in the order of their acceptance. */
export interface WriteEvent {
  readonly database: string;
  /** local: written by this device. */
  readonly origin: "local" | "remote";
  readonly entries: readonly WrittenEntry[];
  /** For `after`: stands for everything up to and including these entries. Good on this device only. */
  readonly cursor: string;
}

/** With the database's CID in place of its id. */
export function withCid<T extends { readonly database: DatabaseId }>(
  told: T,
): Omit<T, "database"> & { readonly database: string } {
  return { ...told, database: formatCid(told.database) };
}

export function toStatus(status: EngineDatabaseStatus): DatabaseStatus {
  return { ...status, jobs: status.jobs.map(withCid) };
}

export function toWriteEvent({ database, origin, entries, cursor }: EngineWriteEvent): WriteEvent {
  return {
    database: formatCid(database),
    origin,
    cursor,
    entries: entries.map(({ id, author, seq, time, stores }) => {
      return { id: formatCid(id), author, seq, atMs: Math.floor(time / ticksPerMs), stores };
    }),
  };
}
