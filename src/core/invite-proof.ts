/**
 * What the secret of an invite signs when a newcomer redeems it.
 *
 * The proof binds the database and the newcomer's key and nothing else: it stays good for that key for ever, and is
 * worth nothing
 * to anybody else, so it can stand in an entry that everybody reads. Whether the invite admits anybody is for the
 * authority.
 */
import { concatBytes } from "./bytes.ts";
import { domainTags } from "./domain-tags.ts";
import type { Entry } from "./entry.ts";
import { type DatabaseId, decodeHex, type PublicKey } from "./ids.ts";
import { decodeRedeem, type RedeemOp, settingsStoreName } from "./store/settings.ts";
import { encodeUtf8 } from "./utf8.ts";

const redeemTag = encodeUtf8(domainTags.redeem);

/** To be signed with the invite's key; `author` is the key that wants to be admitted. */
export function redeemMessage(database: DatabaseId, author: PublicKey): Uint8Array {
  return concatBytes(redeemTag, decodeHex(database), decodeHex(author));
}

/** The redeem of an entry that has one, its proof unchecked. */
export function redeemOf({ stores }: Entry): RedeemOp | undefined {
  const settings = stores.find(({ name }) => name === settingsStoreName);
  return settings && decodeRedeem(settings.payload);
}
