/** What there is to know, folded away. */
import { element } from "./element.ts";

export function help(): HTMLElement {
  return element(
    "details",
    { class: "folded help" },
    element("summary", {}, "How this works"),
    element(
      "p",
      {},
      "A board lives on the devices of the people on it, not on a server. Everything you write is saved here first and goes straight to the others when they are connected. A relay only helps devices find each other; it cannot read anything.",
    ),
    element(
      "dl",
      {},
      ...definition("Keys", [
        kbd("Enter"),
        " adds a note or saves an edit, ",
        kbd("Esc"),
        " takes an edit back. On a note: ",
        kbd("Enter"),
        " edits, ",
        kbd("Delete"),
        " deletes, ",
        kbd("↑"),
        " and ",
        kbd("↓"),
        " move. ",
        kbd("Ctrl Z"),
        " brings back what was deleted. In the text, ",
        kbd("Ctrl Z"),
        " takes back what you wrote, and nothing of others.",
      ]),
      ...definition("Who may do what", [
        "Whoever makes a board owns it, and can let people in: by a link that opens it, as often and as long as you say, or by one with which they ask. Under People you see who may do what, who let them in, and can change it. Every device checks all of it by itself, so it holds offline, too.",
      ]),
      ...definition("Two people in one browser", [
        "Add ",
        code("?as=name"),
        " to the address: each name has its own key and its own boards.",
      ]),
      ...definition("Another relay", [
        "Add ",
        code("?relay=wss://…"),
        " to the address. Links that you share keep it.",
      ]),
    ),
  );
}

function definition(term: string, words: readonly (Node | string)[]): readonly HTMLElement[] {
  return [element("dt", {}, term), element("dd", {}, ...words)];
}

function kbd(key: string): HTMLElement {
  return element("kbd", {}, key);
}

function code(text: string): HTMLElement {
  return element("code", {}, text);
}
