/** A board: its notes or its text, and around them what is known about its status and its people. */
import type { Database, DatabaseStatus, PermissionsChange, Stop } from "tidemark";
import { boardHref, type Part, replaceRoute } from "./address.ts";
import { Composer } from "./composer.ts";
import { countWords, element, setText } from "./element.ts";
import { endsAll, explain, hasCode } from "./explain.ts";
import { Filters } from "./filters.ts";
import { icon } from "./icons.ts";
import { Members } from "./members.ts";
import { NamePrompt } from "./name-prompt.ts";
import { NoteList } from "./note-list.ts";
import { Notes, type PlacedNote } from "./notes.ts";
import { Notices } from "./notices.ts";
import { OfflineBanner } from "./offline-banner.ts";
import { Panel } from "./panel.ts";
import { PartTabs } from "./part-tabs.ts";
import { Peers } from "./peers.ts";
import { People } from "./people.ts";
import { Presence } from "./presence.ts";
import { ShareDialog } from "./share.ts";
import { TextPart } from "./text-part.ts";
import { Transfers } from "./transfers.ts";
import type { Surroundings, View } from "./view.ts";

export class Board implements View {
  readonly layout = "board";
  readonly elements: readonly HTMLElement[];
  readonly ready: Promise<void>;
  readonly #database: Database;
  readonly #around: Surroundings;
  readonly #peers: Peers;
  readonly #people: People;
  readonly #members: Members;
  readonly #notices: Notices;
  readonly #transfers: Transfers;
  readonly #notes: Notes;
  readonly #list: NoteList;
  readonly #filters: Filters;
  readonly #composer: Composer;
  readonly #panel: Panel;
  readonly #share: ShareDialog;
  readonly #banner: OfflineBanner;
  readonly #presence: Presence;
  readonly #namePrompt: NamePrompt;
  readonly #tabs: PartTabs;
  readonly #text: TextPart;
  readonly #parts: Readonly<Record<Part, HTMLElement>>;
  readonly #title = element("h1", { tabindex: -1, dir: "auto" });
  readonly #readOnly = element("p", { class: "read-only", id: "read-only", role: "status" });
  readonly #empty = element("p", { class: "empty" });
  readonly #shareButton = element("button", { type: "button", class: "primary share-button" }, icon("share"), "Share");
  readonly #stops: Stop[] = [];
  #status: DatabaseStatus;
  #shown: readonly PlacedNote[] | undefined;

