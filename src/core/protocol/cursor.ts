/** What both sides held when they last held the same: where the next exchange of frontiers starts from. */
export interface Cursor {
  /** Digest of that frontier, 64 hex digits. */
  readonly digest: string;
  /** It is the frontier of our entries at positions below this. */
  readonly position: number;
}
