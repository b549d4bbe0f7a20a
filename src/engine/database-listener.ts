/** What an open database tells whoever opened it, and asks of it. */
import type { TidemarkError } from "../core/errors.ts";
import type { Node } from "../core/graph.ts";
import type { EntryId } from "../core/ids.ts";
import type { Refusal, ReplicaEffect } from "../core/replica.ts";
import type { StoreChange } from "../core/store/state.ts";
import type { HealingEvent } from "./healing.ts";

export interface DatabaseListener {
  /** Visible to the app now, perhaps not durable yet. */
  changed(changes: readonly StoreChange[]): void;
  /** Durable now: to be pushed. */
  announced(nodes: readonly Node[], permissionsChanged: boolean): void;
  refused(refusals: readonly Refusal[]): void;
  /** Still missing: to be asked for from every peer. */
  missed(ids: readonly EntryId[]): void;
  /**
   * Some that counted are void now, or count again: at once, before what caused it is durable. What is answered is made durable before that, so
   * that no crash leaves one without the other.
   */
  recounted(recount: Recount): Promise<void> | undefined;
  /** The state was made anew from so many entries, beside what checkpoints held: all that was read may differ. */
  refolded(entries: number): void;
  /** What became of entries that could not be read from storage. */
  healing(event: HealingEvent): void;
  /** Keys of an encrypted database could not be given, or what they open could not be read: it is tried again at the next occasion. */
  notTended(error: unknown): void;
  /** Why nothing of peers may be taken at present: storage could not keep it. */
  readonly storageError: TidemarkError | undefined;
  /** Resolves when storage takes so many bytes; rejects with why not. Asked while there is a `storageError`. */
  admit(bytes: number): Promise<void>;
  /** Storage failed; this object does no more. */
  failed(error: unknown): void;
}

export type Recount = Extract<ReplicaEffect, { readonly type: "recounted" }>;
