/** Compares now, and checks what is wrong: what was found, with advice, the worst first. */
import type { Database, Diagnosis, Finding, Instance } from "tidemark";
import { ActionRow } from "./action-row.ts";
import { countWords, element } from "./element.ts";
import { explain, hasCode } from "./explain.ts";
import { icon } from "./icons.ts";

export interface CheckUpOptions {
  readonly instance: Instance;
  readonly database: Database;
  /** The engine calls devices by the beginning of their keys: what people call them. */
  readonly withNames: (text: string) => string;
}

const compareMs = 20_000;
const weights: Readonly<Record<Finding["state"], number>> = { failed: 0, warning: 1, ok: 2, skipped: 2 };

export class CheckUp {
  readonly element: HTMLElement;
  readonly #options: CheckUpOptions;
  readonly #result = element("div", { class: "check-result", role: "status" });

  constructor(options: CheckUpOptions) {
    this.#options = options;
    const actions = new ActionRow();
    actions.show([
      { label: "Compare now", run: () => this.#compare() },
      { label: "Check what is wrong", run: () => this.#check() },
    ]);
    this.element = element("div", { class: "check-up" }, actions.element, this.#result);
  }

  async #compare(): Promise<void> {
    const { instance, database } = this.#options;
    this.#say("Comparing…");
    try {
      const { online, peers } = await database.sync.status();
      if (!online) return this.#say("You are offline: there is nobody to compare with.");
      if (peers.length === 0) return this.#say("Nobody else is connected: there is nobody to compare with.");
      await instance.sync.syncNow({ database: database.id, timeoutMs: compareMs });
      this.#say(`Compared with ${countWords(peers.length, "device")}: all hold the same.`);
    } catch (error) {
      if (hasCode(error, "TIMEOUT")) return this.#say("Not done yet: there is still something on its way.");
      this.#fail(error);
    }
  }

  async #check(): Promise<void> {
    this.#say("Checking…");
    try {
      this.#showDiagnosis(await this.#options.instance.sync.diagnose());
    } catch (error) {
      this.#fail(error);
    }
  }

  #showDiagnosis({ findings }: Diagnosis): void {
    const sorted = [...findings].sort((a, b) => weights[a.state] - weights[b.state]);
    const wrong = sorted.filter(({ state }) => state === "failed" || state === "warning");
    const fine = sorted.filter(({ state }) => state === "ok" || state === "skipped");
    this.#result.replaceChildren(
      element("p", { class: "check-summary" }, wrong.length === 0 ? "All is well." : wrongWords(wrong)),
      element(
        "ul",
        { role: "list", class: "findings", "aria-label": "Findings" },
        ...wrong.map((one) => this.#item(one)),
      ),
      element(
        "details",
        { class: "folded" },
        element("summary", {}, `${countWords(fine.length, "check")}, nothing found`),
        element("ul", { role: "list", class: "findings" }, ...fine.map((one) => this.#item(one))),
      ),
    );
  }

  #item({ state, found, advice }: Finding): HTMLElement {
    const { withNames } = this.#options;
    const words = element("div", {}, element("p", {}, `${labels[state]}${withNames(found)}`));
    if (advice !== undefined) words.append(element("p", { class: "fine" }, withNames(advice)));
    return element("li", { class: `finding is-${state}` }, icon(state === "ok" ? "check" : "warning"), words);
  }

  #say(text: string): void {
    this.#result.replaceChildren(element("p", {}, text));
  }

  #fail(error: unknown): void {
    const { title, hint } = explain(error);
    this.#say(`${title}. ${hint}`);
  }
}

/** Colours and icons alone say nothing to many. */
const labels: Readonly<Record<Finding["state"], string>> = {
  failed: "Wrong: ",
  warning: "Worth a look: ",
  ok: "",
  skipped: "Not checked: ",
};

function wrongWords(wrong: readonly Finding[]): string {
  const failed = wrong.filter(({ state }) => state === "failed").length;
  const rest = wrong.length - failed;
  const parts = [
    ...(failed === 0 ? [] : [countWords(failed, "thing is wrong", "things are wrong")]),
    ...(rest === 0 ? [] : [countWords(rest, "thing is worth a look", "things are worth a look")]),
  ];
  return `${parts.join(", ")}.`;
}
