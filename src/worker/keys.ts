/** The page's calls about keys. Whatever holds a seed is overwritten before the call ends. */
import { TidemarkError } from "../core/errors.ts";
import { defaultCost, openBackup, prepareBackup } from "../crypto/backup.ts";
import { checkNewPassphrase, type PassphraseCost } from "../crypto/passphrase.ts";
import { seedBytesLength } from "../crypto/stored-key.ts";
import type { Keys } from "../engine/keys.ts";
import type { EnginePorts } from "../engine/ports.ts";
import { grantRecovery, placeOf, type RestoredDatabase, rejoin } from "../engine/recovery.ts";
import type { KeyInfo } from "../ports/keys.ts";
import type { CreatedKey, KeyBackup, KeysApi, RestoredKey } from "./api.ts";
import { PermissionCalls } from "./permissions.ts";

const recoveryKeyName = "recovery";

/** For `WorkerHost`, which adds everything else. */
export abstract class KeyCalls extends PermissionCalls implements KeysApi {
  protected abstract ports(): Promise<EnginePorts>;
  /** Of the backups made here. */
  protected readonly cost: PassphraseCost = defaultCost;

  async keys(): Promise<readonly KeyInfo[]> {
    return (await this.instance()).keys.list();
  }

  async createKey(name: string, passphrase?: string): Promise<CreatedKey> {
    const { keys } = await this.instance();
    if (passphrase === undefined) return { key: await keys.create(name), backup: undefined };
    checkNewPassphrase(passphrase);
    const { random, clock } = await this.ports();
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

  async deleteKey(name: string): Promise<void> {
    await (await this.instance()).keys.delete(name);
  }

  /** The new key is in the text alone: a device that is lost must not take it along. */
  async backupKeys(passphrase: string): Promise<KeyBackup> {
    const instance = await this.instance();
    checkNewPassphrase(passphrase);
    const ports = await this.ports();
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

  async restoreKeys(text: string, passphrase: string, name?: string): Promise<RestoredKey> {
    const instance = await this.instance();
    const ports = await this.ports();
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
