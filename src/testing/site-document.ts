/**
 * A document on a page of a simulated browser: a replica of Automerge's own, which hears of others by `changes` events alone, and sends what it
 * writes as the client does. Whatever goes against the contract of `openDoc` throws.
 */
import * as A from "@automerge/automerge";
import { actorOf } from "../core/document/actor.ts";
import { splitChange } from "../core/document/change-bytes.ts";
import { encodeDocPayload, type SentChange } from "../core/document/doc-payload.ts";
import { type DatabaseId, encodeHex } from "../core/ids.ts";
import { docEventBytesMax, docEventChangesMax } from "../core/limits.ts";
import type { DocChanges, DocOpened, DocOptions, StoreWrites } from "../worker/api.ts";
import type { TabSite } from "./tab-site.ts";
import type { SitePage } from "./tab-site-page.ts";

export interface Note {
  text: string;
  [key: string]: unknown;
}

/** Of all pages: none has two of the same. */
let numbers = 0;

export class SiteDocument {
  readonly site: TabSite;
  readonly page: SitePage;
  readonly database: DatabaseId;
  readonly store: string;
  /** Every event so far. */
  readonly events: DocChanges[] = [];
  doc: A.Doc<Note> = A.init<Note>();
  opened: DocOpened | undefined;
  /** Of the last event. */
  heads: readonly string[] = [];
  #done: readonly string[] = [];
  nonce: Uint8Array = new Uint8Array();
  number = 0;
  #sent: A.Heads = [];
  /** It has written what the engine may not have. */
  #isAhead = false;
  #seen = 0;

  constructor(site: TabSite, page: SitePage, database: DatabaseId, store = "text") {
    this.site = site;
    this.page = page;
    this.database = database;
    this.store = store;
  }

  /** With nothing, and under a nonce of its own. */
  async open(options: Partial<DocOptions> = {}): Promise<this> {
    this.nonce = this.site.world.random.bytes(16);
    this.#done = [];
    const opened = await this.#ask({ heads: [], nonce: this.nonce, ...options });
    const actor = encodeHex(actorOf(this.database, opened.author, this.nonce, new Uint8Array(), this.site.sha256));
    const { snapshot } = opened;
    this.doc = snapshot === undefined ? A.init<Note>({ actor }) : A.load<Note>(snapshot.bytes, { actor });
    if (snapshot !== undefined) expectSame(A.getHeads(this.doc), snapshot.heads, "the heads of a snapshot");
    this.heads = snapshot?.heads ?? [];
    this.#sent = A.getHeads(this.doc);
    return this;
  }

  /** With what it has: as whoever serves the page is another one. */
  async reopen(): Promise<DocOpened> {
    return await this.#ask({ heads: [...this.heads, ...this.#done], nonce: this.nonce });
  }

  async #ask(options: DocOptions): Promise<DocOpened> {
    this.number = ++numbers;
    const { number, database, store } = this;
    const opened = await this.site.world.settle(this.page.call((api) => api.openDoc(number, database, store, options)));
    this.opened = opened;
    return opened;
  }

  get text(): string {
    this.take();
    return this.doc.text;
  }

  /** Takes in what came. */
  take(): void {
    for (const event of this.page.events.slice(this.#seen)) {
      if (event.type !== "changes" || event.watch !== this.number) continue;
      this.events.push(event);
      this.#apply(event);
    }
    this.#seen = this.page.events.length;
  }

  #apply({ isAnew, bytes, ends, left, heads }: DocChanges): void {
    if (ends.length > docEventChangesMax || (ends.length > 1 && bytes.length > docEventBytesMax))
      throw new Error(`too much at once: ${ends.length} changes, ${bytes.length} bytes`);
    if (isAnew) this.doc = A.init<Note>();
    const changes = [...ends].map((end, i) => bytes.slice(ends[i - 1] ?? 0, end));
    this.doc = A.applyChanges(this.doc, changes)[0];
    if (A.getMissingDeps(this.doc, []).length > 0) throw new Error("a change came before one that it depends on");
    this.heads = heads;
    if (left === 0 && this.#done.length === 0 && !this.#isAhead) expectSame(A.getHeads(this.doc), heads, "heads");
    if (isAnew) this.#sent = A.getHeads(this.doc);
  }

  /** What is written here and not sent, in order. */
  #unsent(): readonly { readonly bytes: Uint8Array; readonly hash: string }[] {
    const changes = A.getChangesSince(this.doc, this.#sent).map((bytes) => ({ bytes, ...A.decodeChange(bytes) }));
    return changes.flatMap(({ bytes, hash, actor }) =>
      actor === A.getActorId(this.doc) && hash ? [{ bytes, hash }] : [],
    );
  }

  change(edit: (note: Note) => void): void {
    this.take();
    this.doc = A.change(this.doc, { time: 0 }, edit);
    this.#isAhead = true;
  }

  type(text: string): void {
    this.change((note) => {
      note.text ??= "";
      A.splice(note as A.Doc<Note>, ["text"], note.text.length, 0, text);
    });
  }

  /** What was written since the last call, as it is sent. */
  writes(): StoreWrites {
    const own = this.#unsent();
    this.#sent = A.getHeads(this.doc);
    const sent = own.map(({ bytes }, i): SentChange => {
      const { deps, tail } = splitChange(bytes);
      const isNext = deps.length === 1 && deps[0] === own[i - 1]?.hash;
      return { tail, deps: isNext ? undefined : deps, label: new Uint8Array() };
    });
    const last = own.at(-1)?.hash;
    if (last === undefined) throw new Error("nothing was written");
    const payload = encodeDocPayload(this.nonce, sent);
    return { type: "doc", store: this.store, payload, updatedRows: [], last };
  }

  /** Another that writes as if it were this one. */
  twin(): SiteDocument {
    const { site, page, database, store } = this;
    const twin = new SiteDocument(site, page, database, store);
    twin.doc = A.clone(this.doc, { actor: A.getActorId(this.doc) });
    twin.nonce = this.nonce;
    twin.#sent = this.#sent;
    return twin;
  }

  /** What Automerge says of the replica. */
  get docHeads(): readonly string[] {
    this.take();
    return [...A.getHeads(this.doc)].sort();
  }

  /** Resolves when what was written is durable. */
  async commit(...others: readonly StoreWrites[]): Promise<void> {
    const writes = this.writes();
    await this.send([writes, ...others]);
    this.noteDone(writes);
  }

  send(stores: readonly StoreWrites[]): Promise<void> {
    const { page, database } = this;
    return page.write((api, write) => api.commit(database, stores, write), { database, stores });
  }

  /** A commit has resolved. */
  noteDone({ last }: StoreWrites): void {
    this.#done = last === undefined ? [] : [last];
  }

  async close(): Promise<void> {
    await this.site.world.settle(this.page.call((api) => api.closeDoc(this.number)));
  }

  async putSnapshot(): Promise<void> {
    this.take();
    const [heads, bytes] = [A.getHeads(this.doc), A.save(this.doc)];
    const { page, database, store } = this;
    await this.site.world.settle(page.call((api) => api.putSnapshot(database, store, { heads, bytes })));
  }

  /** How many changes came in events so far. */
  get received(): number {
    this.take();
    return this.events.reduce((sum, { ends }) => sum + ends.length, 0);
  }
}

function expectSame(got: readonly string[], expected: readonly string[], what: string): void {
  const [one, other] = [got, expected].map((each) => [...each].sort().join());
  if (one !== other) throw new Error(`${what}: got ${one}, expected ${other}`);
}
