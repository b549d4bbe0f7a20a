/**
 * A key in a text that a passphrase opens: what is left when every device is lost.
 *
 *   CBOR [1, memory KiB, passes, lanes, salt (16), nonce (12), ciphertext], armoured as core/backup-text.ts says
 *   ciphertext: AES-256-GCM of the contents; its key is Argon2id of the passphrase, its associated data all that stands before it
 *   contents: CBOR [ms, name, [[database, name, [relay, …]], …], null or [sealing key (65), its private half as PKCS #8], seed (32)]
 *
 * [KEYS-19] Whoever has the passphrase reads what was sealed, and nobody else: a wrong one is BACKUP_PASSPHRASE.
 * [KEYS-20] The figures of Argon2id stand in the text. Beyond what limits.ts allows they are refused before anything is computed.
 * [KEYS-21] A text of a later version is BACKUP_VERSION, whatever else it says.
 *
 * The passphrase counts as Unicode NFKC, so that every keyboard writes the same one.
 */
import { formatBackup, parseBackup } from "../core/backup-text.ts";
import { CborReader } from "../core/cbor-reader.ts";
import { CborWriter } from "../core/cbor-writer.ts";
import { attempt, TidemarkError, unwrap } from "../core/errors.ts";
import type { DatabaseId } from "../core/ids.ts";
import {
  addressBytesMax,
  backupDatabasesMax,
  backupLanesMax,
  backupMemoryKib,
  backupMemoryKibMax,
  backupPasses,
  backupPassesMax,
  backupRelaysMax,
  keyNameBytesMax,
  labelBytesMax,
} from "../core/limits.ts";
import { sealKeyBytesLength } from "../core/store/settings-op.ts";
import type { SpareSealingKey } from "../ports/payload-keys.ts";
import { deriveKey, type PassphraseCost } from "./passphrase.ts";
import { plainSha256 } from "./plain-sha256.ts";
import { platformRandom } from "./random.ts";
import { seedBytesLength } from "./stored-key.ts";
import { requireSubtle, unshared } from "./web-crypto.ts";

export interface BackupDatabase {
  readonly id: DatabaseId;
  readonly name: string;
  readonly relays: readonly string[];
}

export interface BackupContents {
  /** What the key was called; for people, and as a proposal where it is restored. */
  readonly name: string;
  readonly createdMs: number;
  /** The 32 bytes that the key is made of. Whoever got them overwrites them when they are used. */
  readonly seed: Uint8Array;
  /** What opens encrypted databases for the holder of the key; to be overwritten as well. */
  readonly sealing: SpareSealingKey | undefined;
  /** Where the key lets its holder in, as far as was known. */
  readonly databases: readonly BackupDatabase[];
}

const version = 1;
const saltBytesLength = 16;
const nonceBytesLength = 12;
/** Of P-256: 138 bytes with the public half, 67 without. */
const pkcs8BytesMax = 256;

/** What backups of users have to cost whoever guesses. */
export const defaultCost: PassphraseCost = { memoryKib: backupMemoryKib, passes: backupPasses, lanes: 1 };

/**
 * Does the slow part first, so that nothing can fail for want of memory once something was done that needs the backup. What it resolves
 * with seals once. Rejects with ENVIRONMENT_UNSUPPORTED.
 */
export async function prepareBackup(
  passphrase: string,
  cost: PassphraseCost = defaultCost,
): Promise<(contents: BackupContents) => Promise<string>> {
  const salt = platformRandom.bytes(saltBytesLength);
  const nonce = platformRandom.bytes(nonceBytesLength);
  const key = await deriveKey(passphrase, salt, cost);
  return async (contents) => {
    const writer = new CborWriter();
    writeHeader(writer, cost, salt, nonce);
    const header = writer.view();
    const plain = encodeContents(contents);
    const algorithm = { name: "AES-GCM", iv: unshared(nonce), additionalData: unshared(header) };
    const sealed = await requireSubtle().encrypt(algorithm, key, unshared(plain));
    plain.fill(0);
    writer.bytes(new Uint8Array(sealed));
    return formatBackup(writer.view(), plainSha256);
  };
}

/**
 * Rejects with BACKUP_MALFORMED, BACKUP_VERSION, BACKUP_PASSPHRASE or ENVIRONMENT_UNSUPPORTED. The seed is the caller's, to be
 * overwritten.
 */
export async function openBackup(text: string, passphrase: string): Promise<BackupContents> {
  const { cost, salt, nonce, header, sealed } = readSealed(unwrap(parseBackup(text, plainSha256)));
  const key = await deriveKey(passphrase, salt, cost);
  const algorithm = { name: "AES-GCM", iv: unshared(nonce), additionalData: unshared(header) };
  const opened = await requireSubtle()
    .decrypt(algorithm, key, unshared(sealed))
    // The checksum was right, so it is not damaged: the passphrase is another.
    .catch(() => {
      throw new TidemarkError("BACKUP_PASSPHRASE", { expected: "the one with which the backup was made" });
    });
  const plain = new Uint8Array(opened);
  try {
    return orMalformed("its contents", () => decodeContents(plain));
  } finally {
    plain.fill(0);
  }
}

