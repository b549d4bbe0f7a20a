/** What has to be so of everything that the tabs of one browser store: looked at as it is stored. */
import { decodeEntry, type Entry } from "../core/entry.ts";
import { type TidemarkError, unwrap } from "../core/errors.ts";
import type { DatabaseId, EntryId, PublicKey } from "../core/ids.ts";
import { decodeTablePayload } from "../core/store/table-payload.ts";
import type { Commit } from "../ports/storage.ts";
import type { StorageWatcher, TabSite } from "./tab-site.ts";

/** One edit of one page, made of a row and of a key in another store. */
export interface EditName {
  readonly tab: string;
  /** Of one tab ascending, in the order in which the app made them. */
  readonly number: number;
}

export const editsTable = "edits";
export const editsKeys = "keys";

export function rowOf({ tab, number }: EditName): string {
  return `${tab} ${number}`;
}

export class StoredEdits implements StorageWatcher {
  readonly problems: string[] = [];
  /** Every row that is stored. */
  readonly rows: Set<string> = new Set();
  /** Claims under which anything was written. */
  readonly terms: Set<number> = new Set();
  /** How often somebody was refused because of a later claim. */
  fenced = 0;
  readonly #site: TabSite;
  /** By database and author: the last entry of its chain. */
  readonly #heads = new Map<string, Entry>();
  /** Of each tab the last number. */
  readonly #last = new Map<string, number>();

  constructor(site: TabSite) {
    this.#site = site;
    site.watcher = this;
  }

  stored(method: string, args: readonly unknown[], term: number | undefined): void {
    if (term === undefined) this.#tell(`${method} without a claim`);
    else if (term !== this.#site.disk.term) this.#tell(`${method} under claim ${term} after ${this.#site.disk.term}`);
    else this.terms.add(term);
    if (method === "commit") this.#committed(args[0] as Commit);
  }

  refused(_method: string, { code }: TidemarkError): void {
    if (code === "STORAGE_FENCED") this.fenced++;
    // Whoever opens what another one writes to meanwhile was fenced off, or would find it.
    else if (code === "STORAGE_CONFLICT") this.#tell("a commit at the wrong place");
  }

  #committed({ database, entries }: Commit): void {
    for (const { bytes } of entries) {
      const entry = unwrap(decodeEntry(bytes, this.#site.sha256));
      this.#chained(database, entry);
      for (const { name, payload } of entry.stores) if (name === editsTable) this.#edited(payload);
    }
  }

  #chained(database: DatabaseId, entry: Entry): void {
    const key = `${database} ${entry.author}`;
    const head = this.#heads.get(key);
    const [seq, prev]: [number, EntryId | undefined] = head === undefined ? [0, undefined] : [head.seq + 1, head.id];
    if (entry.prev !== prev || (head !== undefined && entry.seq !== seq)) this.#tell(`a fork of ${entry.author}`);
    this.#heads.set(key, entry);
  }

  #edited(payload: Uint8Array): void {
    for (const { id } of unwrap(decodeTablePayload(editsTable, payload))) {
      const [tab = "", number] = id.split(" ");
      // In the order in which they were made, which also means: each once.
      if (Number(number) <= (this.#last.get(tab) ?? 0)) this.#tell(`${id} again, or late`);
      this.#last.set(tab, Number(number));
      this.rows.add(id);
    }
  }

  /** All who have written to it. */
  authors(): ReadonlySet<PublicKey> {
    return new Set([...this.#heads.values()].map(({ author }) => author));
  }

  #tell(what: string): void {
    this.problems.push(what);
  }
}
