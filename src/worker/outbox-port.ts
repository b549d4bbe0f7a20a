/** What pages have left behind, for whoever leads. */
import { clearOutbox, type OutboxWrite, readOutbox } from "../storage/outbox.ts";
import { isRefusal, toStorageError } from "../storage/storage-error.ts";
import type { OutboxPort } from "./ended-tabs.ts";

/** Where IndexedDB is forbidden to this origin, nothing was left. */
export function openOutbox(instance: string): OutboxPort {
  return {
    read: () => readOutbox(instance).catch((error: unknown): readonly OutboxWrite[] => orNothing(error, [])),
    clear: (tab, through) => clearOutbox(instance, tab, through).catch((error: unknown) => orNothing(error, undefined)),
  };
}

function orNothing<T>(error: unknown, nothing: T): T {
  const known = toStorageError(error);
  if (isRefusal(known)) return nothing;
  throw known;
}
