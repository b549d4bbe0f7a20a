/**
 * A document of Tidemark as a `DocHandle`, for what is made for these: React hooks, bindings of editors.
 *
 * [REPO-11] The handle shows the page's own copy of the document, and what is changed in it is changed there: there is nothing to be kept the same.
 * [REPO-12] What is made elsewhere, as by `merge`, is written again under the page's actor, as one change.
 *
 * Deliberately not here: storage and network. A `Repo` with these would take the document elsewhere, and bring changes that nobody signed.
 */

import * as Automerge from "@automerge/automerge/slim";
import {
  type AutomergeUrl,
  DocHandle,
  type DocumentId,
  decodeHeads,
  encodeHeads,
  interpretAsDocumentId,
  type Repo,
} from "@automerge/automerge-repo/slim";
import type { Doc, DocChangeOptions } from "../client/documents/doc.ts";
import { replicaOf } from "../client/documents/doc.ts";
import { applyPatches } from "../client/documents/patches.ts";
import type { Replica } from "../client/documents/replica.ts";
import type { Stop } from "../client/listeners.ts";
import { concatBytes } from "../core/bytes.ts";
import { domainTags } from "../core/domain-tags.ts";
import { type DatabaseId, decodeHex } from "../core/ids.ts";
import { invalid } from "../core/store/values.ts";
import { encodeUtf8 } from "../core/utf8.ts";
import { plainSha256 } from "../crypto/plain-sha256.ts";
import { bridgeTo } from "./crossing.ts";

/** Of each `Repo`, by document. */
const links = new WeakMap<Repo, Map<DocumentId, Link>>();

/**
 * The document as a handle of this `Repo`, as long as `doc` is open; `repo.find(handle.url)` gives the same one. The URL is the same on every device. The
 * `Repo` must have neither storage nor network: Tidemark is both. Throws INPUT_INVALID, DOC_CLOSED; so do the handle's `change` and `changeAt` later.
 *
 * @example
 * const handle = openHandle(new Repo(), await db.doc<Page>("readme"));
 */
export function openHandle<T extends object>(repo: Repo, doc: Doc<T>): DocHandle<T> {
  if (repo.storageSubsystem !== undefined || repo.networkSubsystem.adapters.length > 0)
    throw invalid("repo", "one with storage or a network", "one of its own for documents of Tidemark, with neither");
  const replica = replicaOf(doc);
  const documentId = documentIdOf(replica.database, doc.name);
  const known = links.get(repo) ?? new Map<DocumentId, Link>();
  links.set(repo, known);
  const open = known.get(documentId);
  const link = open?.isOpen === true ? open : new Link(repo, documentId, doc, replica);
  known.set(documentId, link);
  return link.handle as DocHandle<T>;
}

function documentIdOf(database: DatabaseId, name: string): DocumentId {
  const hash = plainSha256(concatBytes(encodeUtf8(domainTags.repoDocument), decodeHex(database), encodeUtf8(name)));
  return interpretAsDocumentId(hash.slice(0, 16) as unknown as AutomergeUrl);
}

type Document = Automerge.Doc<object>;
type Handle = DocHandle<object>;
type Change = Parameters<Handle["change"]>[0];
type Show = Parameters<Handle["update"]>[0];

/** What the handle does by itself is done in the document instead; what the document has, the handle shows. */
class Link {
  readonly handle: Handle;
  readonly #doc: Doc<object>;
  readonly #replica: Replica;
  readonly #stop: Stop;

  constructor(repo: Repo, documentId: DocumentId, doc: Doc<object>, replica: Replica) {
    this.#doc = doc;
    this.#replica = replica;
    // Throws before anything is begun.
    this.#stop = doc.subscribe(() => this.#show());
    const empty = (): Handle => repo.import<object>(Automerge.save(Automerge.init()), { docId: documentId });
    this.handle = repo.handles[documentId] ?? empty();
    this.handle.doneLoading();
    this.handle.change = (change, options = {}) => this.#change(change, options);
    this.handle.changeAt = (heads, change, options = {}) => {
      const made = this.#changeAt(decodeHeads(heads), change, options);
      return made === undefined ? undefined : encodeHeads([...made]);
    };
    this.handle.update = (change) => void this.#takeOver(change);
    this.#show();
  }

  /** Otherwise another one is needed. */
  get isOpen(): boolean {
    try {
      return this.#doc.heads.length >= 0 && this.handle.isReady();
    } catch {
      return false;
    }
  }

  #change(change: Change, options: Automerge.ChangeOptions<object>): void {
    // It throws then.
    if (!this.handle.isReady()) return DocHandle.prototype.change.call(this.handle, change, options);
    this.#doc.change((draft) => change(draft), messageOf(options));
    // Whoever is just being told of another change is not told of this one yet.
    this.#show();
  }

  #changeAt(heads: string[], change: Change, options: Automerge.ChangeOptions<object>): readonly string[] | undefined {
    let isBegun = false;
    const begin = (draft: object): void => {
      isBegun = true;
      change(draft);
    };
    try {
      const made = this.#doc.changeAt(heads, begin, messageOf(options));
      this.#show();
      return made;
    } catch (error) {
      if (isBegun) throw error;
    }
    // The page has changed it since then: under its actor it cannot be done.
    const branchOff = (whole: Document): Document =>
      Automerge.change(Automerge.clone(Automerge.view(whole, heads)), change);
    return this.#takeOver((copy) => Automerge.merge(copy, branchOff(copy)), messageOf(options));
  }

  /** What that makes of a copy, as a change of the document; undefined when it makes nothing. */
  #takeOver(make: Show, options: DocChangeOptions = {}): readonly string[] | undefined {
    const copy = Automerge.clone(this.#replica.openDoc as Document);
    const before = Automerge.getHeads(copy);
    const made = make(copy);
    const patches = Automerge.diff(made, before, Automerge.getHeads(made));
    if (patches.length === 0) return undefined;
    this.#doc.change((draft) => applyPatches(this.#replica.automerge, draft as never, patches), options);
    this.#show();
    return this.#doc.heads;
  }

  /** The handle is to have what the document has: at once, or when it has told of what it has now. */
  #show(): void {
    if (!this.handle.isReady()) return this.#stop();
    const bridge = bridgeTo(this.handle.doc(), this.#replica.shareDoc() as Document);
    if (bridge !== undefined) this.#update(() => bridge);
    this.#update(() => this.#replica.shareDoc() as Document);
  }

  #update(show: Show): void {
    DocHandle.prototype.update.call(this.handle, show as never);
  }
}

function messageOf({ message }: Automerge.ChangeOptions<object>): DocChangeOptions {
  return message === undefined ? {} : { message };
}
