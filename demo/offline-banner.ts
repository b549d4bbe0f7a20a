/** Says that one is offline, by choice or because the device has no network, and leads back. */
import { element, setText } from "./element.ts";

export class OfflineBanner {
  readonly element: HTMLElement;
  readonly #text = element("p");
  readonly #back = element("button", { type: "button", class: "small" }, "Go online");
  readonly #listening = new AbortController();
  #isOnline = true;

  constructor(goOnline: () => void) {
    this.element = element("div", { class: "banner" }, this.#text, this.#back);
    this.#back.addEventListener("click", goOnline);
    const { signal } = this.#listening;
    addEventListener("online", () => this.show(this.#isOnline), { signal });
    addEventListener("offline", () => this.show(this.#isOnline), { signal });
    this.show(true);
  }

  show(isOnline: boolean): void {
    this.#isOnline = isOnline;
    this.#back.hidden = isOnline;
    this.element.hidden = isOnline && navigator.onLine;
    if (!isOnline)
      setText(this.#text, "You are offline. What you write is saved on this device and goes out when you are back.");
    else setText(this.#text, "This device has no network. What you write is saved here and goes out when it is back.");
  }

  close(): void {
    this.#listening.abort();
  }
}
