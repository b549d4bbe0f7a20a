/** Sealing a file chunk by chunk under a passphrase. */
import type { SealFigures } from "../core/export/framing.ts";

/** Chunks in their order: each call is the next one. `header`: what stands in clear before them, and they are bound to. */
export interface ChunkCipher {
  seal(chunk: Uint8Array, isLast: boolean, header: Uint8Array): Promise<Uint8Array>;
  /** Undefined: this is not what was sealed at this place. */
  open(sealed: Uint8Array, isLast: boolean, header: Uint8Array): Promise<Uint8Array | undefined>;
}

export interface SealedFile {
  readonly figures: SealFigures;
  readonly cipher: ChunkCipher;
}

export interface ChunkCiphers {
  /** For a new file. Rejects with INPUT_INVALID for a passphrase that is too short, and with ENVIRONMENT_UNSUPPORTED. */
  create(passphrase: string): Promise<SealedFile>;
  /** Rejects with BACKUP_PASSPHRASE for another one, with INPUT_INVALID, and with ENVIRONMENT_UNSUPPORTED. */
  open(figures: SealFigures, passphrase: string): Promise<ChunkCipher>;
}
