/**
 * The folded state of a database: all its stores.
 *
 * [STORE-1] It is a function of the set of merged parts: the order in which they come makes no difference.
 * [STORE-3] A checkpoint is what changed since an earlier one; merging checkpoints and later parts in any order gives the same
 *           state as merging all parts.
 * [STORE-13] A store is told apart by its name and its type: one name used with two types is two stores.
 * [STORE-15] Settings are no part of it. Those that the checkpoint of an earlier version holds are left out.
 *
 * Deliberately not here: which entries count, and the settings, which follow from those alone (settings-view.ts).
 */
import { CborWriter } from "../cbor-writer.ts";
import type { ChangeHash } from "../document/change-bytes.ts";
import { DocCaches } from "../document/doc-caches.ts";
import { type DocPayload, docType } from "../document/doc-payload.ts";
import { type DocChange, DocState } from "../document/doc-state.ts";
import { type Result, success, unreachable } from "../errors.ts";
import type { PublicKey } from "../ids.ts";
import { compareUtf8 } from "../utf8.ts";
import type { Origin, StateContext, StoreState } from "./kind.ts";
import { checkStoreName, type DecodedPart, kindOf } from "./kinds.ts";
import { type KvChange, type KvState, kvKind } from "./kv.ts";
import { settingsType } from "./settings.ts";
import { type TableChange, type TableState, tableKind } from "./table.ts";
import { UnknownState } from "./unknown-state.ts";

/** What a reader of one store sees differently now. */
export type StoreChange =
  | { readonly type: "table"; readonly name: string; readonly rows: TableChange }
  | { readonly type: "kv"; readonly name: string; readonly keys: KvChange }
  | { readonly type: "doc"; readonly name: string; readonly changes: DocChange };

/** One store's share of a checkpoint part. */
export interface StoreCheckpoint {
  readonly name: string;
  readonly type: string;
  readonly bytes: Uint8Array;
}

export interface StoreListing {
  readonly name: string;
  readonly type: string;
  /** False when this version cannot read stores of this type. */
  readonly isKnown: boolean;
}

/** Whatever its payloads are: for what all states have in common. */
type AnyState = StoreState<never, unknown>;

interface Store {
  readonly name: string;
  readonly type: string;
  readonly state: AnyState;
}

export class DatabaseState {
  readonly #tables = new Map<string, TableState>();
  readonly #kvs = new Map<string, KvState>();
  readonly #docs = new Map<string, DocState>();
  /** By type, then by name. */
  readonly #unknown = new Map<string, Map<string, UnknownState>>();
  /** All of the above in no order. */
  readonly #stores: Store[] = [];
  readonly #context: StateContext;
  readonly #docCaches = new DocCaches();
  #unsavedChanges = 0;

  constructor(context: StateContext) {
    this.#context = context;
  }

  /** Undefined when nothing was written to it yet. */
  table(name: string): TableState | undefined {
    return this.#tables.get(name);
  }

  /** Undefined when nothing was written to it yet. */
  kv(name: string): KvState | undefined {
    return this.#kvs.get(name);
  }

  /** Undefined when nothing was written to it yet. */
  doc(name: string): DocState | undefined {
    return this.#docs.get(name);
  }

  /** `DocState.refusal`, also of a document that nothing was written to yet. */
  docRefusal(name: string, payload: DocPayload, author: PublicKey, last: ChangeHash): string | undefined {
    return (this.doc(name) ?? new DocState(this.#context)).refusal(payload, author, last);
  }

  /** How many changes of documents were merged since the last checkpoint. */
  get unsavedChanges(): number {
    return this.#unsavedChanges;
  }

  /** In no order. */
  docs(): ReadonlyMap<string, DocState> {
    return this.#docs;
  }

  /** The app's stores, sorted by name, then by type. */
  stores(): readonly StoreListing[] {
    return this.#sorted().map(({ name, type }) => ({ name, type, isKnown: kindOf(type) !== undefined }));
  }

  /** Merges the parts of one entry. */
  merge(parts: readonly DecodedPart[], origin: Origin): readonly StoreChange[] {
    const changes: StoreChange[] = [];
    for (const part of parts) {
      const change = this.#mergePart(part, origin);
      if (change !== undefined) changes.push(change);
    }
    return changes;
  }

  /**
   * Everything altered since the checkpoint part numbered `since` (0: everything), sorted by name and type. Marks it as held
   * by part `number`, which must be greater than `since` and than any number before.
   */
  checkpoint(since: number, number: number): readonly StoreCheckpoint[] {
    this.#unsavedChanges = 0;
    return this.#sorted().flatMap(({ name, type, state }) => {
      const bytes = state.checkpoint(since, number);
      return bytes === undefined ? [] : [{ name, type, bytes }];
    });
  }

