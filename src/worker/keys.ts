/** The page's calls about keys. Whatever holds a seed is overwritten before the call ends. */
import { TidemarkError } from "../core/errors.ts";
import { defaultCost, openBackup, prepareBackup } from "../crypto/backup.ts";
import { checkNewPassphrase, type PassphraseCost } from "../crypto/passphrase.ts";
import { seedBytesLength } from "../crypto/stored-key.ts";
import type { Keys } from "../engine/keys.ts";
import { grantRecovery, placeOf, type RestoredDatabase, rejoin } from "../engine/recovery.ts";
import type { KeyInfo } from "../ports/keys.ts";
import type { CreatedKey, KeyBackup, KeysApi, RestoredKey } from "./api.ts";
import { type EngineParts, PermissionCalls } from "./permissions.ts";

const recoveryKeyName = "recovery";

/** For `ClientCalls`, which adds everything else. */
export abstract class KeyCalls extends PermissionCalls implements KeysApi {
  /** Of the backups made here. */
  protected readonly cost: PassphraseCost = defaultCost;

  keys(): Promise<readonly KeyInfo[]> {
    return this.run("keys", ({ engine: { instance } }) => instance.keys.list());
  }

  createKey(name: string, passphrase?: string): Promise<CreatedKey> {
    return this.run("createKey", ({ engine }) => this.#create(engine, name, passphrase));
  }

  async #create({ instance, ports }: EngineParts, name: string, passphrase?: string): Promise<CreatedKey> {
    const { keys } = instance;
    if (passphrase === undefined) return { key: await keys.create(name), backup: undefined };
    checkNewPassphrase(passphrase);
    const { random, clock } = ports;
    const seal = await prepareBackup(passphrase, this.cost);
    const seed = random.bytes(seedBytesLength);
    try {
      // The text first: a key that was stored without one could never be backed up again.
      const backup = await seal({ name, createdMs: clock.now(), seed, sealing: undefined, databases: [] });
      return { key: await keys.add(name, seed), backup };
    } finally {
      seed.fill(0);
    }
  }

  deleteKey(name: string): Promise<void> {
    return this.run("deleteKey", ({ engine: { instance } }) => instance.keys.delete(name));
  }

  backupKeys(passphrase: string): Promise<KeyBackup> {
    return this.run("backupKeys", ({ engine }) => this.#backup(engine, passphrase));
  }

  /** The new key is in the text alone: a device that is lost must not take it along. */
  async #backup({ instance, ports }: EngineParts, passphrase: string): Promise<KeyBackup> {
    checkNewPassphrase(passphrase);
    const seal = await prepareBackup(passphrase, this.cost);
    const sealing = await ports.sealing?.createSpare();
    const seed = ports.random.bytes(seedBytesLength);
    try {
      const { publicKey } = await ports.deriveIdentity(seed);
      const grants = await grantRecovery(instance, ports, { key: publicKey, sealKey: sealing?.publicKey });
      const granted = new Set(grants.flatMap(({ database, code }) => (code === undefined ? [database] : [])));
      const places = instance.records().filter(({ id }) => granted.has(id));
      const databases = places.map((record) => placeOf(record, ports.relays));
      const text = await seal({ name: recoveryKeyName, createdMs: ports.clock.now(), seed, sealing, databases });
      return { text, publicKey, databases: grants };
    } finally {
      seed.fill(0);
      sealing?.privateKey.fill(0);
    }
  }

  restoreKeys(text: string, passphrase: string, name?: string): Promise<RestoredKey> {
    return this.run("restoreKeys", ({ engine }) => restore(engine, text, passphrase, name));
  }
}

async function restore(
  { instance, ports }: EngineParts,
  text: string,
  passphrase: string,
  name: string | undefined,
): Promise<RestoredKey> {
  const { seed, sealing, databases, ...backup } = await openBackup(text, passphrase);
  try {
    const { publicKey } = await ports.deriveIdentity(seed);
    const known = instance.keys.list().find((key) => key.publicKey === publicKey);
    const key = known ?? (await addRestored(instance.keys, seed, backup.name, name));
    if (sealing !== undefined) await ports.sealing?.restore(sealing);
    const restored: RestoredDatabase[] = [];
    for (const place of databases) restored.push(await rejoin(instance, ports, key, place));
    return { key, databases: restored };
  } finally {
    seed.fill(0);
    sealing?.privateKey.fill(0);
  }
}

/** Under the name that was asked for; else under the one in the backup, with a number where that is taken by another key. */
async function addRestored(
  keys: Keys,
  seed: Uint8Array,
  proposed: string,
  asked: string | undefined,
): Promise<KeyInfo> {
  if (asked !== undefined) return keys.add(asked, seed);
  for (let number = 1; ; number++) {
    try {
      return await keys.add(number === 1 ? proposed : `${proposed}-${number}`, seed);
    } catch (error) {
      // There are fewer than `keysMax` of them, or the error is another.
      if (!(error instanceof TidemarkError && error.code === "KEY_EXISTS")) throw error;
    }
  }
}
