/** The page that is shown when the app cannot go on, or a link leads nowhere: what happened, and what can be done. */
import { TidemarkError } from "tidemark";
import { element } from "./element.ts";
import { explain } from "./explain.ts";
import { mark } from "./icons.ts";
import type { View } from "./view.ts";

export interface WayOut {
  readonly label: string;
  /** Shown on the button when going that way takes a while. */
  readonly busyLabel?: string;
  run(): void;
}

export class Failure implements View {
  readonly layout = "notice";
  readonly title: string;
  readonly elements: readonly HTMLElement[];
  readonly ready: Promise<void> = Promise.resolve();
  readonly #heading: HTMLElement;

  /** The first way out is the one that most people want. */
  constructor(error: unknown, waysOut: readonly WayOut[]) {
    const { title, hint } = explain(error);
    this.title = title;
    this.#heading = element("h1", { tabindex: -1 }, title);
    const actions = element("p", { class: "actions" });
    for (const [i, way] of waysOut.entries()) actions.append(wayButton(way, i === 0, actions));
    this.elements = [
      element(
        "main",
        { class: "notice", id: "main", tabindex: -1 },
        mark(),
        element("div", { role: "alert" }, this.#heading, element("p", { class: "lead" }, hint)),
        actions,
        element(
          "details",
          { class: "folded" },
          element("summary", {}, "For support"),
          element("pre", {}, technicalWords(error)),
        ),
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

function wayButton({ label, busyLabel, run }: WayOut, isFirst: boolean, actions: HTMLElement): HTMLElement {
  const button = element("button", { type: "button", class: isFirst && "primary" }, label);
  button.addEventListener("click", () => {
    for (const other of actions.querySelectorAll("button")) other.disabled = true;
    if (busyLabel !== undefined) button.textContent = busyLabel;
    run();
  });
  return button;
}

function technicalWords(error: unknown): string {
  if (!(error instanceof TidemarkError)) return String(error);
  return [error.message, error.hint ?? ""].join("\n").trim();
}
