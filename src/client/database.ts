/** A database, as the app holds it. */
import { type DatabaseId, formatCid } from "../core/ids.ts";
import { inviteUsesMax, labelBytesMax } from "../core/limits.ts";
import { validateStoreName } from "../core/store/kinds.ts";
import { ADMIN, type Permission, type Power, parsePermission, RELAY } from "../core/store/power.ts";
import { invalid, validateName } from "../core/store/values.ts";
import type { Access } from "../engine/permissions-info.ts";
import type { DatabaseInfo, StateDigest, WatchedType, WorkerApi } from "../worker/api.ts";
import { compare, type Difference } from "./difference.ts";
import type { Doc } from "./documents/doc.ts";
import type { DocImportOptions } from "./documents/doc-import.ts";
import type { Documents } from "./documents/documents.ts";
import { writeTogether } from "./documents/joint-write.ts";
import { type ExportOptions, exportStream } from "./export.ts";
import { assertSignal, type HistoryOptions, type HistoryPage, readHistory } from "./history.ts";
import {
  assertFunction,
  assertInteger,
  assertLabel,
  assertObject,
  assertOneOf,
  assertText,
  given,
  toMs,
  toTips,
} from "./input.ts";
import { Invites } from "./invites.ts";
import { Kv } from "./kv.ts";
import { type CallOptions, isInterruption, type Line, type Waiting } from "./line.ts";
import { reportUncaught, type Stop } from "./listeners.ts";
import type { PastViews, ViewOptions } from "./past-views.ts";
import { Permissions } from "./permissions.ts";
import { Presence } from "./presence.ts";
import { Requests } from "./requests.ts";
import { Sync } from "./sync.ts";
import { Table } from "./table.ts";
import { type RowLike, Transaction } from "./transaction.ts";
import { View } from "./view.ts";
import type { OrderedItems, Watched } from "./watched.ts";
import type { WriteListener, Written } from "./written.ts";

/** What a ticket can give. */
export type SharedPermission = Extract<Permission, "admin" | "write" | "read" | "relay">;
const sharedPermissions: readonly SharedPermission[] = ["admin", "write", "read", "relay"];

export interface ShareOptions {
  /** A name, or a power from 1 to 300; the name of admin stands for the strongest, 1, which only the owner can give. */
  readonly permission: SharedPermission | number;
  /** Nobody comes in by it later: a Date, or milliseconds since 1970. Judged by the clock of whoever lets somebody in, and by the newcomer's own. Default: never. */
  readonly expiresAt?: Date | number;
  /** How many may come in by it, 1 to 1,000,000. Default: any number. */
  readonly uses?: number;
  /** For people, 1 to 256 bytes; everybody on the database can read it. */
  readonly label?: string;
}

const copiesMax = 100;

/** All entries that descend from one root entry, and the stores they make. */
export class Database {
  /** The CID of the root entry: the same on every device. */
  readonly id: string;
  /** What is saved where, who is connected, and how this database is to sync. */
  readonly sync: Sync;
  /** Who may do what, and why. */
  readonly permissions: Permissions;
  /** What the tickets of this database are worth. */
  readonly invites: Invites;
  /** People who ask to be let in. */
  readonly requests: Requests;
  /** Who is in it right now, and what this page says of itself. */
  readonly presence: Presence;
  readonly #id: DatabaseId;
  readonly #link: Line;
  readonly #watched: Watched;
  readonly #written: Written;
  readonly #past: PastViews;
  readonly #documents: Documents;

  /** For `Instance`. */
  constructor(
    { id }: DatabaseInfo,
    link: Line,
    watched: Watched,
    written: Written,
    past: PastViews,
    documents: Documents,
  ) {
    this.id = formatCid(id);
    this.#id = id;
    this.#link = link;
    this.#watched = watched;
    this.#written = written;
    this.#past = past;
    this.#documents = documents;
    this.sync = new Sync(id, link);
    this.permissions = new Permissions(id, link);
    this.invites = new Invites(id, link);
    this.requests = new Requests(id, link);
    this.presence = new Presence(id, link);
  }

