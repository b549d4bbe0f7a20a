/** What everybody has to know at once, above every page: a newer version, and storage that does not keep what is written. */
import type { Instance, Stop, StorageState, StorageStatus } from "tidemark";
import { element, setText } from "./element.ts";
import { storageWords } from "./storage-words.ts";

export class Banners {
  readonly #outdated = banner(
    "A newer version of this page is open in another tab, and waits for this one.",
    element("button", { type: "button", class: "small" }, "Load the new version"),
  );
  readonly #storage = banner("");

  constructor(region: HTMLElement) {
    this.#outdated.button?.addEventListener("click", () => location.reload());
    region.append(this.#outdated.element, this.#storage.element);
  }

  listen(instance: Instance): Stop {
    const stops = [
      instance.on("outdated", () => {
        this.#outdated.element.hidden = false;
      }),
      instance.on("storage", (status) => this.#showStorage(status)),
    ];
    instance.storage.status().then(
      (status) => this.#showStorage(status),
      () => {}, // Closed: another page says so.
    );
    return () => {
      for (const stop of stops) stop();
    };
  }

  #showStorage(status: StorageStatus): void {
    const advice = adviceFor(status.state, status.reason);
    this.#storage.element.hidden = advice === undefined;
    // Said again only when it is another thing: a live region.
    if (advice !== undefined) setText(this.#storage.words, `${storageWords(status).text}. ${advice}`);
  }
}

function banner(text: string, button?: HTMLButtonElement) {
  const words = element("p", {}, text);
  const children = button === undefined ? [words] : [words, button];
  return { element: element("div", { class: "banner", role: "alert", hidden: true }, ...children), words, button };
}

function adviceFor(state: StorageState, reason: StorageStatus["reason"]): string | undefined {
  if (state === "memory")
    return "Private windows and blocked site data can do that. Share the board with another device, or save it as a file, to keep it.";
  if (state !== "at-risk") return undefined;
  if (reason === "full") return "Free some space on the device: it goes on by itself.";
  if (reason === "damaged") return "Everything else goes on. Be online with somebody who has the board.";
  return "It is tried again by itself. Leave this tab open until then.";
}
