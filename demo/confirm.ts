/** Asks before something that cannot simply be taken back, with what it means in plain words. */
import { element } from "./element.ts";

export interface Question {
  readonly title: string;
  readonly lines: readonly string[];
  /** What the button that does it says. */
  readonly yes: string;
}

let asked = 0;

/** Resolves with the answer; Escape and a click beside it are a no. */
export function confirm({ title, lines, yes }: Question): Promise<boolean> {
  const id = `confirm-${++asked}`;
  const no = element("button", { type: "button" }, "Cancel");
  const go = element("button", { type: "button", class: "danger" }, yes);
  const dialog = element(
    "dialog",
    { class: "dialog confirm", "aria-labelledby": id, "aria-describedby": `${id}-text` },
    element("h2", { id }, title),
    element("ul", { id: `${id}-text`, class: "confirm-lines" }, ...lines.map((line) => element("li", {}, line))),
    element("p", { class: "actions" }, no, go),
  );
  return new Promise((resolve) => {
    let answer = false;
    go.addEventListener("click", () => {
      answer = true;
      dialog.close();
    });
    no.addEventListener("click", () => dialog.close());
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(answer);
    });
    document.body.append(dialog);
    dialog.showModal();
    // Enter must not do it by accident.
    no.focus();
  });
}
