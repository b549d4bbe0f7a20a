/** Saves boards as a file, sealed with a passphrase or not. */
import type { FileProgress, MissingEntries } from "tidemark";
import { bytesWords } from "./amounts.ts";
import { element } from "./element.ts";
import type { LongWork, Step } from "./long-work.ts";

export interface ExportSource {
  /** Part of the name of the file. */
  readonly name: string;
  /** What is said while it is written. */
  readonly title: string;
  export(options: {
    readonly passphrase?: string;
    readonly signal: AbortSignal;
    readonly onProgress: (progress: FileProgress) => void;
    readonly onMissing: (missing: MissingEntries) => void;
  }): ReadableStream<Uint8Array>;
}

export class FileExport {
  readonly element: HTMLElement;

  /** `id` tells the forms of a page apart. */
  constructor(id: string, label: string, hint: string, source: ExportSource, work: LongWork) {
    const passphrase = element("input", {
      type: "password",
      id: `${id}-passphrase`,
      autocomplete: "new-password",
      minlength: 8,
      maxlength: 200,
      placeholder: "None: anybody can read the file",
    });
    const form = element(
      "form",
      { class: "file-form" },
      element("p", { class: "fine" }, hint),
      element(
        "div",
        { class: "field" },
        element("label", { for: `${id}-passphrase` }, "Passphrase of the file"),
        passphrase,
      ),
      element("button", { type: "submit", class: "small" }, label),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const secret = passphrase.value;
      passphrase.value = "";
      void work.run(source.title, async (signal, tell) => {
        const onProgress = (progress: FileProgress): void => tell(toStep(progress));
        let missing = 0;
        const onMissing = ({ entries }: MissingEntries): void => {
          missing += entries.length;
        };
        const sealed = secret === "" ? {} : { passphrase: secret };
        const stream = source.export({ ...sealed, signal, onProgress, onMissing });
        const file = await new Response(stream).blob();
        save(file, `${fileName(source.name)}.tidemark`);
        const lost =
          missing === 0 ? "" : ` ${missing.toLocaleString("en")} changes are missing: this device has lost them.`;
        return `Saved, ${bytesWords(file.size)}.${lost} ${secret === "" ? "Whoever has the file can read it." : "Without the passphrase nobody can read it, you neither."}`;
      });
    });
    this.element = form;
  }
}

/** How far a file is, written or read. */
export function toStep({ entries, total, bytes }: FileProgress): Step {
  const amount = `${entries.toLocaleString("en")} changes, ${bytesWords(bytes)}`;
  return total === 0
    ? { part: undefined, words: amount }
    : { part: entries / total, words: `${amount}, of ${total.toLocaleString("en")} changes` };
}

function save(file: Blob, name: string): void {
  const url = URL.createObjectURL(file);
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** Of any title something that every system takes, with the day. */
function fileName(title: string): string {
  const plain = title.replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-+|-+$/g, "");
  return `${plain === "" ? "board" : plain}-${new Date().toISOString().slice(0, 10)}`;
}
