/** The background's problems, folded away in the panel. */
import type { Stop } from "tidemark";
import { countWords, element } from "./element.ts";
import type { Problem, Problems } from "./problems.ts";

export function problemList(problems: Problems): { readonly element: HTMLElement; readonly stop: Stop } {
  const title = element("summary");
  const list = element("ul", { class: "problems" });
  const folded = element("details", { class: "folded" }, title, list);
  const stop = problems.subscribe(() => {
    folded.hidden = problems.list.length === 0;
    title.textContent = `${countWords(problems.list.length, "problem")} in the background`;
    list.replaceChildren(...problems.list.map(problemItem));
  });
  return { element: folded, stop };
}

function problemItem({ text, hint, code, at, times }: Problem): HTMLElement {
  const time = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  return element(
    "li",
    {},
    element("p", {}, text),
    ...(hint === "" ? [] : [element("p", { class: "fine" }, hint)]),
    element("p", { class: "fine" }, `${time} · `, element("code", {}, code), times > 1 ? ` · ${times} times` : ""),
  );
}
