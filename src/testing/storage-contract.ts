/**
 * What every `Storage` does, as checks to run against an implementation: the rules STORAGE-1 to STORAGE-13, STORAGE-19, STORAGE-41, STORAGE-42 and STORAGE-49 of docs/spec.md.
 * Needs no test framework: a check that fails throws.
 */
import { claimChecks, writeRowChecks } from "./storage-claim-checks.ts";
import { commitChecks, readChecks } from "./storage-entry-checks.ts";
import { localChecks, replaceChecks } from "./storage-local-checks.ts";
import { databaseChecks, valueChecks } from "./storage-record-checks.ts";
import { snapshotChecks } from "./storage-snapshot-checks.ts";
import type { StorageCheck } from "./storage-subject.ts";

export type { StorageCheck, StorageDisk } from "./storage-subject.ts";

/** The checks, each for a disk of its own. */
export const storageContract: readonly StorageCheck[] = [
  ...databaseChecks,
  ...commitChecks,
  ...readChecks,
  ...replaceChecks,
  ...localChecks,
  ...valueChecks,
  ...claimChecks,
  ...writeRowChecks,
  ...snapshotChecks,
];