function writeHeader(writer: CborWriter, cost: PassphraseCost, salt: Uint8Array, nonce: Uint8Array): void {
  writer.array(7);
  writer.uint(version);
  writer.uint(cost.memoryKib);
  writer.uint(cost.passes);
  writer.uint(cost.lanes);
  writer.bytes(salt);
  writer.bytes(nonce);
}

interface Sealed {
  readonly cost: PassphraseCost;
  readonly salt: Uint8Array;
  readonly nonce: Uint8Array;
  /** All that stands before the ciphertext. */
  readonly header: Uint8Array;
  readonly sealed: Uint8Array;
}

function readSealed(bytes: Uint8Array): Sealed {
  return orMalformed("its figures", () => {
    const reader = new CborReader(bytes);
    const fields = reader.array();
    const got = reader.uint();
    if (got > version) throw new TidemarkError("BACKUP_VERSION", { got, expected: version });
    if (got !== version || fields !== 7) throw malformed("another form", `version ${version}, 7 fields`);
    const cost = readCost(reader);
    const salt = reader.fixedBytes(saltBytesLength);
    const nonce = reader.fixedBytes(nonceBytesLength);
    const header = bytes.subarray(0, reader.at);
    const sealed = reader.bytes();
    reader.end();
    return { cost, salt, nonce, header, sealed };
  });
}

function readCost(reader: CborReader): PassphraseCost {
  const memoryKib = reader.uint(backupMemoryKibMax);
  const passes = reader.uint(backupPassesMax);
  const lanes = reader.uint(backupLanesMax);
  // RFC 9106: at least 8 KiB for each lane.
  if (passes < 1 || lanes < 1 || memoryKib < 8 * lanes) throw malformed("figures too small", "Argon2id's own minimum");
  return { memoryKib, passes, lanes };
}

function encodeContents({ createdMs, name, databases, sealing, seed }: BackupContents): Uint8Array {
  const writer = new CborWriter();
  writer.array(5);
  writer.uint(createdMs);
  writer.text(name);
  writer.array(databases.length);
  for (const { id, name, relays } of databases) {
    writer.array(3);
    writer.link(id);
    writer.text(name);
    writer.array(relays.length);
    for (const relay of relays) writer.text(relay);
  }
  // Room for all that follows: what a growing buffer leaves behind would hold secrets.
  const roomy = new CborWriter(writer.length + 512);
  roomy.raw(writer.view());
  if (sealing === undefined) roomy.null();
  else {
    roomy.array(2);
    roomy.bytes(sealing.publicKey);
    roomy.bytes(sealing.privateKey);
  }
  roomy.bytes(seed);
  return roomy.view();
}

function decodeContents(bytes: Uint8Array): BackupContents {
  const reader = new CborReader(bytes);
  if (reader.array() !== 5) throw malformed("another number of fields", "5");
  const createdMs = reader.uint();
  const name = reader.text(keyNameBytesMax);
  const databases: BackupDatabase[] = [];
  for (let left = reader.array(backupDatabasesMax); left > 0; left--) databases.push(readDatabase(reader));
  const sealing = reader.null() ? undefined : readSealing(reader);
  const seed = reader.fixedBytes(seedBytesLength).slice();
  reader.end();
  return { createdMs, name, databases, sealing, seed };
}

function readSealing(reader: CborReader): SpareSealingKey {
  if (reader.array() !== 2) throw malformed("another number of fields", "2");
  const publicKey = reader.fixedBytes(sealKeyBytesLength).slice();
  return { publicKey, privateKey: reader.bytes(pkcs8BytesMax).slice() };
}

function readDatabase(reader: CborReader): BackupDatabase {
  if (reader.array() !== 3) throw malformed("another number of fields", "3");
  const id = reader.link();
  const name = reader.text(labelBytesMax);
  const relays: string[] = [];
  for (let left = reader.array(backupRelaysMax); left > 0; left--) relays.push(reader.text(addressBytesMax));
  return { id, name, relays };
}

/** What fails to be read is no backup, whichever byte of it is to blame. */
function orMalformed<T>(what: string, read: () => T): T {
  const result = attempt(read);
  if (result.ok) return result.value;
  const { code } = result.failure;
  if (code === "BACKUP_VERSION" || code === "BACKUP_MALFORMED") return unwrap(result);
  throw malformed(`${what}: ${code}`, "what a backup says");
}

function malformed(got: string, expected: string): TidemarkError {
  return new TidemarkError("BACKUP_MALFORMED", { got, expected });
}
