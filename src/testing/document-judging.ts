/**
 * What has to be so of documents in the end, said by whoever believes no device.
 *
 * [SIMULATION-19] All who may read have the same documents: of what counts they lack only what a cheat got wrong and what stands on that or on what
 *   is void; each is what Automerge alone makes of it in canonical order, saved and loaded too; every page shows what its engine has;
 *   nobody honest is at fault, and what an app was told to be durable is there unless it is void.
 */
import type { RawDoc } from "../client/documents/automerge.ts";
import type { ChangeHash } from "../core/document/change-bytes.ts";
import type { DocState } from "../core/document/doc-state.ts";
import type { Entry } from "../core/entry.ts";
import type { PublicKey } from "../core/ids.ts";
import { docFaultsMax } from "../core/limits.ts";
import type { DecodedPart } from "../core/store/kinds.ts";
import type { Device } from "./device.ts";
import { DocumentModel, type ModelChange } from "./document-model.ts";
import { type LifeDocuments, type LifeEdit, lifeStores } from "./life-documents.ts";
import type { Scene } from "./scene.ts";

export interface JudgedEntry {
  readonly entry: Entry;
  readonly parts: readonly DecodedPart[];
}

/** All that is anywhere, and what of it counts for those who have to agree. */
export interface JudgedDocuments {
  readonly held: readonly JudgedEntry[];
  readonly counts: ReadonlySet<string>;
  readonly honest: ReadonlySet<PublicKey>;
}

/** Everything that is wrong. */
export function judgeDocuments(scene: Scene, documents: LifeDocuments, judged: JudgedDocuments): readonly string[] {
  return lifeStores.flatMap((store) => new DocumentJudge(scene, documents, judged, store).judge());
}

class DocumentJudge {
  readonly #problems: string[] = [];
  readonly #scene: Scene;
  readonly #documents: LifeDocuments;
  readonly #judged: JudgedDocuments;
  readonly #store: string;
  readonly #changes: ReadonlyMap<ChangeHash, ModelChange>;
  /** Of the owner, as good as any. */
  readonly #state: DocState | undefined;

  constructor(scene: Scene, documents: LifeDocuments, judged: JudgedDocuments, store: string) {
    this.#scene = scene;
    this.#documents = documents;
    this.#judged = judged;
    this.#store = store;
    const sha256 = scene.owner?.sha256;
    const model = sha256 && new DocumentModel({ database: scene.id, store, sha256 });
    this.#changes = model?.changesOf(judged.held) ?? new Map();
    this.#state = scene.owner && this.#stateOf(scene.owner);
  }

