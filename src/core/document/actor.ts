/**
 * Who writes a change, as Automerge has it.
 *
 * [DOC-1] An actor is bound to a key by the hash that it is: nobody can write under one that belongs to another key, or has to prove that
 *         one is theirs. Deliberately not here: that no actor writes two changes of one number (collisions.ts).
 */
import { concatBytes } from "../bytes.ts";
import { domainTags } from "../domain-tags.ts";
import { type DatabaseId, decodeHex, type PublicKey, type Sha256 } from "../ids.ts";
import { actorBytesMin } from "../limits.ts";
import { encodeUtf8 } from "../utf8.ts";

const tag = encodeUtf8(domainTags.actor);

/**
 * The actor under which whoever holds `author` writes to documents of this database. The nonce (16 bytes) is random and made anew
 * whenever a page opens a document; the label tells apart the actors of what is imported, and is empty otherwise.
 */
export function actorOf(
  database: DatabaseId,
  author: PublicKey,
  nonce: Uint8Array,
  label: Uint8Array,
  sha256: Sha256,
): Uint8Array {
  const hash = sha256(concatBytes(tag, decodeHex(database), decodeHex(author), nonce));
  return concatBytes(hash.subarray(0, actorBytesMin), label);
}
