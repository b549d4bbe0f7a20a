/** Which tab works, how well this device keeps what is saved, how much that is, and the wish that the browser never deletes it. */
import type { Instance, Stop, StorageStatus } from "tidemark";
import { ActionRow } from "./action-row.ts";
import { element, setText } from "./element.ts";
import type { OpenTabs } from "./open-tabs.ts";
import type { Words } from "./status-words.ts";
import { forecastWords, storageWords, tabWords, usageWords } from "./storage-words.ts";

/** How much is stored changes without a word. */
const readEveryMs = 10_000;

export class StorageMeter {
  readonly element: HTMLElement;
  readonly #instance: Instance;
  readonly #tabs: OpenTabs;
  readonly #tab = statusLine();
  readonly #storage = statusLine();
  readonly #bar = element("meter", { min: 0, max: 1, low: 0.8, high: 0.95, optimum: 0, "aria-label": "Storage used" });
  readonly #usage = element("p", { class: "fine" });
  readonly #forecast = element("p", { class: "fine" });
  readonly #actions = new ActionRow();
  readonly #answer = element("p", { class: "fine", role: "status" });
  readonly #stops: Stop[] = [];

  constructor(instance: Instance, tabs: OpenTabs) {
    this.#instance = instance;
    this.#tabs = tabs;
    const lines = element("ul", { role: "list", class: "status-lines" }, this.#tab.element, this.#storage.element);
    const usage = element("div", { class: "usage" }, this.#bar, this.#usage, this.#forecast);
    this.element = element("div", { class: "storage-meter" }, lines, usage, this.#actions.element, this.#answer);
    this.#stops.push(
      tabs.subscribe(() => this.#showTab()),
      instance.on("tab", () => this.#showTab()),
      instance.on("storage", (status) => this.#show(status)),
    );
    const timer = setInterval(() => void this.#read(), readEveryMs);
    this.#stops.push(() => clearInterval(timer));
    void this.#read();
  }

  close(): void {
    for (const stop of this.#stops) stop();
  }

  #showTab(): void {
    this.#tab.show(tabWords(this.#instance.tab.state, this.#tabs.count));
  }

  async #read(): Promise<void> {
    const status = await this.#instance.storage.status().catch(() => undefined); // Closed: there is nothing to show.
    if (status !== undefined) this.#show(status);
  }

  #show(status: StorageStatus): void {
    this.#storage.show(storageWords(status));
    const { usedBytes, quotaBytes } = status;
    this.#bar.hidden = usedBytes === undefined || quotaBytes === undefined || quotaBytes === 0;
    if (!this.#bar.hidden) this.#bar.value = (usedBytes ?? 0) / (quotaBytes ?? 1);
    setText(this.#usage, usageWords(status));
    setText(this.#forecast, forecastWords(status));
    const canAsk = status.state !== "memory" && !status.persisted;
    this.#actions.show(canAsk ? [{ label: "Ask the browser to keep it", run: () => this.#persist() }] : []);
  }

  async #persist(): Promise<void> {
    const isKept = await this.#instance.storage.persist().catch(() => false);
    setText(
      this.#answer,
      isKept
        ? "The browser will keep it."
        : "The browser has promised nothing. It is more willing when the page is a bookmark or installed.",
    );
    await this.#read();
  }
}

function statusLine(): { readonly element: HTMLElement; show(words: Words): void } {
  const text = element("span");
  const line = element("li", {}, element("span", { class: "dot", "aria-hidden": "true" }), text);
  const show = (words: Words): void => {
    setText(text, words.text);
    line.dataset.tone = words.tone;
  };
  return { element: line, show };
}
