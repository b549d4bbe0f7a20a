/** The keys of this device: its own, named ones beside it, and what is left of them when the device is lost. */

import { type ErrorCode, unwrap } from "../core/errors.ts";
import { formatCid, type PublicKey } from "../core/ids.ts";
import { formatKey as format, parseKey as parse } from "../core/key-text.ts";
import { keyNameBytesMax } from "../core/limits.ts";
import type { Permission } from "../core/store/power.ts";
import { validateName } from "../core/store/values.ts";
import { plainSha256 } from "../crypto/plain-sha256.ts";
import type { KeyInfo as StoredKeyInfo } from "../ports/keys.ts";
import type { KeysApi, RestoredKey } from "../worker/api.ts";
import { assertObject, assertText, toPublicKey } from "./input.ts";
import type { Line } from "./line.ts";

export interface KeyInfo {
  /** "device" is the device's own. */
  readonly name: string;
  /** 64 hex digits. */
  readonly publicKey: PublicKey;
  /** The same as people pass it on: `ed25519:…`. */
  readonly text: string;
  /** Milliseconds since 1970; undefined for the device's own. */
  readonly createdAtMs: number | undefined;
}

/** A database and what a recovery key may do there; `code` says why not, when that is nothing. */
export interface BackedUpDatabase {
  readonly id: string;
  readonly name: string;
  readonly permission: Permission | undefined;
  readonly code: ErrorCode | undefined;
}

export interface Backup {
  /** To be kept where a lost device does not take it along. The passphrase opens it. */
  readonly text: string;
  /** The key in it, by which `db.permissions` knows it: 64 hex digits. */
  readonly publicKey: PublicKey;
  readonly databases: readonly BackedUpDatabase[];
}

/** "here": it was on this device already. "failed": `code` says why. */
export interface RestoredDatabase {
  readonly id: string;
  readonly name: string;
  readonly state: "joined" | "here" | "failed";
  readonly code: ErrorCode | undefined;
}

export interface Restored {
  readonly key: KeyInfo;
  readonly databases: readonly RestoredDatabase[];
}

/**
 * A public key (64 hex digits) as people pass it on: `ed25519:` and 48 characters that hold the key and a checksum. Throws
 * KEY_MALFORMED or INPUT_INVALID for what is no key.
 *
 * @example
 * formatKey(tide.publicKey); // "ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURpNobgH"
 */
export function formatKey(publicKey: string): string {
  return format(toPublicKey(publicKey, "public key"), plainSha256);
}

/** The inverse of `formatKey`; hex is read as well. Throws KEY_MALFORMED for anything else, such as a text with one wrong character. */
export function parseKey(text: string): PublicKey {
  assertText(text, "key", "ed25519:…, or 64 hex digits");
  return unwrap(parse(text, plainSha256));
}

export class Keys {
  readonly #link: Pick<Line, "call">;

  /** For `Instance`. */
  constructor(link: Pick<Line, "call">) {
    this.#link = link;
  }

  /** The device's own first, the others in the order of their names. Those that cannot be read were told as problems, and are left out. */
  async list(): Promise<readonly KeyInfo[]> {
    return (await this.#link.call("keys.list", (api) => api.keys())).map(toInfo);
  }

  /**
   * Makes a key that can be used as the device's own is: `createDatabase({ name, key })`, `join(ticket, { key })`. The name has 1 to
   * 64 bytes, and there are at most 64 of them. Nobody can export it later, so a backup is made now or never: with a passphrase of at
   * least 8 characters `backup` is the text to keep. Rejects with INPUT_INVALID, KEY_EXISTS, KEY_LIMIT, ENVIRONMENT_UNSUPPORTED
   * or a STORAGE_ code; then there is no such key.
   *
   * @example
   * const { backup } = await tide.keys.create("owner", { passphrase });
   */
  create(
    name: string,
    options: { readonly passphrase: string },
  ): Promise<{ readonly key: KeyInfo; readonly backup: string }>;
  create(name: string): Promise<{ readonly key: KeyInfo }>;
  async create(
    name: string,
    options: { readonly passphrase?: string } = {},
  ): Promise<{ readonly key: KeyInfo; readonly backup?: string }> {
    assertName(name);
    assertObject(options, "options of create", "{ passphrase }");
    const { passphrase } = options;
    if (passphrase !== undefined) assertText(passphrase, "passphrase", "a text of at least 8 characters");
    const { key, backup } = await this.#link.call("keys.create", (api) => api.createKey(name, passphrase), once);
    return backup === undefined ? { key: toInfo(key) } : { key: toInfo(key), backup };
  }

  /** For good. Rejects with KEY_UNKNOWN, with KEY_IN_USE for the device's own and for one that a database here uses, or with a STORAGE_ code. */
  async delete(name: string): Promise<void> {
    assertName(name);
    await this.#link.call("keys.delete", (api) => api.deleteKey(name), once);
  }

  /**
   * Makes a recovery key, which is in the text alone, and an admin of every database that this device administers. `restore` on another
   * device leads back to these, as long as somebody else still has them: a backup holds keys, no contents. The passphrase
   * has at least 8 characters. Each call makes another key; those of earlier texts stay admins until they are revoked. Rejects with
   * INPUT_INVALID, ENVIRONMENT_UNSUPPORTED or a STORAGE_ code.
   *
   * @example
   * const { text, databases } = await tide.keys.backup({ passphrase });
   */
  async backup(options: { readonly passphrase: string }): Promise<Backup> {
    assertObject(options, "options of backup", "{ passphrase }");
    const { passphrase } = options;
    assertText(passphrase, "passphrase", "a text of at least 8 characters");
    const backup = await this.#link.call("keys.backup", (api) => api.backupKeys(passphrase), once);
    return { ...backup, databases: backup.databases.map(withId) };
  }

  /**
   * Takes a key from its backup, and joins the databases that this names with it. The key gets the name that is asked for, else the one it
   * had, with a number where another key has that. Rejects with BACKUP_MALFORMED, BACKUP_VERSION, BACKUP_PASSPHRASE, KEY_EXISTS for a name that
   * was asked for, KEY_LIMIT, INPUT_INVALID, ENVIRONMENT_UNSUPPORTED or a STORAGE_ code.
   *
   * @example
   * const { databases } = await tide.keys.restore(text, passphrase);
   */
  async restore(text: string, passphrase: string, options: { readonly name?: string } = {}): Promise<Restored> {
    assertText(text, "backup", "a text that begins with -----BEGIN TIDEMARK KEY BACKUP-----");
    assertText(passphrase, "passphrase", "a text");
    assertObject(options, "options of restore", "{ name }");
    const { name } = options;
    if (name !== undefined) assertName(name);
    const restore = (api: KeysApi): ReturnType<KeysApi["restoreKeys"]> => api.restoreKeys(text, passphrase, name);
    return toRestored(await this.#link.call("keys.restore", restore, once));
  }
}

/** For apps. */
export function toRestored({ key, databases }: RestoredKey): Restored {
  return { key: toInfo(key), databases: databases.map(withId) };
}

/** A second key, or a failure because the first call succeeded, would be the wrong answer. */
const once = { kind: "once" } as const;

function assertName(name: unknown): void {
  validateName(name, "key name", keyNameBytesMax);
}

function toInfo({ name, publicKey, createdMs }: StoredKeyInfo): KeyInfo {
  return { name, publicKey, text: formatKey(publicKey), createdAtMs: createdMs };
}

function withId<T extends { readonly database: Parameters<typeof formatCid>[0] }>({
  database,
  ...rest
}: T): Omit<T, "database"> & { readonly id: string } {
  return { id: formatCid(database), ...rest };
}
