/**
 * A tab of a device in a simulated life: the page's own line, replicas and documents, Automerge among them, before the engine of whichever
 * instance runs on that device just now.
 *
 * Not here: workers, locks and channels between tabs (tabs-engine-life.ts), and the outbox: what a tab has not written when it ends is lost.
 */
import { Doc } from "../client/documents/doc.ts";
import { Feeds } from "../client/documents/feed.ts";
import { writeTogether } from "../client/documents/joint-write.ts";
import { Replica, type ReplicaHome } from "../client/documents/replica.ts";
import { LeaderLine } from "../client/leader-line.ts";
import { TidemarkError } from "../core/errors.ts";
import { type DatabaseId, encodeHex } from "../core/ids.ts";
import type { StoreWrites } from "../worker/api.ts";
import type { SimulatedClock } from "./clock.ts";
import type { Device } from "./device.ts";
import type { LifeAutomerge } from "./life-edits.ts";
import { PageService } from "./page-service.ts";
import type { SeededRandom } from "./random.ts";

export type Board = Record<string, unknown>;

export interface LifePageOptions {
  readonly name: string;
  readonly automerge: LifeAutomerge;
  readonly clock: SimulatedClock;
  readonly random: SeededRandom;
  readonly database: DatabaseId;
  /** Told of what goes wrong and no call waits for. */
  readonly report: (error: unknown) => void;
}

interface Open {
  readonly replica: Replica;
  /** Rejects when it cannot be opened: then it is not among the open ones any more. */
  readonly opened: Promise<Doc<Board>>;
  doc: Doc<Board> | undefined;
}

export class LifePage {
  /** Of all tabs of a life each has another. */
  readonly name: string;
  readonly #options: LifePageOptions;
  readonly #line: LeaderLine;
  readonly #feeds = new Feeds();
  readonly #open = new Map<string, Open>();
  #service: PageService | undefined;
  #transactions = 0;

  constructor(options: LifePageOptions) {
    this.name = options.name;
    this.#options = options;
    const tab = encodeHex(options.random.bytes(16));
    this.#line = new LeaderLine({ tab, forget: async () => {}, began: () => {}, wrote: () => {} });
  }

  /** This instance serves it from now on. */
  attach(device: Device): void {
    this.hold();
    const { clock, random } = this.#options;
    this.#service = new PageService({ device, clock, random, post: (changes) => this.#feeds.take(changes) });
    this.#line.attach({ api: this.#service.api });
  }

  /** Nobody serves it just now. */
  hold(): void {
    this.#service?.end();
    this.#service = undefined;
    this.#line.hold();
  }

  /** Resolves when it is open; rejects with what `openDoc` rejects with. */
  open(store: string): Promise<Doc<Board>> {
    const known = this.#open.get(store);
    if (known !== undefined && !known.replica.isClosed) return known.opened;
    const replica = new Replica(this.#home(), this.#options.database, store);
    const opened = replica.open().then(
      () => {
        open.doc = new Doc<Board>(store, replica, () => {});
        return open.doc;
      },
      (error: unknown) => {
        if (this.#open.get(store) === open) this.#open.delete(store);
        throw error;
      },
    );
    const open: Open = { replica, opened, doc: undefined };
    this.#open.set(store, open);
    return opened;
  }

  /** Undefined while it is not open. */
  doc(store: string): Doc<Board> | undefined {
    const open = this.#open.get(store);
    return open === undefined || open.replica.isClosed ? undefined : open.doc;
  }

  /** Changes a document and whatever else is written, or nothing. Resolves when that is durable. */
  async transact(store: string, change: (draft: Board) => void, others: readonly StoreWrites[]): Promise<void> {
    await this.open(store);
    const replica = this.#open.get(store)?.replica;
    if (replica === undefined || replica.isClosed) throw new TidemarkError("DOC_CLOSED", { store });
    this.#transactions += 1;
    try {
      const { database } = this.#options;
      await writeTogether([{ replica, changes: [change as (draft: object) => void] }], (docs) => {
        const stores = [...docs, ...others];
        return this.#line.write("transaction", (api, id) => api.commit(database, stores, id), {
          edit: { database, stores },
        });
      });
    } finally {
      this.#transactions -= 1;
    }
  }

  /** As a page does when it has nothing else to do: of what is durable alone. */
  keepSnapshot(store: string): boolean {
    const { automerge, database } = this.#options;
    const replica = this.#open.get(store)?.replica;
    if (this.doc(store) === undefined || replica === undefined || replica.isBusy) return false;
    const snapshot = { heads: automerge.getHeads(replica.doc), bytes: automerge.save(replica.doc) };
    this.#line.send((api) => api.putSnapshot(database, store, snapshot));
    return true;
  }

  /** What was changed is still written, as far as somebody serves it. */
  close(store: string): void {
    const open = this.#open.get(store);
    if (open === undefined) return;
    this.#open.delete(store);
    open.replica.close(new TidemarkError("DOC_CLOSED", { store }));
  }

  /** It is gone, and all that it had not written. */
  end(): void {
    this.#line.end(new TidemarkError("INSTANCE_CLOSED", { name: this.name }));
    this.hold();
    for (const store of [...this.#open.keys()]) this.close(store);
  }

  /** Those that are open, or being opened. */
  get stores(): readonly string[] {
    return [...this.#open.keys()];
  }

  /** Why not all that it has is what is stored; undefined: it is. */
  get unrest(): string | undefined {
    if (this.#line.isWaiting || this.#transactions > 0) return "waits for an answer";
    if (this.#service?.isBusy === true) return "has not heard everything";
    for (const [store, { replica, doc }] of this.#open) {
      if (doc === undefined) return `has not opened ${store}`;
      if (!replica.isClosed && replica.isBusy) return `still writes ${store}`;
    }
    return undefined;
  }

  #home(): ReplicaHome {
    const { automerge, clock, random, report } = this.#options;
    return {
      ...{ automerge, line: this.#line, feeds: this.#feeds, report },
      schedule: (run) => void clock.after(0, run),
      after: (ms, run) => void clock.after(ms, run),
      whenIdle: (run) => void clock.after(1_000, run),
      now: () => clock.now(),
      drawNonce: () => random.bytes(16),
    };
  }
}
