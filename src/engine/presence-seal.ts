/**
 * What a page says of itself, as it travels: in clear where everything is, else under a key for presence alone, made of the current epoch's secret.
 *
 * [PRESENCE-10] In an encrypted database the state leaves this device sealed only, and opens for those alone who were given the epoch's key.
 */
import { concatBytes } from "../core/bytes.ts";
import { domainTags } from "../core/domain-tags.ts";
import type { DatabaseId, Sha256 } from "../core/ids.ts";
import {
  type Announcement,
  type AnnouncementHeader,
  decodePresenceState,
  presenceAssociated,
  readSealedContent,
  sealedContent,
} from "../core/presence/announcement.ts";
import { type EpochKeyId, nonceBytesLength } from "../core/store/sealed.ts";
import type { JsonValue } from "../core/store/values.ts";
import { encodeUtf8 } from "../core/utf8.ts";
import type { PayloadKey } from "../ports/payload-keys.ts";
import type { Encryption } from "./encryption.ts";
import type { HeldEpoch } from "./epochs.ts";
import type { EnginePorts } from "./ports.ts";

const tag = encodeUtf8(domainTags.presenceSecret);

/** locked: its key is not here, and may come. broken: it says nothing, whoever reads it. */
export type OpenedState =
  | { readonly type: "open"; readonly state: JsonValue }
  | { readonly type: "locked" }
  | { readonly type: "broken" };

export class PresenceSeal {
  readonly #ports: Pick<EnginePorts, "sealing" | "random"> & { readonly sha256: Sha256 };
  readonly #database: DatabaseId;
  readonly #keys = new Map<EpochKeyId, Promise<PayloadKey>>();

  constructor(ports: Pick<EnginePorts, "sealing" | "random" | "sha256">, database: DatabaseId) {
    this.#ports = ports;
    this.#database = database;
  }

  /** Undefined while this device was not given the key of the current epoch. */
  async seal(encryption: Encryption, header: AnnouncementHeader, state: Uint8Array): Promise<Uint8Array | undefined> {
    if (!encryption.isOn) return state;
    await encryption.keys.learn();
    const epoch = encryption.keys.currentHeld();
    const key = epoch && (await this.#keyOf(epoch));
    if (epoch === undefined || key === undefined) return undefined;
    const nonce = this.#ports.random.bytes(nonceBytesLength);
    const ciphertext = await key.seal(state, nonce, presenceAssociated(this.#database, header));
    return sealedContent({ keyId: epoch.key.id, nonce, ciphertext });
  }

  /** Never rejects. Of an announcement with content. */
  async open(encryption: Encryption, announcement: Announcement): Promise<OpenedState> {
    if (!encryption.isOn) return decoded(announcement.content);
    const sealed = readSealedContent(announcement.content);
    if (sealed === undefined) return { type: "broken" };
    await encryption.keys.learn();
    const epoch = encryption.keys.held().find(({ key }) => key.id === sealed.keyId);
    const key = epoch && (await this.#keyOf(epoch));
    if (key === undefined) return { type: "locked" };
    const associated = presenceAssociated(this.#database, announcement);
    const state = await key.open(sealed.ciphertext, sealed.nonce, associated);
    return state === undefined ? { type: "broken" } : decoded(state);
  }

  #keyOf({ key, secret }: HeldEpoch): Promise<PayloadKey> | undefined {
    const { sealing, sha256 } = this.#ports;
    const known = this.#keys.get(key.id);
    if (known !== undefined || sealing === undefined) return known;
    const made = sealing.createPayloadKey(sha256(concatBytes(tag, secret)));
    this.#keys.set(key.id, made);
    return made;
  }
}

function decoded(bytes: Uint8Array): OpenedState {
  const state = decodePresenceState(bytes);
  return state.ok ? { type: "open", state: state.value } : { type: "broken" };
}
