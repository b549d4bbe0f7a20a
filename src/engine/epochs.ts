/**
 * The keys of an encrypted database's epochs, as this device has been given them, and who has which.
 *
 * [ENCRYPTION-10] Keys come from every settings entry in the past of what counts, those of admins who were cut among them: what
 *   honest members wrote under such a key has to be read too.
 * [ENCRYPTION-11] What is written is sealed with the current epoch: the one with the highest number, of several the one begun last.
 *   A device that has not been given its key writes nothing.
 *
 * Deliberately not here: writing epochs (epoch-plan.ts), and what is opened with them (encryption.ts).
 */

import type { EntryId, PublicKey } from "../core/ids.ts";
import { type Node, settingsPast } from "../core/node.ts";
import type { Replica } from "../core/replica.ts";
import { isLater } from "../core/store/kind.ts";
import { type EpochKeyId, epochKeyIdFromBytes, keyIdBytesLength } from "../core/store/sealed.ts";
import type { WrappedKey } from "../core/store/settings.ts";
import type { SettingsView } from "../core/store/settings-view.ts";
import type { PayloadKey, SealingKeys } from "../ports/payload-keys.ts";
import type { InviteKey } from "../ports/storage.ts";

/** An epoch whose key this device has. */
export interface HeldEpoch {
  readonly number: number;
  readonly key: PayloadKey;
  /** What is wrapped for others: 32 bytes. */
  readonly secret: Uint8Array;
}

/** An epoch that was begun, whether its key is here or not. */
export interface KnownEpoch {
  readonly number: number;
  readonly keyId: EpochKeyId;
  /** Who was given its key: members, and invites. */
  readonly given: ReadonlySet<PublicKey>;
}

export interface CurrentEpoch extends Pick<KnownEpoch, "number" | "keyId"> {
  /** Who began it. */
  readonly author: PublicKey;
}

export interface EpochKeysOptions {
  readonly replica: Replica;
  /** Undefined where nothing can be opened. */
  readonly sealing: SealingKeys | undefined;
  /** Of this device, whichever of them it uses in the database now. */
  readonly ownKeys: () => readonly PublicKey[];
  /** Of the tickets that this device joined with. */
  readonly inviteKeys: () => readonly InviteKey[];
}

export class EpochKeys {
  readonly #options: EpochKeysOptions;
  readonly #held = new Map<EpochKeyId, HeldEpoch>();
  /** Settings entries whose epochs were looked at. */
  #seen = new Set<EntryId>();
  /** What `#seen` holds for. */
  #lookedAt: { readonly latest: readonly Node[]; readonly openers: string } | undefined;
  #learning: Promise<void> = Promise.resolve();
  #current: { readonly settings: SettingsView; readonly epoch: CurrentEpoch | undefined } | undefined;

  constructor(options: EpochKeysOptions) {
    this.#options = options;
  }

  get(id: EpochKeyId): PayloadKey | undefined {
    return this.#held.get(id)?.key;
  }

  has(id: EpochKeyId): boolean {
    return this.#held.has(id);
  }

  held(): readonly HeldEpoch[] {
    return [...this.#held.values()];
  }

  /** All that were begun, in no order. */
  known(): readonly KnownEpoch[] {
    const epochs = new Map<EpochKeyId, { number: number; keyId: EpochKeyId; given: Set<PublicKey> }>();
    for (const node of this.#settingsNodes()) {
      for (const { number, wrap, keyId } of this.#wrapsIn(node)) {
        const epoch = epochs.get(keyId) ?? { number, keyId, given: new Set() };
        epochs.set(keyId, epoch);
        epoch.given.add(wrap.key);
      }
    }
    return [...epochs.values()];
  }

  /** The epoch that content is sealed with now; undefined in a database that is not encrypted. */
  current(): CurrentEpoch | undefined {
    const { settings } = this.#options.replica;
    // Every commit asks, and settings are long where members are many.
    if (this.#current?.settings !== settings) this.#current = { settings, epoch: currentIn(settings) };
    return this.#current.epoch;
  }

  /** Undefined when this device was not given its key. */
  currentHeld(): HeldEpoch | undefined {
    const current = this.current();
    return current && this.#held.get(current.keyId);
  }

  /** Looks for keys in settings that came since the last time. Resolves at once when there are none. Never rejects. */
  learn(): Promise<void> {
    const latest = this.#options.replica.graph.settings();
    const openers = this.#openers();
    const hasSameOpeners = openers === this.#lookedAt?.openers;
    if (this.#lookedAt?.latest === latest && hasSameOpeners) return this.#learning;
    if (!hasSameOpeners) this.#seen = new Set();
    this.#lookedAt = { latest, openers };
    this.#learning = this.#learning.then(() => this.#learnNow());
    return this.#learning;
  }

  /** What could open something: another invite, or another key of ours, may open more. */
  #openers(): string {
    const { inviteKeys, ownKeys } = this.#options;
    return [...ownKeys(), ...inviteKeys().map(({ invite }) => invite)].join();
  }

  async #learnNow(): Promise<void> {
    for (const node of this.#settingsNodes()) {
      if (this.#seen.has(node.id)) continue;
      this.#seen.add(node.id);
      for (const { number, wrap, keyId } of this.#wrapsIn(node)) if (!this.has(keyId)) await this.#take(number, wrap);
    }
  }

  async #take(number: number, { key, wrapped }: WrappedKey): Promise<void> {
    const { sealing, ownKeys, inviteKeys } = this.#options;
    if (sealing === undefined) return;
    const invited = inviteKeys().find(({ invite }) => invite === key);
    let secret = ownKeys().includes(key) ? await sealing.unwrap(wrapped) : undefined;
    if (secret === undefined && invited !== undefined) secret = await sealing.unwrapWithInvite(wrapped, invited.opens);
    if (secret === undefined) return;
    const payloadKey = await sealing.createPayloadKey(secret);
    this.#held.set(payloadKey.id, { number, key: payloadKey, secret });
  }

  #settingsNodes(): Iterable<Node> {
    return settingsPast(this.#options.replica.graph.settings());
  }

  #wrapsIn(node: Node): readonly { readonly number: number; readonly wrap: WrappedKey; readonly keyId: EpochKeyId }[] {
    return this.#options.replica.authority.opsOf(node.id).flatMap((op) => {
      if (op.type !== "epoch") return [];
      return op.keys.flatMap((wrap) => {
        const keyId = keyIdOf(wrap.wrapped);
        return keyId === undefined ? [] : [{ number: op.number, wrap, keyId }];
      });
    });
  }
}

function currentIn(settings: SettingsView): CurrentEpoch | undefined {
  const epochs = [...settings.epochs()].sort((a, b) => (isLater(a.stamp, b.stamp) ? 1 : -1));
  const begun = new Set<EpochKeyId>();
  let current: CurrentEpoch | undefined;
  for (const { number, keys, author } of epochs) {
    for (const { wrapped } of keys) {
      const keyId = keyIdOf(wrapped);
      // A key that is only given to more readers begins nothing.
      if (keyId === undefined || begun.has(keyId)) continue;
      begun.add(keyId);
      if (current === undefined || number >= current.number) current = { number, keyId, author };
    }
  }
  return current;
}

/** Which key is wrapped there; undefined for bytes that are too few to say. */
export function keyIdOf(wrapped: Uint8Array): EpochKeyId | undefined {
  return wrapped.length <= keyIdBytesLength ? undefined : epochKeyIdFromBytes(wrapped.subarray(0, keyIdBytesLength));
}
