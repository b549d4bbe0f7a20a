/**
 * The armour of a key's backup: a block of text that people recognise, print and paste, around bytes.
 *
 *   -----BEGIN TIDEMARK KEY BACKUP-----
 *   base64url of the bytes and the first 8 bytes of their SHA-256, in lines of 76 characters
 *   -----END TIDEMARK KEY BACKUP-----
 *
 * [KEYS-18] Formatting and parsing are inverses. Text around the block, spaces and other line breaks within it change nothing; any
 *           other change is refused with BACKUP_MALFORMED.
 *
 * Deliberately not here: what the bytes say (crypto/backup.ts). The checksum finds accidents; against people stands the passphrase.
 */
import { decodeBase64Url, encodeBase64Url } from "./base64url.ts";
import { concatBytes, equalBytes } from "./bytes.ts";
import { domainTags } from "./domain-tags.ts";
import { failure, type Result, success } from "./errors.ts";
import type { Sha256 } from "./ids.ts";
import { backupTextLengthMax } from "./limits.ts";
import { encodeUtf8 } from "./utf8.ts";

const begin = "-----BEGIN TIDEMARK KEY BACKUP-----";
const end = "-----END TIDEMARK KEY BACKUP-----";
const lineLength = 76;
const checksumBytesLength = 8;
const checksumTag = encodeUtf8(domainTags.backup);

export function formatBackup(bytes: Uint8Array, sha256: Sha256): string {
  const text = encodeBase64Url(concatBytes(bytes, checksumOf(bytes, sha256)));
  const lines = text.match(new RegExp(`.{1,${lineLength}}`, "g")) ?? [];
  return [begin, ...lines, end, ""].join("\n");
}

/** Fails with BACKUP_MALFORMED, whose details hold nothing of the text. */
export function parseBackup(text: string, sha256: Sha256): Result<Uint8Array> {
  if (text.length > backupTextLengthMax) {
    return malformed(`${text.length} characters`, `at most ${backupTextLengthMax}`);
  }
  const [, block, ...others] = text.split(begin);
  const [inside, ...after] = (block ?? "").split(end);
  if (block === undefined || inside === undefined || others.length > 0 || after.length !== 1) {
    return malformed("another text", `one block from "${begin}" to "${end}"`);
  }
  const bytes = decodeBase64Url(inside.replaceAll(/\s/g, ""));
  if (bytes === undefined || bytes.length <= checksumBytesLength) {
    return malformed("other characters, or too few", "base64url");
  }
  const body = bytes.subarray(0, -checksumBytesLength);
  if (!equalBytes(bytes.subarray(-checksumBytesLength), checksumOf(body, sha256))) {
    return malformed("another checksum", "the checksum of the rest: a part was lost or changed");
  }
  return success(body);
}

function checksumOf(bytes: Uint8Array, sha256: Sha256): Uint8Array {
  return sha256(concatBytes(checksumTag, bytes)).subarray(0, checksumBytesLength);
}

function malformed(got: string, expected: string): Result<never> {
  return failure("BACKUP_MALFORMED", { got, expected });
}
