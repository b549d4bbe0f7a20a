/**
 * What a member does to documents who cheats: changes that stand on nothing, two of one number, and such as others have built upon before
 * their twin comes. All of them well formed, under an actor of its own key: whether they are applied is for the documents to say.
 */
import { actorOf } from "../core/document/actor.ts";
import { type ChangeHash, changeHashFromHex, splitChange } from "../core/document/change-bytes.ts";
import { docType, encodeDocPayload, type SentChange } from "../core/document/doc-payload.ts";
import type { StorePart } from "../core/entry.ts";
import { type DatabaseId, encodeHex, type Sha256 } from "../core/ids.ts";
import type { Cheat } from "./cheat.ts";
import { lifeStores } from "./life-documents.ts";
import type { LifeAutomerge } from "./life-edits.ts";
import type { SeededRandom } from "./random.ts";

export const documentCheats = ["sound", "twins", "lateTwin", "onNothing", "unknownDeps", "foreignElement"] as const;

type DocumentCheatName = (typeof documentCheats)[number];

export interface DocumentCheatOptions {
  readonly cheat: Cheat;
  readonly automerge: LifeAutomerge;
  readonly database: DatabaseId;
  readonly sha256: Sha256;
  readonly random: SeededRandom;
  readonly played: (cheat: DocumentCheatName) => void;
}

const noLabel = new Uint8Array();

export class DocumentCheat {
  readonly #options: DocumentCheatOptions;
  /** Under which it wrote what was sound. */
  readonly #nonces: Uint8Array[] = [];

  constructor(options: DocumentCheatOptions) {
    this.#options = options;
  }

  /** Plays one trick on whoever is connected. */
  act(): void {
    const { random, cheat, played } = this.#options;
    const name = random.pick(documentCheats);
    const sent = this.#forge(name).filter((part) => cheat.sendParts([part]));
    if (sent.length > 0) played(name);
  }

  #forge(name: DocumentCheatName): readonly StorePart[] {
    const { random } = this.#options;
    const nonce = random.bytes(16);
    switch (name) {
      case "sound":
        this.#nonces.push(nonce);
        return [this.#first(nonce)];
      case "twins":
        return [this.#first(nonce), this.#first(nonce)];
      case "lateTwin":
        return [this.#first(this.#nonces.length > 0 ? random.pick(this.#nonces) : nonce)];
      case "onNothing":
        return [this.#part(nonce, [this.#second(nonce, [])])];
      case "unknownDeps":
        return [this.#part(nonce, [this.#second(nonce, [changeHashFromHex(encodeHex(random.bytes(32)))])])];
      case "foreignElement":
        return this.#onOthers(nonce);
    }
  }

  /** A sound change of an actor that has none before it. */
  #first(nonce: Uint8Array): StorePart {
    const { random } = this.#options;
    return this.#part(nonce, [this.#changes(nonce, { list: [random.int(1_000)], cheat: random.int(1_000) })[0]]);
  }

  /** One that writes into the list that the one before it made, and names other ones as those before it. */
  #second(nonce: Uint8Array, deps: readonly ChangeHash[]): SentChange {
    return { ...this.#changes(nonce, { list: [1] })[1], deps };
  }

  /** On what somebody else has written, in the place of what it was made for. */
  #onOthers(nonce: Uint8Array): readonly StorePart[] {
    const { random, cheat } = this.#options;
    const store = random.pick(lifeStores);
    const heads = cheat.headsOf(store);
    return heads.length === 0 ? [] : [this.#part(nonce, [this.#second(nonce, heads)], store)];
  }

  #changes(
    nonce: Uint8Array,
    value: { readonly list: readonly number[]; readonly cheat?: number },
  ): readonly [SentChange, SentChange] {
    const { automerge, cheat, database, sha256, random } = this.#options;
    const actor = encodeHex(actorOf(database, cheat.key, nonce, noLabel, sha256));
    let doc = automerge.init({ actor });
    doc = automerge.change(doc, { time: 0 }, (draft) => void Object.assign(draft, value));
    doc = automerge.change(doc, { time: 0 }, (draft) => {
      (draft as unknown as { list: number[] }).list.push(random.int(1_000));
    });
    const [first, second] = automerge.getChangesSince(doc, []).map((change): SentChange => {
      const { tail, deps } = splitChange(change);
      return { tail, deps, label: noLabel };
    });
    automerge.free(doc);
    return [first as SentChange, second as SentChange];
  }

  #part(nonce: Uint8Array, changes: readonly SentChange[], store?: string): StorePart {
    const name = store ?? (lifeStores[(nonce[0] as number) % lifeStores.length] as string);
    return { name, type: docType, payload: encodeDocPayload(nonce, changes) };
  }
}