  /** Merges a checkpoint part. After a failure (a CBOR_ code or `ENTRY_PAYLOAD`) the state must not be used any more. */
  restore(part: { readonly number: number; readonly stores: readonly StoreCheckpoint[] }): Result<void> {
    for (const { name, type, bytes } of part.stores) {
      const named = checkStoreName(name, type);
      if (named.ok && type === settingsType) continue;
      const restored = named.ok ? this.#open(name, type).restore(bytes, part.number) : named;
      if (!restored.ok) return restored;
    }
    return success(undefined);
  }

  /** How many rows and keys a checkpoint since the part numbered `since` would hold. */
  sizeSince(since: number): number {
    return this.#stores.reduce((size, { state }) => size + state.sizeSince(since), 0);
  }

  /** Canonical bytes of all that was merged, equal on all replicas that merged the same parts. */
  encode(): Uint8Array {
    const stores = this.#sorted();
    const writer = new CborWriter();
    writer.array(stores.length);
    for (const { name, type, state } of stores) {
      writer.array(3);
      writer.text(name);
      writer.text(type);
      writer.raw(state.encode());
    }
    return writer.finish();
  }

  #mergePart(part: DecodedPart, origin: Origin): StoreChange | undefined {
    const { type, name } = part;
    switch (type) {
      case "table": {
        const rows = this.#openIn(this.#tables, name, tableKind).merge(part.payload, origin);
        return rows && { type, name, rows };
      }
      case "kv": {
        const keys = this.#openIn(this.#kvs, name, kvKind).merge(part.payload, origin);
        return keys && { type, name, keys };
      }
      case "doc": {
        this.#unsavedChanges += part.payload.changes.length;
        const changes = this.#openDoc(name).merge(part.payload, origin);
        return changes && { type, name, changes };
      }
      case "settings":
      case "sealed":
        return undefined;
      case "unknown":
        this.#openUnknown(name, part.storeType).merge();
        return undefined;
      default:
        return unreachable(type);
    }
  }

  #open(name: string, type: string): AnyState {
    switch (type) {
      case tableKind.type:
        return this.#openIn(this.#tables, name, tableKind);
      case kvKind.type:
        return this.#openIn(this.#kvs, name, kvKind);
      case docType:
        return this.#openDoc(name);
      default:
        return this.#openUnknown(name, type);
    }
  }

  #openDoc(name: string): DocState {
    const createState = (context: StateContext): DocState => new DocState(context, this.#docCaches);
    return this.#openIn(this.#docs, name, { type: docType, createState });
  }

  #openUnknown(name: string, type: string): UnknownState {
    const sameType = this.#unknown.get(type) ?? new Map<string, UnknownState>();
    this.#unknown.set(type, sameType);
    return this.#openIn(sameType, name, { type, createState: () => new UnknownState() });
  }

  #openIn<State extends AnyState>(
    states: Map<string, State>,
    name: string,
    kind: { readonly type: string; createState(context: StateContext): State },
  ): State {
    const known = states.get(name);
    if (known !== undefined) return known;
    const state = kind.createState(this.#context);
    states.set(name, state);
    this.#stores.push({ name, type: kind.type, state });
    return state;
  }

  #sorted(): readonly Store[] {
    return [...this.#stores].sort((a, b) => compareUtf8(a.name, b.name) || compareUtf8(a.type, b.type));
  }
}