  constructor(database: Database, status: DatabaseStatus, around: Surroundings, part: Part) {
    this.#database = database;
    this.#status = status;
    this.#around = around;
    this.#peers = new Peers(around.instance, () => this.#showPeople());
    const { publicKey: self } = around.instance;
    this.#members = new Members(
      database,
      () => this.#showPeople(),
      (change) => void this.#tellChange(change),
    );
    const named = (key: string): string => this.#peers.nameOf(key) || (this.#members.get(key)?.name ?? "");
    this.#people = new People(database, self, named);
    const wordFor = (key: string): string => this.#people.wordFor(key);
    this.#notices = new Notices({ database, self, toasts: around.toasts, wordFor }, status.permission);
    this.#transfers = new Transfers(database, {
      nameOf: (key) => this.#people.nameOf(key),
      announcer: around.announcer,
      report: (error) => this.#report(error),
    });
    this.#notes = new Notes(database);
    this.#composer = new Composer((text) => this.#write(this.#notes.add(text, around.instance.publicKey)));
    this.#filters = new Filters(
      () => this.#showNotes(),
      () => this.#clearDone(),
    );
    this.#list = new NoteList({
      tick: (note, done) => this.#write(this.#notes.tick(note.id, done)),
      edit: (note, text) => void this.#edit(note, text),
      remove: (note) => void this.#remove([note]),
      authorOf: ({ by }) => (by === "" ? "" : this.#people.wordFor(by)),
      emptied: () => this.#composer.focus(),
    });
    this.#banner = new OfflineBanner(() => this.#goOnline());
    this.#presence = new Presence(around.announcer, (key) => this.#people.nameOf(key), {
      came: "connected",
      went: "left",
    });
    this.#namePrompt = new NamePrompt(around.ownName, (name) => {
      this.#focusWork();
      void this.#setOwnName(name);
    });
    this.#tabs = new PartTabs(part, () => this.#showPart());
    this.#text = new TextPart({ around, database, people: this.#people }, { status, canWrite: this.#canWrite });
    this.#parts = {
      notes: this.#tabs.panel("notes", this.#composer.element, this.#filters.element, this.#empty, this.#list.element),
      text: this.#tabs.panel("text", this.#text.element),
    };
    this.#share = new ShareDialog(database, () => this.#members.adminPower);
    this.#panel = new Panel(
      { around, database, people: this.#people, peers: this.#peers, members: this.#members },
      {
        setOffline: (isOffline) => this.#setOffline(isOffline),
        setOwnName: (name) => void this.#setOwnName(name),
        attempt: (work) => this.#write(work),
        forgotten: () => around.toBoards(),
      },
    );
    this.#shareButton.addEventListener("click", () => this.#share.open(this.#status.online));
    this.elements = [this.#header(), this.#banner.element, this.#panel.element, this.#main(), this.#share.element];
    this.ready = this.#listen();
  }

  get title(): string {
    return this.#status.name;
  }

  focus(): void {
    if (matchMedia("(pointer: fine)").matches && this.#canWrite && this.#tabs.part === "notes") this.#composer.focus();
    else this.#title.focus({ preventScroll: true });
  }

  close(): void {
    for (const stop of this.#stops) stop();
    this.#people.close();
    this.#peers.close();
    this.#members.close();
    this.#transfers.close();
    this.#text.leave();
    this.#list.close();
    this.#panel.close();
    this.#banner.close();
    this.#share.element.close();
  }

  // --- What is on the page

  #header(): HTMLElement {
    const back = element("a", { class: "back", href: "#" }, icon("back"), "Boards");
    return element(
      "header",
      { class: "board-header" },
      element("div", { class: "bar" }, back, this.#shareButton),
      this.#title,
      this.#panel.summary,
    );
  }

  #main(): HTMLElement {
    return element(
      "main",
      { class: "board", id: "main", tabindex: -1, "aria-label": "Board" },
      this.#readOnly,
      this.#transfers.element,
      this.#namePrompt.element,
      this.#tabs.element,
      this.#parts.notes,
      this.#parts.text,
    );
  }

  #showPart(): void {
    const { part } = this.#tabs;
    replaceRoute(boardHref(this.#database.id, part));
    void this.#openPart();
  }

  async #openPart(): Promise<void> {
    const { part } = this.#tabs;
    for (const name of ["notes", "text"] as const) this.#parts[name].hidden = name !== part;
    if (part === "text") await this.#text.open();
    else this.#text.leave();
  }

  #focusWork(): void {
    if (this.#tabs.part === "text") this.#text.focus();
    else this.#composer.focus();
  }

  #listen(): Promise<void> {
    const { sync } = this.#database;
    this.#showStatus(this.#status);
    this.#stops.push(sync.subscribe((status) => this.#showStatus(status)));
    this.#stops.push(this.#people.subscribe(() => this.#showPeople()));
    this.#waitForTicket();
    const notesArrive = new Promise<void>((resolve) => {
      const stop = this.#notes.subscribe((notes) => {
        this.#arrive(notes);
        resolve();
      });
      this.#stops.push(stop);
    });
    return Promise.all([notesArrive, this.#openPart()]).then(() => {});
  }

  /** A newer link to a board that is here may allow more, or nothing. */
  #waitForTicket(): void {
    if (this.#status.ready) return;
    const waiting = new AbortController();
    this.#stops.push(() => waiting.abort());
    this.#database.ready({ signal: waiting.signal }).catch((error: unknown) => {
      if (!hasCode(error, "ABORTED")) this.#report(error);
    });
  }

  get #canWrite(): boolean {
    const { permission, access } = this.#status;
    return access.removed !== true && ["owner", "admin", "write"].includes(permission);
  }

  #showStatus(status: DatabaseStatus): void {
    const couldWrite = this.#canWrite;
    const before = this.#status.permission;
    this.#status = status;
    setText(this.#title, status.name);
    this.#panel.show(status);
    this.#banner.show(status.online);
    this.#presence.show(new Set(status.peers.map(({ key }) => key)), status.online);
    this.#shareButton.hidden = status.access.removed === true || !["owner", "admin"].includes(status.permission);
    this.#composer.element.hidden = !this.#canWrite;
    this.#namePrompt.show(this.#canWrite);
    this.#readOnly.hidden = this.#canWrite;
    setText(this.#readOnly, this.#canWrite ? "" : readOnlyWords(status));
    this.#text.show({ status, canWrite: this.#canWrite });
    this.#notices.showPermission(status.permission);
    if (before !== status.permission || couldWrite !== this.#canWrite) {
      this.#showNotes();
      void this.#writeOwnName();
    }
  }

  /** What others changed is marked and said; what was done here is known already. */
  #arrive(notes: readonly PlacedNote[]): void {
    const before = this.#shown === undefined ? undefined : new Map(this.#shown.map((note) => [note.id, note]));
    const changed = before === undefined ? [] : notes.filter((note) => before.get(note.id) !== note);
    const foreign = changed.filter((note) => !this.#notes.takeOurs(note.id));
    this.#shown = notes;
    this.#showNotes(new Set(foreign.map(({ id }) => id)));
    const added = foreign.filter(({ id }) => before?.has(id) === false);
    const [first] = added;
    if (first === undefined) return;
    const words =
      added.length === 1
        ? `${this.#people.wordFor(first.by)} added: ${first.text.slice(0, 100)}`
        : `${added.length} new notes`;
    this.#around.announcer.announce(words);
  }

  #showNotes(foreign: ReadonlySet<string> = new Set()): void {
    const notes = this.#shown;
    if (notes === undefined) return;
    const isReadOnly = !this.#canWrite;
    const matching = notes.filter((note) => this.#filters.matches(note));
    this.#filters.show(notes, { isReadOnly });
    this.#list.show(matching, { isReadOnly, foreign });
    this.#empty.hidden = matching.length > 0;
    setText(this.#empty, matching.length > 0 ? "" : this.#emptyWords(notes.length));
  }

  #emptyWords(count: number): string {
    if (count === 0) return this.#canWrite ? "Nothing here yet. Write the first note above." : "Nothing here yet.";
    return this.#filters.choice === "open" ? "Everything is done." : "Nothing is done yet.";
  }

  #showPeople(): void {
    this.#panel.showOwnName(this.#around.ownName.get());
    this.#panel.show(this.#status);
    this.#text.showNames();
    this.#showNotes();
    void this.#writeOwnName();
  }

  async #tellChange(change: PermissionsChange): Promise<void> {
    this.#share.refresh();
    try {
      if (await this.#notices.tell(change)) this.#text.tellVoided();
    } catch (error) {
      this.#report(error);
    }
  }

  // --- What people do

  async #edit(note: PlacedNote, text: string): Promise<void> {
    if (text === "") return this.#remove([note]);
    try {
      await this.#notes.edit(note.id, text);
    } catch (error) {
      if (!hasCode(error, "ROW_MISSING")) return this.#report(error);
      if (await this.#write(this.#notes.restore([{ ...note, text }])))
        this.#around.toasts.show("That note had been deleted meanwhile. Your edit brought it back.");
    }
  }

  async #remove(notes: readonly PlacedNote[]): Promise<void> {
    if (!(await this.#write(this.#notes.remove(notes)))) return;
    const words = notes.length === 1 ? "Note deleted" : `${countWords(notes.length, "note")} deleted`;
    this.#around.toasts.show(words, {
      action: { label: "Undo", run: () => void this.#write(this.#notes.restore(notes)) },
    });
  }

  #clearDone(): void {
    const done = (this.#shown ?? []).filter((note) => note.done);
    if (done.length > 0) void this.#remove(done);
  }

  /** Resolves with whether it worked. */
  async #setOffline(isOffline: boolean): Promise<boolean> {
    const { instance, announcer } = this.#around;
    const isDone = await this.#write(isOffline ? instance.goOffline() : instance.goOnline());
    // What was known is from before: shown once more, it would move the switch back.
    const status = await this.#database.sync.status().catch(() => undefined);
    if (status !== undefined) this.#showStatus(status);
    if (isDone) announcer.announce(isOffline ? "You are offline" : "You are online");
    return isDone;
  }

  #goOnline(): void {
    this.#title.focus({ preventScroll: true });
    void this.#setOffline(false);
  }

  async #setOwnName(name: string): Promise<void> {
    this.#around.ownName.set(name);
    this.#panel.showOwnName(name);
    this.#namePrompt.show(false);
    if (name === "") return;
    if (await this.#write(this.#people.setOwnName(name))) this.#around.announcer.announce(`Your name is ${name}`);
  }

  /** The name that was chosen before, on a board that does not know it yet. */
  async #writeOwnName(): Promise<void> {
    if (this.#canWrite) await this.#write(this.#people.setOwnName(this.#around.ownName.get()));
  }

  /** Resolves with whether it worked; if not, people are told why. */
  async #write(work: Promise<unknown>): Promise<boolean> {
    try {
      await work;
      return true;
    } catch (error) {
      this.#report(error);
      return false;
    }
  }

  #report(error: unknown): void {
    if (endsAll(error)) return this.#around.giveUp(error);
    const { title, hint } = explain(error);
    this.#around.toasts.show(title, { hint, isError: true });
  }
}

function readOnlyWords({ permission, access }: DatabaseStatus): string {
  if (access.removed === true)
    return "Its owner removed this board. What is here can be read until you take it off this device.";
  if (permission === "read")
    return "You can read this board. To write on it, ask somebody who invites people, or for a link that can write.";
  return "You are no longer on this board. What had arrived before is still here.";
}
