/**
 * The tabs of the devices of a simulated life, what they write to documents and say of themselves, and what is remembered of that.
 *
 * A tab outlives the instance that serves it, as long as the disk stays: then the next one serves it. What has to be so in the end is in
 * document-judging.ts and presence-judging.ts.
 */
import { asTidemarkError, unreachable } from "../core/errors.ts";
import { TableChanges } from "../core/store/table-changes.ts";
import type { MemoryDisk } from "../storage/memory.ts";
import type { Device } from "./device.ts";
import type { DocumentCheat } from "./document-cheat.ts";
import type { DocumentDeed } from "./document-plan.ts";
import { draftEdit, editDocument, type LifeAutomerge } from "./life-edits.ts";
import { LifePage } from "./life-page.ts";
import { sayAt } from "./presence-pages.ts";
import { SeededRandom } from "./random.ts";
import type { Peer, Scene } from "./scene.ts";

export const lifeStores = ["board", "notes"] as const;
/** In everything that a tab says of itself, and nowhere else. */
export const saying = "present and says";
const tabsMax = 2;
/** Of tabs whose instance crashed, so many end with it. */
const endsWithCrash = 0.3;

export interface LifeEdit {
  readonly peer: Peer;
  /** The key that it sets in the document; the row too, when it was one with a row. */
  readonly name: string;
  readonly store: string;
  readonly withRow: boolean;
  /** done: the app was told that it is durable. */
  state: "open" | "done" | "refused";
  /** It was taken back, maybe brought back: anything may be so. */
  isUndone: boolean;
  /** On which it is durable, unless that is lost. */
  readonly disk: MemoryDisk;
  /** The tab that wrote it has it open ever since, and its app heard of nothing that was refused. */
  isShown: boolean;
}

export interface LifeTab {
  /** Of its device. */
  readonly number: number;
  /** Of all tabs of the life. */
  readonly serial: number;
  readonly page: LifePage;
  readonly peer: Peer;
  readonly disk: MemoryDisk;
  readonly edits: LifeEdit[];
  device: Device | undefined;
  /** What it says of itself; undefined: nothing. */
  said: string | undefined;
  /** Grows with each instance that serves it. */
  turn: number;
}

export class LifeDocuments {
  readonly automerge: LifeAutomerge;
  /** Also of tabs that are gone. */
  readonly edits: LifeEdit[] = [];
  cheat: DocumentCheat | undefined;
  /** Whether anybody said that it is there. */
  hasSaid = false;
  readonly #scene: Scene;
  readonly #random: SeededRandom;
  #tabs: readonly LifeTab[] = [];
  #made = 0;

  constructor(scene: Scene, automerge: LifeAutomerge) {
    this.#scene = scene;
    this.automerge = automerge;
    this.#random = new SeededRandom(scene.plan.seed ^ 0x7ab);
  }

  get tabs(): readonly LifeTab[] {
    return this.#tabs;
  }

  /** To be called whenever something may have happened: each tab is served by the instance that runs. */
  follow(): void {
    for (const tab of this.#tabs) {
      const { device } = tab.peer;
      if (device === tab.device) continue;
      tab.device = device;
      if (device === undefined) tab.page.hold();
      else if (device.disk !== tab.disk || this.#random.chance(endsWithCrash)) this.#crash(tab);
      else this.#serve(tab, device);
    }
  }

  act(deed: DocumentDeed): void {
    const scene = this.#scene;
    if (deed.type === "falsify") {
      for (let i = 0; i < deed.times; i++) this.cheat?.act();
      return;
    }
    if (isOfOpen(deed)) return this.#actOnOpen(deed);
    scene.up(deed.peer, (device, peer) => {
      if (device.instance.find(scene.id) === undefined) return;
      const tab = this.#tabOf(device, peer, deed.tab % tabsMax);
      scene.count(deed.type);
      this.#actInTab(tab, deed);
    });
  }

  /** Why something is not written yet, or not shown everywhere. */
  get unrest(): string | undefined {
    for (const { page } of this.#tabs) if (page.unrest !== undefined) return `tab ${page.name} ${page.unrest}`;
    return undefined;
  }

  /** Somebody opens all documents now. */
  async openAnew(device: Device, peer: Peer): Promise<void> {
    const tab = this.#tabOf(device, peer, tabsMax);
    await Promise.all(lifeStores.map((store) => tab.page.open(store)));
  }

  close(): void {
    for (const tab of this.#tabs) this.#end(tab);
  }

  #actInTab(tab: LifeTab, deed: Exclude<DocumentDeed, OfOpen | Falsify>): void {
    switch (deed.type) {
      case "edit":
        return this.#background(tab, this.#edit(tab, storeOf(deed), deed.changes, new SeededRandom(deed.seed)));
      case "transact":
        return this.#background(tab, this.#transact(tab, storeOf(deed), new SeededRandom(deed.seed)));
      case "openDoc":
        return this.#background(tab, tab.page.open(storeOf(deed)));
      case "say":
        return this.#say(tab, deed.state === null ? undefined : `${saying} ${deed.state}`);
      default:
        unreachable(deed);
    }
  }

  /** In a tab that is there, and to a document that it has open. */
  #actOnOpen(deed: OfOpen): void {
    const tab = this.#tabs[deed.peer % Math.max(1, this.#tabs.length)];
    const store = tab?.page.stores[deed.doc % Math.max(1, tab.page.stores.length)];
    if (tab === undefined || store === undefined) return;
    this.#scene.count(deed.type);
    switch (deed.type) {
      case "closeDoc":
        hide(tab, store);
        return tab.page.close(store);
      case "undo":
      case "redo":
        return this.#step(tab, store, deed.type);
      case "snapshot":
        if (tab.page.keepSnapshot(store)) this.#scene.count("snapshot kept");
        return;
      case "endTab":
        return this.#end(tab);
      default:
        unreachable(deed.type);
    }
  }

  #tabOf(device: Device, peer: Peer, number: number): LifeTab {
    const known = this.#tabs.find((tab) => tab.peer === peer && tab.number === number);
    if (known !== undefined) return known;
    const { cluster, id } = this.#scene;
    const serial = ++this.#made;
    const name = `t${serial}`;
    const page = new LifePage({
      ...{ name, automerge: this.automerge, clock: cluster.clock, random: this.#random.fork(), database: id },
      report: (error) => {
        hide(tab);
        this.#told(error);
      },
    });
    const { disk } = device;
    const tab: LifeTab = { number, serial, page, peer, disk, edits: [], device, said: undefined, turn: 0 };
    this.#tabs = [...this.#tabs, tab];
    this.#serve(tab, device);
    return tab;
  }

  #serve(tab: LifeTab, device: Device): void {
    tab.page.attach(device);
    tab.turn += 1;
    if (tab.said !== undefined) this.#tell(tab, tab.said);
  }

