/** What concerns this device as a whole: its tabs, its storage, its boards as a file, and the end of all of it. */
import { TidemarkError } from "tidemark";
import { ActionRow } from "./action-row.ts";
import { confirm } from "./confirm.ts";
import { countWords, element } from "./element.ts";
import { explain } from "./explain.ts";
import { FileExport } from "./file-export.ts";
import { FileImport } from "./file-import.ts";
import { LongWork } from "./long-work.ts";
import { StorageMeter } from "./storage-meter.ts";
import { verifyWords } from "./storage-words.ts";
import type { Surroundings } from "./view.ts";

export class DeviceSection {
  readonly element: HTMLElement;
  readonly #around: Surroundings;
  readonly #meter: StorageMeter;
  readonly #work = new LongWork();

  /** `imported`: there may be boards that were not there before. */
  constructor(around: Surroundings, imported: () => void) {
    this.#around = around;
    const { instance, tabs } = around;
    this.#meter = new StorageMeter(instance, tabs);
    const actions = new ActionRow();
    actions.show([{ label: "Check everything that is saved", run: async () => void this.#verify() }]);
    const wipe = element("button", { type: "button", class: "small danger" }, "Delete everything on this device");
    wipe.addEventListener("click", () => void this.#wipe());
    const source = {
      name: "boards",
      title: "Saving all boards as a file",
      export: (options: Parameters<typeof instance.export>[0]) => instance.export(options),
    };
    this.element = element(
      "section",
      { class: "device card", "aria-labelledby": "device-title" },
      element("h2", { id: "device-title" }, "This device"),
      this.#meter.element,
      actions.element,
      this.#work.element,
      folded("Save all boards as a file", new FileExport("export-all", "Save the file", allHint, source, this.#work)),
      folded("Take up boards from a file", new FileImport(instance, this.#work, imported)),
      folded("Delete everything", {
        element: element("div", { class: "file-form" }, element("p", { class: "fine" }, wipeHint), wipe),
      }),
    );
  }

  close(): void {
    this.#meter.close();
    this.#work.close();
  }

  #verify(): Promise<void> {
    const { instance } = this.#around;
    return this.#work.run("Checking everything that is saved", async (signal, tell) => {
      const onProgress = ({ checked, total }: { readonly checked: number; readonly total: number }): void =>
        tell({
          part: total === 0 ? undefined : checked / total,
          words: `${checked} of ${countWords(total, "record")}`,
        });
      return verifyWords(await instance.storage.verify({ signal, onProgress }));
    });
  }

  async #wipe(): Promise<void> {
    const { instance, toasts, giveUp } = this.#around;
    const boards = await instance.databases().catch(() => []);
    const isSure = await confirm({
      title: "Delete everything on this device?",
      lines: [
        `${countWords(boards.length, "board")}, your keys and your name here are gone, in all tabs, for ever.`,
        "Others keep their copies of boards that were shared. What never reached anybody else is lost.",
        "You come back to a board only as somebody new, by a link, or with a file that you saved with a passphrase.",
      ],
      yes: "Delete everything",
    });
    if (!isSure) return;
    try {
      await instance.wipe();
      giveUp(new TidemarkError("INSTANCE_WIPED", { name: instance.name }));
    } catch (error) {
      const { title, hint } = explain(error);
      toasts.show(title, { hint, isError: true });
    }
  }
}

const allHint =
  "Everything on every board, to keep or to take to another device. With a passphrase it also holds a key that leads back into the boards you look after.";
const wipeHint = "All boards, keys and settings in this browser, for all tabs.";

function folded(title: string, { element: content }: { readonly element: HTMLElement }): HTMLElement {
  return element("details", { class: "folded" }, element("summary", {}, title), content);
}
