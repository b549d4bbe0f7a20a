/**
 * The text of a board, as a part of its page: opened when it is looked at, and not before, since what documents need is large; let go when it is left.
 */
import type { Database, DatabaseStatus } from "tidemark";
import type { Edit } from "./difference.ts";
import { element, setText } from "./element.ts";
import { endsAll, explain, hasCode } from "./explain.ts";
import type { People } from "./people.ts";
import { RefusedText } from "./refused-text.ts";
import { SharedText } from "./shared-text.ts";
import { summaryWords } from "./status-words.ts";
import { TextEditor } from "./text-editor.ts";
import { TextPeople } from "./text-people.ts";
import type { Surroundings } from "./view.ts";

export interface TextPartOptions {
  readonly around: Surroundings;
  readonly database: Database;
  readonly people: People;
}

export interface TextPartLook {
  readonly status: DatabaseStatus;
  readonly canWrite: boolean;
}

interface Opened {
  readonly text: SharedText;
  readonly editor: TextEditor;
  readonly people: TextPeople;
}

export class TextPart {
  readonly element: HTMLElement = element("div", { class: "text-part" });
  readonly #options: TextPartOptions;
  readonly #refused: RefusedText;
  readonly #state = element("p", { class: "fine text-state" });
  #look: TextPartLook;
  #opened: Opened | undefined;
  /** Counts what was opened and left: what arrives for an earlier one is let go. */
  #turn = 0;
  #isSaving = false;
  #isUnsaved = false;
  /** What is known of other devices is from after all that was written here. */
  #isUpToDate = true;

  constructor(options: TextPartOptions, look: TextPartLook) {
    this.#options = options;
    this.#look = look;
    this.#refused = new RefusedText((words) => options.around.announcer.announce(words));
  }

  /** Resolves when there is something to use. */
  async open(): Promise<void> {
    const turn = ++this.#turn;
    this.element.replaceChildren(loading());
    try {
      const text = await SharedText.open(this.#options.database);
      if (turn === this.#turn) this.#show(text);
      else text.close();
    } catch (error) {
      if (turn === this.#turn) this.#fail(error);
    }
  }

  /** It is not looked at any more. What was written is kept. */
  leave(): void {
    this.#turn += 1;
    this.#opened?.people.close();
    this.#opened?.editor.close();
    this.#opened?.text.close();
    this.#opened = undefined;
    this.element.replaceChildren();
  }

  focus(): void {
    this.#opened?.editor.control.focus();
  }

  show(look: TextPartLook): void {
    this.#look = look;
    const { status, canWrite } = look;
    // What others have is taken. Who may not write any more has nothing that waits, because it does not count: that is told.
    if (canWrite && this.#isUpToDate && status.pending.entries === 0) this.#refused.forget();
    this.#opened?.editor.show({ isReadOnly: !canWrite });
    this.#opened?.people.setOnline(status.online);
    const saved = summaryWords(status, (key) => this.#options.people.nameOf(key));
    setText(this.#state, this.#isSaving ? "Saving…" : saved.text);
  }

  /** Something that was written here counts no more, by what was decided elsewhere. */
  tellVoided(): void {
    if (this.#refused.isBlank) return;
    this.#refused.tell("While it was on its way, somebody changed what you may do on this board.");
  }

  /** Somebody is called something else. */
  showNames(): void {
    this.#opened?.people.show();
    this.show(this.#look);
    this.#showCarets();
  }

  #show(text: SharedText): void {
    const editor: TextEditor = new TextEditor(text, {
      edited: (edit) => this.#edited(edit),
      selected: () => people.say(editor.selection),
    });
    const people = new TextPeople(
      {
        ...{ ...this.#options, text },
        moved: () => this.#showCarets(),
        goTo: (index) => editor.goTo(index),
      },
      this.#look.status.online,
    );
    this.#opened = { text, editor, people };
    this.#showCarets();
    this.element.replaceChildren(people.element, this.#refused.element, editor.element, this.#state);
    this.show(this.#look);
    people.say();
  }

  /** Asked for whenever the text or somebody in it moved: the lines in the list of them follow. */
  #showCarets(): void {
    const people = this.#opened?.people;
    this.#opened?.editor.showOthers(() => {
      people?.show();
      return people?.carets() ?? [];
    });
  }

  #edited(edit: Edit | undefined): void {
    if (edit !== undefined) this.#refused.note(edit);
    this.#isUnsaved = true;
    this.#isUpToDate = false;
    if (!this.#isSaving) void this.#save();
  }

  /** "Saved" is said when it is true: when the document says so. */
  async #save(): Promise<void> {
    this.#isSaving = true;
    this.show(this.#look);
    let status: DatabaseStatus | undefined;
    while (this.#isUnsaved) {
      this.#isUnsaved = false;
      await this.#opened?.text.saved().catch((error: unknown) => this.#wasRefused(error));
      // What was known of other devices is from before: that they have everything is not said of what was just written.
      status = await this.#options.database.sync.status().catch(() => undefined);
    }
    this.#isSaving = false;
    // Closed meanwhile.
    if (status === undefined) return this.show(this.#look);
    this.#isUpToDate = true;
    this.show({ ...this.#look, status });
  }

  #wasRefused(error: unknown): void {
    // Left before it was done: it is written all the same.
    if (hasCode(error, "DOC_CLOSED", "INSTANCE_CLOSED")) return;
    if (endsAll(error)) return this.#options.around.giveUp(error);
    const { title, hint } = explain(error);
    this.#refused.tell(`${title}. ${hint}`);
  }

  #fail(error: unknown): void {
    if (endsAll(error)) return this.#options.around.giveUp(error);
    const { title, hint } = explain(error);
    const again = element("button", { type: "button", class: "primary" }, "Try again");
    again.addEventListener("click", () => void this.#tryAgain());
    this.element.replaceChildren(
      element(
        "div",
        { class: "text-failure" },
        element("div", { role: "alert" }, element("h2", {}, title), element("p", { class: "fine" }, hint)),
        again,
      ),
    );
  }

  /** The button that had the focus goes: it moves to what comes. */
  async #tryAgain(): Promise<void> {
    await this.open();
    const first = this.#opened?.editor.control ?? this.element.querySelector("button");
    first?.focus();
  }
}

function loading(): HTMLElement {
  return element(
    "div",
    { class: "text-loading" },
    element("p", { role: "status" }, "Loading the text…"),
    element("progress", { "aria-label": "Loading the text" }),
  );
}
