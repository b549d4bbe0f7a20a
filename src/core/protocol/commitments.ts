/**
 * Naming a database to somebody who may not know it: a hash that only those can resolve who have its id.
 *
 * [SESSION-23] What is sent with a ticket tells nothing to those who do not hold the database. It is another one in each session
 *              and for each joiner.
 */
import { concatBytes } from "../bytes.ts";
import { domainTags } from "../domain-tags.ts";
import { type DatabaseId, decodeHex, encodeHex, type PublicKey, type Sha256 } from "../ids.ts";
import { encodeUtf8 } from "../utf8.ts";

export const commitmentBytesLength = 12;
const tag = encodeUtf8(domainTags.joinId);

/** What `joiner` says instead of the id in the session that the handshake with this transcript began, as hex. */
export function commitmentOf(database: DatabaseId, joiner: PublicKey, transcript: Uint8Array, sha256: Sha256): string {
  const hash = sha256(concatBytes(tag, transcript, decodeHex(joiner), decodeHex(database)));
  return encodeHex(hash.subarray(0, commitmentBytesLength));
}

/** Those of one joiner in one session: each database is hashed once, however often somebody asks. */
export class Commitments {
  readonly #commit: (database: DatabaseId) => string;
  readonly #byDatabase = new Map<DatabaseId, string>();
  readonly #databases = new Map<string, DatabaseId>();

  constructor(commit: (database: DatabaseId) => string) {
    this.#commit = commit;
  }

  of(database: DatabaseId): string {
    const known = this.#byDatabase.get(database);
    if (known !== undefined) return known;
    const commitment = this.#commit(database);
    this.#byDatabase.set(database, commitment);
    this.#databases.set(commitment, database);
    return commitment;
  }

  /** Undefined for one of a database that was never asked for with `of`. */
  find(commitment: string): DatabaseId | undefined {
    return this.#databases.get(commitment);
  }
}
