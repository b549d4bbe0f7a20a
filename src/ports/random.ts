/** Randomness, handed in so that a simulation decides it. */
export interface Random {
  /** Bytes nobody can guess: nonces, secrets. */
  bytes(length: number): Uint8Array;
}
