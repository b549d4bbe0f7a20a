/** Short messages at the edge of the window, some with a way to take back what was done. */
import { element } from "./element.ts";
import { icon } from "./icons.ts";

export interface ToastAction {
  readonly label: string;
  run(): void;
}

export interface ToastOptions {
  readonly action?: ToastAction;
  /** A second line: what to do about it. */
  readonly hint?: string;
  readonly isError?: boolean;
}

const shownMs = 8_000;
const shownErrorMs = 20_000;
const shownMax = 3;

export class Toasts {
  readonly #region: HTMLElement;
  /** The action of the newest toast that has one: what Ctrl+Z does. */
  #undo: { readonly toast: HTMLElement; readonly action: ToastAction } | undefined;

  constructor(region: HTMLElement) {
    this.#region = region;
    region.setAttribute("aria-live", "polite");
    document.addEventListener("keydown", (event) => this.#onKey(event));
  }

  show(text: string, { action, hint, isError = false }: ToastOptions = {}): void {
    const close = element("button", { type: "button", class: "plain", "aria-label": "Dismiss" }, icon("cross"));
    const words = element("div", { class: "toast-words" }, element("p", {}, text));
    if (hint !== undefined) words.append(element("p", { class: "toast-hint" }, hint));
    const toast = element("div", { class: isError ? "toast is-error" : "toast" }, words);
    if (action !== undefined) toast.append(this.#actionButton(toast, action));
    toast.append(close);
    close.addEventListener("click", () => this.#dismiss(toast));
    this.#region.append(toast);
    while (this.#region.children.length > shownMax) this.#dismiss(this.#region.firstElementChild);
    this.#expire(toast, isError ? shownErrorMs : shownMs);
  }

  clear(): void {
    this.#region.replaceChildren();
    this.#undo = undefined;
  }

  #actionButton(toast: HTMLElement, action: ToastAction): HTMLElement {
    const button = element("button", { type: "button", class: "toast-action", title: "Ctrl+Z" }, action.label);
    button.addEventListener("click", () => this.#run(toast, action));
    this.#undo = { toast, action };
    return button;
  }

  #run(toast: HTMLElement, action: ToastAction): void {
    this.#dismiss(toast);
    action.run();
  }

  #dismiss(toast: Element | null): void {
    toast?.remove();
    if (this.#undo?.toast === toast) this.#undo = undefined;
  }

  /** Nobody has to hurry: it stays while it is pointed at or has the focus. */
  #expire(toast: HTMLElement, afterMs: number): void {
    setTimeout(() => {
      if (toast.matches(":hover, :focus-within")) this.#expire(toast, 2_000);
      else this.#dismiss(toast);
    }, afterMs);
  }

  #onKey(event: KeyboardEvent): void {
    const isUndo =
      event.key.toLowerCase() === "z" && (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey;
    if (!isUndo || this.#undo === undefined || isEditing(event.target)) return;
    event.preventDefault();
    this.#run(this.#undo.toast, this.#undo.action);
  }
}

/** Ctrl+Z belongs to the text that is being written. */
function isEditing(target: EventTarget | null): boolean {
  if (target instanceof HTMLTextAreaElement) return target.value !== "";
  return target instanceof HTMLInputElement && target.type === "text" && target.value !== "";
}
