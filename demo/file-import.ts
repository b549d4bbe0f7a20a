/** Takes up boards from a file that was chosen or dropped. */
import type { Instance } from "tidemark";
import { element, setText } from "./element.ts";
import { toStep } from "./file-export.ts";
import type { LongWork } from "./long-work.ts";
import { importWords } from "./storage-words.ts";

export class FileImport {
  readonly element: HTMLElement;
  readonly #file = element("input", { type: "file", id: "import-file", accept: ".tidemark", required: true });
  readonly #passphrase = element("input", {
    type: "password",
    id: "import-passphrase",
    autocomplete: "off",
    maxlength: 200,
    placeholder: "If it has one",
  });
  readonly #hint = element("p", { class: "fine" }, "Choose a file, or drop it here.");

  /** `imported`: there may be boards that were not there before. */
  constructor(instance: Instance, work: LongWork, imported: () => void) {
    const form = element(
      "form",
      { class: "file-form drop-zone" },
      this.#hint,
      element("div", { class: "field" }, element("label", { for: "import-file" }, "File with boards"), this.#file),
      element(
        "div",
        { class: "field" },
        element("label", { for: "import-passphrase" }, "Its passphrase"),
        this.#passphrase,
      ),
      element("button", { type: "submit", class: "small" }, "Take up boards from the file"),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const [file] = this.#file.files ?? [];
      if (file !== undefined) void this.#import(instance, work, file, imported);
    });
    this.#takeDrops(form);
    this.element = form;
  }

  /** What is dropped is chosen, not yet taken up: it may need a passphrase. */
  #takeDrops(zone: HTMLElement): void {
    zone.addEventListener("dragover", (event) => {
      event.preventDefault();
      zone.classList.add("is-over");
    });
    zone.addEventListener("dragleave", () => zone.classList.remove("is-over"));
    zone.addEventListener("drop", (event) => {
      event.preventDefault();
      zone.classList.remove("is-over");
      const files = event.dataTransfer?.files;
      if (files === undefined || files.length === 0) return;
      this.#file.files = files;
      setText(this.#hint, `${files[0]?.name} is chosen.`);
    });
  }

  async #import(instance: Instance, work: LongWork, file: File, imported: () => void): Promise<void> {
    const passphrase = this.#passphrase.value;
    this.#passphrase.value = "";
    await work.run(`Taking up boards from ${file.name}`, async (signal, tell) => {
      const options = { ...(passphrase === "" ? {} : { passphrase }), signal };
      const report = await instance.import(file, { ...options, onProgress: (progress) => tell(toStep(progress)) });
      imported();
      return importWords(report);
    });
  }
}
