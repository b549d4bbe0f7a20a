/** The choice of how sync is to behave. */
import type { Instance, Preset } from "tidemark";
import { element } from "./element.ts";
import { Pace, paceChoices } from "./pace.ts";

export function paceField(instance: Instance, attempt: (work: Promise<unknown>) => Promise<boolean>): HTMLElement {
  const pace = new Pace(instance.name);
  const field = element("fieldset", { class: "choices pace" }, element("legend", {}, "How changes go out"));
  const inputs = new Map<Preset, HTMLInputElement>();
  const choose = async (preset: Preset): Promise<void> => {
    if (await attempt(instance.sync.changeSettings(preset))) return pace.set(preset);
    const kept = inputs.get(pace.get());
    if (kept !== undefined) kept.checked = true;
  };
  for (const { value, title, text } of paceChoices) {
    const input = element("input", { type: "radio", name: "pace", value, checked: value === pace.get() });
    input.addEventListener("change", () => void choose(value));
    inputs.set(value, input);
    const words = element("span", {}, element("b", {}, title), element("small", {}, text));
    field.append(element("label", { class: "choice" }, input, words));
  }
  return field;
}
