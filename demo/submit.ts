/** Forms: one submission at a time, and what went wrong in words. */
import { explain } from "./explain.ts";

export function onSubmit(
  form: HTMLFormElement,
  button: HTMLButtonElement,
  error: HTMLElement,
  run: () => Promise<void>,
): void {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    error.textContent = "";
    button.disabled = true;
    run()
      .catch((reason: unknown) => {
        const { title, hint } = explain(reason);
        error.textContent = `${title}. ${hint}`;
      })
      .finally(() => {
        button.disabled = false;
      });
  });
}
