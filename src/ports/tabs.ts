/**
 * What tabs of one browser share: locks that one of them holds at a time, and channels on which everybody hears everybody.
 *
 * [TABS-1] A lock is held by one at a time, is given in the order of the requests, and is free again when its holder lets go or dies.
 * [TABS-2] Whoever opened a channel gets what the others post there from then on: a copy, once, in order per sender.
 *
 * Safety never depends on either: whoever writes checks its claim on storage. They decide who should, and how soon.
 */

export interface LockOptions {
  /** Ends the waiting; a lock that is held already stays held. */
  readonly signal?: AbortSignal;
  /** Takes the lock from whoever holds it, before everybody who waits. */
  readonly steal?: boolean;
  /** Does not wait. */
  readonly ifAvailable?: boolean;
  /** Called once when the lock was stolen from us; never after it was let go. */
  readonly lost?: () => void;
}

export interface Locks {
  /**
   * Resolves, once the lock is held, with what lets it go (idempotent); with undefined when it is not free and `ifAvailable` was asked
   * for. Rejects with ABORTED by `signal`, and with ENVIRONMENT_UNSUPPORTED where no lock can be had.
   */
  request(name: string, options?: LockOptions): Promise<(() => void) | undefined>;
}

export interface TabChannel {
  /** A message survives a structured clone. Does nothing once closed; throws for what cannot be cloned. */
  post(message: unknown): void;
  /** Replaces the listener before. What comes while there is none is lost. */
  listen(listener: (message: unknown) => void): void;
  /** Idempotent. Nothing arrives afterwards. */
  close(): void;
}

export interface Channels {
  /** Everybody else who opened this name gets what is posted, in order per sender; oneself does not. */
  open(name: string): TabChannel;
}
