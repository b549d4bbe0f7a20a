/**
 * Sealing and opening the content of one database, for as long as it is open. Nothing of this happens in one that is not encrypted.
 *
 * [ENCRYPTION-3] In an encrypted database content leaves this device, and is kept on it, sealed only.
 * [ENCRYPTION-5] An entry that cannot be opened is accepted, stored and passed on like any other, and not folded.
 * [ENCRYPTION-6] What opens under the right key and breaks a form or a limit of content is ignored, and reported with ENTRY_SEAL_BROKEN.
 *
 * Whether an entry is accepted never depends on what comes of it here: replicas without the key could not agree.
 */
import type { Entry, EntryBody } from "../core/entry.ts";
import { failure, type Result, TidemarkError, unwrap } from "../core/errors.ts";
import type { EntryId } from "../core/ids.ts";
import type { OpenedParts } from "../core/opened.ts";
import type { Replica } from "../core/replica.ts";
import {
  type DecodedPart,
  type DecodedPayloads,
  decodeContentStores,
  decodeSealedStores,
} from "../core/store/kinds.ts";
import {
  associatedData,
  encodeContent,
  nonceBytesLength,
  type SealedPayload,
  sealedIn,
  sealedPart,
} from "../core/store/sealed.ts";
import { settingsStoreName } from "../core/store/settings.ts";
import type { PayloadKey } from "../ports/payload-keys.ts";
import type { CheckpointPart, DatabaseRecord, Storage } from "../ports/storage.ts";
import { openParts, sealPart } from "./checkpoint-seal.ts";
import { EpochKeys } from "./epochs.ts";
import type { EnginePorts } from "./ports.ts";
import { Unopened } from "./unopened.ts";

type EncryptionPorts = Pick<EnginePorts, "sealing" | "random" | "identity" | "keys">;

/** A draft that is ready to be signed, and what its sealed part stands for. */
export interface SealedDraft {
  readonly body: EntryBody;
  readonly content: readonly DecodedPart[] | undefined;
}

export class Encryption {
  readonly keys: EpochKeys;
  readonly #ports: EncryptionPorts;
  readonly #replica: Replica;
  /** What the state lacks. */
  unopened: Unopened = new Unopened();

  #record: () => DatabaseRecord;

  constructor(ports: EncryptionPorts, replica: Replica, record: DatabaseRecord) {
    this.#ports = ports;
    this.#replica = replica;
    this.#record = () => record;
    this.keys = new EpochKeys({
      replica,
      sealing: ports.sealing,
      ownKeys: () => ports.keys.list().map(({ publicKey }) => publicKey),
      inviteKeys: () => this.#record().inviteKeys ?? [],
    });
  }

  /** The record changes from now on. */
  follow(record: () => DatabaseRecord): void {
    this.#record = record;
  }

  /** False as well while the root is not here. */
  get isOn(): boolean {
    return this.#replica.isEncrypted;
  }

  /** What is in the sealed parts of these entries, of those whose keys are here. Never rejects. */
  async open(entries: readonly Entry[]): Promise<OpenedParts> {
    const opened = new Map<EntryId, Result<readonly DecodedPart[]>>();
    if (!this.isOn) return opened;
    await this.keys.learn();
    await Promise.all(
      entries.map(async (entry) => {
        const sealed = sealedIn(entry);
        const key = sealed && this.keys.get(sealed.keyId);
        if (sealed !== undefined && key !== undefined) opened.set(entry.id, await openOne(entry, sealed, key));
      }),
    );
    return opened;
  }

  /**
   * Puts the content of a draft under the key of the current epoch; `decoded`: what was found of its payloads before. Rejects with EPOCH_KEY_MISSING,
   * and with what content is refused for.
   */
  async seal(draft: EntryBody, decoded: DecodedPayloads): Promise<SealedDraft> {
    const settings = draft.stores.filter(({ name }) => name === settingsStoreName);
    if (!this.isOn || settings.length === draft.stores.length) return { body: draft, content: undefined };
    const stores = draft.stores.filter(({ name }) => name !== settingsStoreName);
    const bytes = encodeContent(stores);
    const content = unwrap(decodeContentStores(stores, decoded));
    await this.keys.learn();
    const epoch = this.keys.currentHeld();
    if (epoch === undefined) throw new TidemarkError("EPOCH_KEY_MISSING", { database: this.#replica.database });
    const { number, key } = epoch;
    const nonce = this.#ports.random.bytes(nonceBytesLength);
    const ciphertext = await key.seal(bytes, nonce, associatedData(draft, number));
    const sealed = sealedPart({ epoch: number, keyId: key.id, nonce, ciphertext });
    return { body: { ...draft, stores: [sealed, ...settings] }, content };
  }

  /** Storage that never sees a part of the state in clear. */
  guard(storage: Storage): Pick<Storage, "commit" | "putCheckpoint"> {
    return {
      commit: (commit) => storage.commit(commit),
      putCheckpoint: async (database, part, replaces) => {
        const { sealing, random } = this.#ports;
        const isSealed = this.isOn && sealing !== undefined;
        await storage.putCheckpoint(
          database,
          isSealed ? await sealPart(sealing.disk, random, database, part) : part,
          replaces,
        );
      },
    };
  }

  /** Parts that storage has, in clear. */
  openParts(parts: readonly CheckpointPart[]): Promise<readonly CheckpointPart[]> {
    return openParts(this.#ports.sealing?.disk, this.#replica.database, parts);
  }
}

async function openOne(
  entry: Entry,
  { epoch, nonce, ciphertext }: SealedPayload,
  key: PayloadKey,
): Promise<Result<readonly DecodedPart[]>> {
  const bytes = await key.open(ciphertext, nonce, associatedData(entry, epoch));
  if (bytes === undefined) return broken(entry, "it does not open");
  const parts = decodeSealedStores(bytes);
  return parts.ok ? parts : broken(entry, parts.failure.code);
}

function broken({ author }: Entry, reason: string): Result<never> {
  return failure("ENTRY_SEAL_BROKEN", { author, reason });
}
