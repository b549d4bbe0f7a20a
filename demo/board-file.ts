/** A board as a file, and the ways to part with it: from this device, or for everybody. */
import type { Database, DatabaseStatus } from "tidemark";
import { type Action, ActionRow } from "./action-row.ts";
import { confirm } from "./confirm.ts";
import { element } from "./element.ts";
import { FileExport } from "./file-export.ts";
import { LongWork } from "./long-work.ts";

export interface BoardFileOwner {
  /** The board is not on this device any more. */
  forgotten(): void;
  /** Resolves with whether it worked; if not, people are told why. */
  attempt(work: Promise<unknown>): Promise<boolean>;
}

export class BoardFile {
  readonly element: HTMLElement;
  readonly #database: Database;
  readonly #owner: BoardFileOwner;
  readonly #work = new LongWork();
  readonly #actions = new ActionRow();
  #status: DatabaseStatus | undefined;

  constructor(database: Database, owner: BoardFileOwner) {
    this.#database = database;
    this.#owner = owner;
    const source = {
      title: "Saving this board as a file",
      export: (options: Parameters<Database["export"]>[0]) => database.export(options),
    };
    const name = (): string => this.#status?.name ?? "";
    const named = {
      ...source,
      get name() {
        return name();
      },
    };
    this.element = element(
      "details",
      { class: "folded board-file" },
      element("summary", {}, "Keep or delete this board"),
      new FileExport("export-board", "Save as a file", boardHint, named, this.#work).element,
      this.#work.element,
      this.#actions.element,
    );
  }

  show(status: DatabaseStatus): void {
    this.#status = status;
    const forget: Action = { label: "Take it off this device", run: () => this.#forget() };
    const remove: Action = { label: "Remove it for everybody", run: () => this.#remove() };
    const isOwners = status.permission === "owner" && status.access.removed !== true;
    this.#actions.show(isOwners ? [forget, remove] : [forget]);
  }

  close(): void {
    this.#work.close();
  }

  async #forget(): Promise<void> {
    const others = this.#status?.heldBy.some(({ isComplete }) => isComplete) === true;
    const isSure = await confirm({
      title: `Take “${this.#status?.name ?? ""}” off this device?`,
      lines: [
        "All of it is deleted here, in all tabs.",
        others
          ? "Others keep their copies. With a link you can come back."
          : "No other device is known to have all of it: what only this one has is lost for ever.",
        ...(this.#status?.permission === "owner" ? ["You stay its owner: your key is kept."] : []),
      ],
      yes: "Take it off",
    });
    if (isSure && (await this.#owner.attempt(this.#database.forget()))) this.#owner.forgotten();
  }

  async #remove(): Promise<void> {
    const isSure = await confirm({
      title: `Remove “${this.#status?.name ?? ""}” for everybody?`,
      lines: [
        "Nobody can write on it any more, you neither, as soon as their device learns of it. That cannot be taken back.",
        "Everybody can still read what they have, and nobody can be made to delete it.",
      ],
      yes: "Remove it",
    });
    if (isSure) await this.#owner.attempt(this.#database.remove());
  }
}

const boardHint = "All of this board, to keep or to take to another device.";
