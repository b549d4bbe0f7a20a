/** The first page: the boards on this device, a way to make one, and a way to join one. */
import type { Database, DatabaseStatus, Stop } from "tidemark";
import { boardHref } from "./address.ts";
import { DeviceSection } from "./device-section.ts";
import { countWords, element, setText } from "./element.ts";
import { help } from "./help.ts";
import { icon, mark } from "./icons.ts";
import { nameLengthMax, tidyName } from "./own-name.ts";
import { onSubmit } from "./submit.ts";
import type { Surroundings, View } from "./view.ts";

export interface StartOwner {
  openBoard(id: string): void;
  openLink(link: string): void;
  /** Those on this device, as they are now. */
  boards(): Promise<readonly Database[]>;
}

/** A board's name is at most 128 bytes; this many characters fit in any script. */
const titleLengthMax = 40;

export class Start implements View {
  readonly layout = "start";
  readonly title = "";
  readonly elements: readonly HTMLElement[];
  readonly ready: Promise<void> = Promise.resolve();
  readonly #around: Surroundings;
  readonly #owner: StartOwner;
  readonly #heading = element("h1", { tabindex: -1 }, "Boards that live on your devices");
  readonly #boards = element("div", { class: "board-section" });
  readonly #device: DeviceSection;
  #stops: readonly Stop[] = [];

  constructor(around: Surroundings, boards: readonly Database[], owner: StartOwner) {
    this.#around = around;
    this.#owner = owner;
    const intro = element(
      "p",
      { class: "lead" },
      "Write lists together. Everything is saved on this device, works offline, and goes directly to the people you share it with.",
    );
    const header = element(
      "header",
      { class: "page-header" },
      element("p", { class: "brand" }, mark(), "Tidemark board"),
      this.#heading,
      intro,
    );
    const main = element("main", { class: "start", id: "main", tabindex: -1 });
    this.#device = new DeviceSection(around, () => void this.#refresh());
    this.#showBoards(boards);
    const cards = element("div", { class: "cards" }, this.#makeForm(), this.#joinForm());
    main.append(this.#boards, cards, this.#device.element);
    this.elements = [header, main, element("footer", { class: "page-footer" }, help())];
  }

  focus(): void {
    this.#heading.focus({ preventScroll: true });
  }

  close(): void {
    this.#device.close();
    for (const stop of this.#stops) stop();
  }

  async #refresh(): Promise<void> {
    const boards = await this.#owner.boards().catch(() => undefined); // Closed: another page says so.
    if (boards !== undefined) this.#showBoards(boards);
  }

  #showBoards(boards: readonly Database[]): void {
    for (const stop of this.#stops) stop();
    this.#stops = [];
    this.#boards.hidden = boards.length === 0;
    this.#boards.replaceChildren(...(boards.length === 0 ? [] : [this.#boardList(boards)]));
  }

  #boardList(boards: readonly Database[]): HTMLElement {
    const list = element("ul", { role: "list", class: "boards" });
    for (const board of boards) list.append(this.#boardItem(board));
    return element(
      "section",
      { "aria-labelledby": "boards-title" },
      element("h2", { id: "boards-title" }, "Your boards"),
      list,
    );
  }

  #boardItem(board: Database): HTMLElement {
    const name = element("span", { class: "board-name", dir: "auto" }, "…");
    const words = element("span", { class: "fine" });
    const link = element("a", { href: boardHref(board.id) }, name, words);
    const stop = board.sync.subscribe((status) => {
      setText(name, status.name === "" ? "A shared board" : status.name);
      setText(words, boardWords(status));
    });
    this.#stops = [...this.#stops, stop];
    return element("li", {}, link);
  }

  #makeForm(): HTMLElement {
    const { ownName } = this.#around;
    const title = element("input", {
      type: "text",
      id: "board-title",
      required: true,
      maxlength: titleLengthMax,
      placeholder: "Garden party",
      autocomplete: "off",
      dir: "auto",
    });
    const name = element("input", {
      type: "text",
      id: "start-name",
      maxlength: nameLengthMax,
      autocomplete: "nickname",
      placeholder: "Optional",
      dir: "auto",
      value: ownName.get(),
    });
    const error = element("p", { class: "field-error", role: "alert" });
    const button = element("button", { type: "submit", class: "primary" }, icon("plus"), "Make board");
    const form = element(
      "form",
      { class: "card", "aria-labelledby": "make-title" },
      element("h2", { id: "make-title" }, "Make a board"),
      element("div", { class: "field" }, element("label", { for: "board-title" }, "Name of the board"), title),
      element(
        "div",
        { class: "field" },
        element("label", { for: "start-name" }, "Your name, for the people on it"),
        name,
      ),
      error,
      button,
    );
    onSubmit(form, button, error, async () => {
      if (tidyName(name.value) !== "") ownName.set(name.value);
      const board = await this.#around.instance.createDatabase({ name: title.value.trim() || "Board" });
      this.#owner.openBoard(board.id);
    });
    return form;
  }

  #joinForm(): HTMLElement {
    const link = element("input", {
      type: "text",
      id: "join-link",
      required: true,
      autocomplete: "off",
      spellcheck: "false",
      placeholder: "https://…#tidemark:?db=…",
    });
    const error = element("p", { class: "field-error", role: "alert" });
    const button = element("button", { type: "submit" }, icon("key"), "Join");
    const form = element(
      "form",
      { class: "card", "aria-labelledby": "join-title" },
      element("h2", { id: "join-title" }, "Join a board"),
      element("p", { class: "fine" }, "Somebody sent you a link? Open it, or paste it here."),
      element("div", { class: "field" }, element("label", { for: "join-link" }, "Link to the board"), link),
      error,
      button,
    );
    onSubmit(form, button, error, async () => this.#owner.openLink(link.value));
    return form;
  }
}

function boardWords({ ready, access, permission, online, peers }: DatabaseStatus): string {
  if (access.removed === true) return "Removed by its owner";
  if (!ready && access.state === "rejected") return "Not let in";
  if (!ready) return access.state === "pending" ? "Asked to come in" : "Waiting to be let in";
  const connected = !online
    ? "offline"
    : peers.length === 0
      ? "nobody else connected"
      : `${countWords(peers.length, "person", "people")} connected`;
  return permission === "read" ? `Read only · ${connected}` : connected.charAt(0).toUpperCase() + connected.slice(1);
}
