/** All that sync can say and be told, folded away: nobody needs it for writing notes. */
import type { Database, Instance, LoggedEvent, Stop } from "tidemark";
import { CheckUp } from "./check-up.ts";
import { element } from "./element.ts";
import { eventList, exchangeList } from "./event-list.ts";
import { numbersTable } from "./numbers.ts";
import { paceField } from "./pace-field.ts";
import { reportButton } from "./report.ts";

export interface SyncDetailsOptions {
  readonly instance: Instance;
  readonly database: Database;
  readonly nameOf: (key: string) => string;
  readonly withNames: (text: string) => string;
  readonly attempt: (work: Promise<unknown>) => Promise<boolean>;
}

/** Often enough to see something move, seldom enough to read it. */
const refreshMs = 2_000;

export class SyncDetails {
  readonly element: HTMLElement;
  readonly #options: SyncDetailsOptions;
  readonly #stops: Stop[] = [];

  constructor(options: SyncDetailsOptions) {
    this.#options = options;
    const { instance, database, nameOf, attempt } = options;
    this.element = element(
      "details",
      { class: "folded sync-details" },
      element("summary", {}, "Sync details"),
      paceField(instance, attempt),
      new CheckUp(options).element,
      this.#live("Exchanges", async () => exchangeList(await database.sync.history(), nameOf)),
      this.#live("Numbers", async () => numbersTable(await instance.sync.metrics())),
      this.#live("Events", async () => eventList(withoutNoise(await instance.sync.log()))),
      reportButton(instance),
    );
  }

  close(): void {
    for (const stop of this.#stops) stop();
  }

  /** Read only while it is unfolded. */
  #live(title: string, read: () => Promise<HTMLElement>): HTMLElement {
    const place = element("div", { class: "live" });
    const folded = element("details", { class: "folded" }, element("summary", {}, title), place);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const refresh = async (): Promise<void> => {
      if (!folded.open) return;
      try {
        const next = await read();
        if (next.outerHTML !== place.innerHTML) place.replaceChildren(next);
        timer = setTimeout(() => void refresh(), refreshMs);
      } catch (error) {
        await this.#options.attempt(Promise.reject(error));
      }
    };
    folded.addEventListener("toggle", () => {
      clearTimeout(timer);
      void refresh();
    });
    this.#stops.push(() => {
      clearTimeout(timer);
      folded.open = false;
    });
    return folded;
  }
}

/** Asking for these lists is an event, too. */
function withoutNoise(events: readonly LoggedEvent[]): readonly LoggedEvent[] {
  return events.filter(({ level }) => level !== "debug");
}
