/** Shown while tabs with an older version are open, which this one cannot work together with. */
import { element } from "./element.ts";
import { mark } from "./icons.ts";
import type { View } from "./view.ts";

export class Blocked implements View {
  readonly layout = "notice";
  readonly title = "Waiting";
  readonly elements: readonly HTMLElement[];
  readonly ready: Promise<void> = Promise.resolve();
  readonly #heading = element("h1", { tabindex: -1 }, "An older version of this page is open in another tab");

  constructor() {
    this.elements = [
      element(
        "main",
        { class: "notice", id: "main", tabindex: -1 },
        mark(),
        element(
          "div",
          { role: "alert" },
          this.#heading,
          element(
            "p",
            { class: "lead" },
            "Close the other tabs of this page, or load them again. This one goes on by itself.",
          ),
        ),
        element("progress", { "aria-label": "Waiting for the other tabs" }),
      ),
    ];
  }

  focus(): void {
    this.#heading.focus({ preventScroll: true });
  }

  close(): void {
    // It listens to nothing.
  }
}
