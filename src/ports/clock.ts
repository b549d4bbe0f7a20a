/** Time, handed in so that a simulation decides it. */
export interface Clock {
  /** Milliseconds since 1970. May jump either way; nothing relies on it growing. */
  now(): number;
  /** Runs `action` once after `ms`, unless the returned function was called before. */
  after(ms: number, action: () => void): () => void;
}