  /**
   * Writes to any number of stores as one entry: all of it or nothing. The function collects the writes; what it throws is
   * thrown and nothing is written. Resolves when the entry is durable on this device, at once when nothing was written. It is written once, whatever
   * becomes of the tab that leads; when this page closes before it resolved, another one, or the next that opens, still writes it.
   *
   * Rejects with DATABASE_NOT_READY, PERMISSION_DENIED, ROW_MISSING, STORE_TYPE, INPUT_INVALID, ENTRY_TOO_LARGE (above
   * 32 MiB), or a STORAGE_ code.
   *
   * @example
   * await db.transact((tx) => {
   *   tx.table("notes").update("n1", { done: true });
   *   tx.kv("prefs").set("theme", "dark");
   *   tx.doc(page).change((draft) => {
   *     draft.title = "Done";
   *   });
   * });
   */
  async transact(write: (tx: Transaction) => void | Promise<void>): Promise<void> {
    assertFunction(write, "transaction");
    const tx = new Transaction(this.#id);
    try {
      await write(tx);
    } finally {
      tx.close();
    }
    const items = tx.writes();
    await writeTogether(tx.documents(), async (documents) => {
      const stores = [...items, ...documents];
      if (stores.length === 0) return;
      const edit = { database: this.#id, stores };
      await this.#link.write("transact", (api, write) => api.commit(this.#id, stores, write), { edit });
    });
  }

  /** A table of that name; it need not exist. The type is the app's word: rows of other devices are not checked against it. */
  table<T extends RowLike = Record<string, unknown>>(name: string): Table<T> {
    validateStoreName(name);
    return new Table<T>(name, this);
  }

  kv(name: string): Kv {
    validateStoreName(name);
    return new Kv(name, this);
  }

  /**
   * The document of that name; it need not exist, and is empty then. Resolves when it is here as this device has it, and can be read and changed at once. The type
   * is the app's word. Needs the package `@automerge/automerge`, which is loaded with the first document. Rejects with DOC_UNAVAILABLE when it cannot be,
   * DATABASE_NOT_READY, INPUT_INVALID, INSTANCE_CLOSED, or a STORAGE_ code.
   *
   * @example
   * const page = await db.doc<{ title: string; body: string }>("readme");
   * page.change((draft) => {
   *   draft.title = "Read me";
   *   draft.body = "";
   * });
   * page.splice(["body"], 0, 0, "Hello");
   * page.subscribe(({ value }) => render(value.body));
   */
  async doc<T extends object = Record<string, unknown>>(name: string): Promise<Doc<T>> {
    validateStoreName(name);
    return await this.#documents.open<T>(this.#id, name);
  }

  /**
   * Takes over a document that was made elsewhere with Automerge, with its history: `bytes` are what `save()` of Automerge gave, or `repo.export(url)` of
   * automerge-repo. This user signs all of it: the actors of the old history stay apart and in order, so value, conflicts and texts are what they were, but who they
   * were nobody has proved. Hashes are others, and so are heads and cursors that were kept elsewhere.
   *
   * The document has to be empty here. What cannot be in one, such as integers beyond 2^53, refuses the whole before anything is written. A large history is
   * written in several entries, one after the other; who is interrupted calls again with the same document and goes on, also when somebody has written
   * meanwhile, and what is imported already is not written again. Resolves with the document when all of it is durable. Let one device import it: two make two.
   *
   * Rejects with INPUT_INVALID when Automerge cannot read the bytes, or they stand for more than 2,000,000 operations or 256 MiB; DOC_CHANGE for what
   * cannot be taken over; DOC_NOT_EMPTY; PERMISSION_DENIED, ABORTED, and as `doc`.
   *
   * @example
   * const page = await db.importDoc<{ title: string }>("readme", await repo.export(handle.url));
   */
  async importDoc<T extends object = Record<string, unknown>>(
    name: string,
    bytes: Uint8Array,
    options: DocImportOptions = {},
  ): Promise<Doc<T>> {
    validateStoreName(name);
    if (!(bytes instanceof Uint8Array)) throw invalid("bytes", bytes, "a Uint8Array, as save() of Automerge gives it");
    assertObject(options, "options of importDoc", "{ signal, onProgress }");
    assertSignal(options.signal);
    if (options.onProgress !== undefined) assertFunction(options.onProgress, "onProgress");
    return await this.#documents.import<T>(this.#id, name, bytes, options);
  }

  /**
   * A ticket: whoever holds it gets in with that permission, so treat it like a key. Any device that has the database can let them in; this
   * one need not be online. From now on the database syncs. "relay" is for encrypted databases. Resolves when the invite is durable.
   * Rejects with PERMISSION_DENIED, DATABASE_NOT_READY, INPUT_INVALID or a STORAGE_ code.
   *
   * @example
   * const ticket = await db.share({ permission: "write", uses: 1, label: "Ada" });
   */
  async share(options: ShareOptions): Promise<string> {
    assertObject(options, "options of share", "{ permission, expiresAt, uses, label }");
    const { permission, uses, label } = options;
    const expiresMs = options.expiresAt === undefined ? undefined : toMs(options.expiresAt, "expiresAt");
    if (expiresMs !== undefined && expiresMs <= Date.now()) {
      throw invalid("expiresAt", options.expiresAt, "a time that is to come");
    }
    if (uses !== undefined) assertInteger(uses, "uses", 1, inviteUsesMax);
    if (label !== undefined) validateName(label, "label", labelBytesMax);
    const power = toSharedPower(permission);
    const invite = given({ power, expiresMs, uses, label });
    return this.#link.write("share", (api, write) => api.share(this.#id, invite, write));
  }

  /**
   * A ticket without a secret: it says where the database is to be found, and nothing about being let in. Whoever joins with it asks, or comes in where
   * everybody may. From now on the database syncs. Rejects with a STORAGE_ code.
   */
  ticket(): Promise<string> {
    return this.call("ticket", (api, database) => api.ticket(database));
  }

  /** How this device stands to the database; changes are told by the "status" of `sync`. */
  access(): Promise<Access> {
    return this.call("access", (api, database) => api.access(database));
  }

  /**
   * Resolves when what the ticket promised has arrived and is durable; at once for a database that is here. Rejects with JOIN_REFUSED when
   * a device that the ticket names says that the invite lets nobody in, or when an admin turned the request down, with ABORTED, and with
   * INSTANCE_CLOSED. Else it waits: `access()` and the status tell for what.
   */
  ready(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    return this.call("ready", (api, database) => api.ready(database), given({ signal: options.signal }));
  }

  /**
   * Resolves when everything that is in the database now is durable on so many devices, this one included: others count
   * once they confirmed it as stored, and no longer when they come back with another storage. 1 to 100 copies. Rejects
   * with TIMEOUT, ABORTED or INPUT_INVALID.
   *
   * @example
   * await notes.put("n1", { title: "Not to be lost", done: false });
   * await db.whenSafe({ copies: 2, timeoutMs: 60_000 });
   */
  async whenSafe(options: { readonly copies?: number } & Waiting = {}): Promise<void> {
    assertObject(options, "options of whenSafe", "{ copies, signal, timeoutMs }");
    const { copies = 2 } = options;
    assertInteger(copies, "copies", 1, copiesMax);
    await this.#link.command("whenSafe", { database: this.#id, copies }, options);
  }

  /**
   * Calls `listener` with the entries that become durable here, whoever wrote them, in order, each at least once: the
   * next event comes when the listener returned, or when the promise that it returned settled. A slow listener holds up
   * nothing but itself. Its errors reach the page as any uncaught error does, and as the problem HOOK_FAILED.
   *
   * `name` (1 to 64 bytes; one listener of a name at a time) makes it go on where it stopped, also after a restart, and
   * an event that it failed at is told again, later and later. `after` is the cursor of an earlier event: what came
   * after it is told first. With neither, what comes from now on is told. A cursor of another database or device is the
   * problem CURSOR_INVALID.
   *
   * @example
   * const stop = db.onWrite(async ({ entries, origin }) => {
   *   if (origin === "remote") await updateSearchIndex(entries);
   * }, { name: "search" });
   */
  onWrite(listener: WriteListener, options: { readonly name?: string; readonly after?: string } = {}): Stop {
    assertFunction(listener, "listener");
    assertObject(options, "options of onWrite", "{ name, after }");
    const { name, after } = options;
    if (name !== undefined) assertLabel(name, "name");
    if (after !== undefined) assertText(after, "after", "the cursor of an earlier event");
    return this.#written.add(this.#id, listener, given({ name, after }));
  }

  /**
   * Who wrote what and when, page by page: every durable entry, void ones too, by the time of the entries, then by their ids, which is the same order on
   * every device, and each comes after all that it follows. The newest come first, or the oldest with `after`; `next` of a page leads to the next one,
   * whatever arrives, becomes void or counts again meanwhile. What arrives late stands where its time says: `onWrite` after the `cursor` of a page
   * tells of exactly what was not there yet. Rejects with ENTRY_UNKNOWN, INPUT_INVALID, ABORTED, or a STORAGE_ code.
   *
   * @example
   * const { entries, next } = await db.history({ limit: 20 });
   */
  history(options: HistoryOptions = {}): Promise<HistoryPage> {
    return readHistory(this.#link, this.#id, options);
  }

  /** The entries that nothing follows, of those that are durable and count: `at` them is what is there now. */
  async tips(): Promise<readonly string[]> {
    return (await this.call("tips", (api, database) => api.tips(database))).map(formatCid);
  }

  /**
   * The database as it was at earlier tips: the ids of one entry or of several, as the history and `tips` give them; none: before the first. What is shown
   * is what these entries and all that they stand on came to, the same on every device that can open them, whatever was written or revoked since.
   * It is made when it is asked for, from the newest checkpoint that can be used, or from all those entries: `onProgress` tells how far it is. A page has up to
   * 8 views open; close those that are not needed. Rejects with ENTRY_UNKNOWN, VIEW_LIMIT, INPUT_INVALID, ABORTED, or a STORAGE_ code.
   *
   * @example
   * const before = await db.at(entry.parents);
   * const title = (await before.table("notes").get("n1"))?.title;
   * before.close();
   */
  async at(tips: string | readonly string[], options: ViewOptions = {}): Promise<View> {
    const { signal, onProgress } = toViewOptions(options, "at");
    return new View(await this.#past.open(this.#id, toTips(tips, "tips"), { signal, onProgress }));
  }

  /**
   * What reads differently at `to` than at `from`, both as for `at`; `to` is by default what is durable when it begins. By store, then by row or key,
   * each once. It takes two views while somebody reads on. Fails as `at` does.
   *
   * @example
   * for await (const { store, before, after } of db.diff(entry.parents, entry.id)) render({ store, before, after });
   */
  diff(
    from: string | readonly string[],
    to?: string | readonly string[],
    options: ViewOptions = {},
  ): AsyncGenerator<Difference, void> {
    const before = toTips(from, "from");
    const after = to === undefined ? undefined : toTips(to, "to");
    const compared = { line: this.#link, views: this.#past, database: this.#id, before, after };
    return compare(compared, toViewOptions(options, "diff"));
  }

  /** The name that its owner gave it; empty while it has not arrived. */
  async name(): Promise<string> {
    return (await this.sync.status()).name;
  }

  /** Equal on any two devices that hold the same entries: to check, to test, to report. */
  digest(): Promise<StateDigest> {
    return this.call("digest", (api, database) => api.stateDigest(database));
  }

  /**
   * This database as a file: a backup, or a way to another device. It holds every entry as it was signed, and no secrets; `import` takes it. The stream is
   * read as fast as somebody takes it, and no faster. What the disk has lost is missing in it: `onMissing` says so. Throws INPUT_INVALID. The stream fails with
   * DATABASE_NOT_READY, DATABASE_UNKNOWN when it is forgotten meanwhile, a STORAGE_ code, CALL_INTERRUPTED when the tab that leads ends, and ABORTED.
   *
   * @example
   * const file = await new Response(db.export({ passphrase })).blob();
   */
  export(options: ExportOptions = {}): ReadableStream<Uint8Array> {
    assertObject(options, "options of export", "{ passphrase, signal, onProgress, onMissing }");
    const { passphrase, signal, onProgress, onMissing } = options;
    const asked = { ...given({ passphrase, signal, onProgress, onMissing }), recovery: false };
    return exportStream(this.#link, this.#id, asked);
  }

  /**
   * Takes this database from this device, in all tabs, with everything that is kept about it; others keep what they have, and it can be joined or imported
   * again. What is on no other device and in no file is lost: `sync.status()` tells what is pending. Later calls reject with DATABASE_UNKNOWN. Resolves
   * also when it is forgotten already. Rejects with a STORAGE_ code; then it is still here.
   *
   * @example
   * await db.whenSafe({ copies: 2 });
   * await db.forget();
   */
  async forget(): Promise<void> {
    await this.call("forget", (api, database) => api.forgetDatabase(database));
  }

  /**
   * Removes this database for everybody, for ever. Every device that hears of it stops writing to it: commits reject with DATABASE_REMOVED, and
   * `access()` says `removed`. Nobody is made to delete what they have; `forget()` does that, on each device. Resolves when it is durable here, and also when
   * it was removed before. Rejects with PERMISSION_DENIED for anybody but the owner, DATABASE_NOT_READY, or a STORAGE_ code.
   *
   * @example
   * await db.remove();
   * await db.whenSafe({ copies: 2 }); // Somebody else has heard of it.
   */
  async remove(): Promise<void> {
    await this.call("remove", (api, database) => api.removeDatabase(database));
  }

  /** For stores: a call about this database. */
  call<T>(name: string, run: (api: WorkerApi, database: DatabaseId) => Promise<T>, options?: CallOptions): Promise<T> {
    return this.#link.call(name, (api) => run(api, this.#id), options);
  }

  /** For stores: everything in one of them, now and after every change. */
  watch<Item>(
    type: WatchedType,
    store: string,
    items: OrderedItems<Item>,
    show: (items: readonly Item[]) => void,
  ): Stop {
    const number = this.#watched.add(items, show);
    const stop = this.#link.stand((leader) => {
      leader.api.watch(number, this.#id, type, store).catch((error: unknown) => {
        if (!isInterruption(error)) reportUncaught(error);
      });
    });
    return () => {
      stop();
      this.#watched.delete(number);
      this.#link.send((api) => api.unwatch(number));
    };
  }
}

function toViewOptions(options: ViewOptions, call: string): ViewOptions {
  assertObject(options, `options of ${call}`, "{ signal, onProgress }");
  assertSignal(options.signal);
  if (options.onProgress !== undefined) assertFunction(options.onProgress, "onProgress");
  return options;
}

function toSharedPower(permission: SharedPermission | number): Power {
  if (typeof permission === "number") {
    assertInteger(permission, "permission", ADMIN, RELAY);
    return permission;
  }
  assertOneOf(permission, "permission", sharedPermissions);
  return parsePermission(permission);
}
