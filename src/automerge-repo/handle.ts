/**
 * A document of Tidemark as a `DocHandle`, for what is made for these: React hooks, bindings of editors.
 *
 * [REPO-11] What is changed in the handle is in the document when the call returns, and the reverse: the handle has a copy of its own under the same
 *           actor, and no two changes of that actor are ever made side by side.
 * [REPO-12] What was made in the handle under another actor, as by `changeAt`, is written again under the page's, as one change.
 *
 * Deliberately not here: storage and network. A `Repo` with these would take the document elsewhere, and bring changes that nobody signed.
 */

import * as Automerge from "@automerge/automerge/slim";
import {
  type AutomergeUrl,
  type DocHandle,
  type DocumentId,
  interpretAsDocumentId,
  type Repo,
} from "@automerge/automerge-repo/slim";
import type { Doc } from "../client/documents/doc.ts";
import { replicaOf } from "../client/documents/doc.ts";
import { applyPatches } from "../client/documents/patches.ts";
import type { Replica } from "../client/documents/replica.ts";
import { reportUncaught, type Stop } from "../client/listeners.ts";
import { concatBytes, equalBytes } from "../core/bytes.ts";
import { splitChange } from "../core/document/change-bytes.ts";
import { domainTags } from "../core/domain-tags.ts";
import { type DatabaseId, decodeHex, encodeHex } from "../core/ids.ts";
import { invalid } from "../core/store/values.ts";
import { encodeUtf8 } from "../core/utf8.ts";
import { plainSha256 } from "../crypto/plain-sha256.ts";

/** Of each `Repo`, by document. */
const links = new WeakMap<Repo, Map<DocumentId, Link>>();

/**
 * The document as a handle of this `Repo`, as long as `doc` is open; `repo.find(handle.url)` gives the same one. The URL is the same on every device. The
 * `Repo` must have neither storage nor network: Tidemark is both. Throws INPUT_INVALID, DOC_CLOSED.
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

/** Keeps a handle and a document as they should be: the same. */
class Link {
  readonly handle: DocHandle<object>;
  readonly #doc: Doc<object>;
  readonly #replica: Replica;
  readonly #stops: readonly Stop[];
  /** What the handle had of the document last. */
  #shown: string[] = [];
  #isEnded = false;

  constructor(repo: Repo, documentId: DocumentId, doc: Doc<object>, replica: Replica) {
    this.#doc = doc;
    this.#replica = replica;
    this.#shown = [...doc.heads];
    this.handle = repo.import<object>(Automerge.save(replica.openDoc), { docId: documentId });
    this.handle.doneLoading();
    this.#show();
    const took = (): void => this.#take();
    const ended = (): void => this.#end();
    this.handle.on("heads-changed", took);
    this.handle.on("delete", ended);
    this.#stops = [
      doc.subscribe(() => this.#show()),
      () => this.handle.off("heads-changed", took),
      () => this.handle.off("delete", ended),
    ];
  }

  get isOpen(): boolean {
    try {
      return this.#doc.heads.length >= 0 && !this.#isEnded;
    } catch {
      return false;
    }
  }

  /** What was changed in the handle. */
  #take(): void {
    const own = this.handle.doc();
    const changes = Automerge.getChangesSince(own, this.#shown);
    if (changes.length === 0) return;
    try {
      if (isSame(this.#doc.heads, this.#shown) && changes.every((change) => this.#isOurs(change))) {
        this.#replica.adopt(changes);
      } else {
        const patches = Automerge.diff(own, this.#shown, Automerge.getHeads(own));
        this.#replica.change((draft) => applyPatches(this.#replica.automerge, draft, patches));
      }
      this.#show();
    } catch (error) {
      reportUncaught(error);
    }
  }

  /** The handle is to have what the document has. */
  #show(): void {
    const { openDoc, actor } = this.#replica;
    const own = this.handle.doc();
    const [heads, before] = [[...this.#doc.heads], Automerge.getHeads(own)];
    const isUnderActor = Automerge.getActorId(own) === encodeHex(actor);
    this.#shown = heads;
    if (isSame(heads, before) && isUnderActor) return;
    this.handle.update((shown) => {
      if (isUnderActor && this.#replica.automerge.hasHeads(openDoc, before))
        return Automerge.applyChanges(shown, this.#replica.automerge.getChangesSince(openDoc, before))[0];
      return Automerge.clone(openDoc as Automerge.Doc<object>, { actor: encodeHex(actor) });
    });
  }

  #isOurs(change: Uint8Array): boolean {
    return equalBytes(splitChange(change).actor, this.#replica.actor);
  }

  #end(): void {
    this.#isEnded = true;
    for (const stop of this.#stops) stop();
  }
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.toSorted().join() === b.toSorted().join();
}
