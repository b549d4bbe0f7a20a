/** Somebody who uses the demo: a browser context of their own, and the few things that people do with a board. */
import type { Browser, BrowserContext, BrowserContextOptions, Locator, Page } from "@playwright/test";

export interface PersonOptions extends BrowserContextOptions {
  /** Where the demo is served. */
  readonly site: string;
  readonly relay: string;
}

export class Person {
  readonly context: BrowserContext;
  readonly page: Page;
  readonly #home: string;
  /** What failed on the page without anybody having asked. */
  readonly errors: string[] = [];

  private constructor(context: BrowserContext, page: Page, home: string) {
    this.context = context;
    this.page = page;
    this.#home = home;
    page.on("pageerror", (error) => this.errors.push(error.message));
  }

  /** With the demo open: at its first page, or at `link`. */
  static async open(browser: Browser, { site, relay, ...options }: PersonOptions, link?: string): Promise<Person> {
    const context = await browser.newContext(options);
    const person = new Person(context, await context.newPage(), `${site}?relay=${encodeURIComponent(relay)}`);
    await person.goTo(link);
    return person;
  }

  async goTo(link: string = this.#home): Promise<void> {
    await this.page.goto(link);
    await this.ready();
  }

  async ready(): Promise<void> {
    await this.page.locator("html[data-ready=true]").waitFor({ state: "attached" });
  }

  /** Makes a board and is on it. */
  async makeBoard(title: string, name: string): Promise<void> {
    await this.page.getByRole("textbox", { name: "Name of the board" }).fill(title);
    await this.page.getByRole("textbox", { name: "Your name" }).fill(name);
    await this.page.getByRole("button", { name: "Make board" }).click();
    await this.onBoard(title);
  }

  /** Waits until the board is there. */
  async onBoard(title: string): Promise<void> {
    await this.page.getByRole("heading", { level: 1, name: title }).waitFor();
    await this.ready();
  }

  async link(permission: "write" | "read"): Promise<string> {
    return this.#makeLink(`Can ${permission}`);
  }

  /** One that opens nothing by itself: whoever has it asks. */
  async askingLink(): Promise<string> {
    return this.#makeLink("Has to ask");
  }

  async #makeLink(choice: string): Promise<string> {
    await this.page.getByRole("button", { name: "Share" }).click();
    await this.page.getByRole("radio", { name: choice }).check();
    await this.page.getByRole("button", { name: "Make link" }).click();
    const link = await this.page.getByRole("textbox", { name: "Link" }).inputValue();
    await this.page.keyboard.press("Escape");
    return link;
  }

  /** Asks to come in, on the page that a link leads to which opens nothing by itself. */
  async ask(name: string, note: string): Promise<void> {
    await this.page.getByRole("textbox", { name: "Your name" }).fill(name);
    await this.page.getByRole("textbox", { name: "A word to whoever decides" }).fill(note);
    await this.page.getByRole("button", { name: "Ask to come in" }).click();
  }

  /** Answers what a newcomer is asked. */
  async giveName(name: string): Promise<void> {
    await this.page.getByRole("textbox", { name: "What should others call you?" }).fill(name);
    await this.page.getByRole("button", { name: "Save name" }).click();
  }

  async write(...texts: readonly string[]): Promise<void> {
    const field = this.page.getByRole("textbox", { name: "New note" });
    for (const text of texts) {
      await field.fill(text);
      await field.press("Enter");
      await this.note(text).waitFor();
    }
  }

  async edit(text: string, next: string): Promise<void> {
    await this.page.getByText(text, { exact: true }).dblclick();
    const field = this.page.getByRole("textbox", { name: "Edit note" });
    await field.fill(next);
    await field.press("Enter");
  }

  async remove(text: string): Promise<void> {
    await this.page.getByRole("button", { name: `Delete “${text}”` }).click();
  }

  /** Resolves when it is so, and the page says it. */
  async goOffline(isOffline: boolean): Promise<void> {
    await this.page.getByRole("switch", { name: "Work offline" }).setChecked(isOffline);
    const banner = this.page.getByText("You are offline. What you write");
    await banner.waitFor({ state: isOffline ? "visible" : "hidden" });
  }

  /** Unfolds what is known of somebody's device, and what can be done about it. With a key: a click may miss what moves. */
  async unfold(name: string): Promise<Locator> {
    const row = this.people.filter({ has: this.page.locator("summary", { hasText: name }) });
    await row.locator("summary").press("Enter");
    return row;
  }

  /** Unfolds the part of the panel with this title. */
  async unfoldPart(title: string): Promise<void> {
    await this.status
      .locator("summary")
      .filter({ hasText: new RegExp(`^${title}$`) })
      .press("Enter");
  }

  get people(): Locator {
    return this.page.getByRole("list", { name: "People on this board" }).getByRole("listitem");
  }

  /** Those who ask to come in. */
  get requests(): Locator {
    return this.page.getByRole("list", { name: /to come in$/ }).getByRole("listitem");
  }

  get copies(): Locator {
    return this.page.getByRole("list", { name: "Copies of this board" }).getByRole("listitem");
  }

  get notes(): Locator {
    return this.page.getByRole("list", { name: "Notes" }).getByRole("listitem");
  }

  /** The texts of all notes, from top to bottom. */
  get texts(): Locator {
    return this.notes.locator(".note-text");
  }

  note(text: string): Locator {
    return this.notes.filter({ hasText: text });
  }

  box(text: string): Locator {
    return this.page.getByRole("checkbox", { name: text });
  }

  get status(): Locator {
    return this.page.getByRole("complementary", { name: "Status and people" });
  }

  async close(): Promise<void> {
    await this.context.close();
  }
}

/** Ada with a board. */
export async function openAda(browser: Browser, options: PersonOptions): Promise<Person> {
  const ada = await Person.open(browser, options);
  await ada.makeBoard("Garden party", "Ada");
  return ada;
}
