/** What an instance of a simulated life does for one page that has documents: the calls of the worker, and the events, in the order in which they are sent. */

import { asTidemarkError } from "../core/errors.ts";
import type { DatabaseId } from "../core/ids.ts";
import type { StoreChange } from "../core/store/state.ts";
import type { DocChanges, WorkerApi, WorkerEvent } from "../worker/api.ts";
import { DocumentWatches } from "../worker/document-watches.ts";
import { buildParts } from "../worker/writes.ts";
import type { SimulatedClock } from "./clock.ts";
import type { Device, DeviceWatcher } from "./device.ts";
import type { SeededRandom } from "./random.ts";

/** The worker is another thread: what it says takes up to so long. */
const lateMsMax = 3;

export interface PageServiceOptions {
  readonly device: Device;
  readonly clock: SimulatedClock;
  readonly random: SeededRandom;
  readonly post: (changes: DocChanges) => void;
}

export class PageService implements DeviceWatcher {
  readonly api: WorkerApi;
  readonly #options: PageServiceOptions;
  readonly #documents: DocumentWatches;
  #sent: (() => void)[] = [];
  #underWay = 0;
  #isOver = false;

  constructor(options: PageServiceOptions) {
    this.#options = options;
    const { instance, ports, watchers } = options.device;
    this.#documents = new DocumentWatches({ instance, ports, post: (event) => this.#post(event) });
    watchers.add(this);
    this.api = this.#calls() as WorkerApi;
  }

  changed(database: DatabaseId, changes: readonly StoreChange[]): void {
    this.#documents.note(database, changes);
  }

  reloaded(database: DatabaseId): void {
    this.#documents.refresh(database);
  }

  /** Something was asked or is told, and has not arrived. */
  get isBusy(): boolean {
    return this.#underWay > 0 || this.#sent.length > 0;
  }

  /** As when its worker ends: what was asked is never answered. */
  end(): void {
    this.#isOver = true;
    this.#sent = [];
    this.#documents.end();
    this.#options.device.watchers.delete(this);
  }

  #calls(): Pick<WorkerApi, "openDoc" | "closeDoc" | "commit" | "putSnapshot"> {
    const { instance } = this.#options.device;
    const documents = this.#documents;
    return {
      openDoc: (...call) => this.#run(() => documents.open(...call)),
      closeDoc: (number) => this.#run(async () => documents.close(number)),
      commit: (id, stores, write) => this.#run(() => instance.commit(id, (open) => buildParts(stores, open), write)),
      putSnapshot: (...call) => this.#run(() => documents.keep(...call)),
    };
  }

  #run<T>(call: () => Promise<T>): Promise<T> {
    this.#underWay += 1;
    return new Promise<T>((resolve, reject) => {
      const answer = (tell: () => void): void => {
        this.#underWay -= 1;
        this.#send(tell);
      };
      this.#runLoaded(call).then(
        (value) => answer(() => resolve(value)),
        (error: unknown) => answer(() => reject(error)),
      );
    });
  }

  /** As `Client` does. */
  async #runLoaded<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      const known = asTidemarkError(error);
      const { database } = known.details as { readonly database?: string };
      const isUnknown = known.code === "DATABASE_UNKNOWN" && database !== undefined;
      const loaded = isUnknown ? this.#options.device.instance.reloading().get(database) : undefined;
      if (loaded === undefined) throw error;
      await loaded;
      return await this.#runLoaded(call);
    }
  }

  #post(event: WorkerEvent): void {
    if (event.type === "changes") this.#send(() => this.#options.post(event));
  }

  /** One after the other, and after a while. */
  #send(arrive: () => void): void {
    if (this.#isOver) return;
    this.#sent.push(arrive);
    if (this.#sent.length > 1) return;
    const { clock, random } = this.#options;
    clock.after(random.int(lateMsMax + 1), () => {
      const sent = this.#sent;
      this.#sent = [];
      for (const each of sent) if (!this.#isOver) each();
    });
  }
}
