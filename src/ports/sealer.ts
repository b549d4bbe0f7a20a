/**
 * Seals notes for peers known by their cards, and opens theirs.
 *
 * A card is the public half of a sealing key together with an identity's signature over it; it begins with the identity's
 * 32-byte key. Cards may be passed on by anybody, because only their owner could have made them.
 */
import type { PublicKey } from "../core/ids.ts";

export interface Sealer {
  /** What peers need to seal notes for us. At most `cardBytesMax`. */
  readonly card: Uint8Array;
  /** Whose card this is, or undefined when it is not one. Never rejects. */
  verifyCard(card: Uint8Array): Promise<PublicKey | undefined>;
  /** Rejects with INPUT_INVALID when the card is not valid or the note longer than `noteBytesMax`. */
  seal(toCard: Uint8Array, note: Uint8Array): Promise<Uint8Array>;
  /** The note, or undefined unless the holder of this card sealed it for us and it was not opened before. Never rejects. */
  open(fromCard: Uint8Array, sealed: Uint8Array): Promise<Uint8Array | undefined>;
}