  judge(): readonly string[] {
    const value = this.#judgeApplied();
    this.#judgeAgreement();
    for (const { page, device } of this.#documents.tabs) {
      const doc = page.doc(this.#store);
      if (doc === undefined || device === undefined) continue;
      const name = `tab ${page.name} of ${device.key.slice(0, 6)}`;
      if ([...doc.heads].sort().join() !== headsOf(this.#stateOf(device)))
        this.#report(`${name} has other heads than its engine`);
      if (this.#scene.circle.includes(device) && value !== undefined) this.#judgeShown(name, doc.value, value);
    }
    if (value !== undefined) this.#judgeEdits(value);
    return this.#problems;
  }

  /**
   * Automerge 3.5 shows something else than it keeps where a value was deleted, or a counter counted, that was not the only one in its place. What it
   * shows once it has saved and loaded it is right.
   */
  #judgeShown(name: string, shown: object, value: object): void {
    if (show(shown) === show(value)) return;
    const { automerge } = this.#documents;
    const loaded = automerge.load(automerge.save(shown as RawDoc), { actor: "00".repeat(16) });
    if (show(loaded) === show(value)) this.#scene.count("shown by Automerge as it is not");
    else this.#report(`${name} shows ${show(shown)}, Automerge alone ${show(value)}`);
    automerge.free(loaded);
  }

  /** What the owner's engine has applied. Answers with what Automerge makes of it. */
  #judgeApplied(): object | undefined {
    const applied: ModelChange[] = [];
    const faulty = new Set(this.#state?.faults().map(({ entry }) => entry as string));
    for (const change of this.#changes.values()) {
      const { hash, deps, entries } = change;
      const counting = entries.filter(({ id }) => this.#judged.counts.has(id));
      const isApplied = this.#state?.isApplied(hash) === true;
      if (isApplied) applied.push(change);
      if (isApplied && counting.length === 0) this.#report(`${hash} is applied, though it does not count`);
      const isExcused = counting.length === 0 || faulty.size >= docFaultsMax;
      if (isApplied || isExcused || deps.some((dep) => this.#state?.isApplied(dep) !== true)) continue;
      if (counting.some(({ author }) => this.#judged.honest.has(author)))
        this.#report(`${hash} is not applied, and somebody honest wrote it`);
      else if (!counting.some(({ id }) => faulty.has(id))) this.#report(`${hash} is not applied, and no fault is told`);
    }
    for (const { author, reason } of this.#state?.faults() ?? []) {
      this.#scene.count(`fault ${reason}`);
      if (this.#judged.honest.has(author)) this.#report(`${author.slice(0, 6)} is at fault: ${reason}`);
    }
    if ((this.#state?.size ?? 0) !== applied.length)
      this.#report(`${this.#state?.size} changes are applied, ${applied.length} of those that were written`);
    this.#scene.count("document change", applied.length);
    return this.#valueOf(applied);
  }

  /** In canonical order, which is none in which they came. */
  #valueOf(applied: readonly ModelChange[]): object | undefined {
    const { automerge } = this.#documents;
    const options = { actor: "00".repeat(16) };
    const docs = [automerge.init(options)];
    try {
      const [doc] = automerge.applyChanges(
        docs[0] as RawDoc,
        applied.map(({ bytes }) => bytes),
        {},
      );
      docs[0] = doc;
      const loaded = automerge.load(automerge.save(doc), options);
      docs.push(loaded);
      for (const each of docs)
        if ([...automerge.getHeads(each)].sort().join() !== headsOf(this.#state))
          this.#report("Automerge alone has other heads");
      return JSON.parse(JSON.stringify(doc)) as object;
    } catch (error) {
      this.#report(`Automerge does not take it: ${String(error)}`);
      return undefined;
    } finally {
      for (const doc of docs) automerge.free(doc);
    }
  }

  #judgeAgreement(): void {
    const faults = JSON.stringify(this.#state?.faults());
    for (const device of this.#scene.circle) {
      const state = this.#stateOf(device);
      const name = device.key.slice(0, 6);
      if (headsOf(state) !== headsOf(this.#state)) this.#report(`${name} has other heads`);
      if (JSON.stringify(state?.faults()) !== faults) this.#report(`${name} tells of other faults`);
    }
  }

  #judgeEdits(value: object): void {
    const byName = new Map<string, ModelChange[]>();
    for (const change of this.#changes.values())
      for (const name of change.rootKeys) byName.set(name, [...(byName.get(name) ?? []), change]);
    for (const edit of this.#documents.edits)
      if (edit.store === this.#store && !edit.isUndone) this.#judgeEdit(edit, value, byName.get(edit.name) ?? []);
  }

  #judgeEdit(edit: LifeEdit, value: object, changes: readonly ModelChange[]): void {
    const { name, state, disk } = edit;
    const { device } = edit.peer;
    const isThere = changes.some(({ hash }) => this.#state?.isApplied(hash) === true);
    if (isThere !== name in value)
      this.#report(`${name} is ${isThere ? "" : "not "}applied, and the value says the opposite`);
    if (state === "done" && changes.length === 0 && device?.disk === disk)
      this.#report(`${name} was told durable, and is nowhere`);
    const agrees = device !== undefined && this.#scene.circle.includes(device);
    if (agrees && edit.isShown && !(name in value)) this.#report(`${name} is gone, and its app was not told`);
    if (!edit.withRow) return;
    const rows = this.#judged.held.filter(({ parts }) => hasRow(parts, name));
    for (const { entry } of rows)
      if (!changes.some(({ entries }) => entries.some(({ id }) => id === entry.id)))
        this.#report(`${name} was written without what belongs to it`);
    this.#scene.count("transaction kept", rows.length);
  }

  #stateOf({ instance }: Device): DocState | undefined {
    return instance.find(this.#scene.id)?.replica.state.doc(this.#store);
  }

  #report(problem: string): void {
    this.#problems.push(`document ${this.#store}: ${problem}`);
  }
}

function hasRow(parts: readonly DecodedPart[], row: string): boolean {
  return parts.some((part) => part.type === "table" && part.payload.some(({ id }) => id === row));
}

function headsOf(state: DocState | undefined): string {
  return [...(state?.heads() ?? [])].join();
}

/** Equal for equal values. */
function show(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) =>
    typeof each === "object" && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort())
      : each,
  );
}
