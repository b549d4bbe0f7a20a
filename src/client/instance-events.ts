/** What happens to an instance without a call that waits for it, as the app hears of it. */
import type { TidemarkError } from "../core/errors.ts";
import type { RelayStatus } from "../ports/transport.ts";
import { Listeners, type Stop } from "./listeners.ts";
import type { StorageStatus } from "./storage-info.ts";
import type { OtherBuild, Tab } from "./tab.ts";

export interface InstanceEvents {
  /** The relay came up, went away, or refused us. Work goes on either way. */
  relay: RelayStatus;
  /**
   * Something went wrong that no call is waiting for: an entry of a peer that was refused, a peer that broke the protocol, a
   * storage that was taken away, a worker that died.
   */
  problem: TidemarkError;
  /** This tab leads now, follows another one, or waits for one that leads. */
  tab: Tab;
  /**
   * A tab with a newer build of the app waits until all tabs of this build are gone, or leads already: then every call rejects with
   * BUILD_OUTDATED. To reload the page is what it waits for. Told once for each newer build.
   */
  outdated: OtherBuild;
  /** What `storage.status()` answers is different now: storage is full, fails, works again, is promised to stay; entries are damaged, or back. */
  storage: StorageStatus;
}

/** An app that never listens must not gather problems for ever. */
const unheardMax = 20;

/** [CLIENT-11] Problems met before anybody listened are told to the first who does. */
export class InstanceListeners extends Listeners<InstanceEvents> {
  readonly #unheard: TidemarkError[] = [];

  constructor() {
    super(["relay", "problem", "tab", "outdated", "storage"]);
  }

  override on<E extends keyof InstanceEvents>(event: E, listener: (data: InstanceEvents[E]) => void): Stop {
    const stop = super.on(event, listener);
    if (event === "problem") {
      const unheard = this.#unheard.splice(0);
      queueMicrotask(() => {
        for (const problem of unheard) this.emit("problem", problem);
      });
    }
    return stop;
  }

  report(problem: TidemarkError): void {
    if (this.has("problem")) this.emit("problem", problem);
    else if (this.#unheard.length < unheardMax) this.#unheard.push(problem);
  }
}
