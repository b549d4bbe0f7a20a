/** What somebody who helps wants to have: diagnosis, numbers and log, as one text to send. */
import type { Instance } from "tidemark";
import { ActionRow } from "./action-row.ts";
import { element } from "./element.ts";
import { explain } from "./explain.ts";

export function reportButton(instance: Instance): HTMLElement {
  const words = element("p", { class: "fine", role: "status" });
  const place = element("div");
  const actions = new ActionRow();
  const copy = async (): Promise<void> => {
    try {
      const text = await supportReport(instance);
      const isCopied = await navigator.clipboard.writeText(text).then(
        () => true,
        () => false,
      );
      words.textContent = isCopied ? "Copied." : "Select all of it and copy it:";
      place.replaceChildren(...(isCopied ? [] : [reportField(text)]));
    } catch (error) {
      const { title, hint } = explain(error);
      words.textContent = `${title}. ${hint}`;
    }
  };
  actions.show([{ label: "Copy report for support", run: copy }]);
  const hint = element(
    "p",
    { class: "fine" },
    "It holds names of boards and devices, and no notes, links or whole keys.",
  );
  return element("div", { class: "report" }, actions.element, hint, words, place);
}

async function supportReport({ sync }: Instance): Promise<string> {
  const [diagnosis, metrics, settings, log] = await Promise.all([
    sync.diagnose(),
    sync.metrics(),
    sync.settings(),
    sync.log(),
  ]);
  return JSON.stringify({ madeAt: new Date().toISOString(), diagnosis, metrics, settings, log }, undefined, 2);
}

function reportField(text: string): HTMLElement {
  const field = element("textarea", { readonly: true, rows: 6, "aria-label": "Report" });
  field.value = text;
  field.addEventListener("focus", () => field.select());
  return field;
}
