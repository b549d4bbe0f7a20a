/**
 * The smallest engine that tabs can share: it writes down numbers, each once, under a claim on a disk that all tabs share.
 */
import { TidemarkError } from "../core/errors.ts";
import type { TabChannel } from "../ports/tabs.ts";
import { openPair, type Pair } from "../tabs/pair-endpoint.ts";
import type { Leading, LeadStart, StopReason } from "../tabs/tab-state.ts";
import type { Realm, TabsWorld } from "./tabs-world.ts";

/** One edit of one page. */
export interface CounterWrite {
  readonly tab: string;
  readonly number: number;
}

/** What every tab of a browser sees of the disk. A transaction is there whole, or not at all. */
export class CounterDisk {
  readonly #world: TabsWorld;
  /** Everything that was ever written, with the claim it was written under. */
  readonly log: (CounterWrite & { readonly term: number })[] = [];
  /** How often somebody wrote whose claim was not the last one any more. */
  fenced = 0;
  #term = 0;

  constructor(world: TabsWorld) {
    this.#world = world;
  }

  claim(realm: Realm): Promise<number> {
    return this.#world.browser.call(realm, () => ++this.#term);
  }

  load(realm: Realm): Promise<readonly CounterWrite[]> {
    return this.#world.browser.call(realm, () => [...this.log]);
  }

  /** Rejects with STORAGE_CLOSED when somebody else has claimed the disk since. */
  write(realm: Realm, term: number, write: CounterWrite): Promise<void> {
    return this.#world.browser.call(realm, () => {
      if (term !== this.#term) {
        this.fenced++;
        throw new TidemarkError("STORAGE_CLOSED", { reason: "claimed by another" });
      }
      this.log.push({ ...write, term });
    });
  }
}

export interface CounterInfo {
  readonly term: number;
}

export interface CounterOptions {
  readonly world: TabsWorld;
  readonly realm: Realm;
  readonly disk: CounterDisk;
  /** What opening takes. */
  readonly startMs: number;
  /** Whether a hand-over is cheap at present. */
  readonly isIdle: () => boolean;
  /** The disk was claimed by another. */
  readonly fenced: () => void;
}

export class CounterEngine implements Leading {
  readonly #options: CounterOptions;
  readonly #term: number;
  readonly #done: Map<string, Promise<void>>;
  readonly #pairs = new Map<string, Pair<CounterInfo, never>>();
  #isOver = false;

  private constructor(options: CounterOptions, term: number, written: readonly CounterWrite[]) {
    this.#options = options;
    this.#term = term;
    this.#done = new Map(written.map((write) => [keyOf(write), Promise.resolve()]));
  }

  static async open({ signal }: LeadStart, options: CounterOptions): Promise<CounterEngine> {
    const { realm, disk, startMs } = options;
    await realm.work(startMs);
    if (signal.aborted) throw new TidemarkError("ABORTED", { call: "open" });
    const term = await disk.claim(realm);
    return new CounterEngine(options, term, await disk.load(realm));
  }

  /** The pages that it serves beside its own. */
  get attached(): readonly string[] {
    return [...this.#pairs.keys()];
  }

  attach(tab: string, channel: TabChannel): void {
    if (this.#isOver) throw new Error("attached to an engine that has stopped");
    const pair = openPair<CounterInfo, never>(channel);
    this.#pairs.set(tab, pair);
    pair.endpoint.addEventListener("message", (event) => {
      const { number } = (event as MessageEvent<CounterWrite>).data;
      void this.write({ tab, number }).then((isDone) => isDone && pair.endpoint.postMessage({ tab, number }));
    });
    pair.post({ type: "attached", info: { term: this.#term } });
  }

  detach(tab: string): void {
    if (!this.#pairs.delete(tab)) throw new Error("detached what was not attached");
  }

  isIdle(): boolean {
    return this.#options.isIdle();
  }

  isTied(): boolean {
    return false;
  }

  /** Whether it may be answered: it is written, and we lead. */
  async write(write: CounterWrite): Promise<boolean> {
    const { realm, disk, fenced } = this.#options;
    if (this.#isOver) return false;
    const done = this.#done.get(keyOf(write)) ?? disk.write(realm, this.#term, write);
    this.#done.set(keyOf(write), done);
    try {
      await done;
    } catch {
      fenced();
      return false;
    }
    return !this.#isOver;
  }

  async stop(reason: StopReason): Promise<void> {
    this.#isOver = reason === "lost";
    const underWay = [...this.#done.values()];
    await Promise.allSettled(underWay);
    this.#isOver = true;
  }
}

function keyOf({ tab, number }: CounterWrite): string {
  return `${tab} ${number}`;
}
