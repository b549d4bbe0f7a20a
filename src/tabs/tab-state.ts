/** What a tab's candidate tells and is told: its state, and the engine that runs while it leads. */
import type { TidemarkError } from "../core/errors.ts";
import type { TabChannel } from "../ports/tabs.ts";
import type { Build } from "./build.ts";
import type { Carry } from "./messages.ts";

/** `newer`: a tab of a newer build waits for the end of all leaders of this one. */
export type TabState =
  /** Nobody leads who is ready, or it is not known yet. */
  | { readonly type: "waiting" }
  | { readonly type: "leading"; readonly lead: string; readonly newer?: Build }
  | { readonly type: "following"; readonly lead: string; readonly build: Build; readonly newer?: Build }
  /** A newer build leads: this tab never will, whatever happens later. */
  | { readonly type: "outdated"; readonly build: Build }
  /** An older build leads: we wait for its end. */
  | { readonly type: "blocked"; readonly build: Build }
  /** It was this tab's turn and the engine did not start. It is tried again, and ends as another leader turns up. */
  | { readonly type: "failed"; readonly error: TidemarkError };

/**
 * "resigned": what is under way may be finished, within `resignTimeoutMs`. "lost": somebody else leads by now, and nothing may be written
 * or answered any more.
 */
export type StopReason = "resigned" | "lost";

/** A running engine that serves tabs. */
export interface Leading {
  /** From now on this tab's page is served on the channel; the leader speaks first. Never called for the leader's own page. */
  attach(tab: string, channel: TabChannel): void;
  /** The page ended, or left. Its channel is closed after this. */
  detach(tab: string): void;
  /** No session with a peer and no job: handing over is cheap. */
  isIdle(): boolean;
  /** What it has would end with it, or must not be cut short: it gives nothing up for a page that is about to be frozen. */
  isTied(): boolean;
  /** Called once. Once it has resolved nothing is written. */
  stop(reason: StopReason): Promise<void>;
}

export interface LeadStart {
  /** Names this leadership. */
  readonly id: string;
  readonly carry: Carry;
  /** Aborted when the lock was lost meanwhile: then storage is not claimed, or a healthy leader would be fenced off. */
  readonly signal: AbortSignal;
}

/** Starts the engine. Rejects with why it cannot; then nothing of it is left. */
export type StartLeading = (start: LeadStart) => Promise<Leading>;

/** Whether whoever was told of the one needs not be told of the other. */
export function isSameState(a: TabState, b: TabState): boolean {
  if (a.type === "failed") return b.type === "failed" && a.error === b.error;
  return JSON.stringify(a) === JSON.stringify(b);
}