  /** Nobody is told that it goes. */
  #crash(tab: LifeTab): void {
    tab.said = undefined;
    this.#end(tab);
  }

  #end(tab: LifeTab): void {
    hide(tab);
    if (tab.said !== undefined && tab.device !== undefined) this.#tell(tab, undefined);
    tab.page.end();
    this.#tabs = this.#tabs.filter((each) => each !== tab);
  }

  /** What goes wrong with a call that somebody waits for. */
  #background(tab: LifeTab, promise: Promise<unknown>): void {
    promise.catch((error: unknown) => {
      if (this.#tabs.includes(tab)) this.#scene.expectCode(error, `in tab ${tab.page.name}`);
    });
  }

  #told(error: unknown): void {
    this.#scene.expectCode(error, "told of a document");
    const { code } = asTidemarkError(error);
    if (isOfNobody.has(code)) this.#scene.report(`a page was told ${String(error)}`);
  }

  async #edit(tab: LifeTab, store: string, changes: number, random: SeededRandom): Promise<void> {
    const doc = await tab.page.open(store);
    const edits: LifeEdit[] = [];
    for (let i = 0; i < changes; i++) {
      const edit = this.#newEdit(tab, store, false);
      edits.push(edit);
      editDocument(this.automerge, doc, edit.name, random);
    }
    await this.#await(edits, doc.saved());
  }

  async #transact(tab: LifeTab, store: string, random: SeededRandom): Promise<void> {
    const edit = this.#newEdit(tab, store, true);
    const rows = new TableChanges("rows");
    rows.put(edit.name, { by: tab.page.name });
    const write = { type: "table", store: "rows", payload: rows.encode(), updatedRows: [] } as const;
    const seed = random.int(2 ** 30);
    // It may be asked for more than once.
    const change = (draft: Record<string, unknown>): void =>
      draftEdit(this.automerge, draft, edit.name, new SeededRandom(seed));
    await this.#await([edit], tab.page.transact(store, change, [write]));
  }

  async #await(edits: readonly LifeEdit[], saved: Promise<void>): Promise<void> {
    try {
      await saved;
      for (const edit of edits) edit.state = "done";
      this.#scene.count("document edit done", edits.length);
    } catch (error) {
      for (const edit of edits) {
        edit.state = "refused";
        edit.isShown = false;
      }
      this.#scene.count("document edit refused", edits.length);
      throw error;
    }
  }

  #newEdit(tab: LifeTab, store: string, withRow: boolean): LifeEdit {
    const name = `${tab.page.name}.${tab.edits.length}`;
    const edit: LifeEdit = {
      peer: tab.peer,
      disk: tab.disk,
      name,
      store,
      withRow,
      state: "open",
      isUndone: false,
      isShown: true,
    };
    tab.edits.push(edit);
    this.edits.push(edit);
    return edit;
  }

  #step(tab: LifeTab, store: string, way: "undo" | "redo"): void {
    const doc = tab.page.doc(store);
    if (doc === undefined) return;
    const before = doc.value;
    if (!doc[way]()) return;
    this.#scene.count(`${way} done`);
    const after = doc.value;
    for (const edit of tab.edits)
      if (edit.store === store && edit.name in before !== edit.name in after) edit.isUndone = true;
    this.#background(tab, doc.saved());
  }

  #say(tab: LifeTab, state: string | undefined): void {
    this.hasSaid ||= state !== undefined;
    tab.said = state;
    this.#tell(tab, state);
  }

  #tell({ device, serial, turn }: LifeTab, state: string | undefined): void {
    if (device !== undefined) sayAt(device, this.#scene.id, serial, state, turn);
  }
}

/** That Automerge failed, or took no change that the engine had applied, is nobody's doing. */
const isOfNobody: ReadonlySet<string> = new Set(["DOC_CHANGE", "INTERNAL"]);

function hide({ edits }: LifeTab, store?: string): void {
  for (const edit of edits) if (store === undefined || edit.store === store) edit.isShown = false;
}

type Falsify = Extract<DocumentDeed, { readonly type: "falsify" }>;
type OfOpen = Extract<DocumentDeed, { readonly type: "closeDoc" | "undo" | "redo" | "snapshot" | "endTab" }>;

function isOfOpen(deed: DocumentDeed): deed is OfOpen {
  return ["closeDoc", "undo", "redo", "snapshot", "endTab"].includes(deed.type);
}

function storeOf({ doc }: { readonly doc: number }): string {
  return lifeStores[doc % lifeStores.length] as string;
}
