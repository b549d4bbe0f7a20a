/** The demo as people use it: in real browsers, over the real relay, from plain files. */
import { createHash, randomBytes } from "node:crypto";
import type { Locator } from "@playwright/test";
import { encode } from "uqr";
import { formatTicket, parseTicket } from "../src/core/ticket.ts";
import { checkPage, findCut, findFaint, findUnnamed, sidewaysScroll } from "./accessibility.ts";
import { Device } from "./device.ts";
import { expect, test } from "./fixtures.ts";
import { openAda, Person } from "./person.ts";

const sha256 = (bytes: Uint8Array): Uint8Array => createHash("sha256").update(bytes).digest();
const phone = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true };

test("whoever comes for the first time makes a board, writes on it, and finds all of it again after a reload", async ({
  browser,
  site,
  relay,
}) => {
  const ada = await Person.open(browser, { site: site.url, relay: relay.url });
  await expect(ada.page.getByRole("heading", { level: 1 })).toHaveText("Boards that live on your devices");
  await ada.makeBoard("Garden party", "Ada");
  await expect(ada.page.getByText("Nothing here yet")).toBeVisible();
  await ada.write("Buy lemons", "Borrow tables");
  await expect(ada.texts).toHaveText(["Borrow tables", "Buy lemons"]);
  await ada.box("Buy lemons").check();
  await expect(ada.status).toContainText(/All \d+ changes saved on this device/);
  await expect(ada.status).toContainText("Nobody else is connected now");

  await ada.page.reload();
  await ada.onBoard("Garden party");
  await expect(ada.texts).toHaveText(["Borrow tables", "Buy lemons"]);
  await expect(ada.box("Buy lemons")).toBeChecked();
  await ada.page.getByRole("link", { name: "Boards" }).click();
  await ada.page.getByRole("link", { name: "Garden party" }).click();
  await ada.onBoard("Garden party");
  expect(ada.errors).toEqual([]);
  await ada.close();
});

test("a link lets a second person in; both write, edit, tick and delete, and see what has reached the other", async ({
  ada,
  ben,
}) => {
  expect(ben.page.url(), "the ticket does not stay in the address").not.toContain("tidemark:");

  await ada.write("Buy lemons", "Borrow tables");
  await expect(ben.texts).toHaveText(["Borrow tables", "Buy lemons"]);
  await ben.edit("Buy lemons", "Buy limes");
  await expect(ada.note("Buy limes")).toBeVisible();
  await ben.box("Borrow tables").check();
  await expect(ada.box("Borrow tables")).toBeChecked();
  await ben.write("Candles");
  await expect(ada.note("Candles")).toContainText("Ben");
  await ada.remove("Candles");
  await expect(ben.texts).toHaveText(["Borrow tables", "Buy limes"]);

  await expect(ada.status).toContainText("Ben has everything");
  await expect(ben.status).toContainText("Ada has everything");
  await expect(ada.status.getByRole("listitem").filter({ hasText: "Ben" }).last()).toContainText("WebRTC, direct");
  expect([...ada.errors, ...ben.errors]).toEqual([]);
});

test("what both write while they are apart meets when they are back", async ({ ada, ben }) => {
  await ada.write("Music");
  await expect(ben.note("Music")).toBeVisible();

  for (const person of [ada, ben]) await person.goOffline(true);
  await expect(ada.page.getByText("You are offline. What you write is saved on this device")).toBeVisible();
  await ada.edit("Music", "Loud music");
  await ben.box("Music").check();
  await ada.write("Only Ada");
  await ben.write("Only Ben");
  await expect(ada.note("Only Ben")).toBeHidden();
  await expect(ada.status).toContainText(/All \d+ changes saved on this device/);

  await ada.page.getByRole("button", { name: "Go online" }).click();
  await ben.goOffline(false);
  for (const person of [ada, ben]) {
    await expect(person.note("Only Ada")).toBeVisible();
    await expect(person.note("Only Ben")).toBeVisible();
    await expect(person.box("Loud music")).toBeChecked();
  }
  await expect(ada.texts).toHaveCount(3);
  await expect(ben.texts).toHaveText(await ada.texts.allTextContents());
  await expect(ada.status).toContainText("Ben has everything");
});

test("who may only read sees everything, is told so, and finds nothing to change", async ({
  ada,
  browser,
  site,
  relay,
}) => {
  const options = { site: site.url, relay: relay.url };
  await ada.write("Buy lemons");
  const cleo = await Person.open(browser, options, await ada.link("read"));
  await cleo.onBoard("Garden party");

  await expect(cleo.note("Buy lemons")).toContainText("Ada");
  await expect(cleo.page.getByText("You can read this board")).toBeVisible();
  await expect(cleo.box("Buy lemons")).toBeDisabled();
  for (const name of ["New note", "Edit note", "Your name"]) {
    await expect(cleo.page.getByRole("textbox", { name })).toBeHidden();
  }
  for (const name of [/^Edit/, /^Delete/, "Share", "Clear done"]) {
    await expect(cleo.page.getByRole("button", { name })).toBeHidden();
  }
  await cleo.page.getByText("Buy lemons").dblclick();
  await expect(cleo.page.getByRole("textbox")).toHaveCount(0);

  await ada.write("Borrow tables");
  await expect(cleo.note("Borrow tables")).toBeVisible();
  await cleo.close();
});

test("everything can be done with the keyboard alone, and the focus stays with the work", async ({
  browser,
  site,
  relay,
}) => {
  const person = await Person.open(browser, { site: site.url, relay: relay.url });
  const { page, press, type } = keyboardUser(person);
  await page.getByRole("textbox", { name: "Name of the board" }).focus();
  await type("Garden party", "Tab", "Ada", "Enter");
  await expect(page.getByRole("textbox", { name: "New note" })).toBeFocused();
  await type("one", "Enter", "two", "Enter", "three", "Enter");
  await expect(person.texts).toHaveText(["three", "two", "one"]);

  await press("Tab", "Tab", "Tab"); // Add, the filter, the first note.
  await expect(page.getByRole("checkbox", { name: "three" })).toBeFocused();
  await press("Space", "ArrowDown");
  await expect(page.getByRole("checkbox", { name: "two" })).toBeFocused();
  const editor = page.getByRole("textbox", { name: "Edit note" });
  await press("Enter");
  await expect(editor).toBeFocused();
  await type("!", "Escape");
  await expect(page.getByRole("checkbox", { name: "two", exact: true })).toBeFocused();
  await press("Enter");
  await expect(editor).toBeFocused();
  await type("!", "Enter");
  await expect(page.getByRole("checkbox", { name: "two!" })).toBeFocused();

  await press("Delete");
  await expect(page.getByText("Note deleted")).toBeVisible();
  await expect(page.getByRole("checkbox", { name: "one" })).toBeFocused();
  await press("Control+z");
  await expect(page.getByRole("checkbox", { name: "two!" })).toBeVisible();
  await expect(page.getByRole("checkbox", { name: "one" })).toBeFocused();
  await press("Delete");
  await expect(page.getByRole("listitem").filter({ hasText: "one" })).toBeHidden();
  await expect(page.getByRole("checkbox", { name: "two!" })).toBeFocused();
  await press("Delete");
  await expect(page.getByRole("checkbox", { name: "three" })).toBeFocused();
  await press("Delete");
  await expect(
    page.getByRole("textbox", { name: "New note" }),
    "nothing is left: the next thing is to write",
  ).toBeFocused();
  await person.close();
});

function keyboardUser({ page }: Person): {
  readonly page: Person["page"];
  press(...keys: readonly string[]): Promise<void>;
  type(...parts: readonly string[]): Promise<void>;
} {
  const press = async (...keys: readonly string[]): Promise<void> => {
    for (const key of keys) await page.keyboard.press(key);
  };
  const type = async (...parts: readonly string[]): Promise<void> => {
    for (const part of parts) await (/^(Enter|Escape|Tab)$/.test(part) ? press(part) : page.keyboard.type(part));
  };
  return { page, press, type };
}

test("notes are filtered and cleared when done, and what was deleted comes back where it was", async ({ ada }) => {
  await ada.write("one", "two", "three");
  await ada.box("two").check();
  await ada.page.getByRole("radio", { name: "Open 2" }).check({ force: true });
  await expect(ada.texts).toHaveText(["three", "one"]);
  await ada.page.getByRole("radio", { name: "Done 1" }).check({ force: true });
  await expect(ada.texts).toHaveText(["two"]);
  await ada.page.getByRole("radio", { name: "All 3" }).check({ force: true });

  await ada.page.getByRole("button", { name: "Clear done" }).click();
  await expect(ada.texts).toHaveText(["three", "one"]);
  await ada.page.getByRole("button", { name: "Undo" }).click();
  await expect(ada.texts).toHaveText(["three", "two", "one"]);
  await expect(ada.box("two")).toBeChecked();

  await ada.page.getByText("three", { exact: true }).dblclick();
  await ada.page.getByRole("textbox", { name: "Edit note" }).fill("");
  await ada.page.keyboard.press("Enter");
  await expect(ada.texts, "a note without text is none").toHaveText(["two", "one"]);
});

test("an edit survives that somebody else deletes the note meanwhile", async ({ ada, ben }) => {
  await ada.write("one", "two");
  await expect(ben.note("two")).toBeVisible();
  await ada.page.getByText("one", { exact: true }).dblclick();
  await ada.page.getByRole("textbox", { name: "Edit note" }).fill("one, but better");
  await ben.remove("one");
  await expect(ada.page.getByRole("radio", { name: "All 1" }), "the deletion has come").toBeAttached();
  await ada.page.keyboard.press("Enter");
  await expect(ada.page.getByText("Your edit brought it back")).toBeVisible();
  for (const person of [ada, ben]) await expect(person.texts).toHaveText(["two", "one, but better"]);
});

test("Enter that belongs to an input method adds nothing", async ({ ada }) => {
  const field = ada.page.getByRole("textbox", { name: "New note" });
  await field.fill("かん");
  await field.dispatchEvent("keydown", { key: "Enter", isComposing: true, bubbles: true, cancelable: true });
  await expect(field).toHaveValue("かん");
  await field.press("Enter");
  await expect(ada.texts).toHaveText(["かん"]);
});

test("a broken link says so, leads to the boards, and does not stay in the address", async ({
  ada,
  browser,
  site,
  relay,
}) => {
  const options = { site: site.url, relay: relay.url };
  const link = await ada.link("write");
  const ben = await Person.open(browser, options, link.slice(0, -1));
  await expect(ben.page.getByRole("heading", { name: "This link is broken" })).toBeVisible();
  expect(ben.page.url()).not.toContain("tidemark:");
  await ben.page.getByRole("button", { name: "To your boards" }).click();
  await ben.page.getByRole("textbox", { name: "Link to the board" }).fill("https://example.com/");
  await ben.page.getByRole("button", { name: "Join" }).click();
  await expect(ben.page.getByRole("heading", { name: "This link is broken" })).toBeVisible();
  await ben.page.getByRole("button", { name: "To your boards" }).click();
  await ben.page.getByRole("textbox", { name: "Link to the board" }).fill(`  ${link} `);
  await ben.page.getByRole("button", { name: "Join" }).click();
  await ben.onBoard("Garden party");
  await ben.close();
});

test("whom the owner's device turns away is told so, and a good link helps", async ({ ada, browser, site, relay }) => {
  const options = { site: site.url, relay: relay.url };
  const link = await ada.link("write");
  const ben = await Person.open(browser, options, withOtherSecret(link));
  await expect(ben.page.getByRole("heading", { name: "This link does not open the board any more" })).toBeVisible();
  await ben.page.getByRole("button", { name: "Stop waiting" }).click();
  await expect(ben.page.getByRole("heading", { name: "Make a board" })).toBeVisible();
  await expect(ben.page.getByRole("heading", { name: "Your boards" })).toBeHidden();
  await ben.goTo(link);
  await ben.onBoard("Garden party");
  await ben.close();
});

/** The same link with an invite that was never made. */
function withOtherSecret(link: string): string {
  const parsed = parseTicket(link, sha256);
  if (!parsed.ok) throw new Error(parsed.failure.code);
  return link.replace(/#.*/, `#${formatTicket({ ...parsed.value, secret: randomBytes(32) }, sha256)}`);
}

test("who asks to come in is told to wait, is seen by who decides, and gets in with what was decided", async ({
  browser,
  site,
  relay,
}) => {
  const options = { site: site.url, relay: relay.url };
  const ada = await openAda(browser, { ...options, ...phone });
  await ada.write("Buy lemons");
  const link = await ada.askingLink();
  const ben = await Person.open(browser, options, link);
  await expect(ben.page.getByRole("heading", { level: 1 })).toHaveText("Ask to come in");
  await ben.ask("Ben", "From next door");
  await expect(ben.page.getByRole("heading", { level: 1 })).toHaveText("You have asked to come in");
  expect(ben.page.url()).not.toContain("tidemark:");

  const summary = ada.page.getByRole("button", { name: /Saved here.*1 request/ });
  await expect(summary, "seen although the panel is folded away").toBeVisible();
  await expect(ada.page.locator("#announcer")).toContainText("Ben asks to come in");
  await summary.click();
  await expect(ada.requests).toHaveCount(1);
  await expect(ada.requests).toContainText("From next door");
  expect(await findUnnamed(ada.page)).toEqual([]);
  expect(await findFaint(ada.page)).toEqual([]);
  expect(await sidewaysScroll(ada.page)).toBeLessThanOrEqual(0);
  await ada.page.getByRole("button", { name: action("Let in", "Ben") }).press("Enter");
  await expect(ada.page.getByRole("heading", { name: "Status" }), "nobody is left to decide about").toBeFocused();
  await ben.onBoard("Garden party");
  await expect(ben.note("Buy lemons")).toBeVisible();
  await ben.write("Candles");
  await expect(ada.note("Candles")).toContainText("Ben");
  await expect(ada.requests).toHaveCount(0);
  const row = await ada.unfold("Ben");
  await expect(row.locator("summary")).toContainText("can write");
  await expect(row).toContainText(/Let in by\s*You, \d\d:\d\d/);

  const cleo = await Person.open(browser, options, link);
  await cleo.ask("Cleo", "");
  await ada.page.getByRole("button", { name: action("Turn down", "Cleo") }).press("Enter");
  await expect(cleo.page.getByRole("heading", { level: 1 })).toHaveText("You were turned down");
  await cleo.page.reload();
  await expect(cleo.page.getByRole("heading", { level: 1 }), "remembered").toHaveText("You were turned down");
  expect([...ada.errors, ...ben.errors, ...cleo.errors]).toEqual([]);
  for (const person of [ada, ben, cleo]) await person.close();
});

test("a link has a QR code that says the same, is listed with how often it was used, and can be withdrawn", async ({
  ada,
  browser,
  site,
  relay,
}) => {
  const options = { site: site.url, relay: relay.url };
  const { page } = ada;
  await page.getByRole("button", { name: "Share" }).click();
  await page.getByRole("combobox", { name: "Opens it for" }).selectOption("5 people");
  await page.getByRole("combobox", { name: "Ends" }).selectOption("In a week");
  await page.getByRole("textbox", { name: "Who it is for" }).fill("the neighbours");
  await page.getByRole("button", { name: "Make link" }).click();
  const link = await page.getByRole("textbox", { name: "Link" }).inputValue();
  const code = page.getByRole("img", { name: "The link as a QR code" });
  expect(await readModules(code)).toEqual(encode(link, { ecc: "L", border: 0 }).data);

  const invites = page.getByRole("list", { name: "Links that were made" }).getByRole("listitem");
  await expect(invites).toHaveText(/the neighbours.*Can write · 0 of 5 uses · until .*Withdraw/);
  const ben = await Person.open(browser, options, link);
  await ben.onBoard("Garden party");
  await expect(invites).toContainText("1 of 5 uses");
  await invites.getByRole("button", { name: action("Withdraw", "the neighbours") }).press("Enter");
  await expect(invites).toHaveCount(0);
  await expect(page.getByRole("button", { name: "Close" })).toBeFocused();
  const cleo = await Person.open(browser, options, link);
  await expect(cleo.page.getByRole("heading", { name: "This link does not open the board any more" })).toBeVisible();
  await ben.write("Still here");
  await page.keyboard.press("Escape");
  await expect(ada.note("Still here")).toBeVisible();
  for (const person of [ben, cleo]) await person.close();
});

/** The name of a button that says what it is about to those who do not see where it stands. */
function action(label: string, about: string): RegExp {
  return new RegExp(`^${label} ?: ${about}$`);
}

/** Which modules of a drawn QR code are dark, row by row. */
function readModules(code: Locator): Promise<boolean[][]> {
  return code.evaluate((drawing) => {
    const paint = document.createElement("canvas").getContext("2d");
    const shape = new Path2D(drawing.querySelector("path")?.getAttribute("d") ?? "");
    const [from = 0, , side = 0] = (drawing.getAttribute("viewBox") ?? "").split(" ").map(Number);
    const count = side + 2 * from;
    const row = (y: number): boolean[] =>
      Array.from({ length: count }, (_, x) => paint?.isPointInPath(shape, x + 0.5, y + 0.5) === true);
    return Array.from({ length: count }, (_, y) => row(y));
  });
}

test("an admin changes what somebody may do and removes them, who is told what became of their work", async ({
  ada,
  ben,
}) => {
  await ada.write("Music");
  await expect(ben.note("Music")).toBeVisible();
  const row = await ada.unfold("Ben");
  await ben.goOffline(true);
  await ben.write("While away");
  await row.getByRole("button", { name: action("Let read only", "Ben") }).press("Enter");
  await expect(ada.page.getByText("Ben can read now")).toBeVisible();
  await expect(row.getByRole("button", { name: action("Let write", "Ben") }), "what undoes it").toBeFocused();
  await ben.goOffline(false);
  await expect(ben.page.getByText("You can only read this board now")).toBeVisible();
  await expect(ben.page.getByText("1 change of yours no longer counts")).toBeVisible();
  await expect(ben.texts, "the same for everyone").toHaveText(["Music"]);
  await expect(ben.page.getByRole("textbox", { name: "New note" })).toBeHidden();
  await expect(ada.texts).toHaveText(["Music"]);

  await row.getByRole("button", { name: action("Let write", "Ben") }).press("Enter");
  await expect(ben.page.getByText("You can write on this board now")).toBeVisible();
  await ben.write("Back again");
  await expect(ada.note("Back again")).toBeVisible();

  await row.getByRole("button", { name: action("Remove from board", "Ben") }).press("Enter");
  const dialog = ada.page.getByRole("dialog", { name: "Remove Ben from this board?" });
  await expect(dialog).toContainText("What it has received it keeps");
  await expect(dialog.getByRole("button", { name: "Cancel" }), "Enter does no harm").toBeFocused();
  expect(await findUnnamed(ada.page)).toEqual([]);
  await ada.page.keyboard.press("Escape");
  await expect(dialog).toHaveCount(0);
  await row.getByRole("button", { name: action("Remove from board", "Ben") }).press("Enter");
  await dialog.getByRole("button", { name: "Remove" }).press("Enter");
  await expect(row.locator("summary")).toContainText("not on this board");
  await ada.write("Without Ben");
  await ben.write("All alone");
  await expect(ben.status).toContainText("Nobody else is connected now");
  await expect(ada.note("All alone")).toHaveCount(0);
  await expect(ben.note("Without Ben")).toHaveCount(0);
  expect([...ada.errors, ...ben.errors]).toEqual([]);
});

test("whoever waits for an owner who is away is told so, may leave, and gets in when the owner is back", async ({
  ada,
  browser,
  site,
  relay,
}) => {
  const options = { site: site.url, relay: relay.url };
  const link = await ada.link("write");
  await ada.goOffline(true);
  const ben = await Person.open(browser, options, link);
  await expect(ben.page.getByText("Looking for somebody who has the board")).toBeVisible();
  await ben.page.getByRole("link", { name: "Boards" }).click();
  await expect(ben.page.getByRole("link", { name: "Waiting to be let in" })).toBeVisible();
  await ben.page.getByRole("link", { name: "Waiting to be let in" }).click();
  await ada.goOffline(false);
  await ben.onBoard("Garden party");
  await ben.close();
});

test("a tab is somebody else when its address says so, and opens the link as that person", async ({
  ada,
  site,
  relay,
}) => {
  await ada.write("Buy lemons");
  const [, ticket] = (await ada.link("write")).split("#");
  const tab = await ada.context.newPage();
  await tab.goto(`${site.url}?as=cleo&relay=${encodeURIComponent(relay.url)}`);
  await expect(tab.getByRole("heading", { name: "Make a board" }), "no boards yet").toBeVisible();
  await tab.goto(`${site.url}?as=cleo&relay=${encodeURIComponent(relay.url)}#${ticket}`);
  await expect(tab.getByRole("list", { name: "Notes" })).toContainText("Buy lemons");
  await expect(ada.status).toContainText("has everything");
});

test("whoever is blocked gets nothing and brings nothing, and has everything when let in again", async ({
  ada,
  ben,
}) => {
  await ada.write("Music");
  await expect(ben.note("Music")).toBeVisible();
  const row = await ada.unfold("Ben");
  await expect(row).toContainText(/Reached by\s*WebRTC, direct/);
  await row.getByRole("button", { name: "Block" }).click();
  await expect(row.getByRole("button", { name: "Let in again" }), "what undoes it has the focus").toBeFocused();
  await expect(row.locator("summary")).toContainText("blocked");
  await expect(ada.status).toContainText("Syncing is off with everyone on this board");
  await expect(ben.status).toContainText("Nobody else is connected now");
  await ada.write("Only Ada");
  await ben.write("Only Ben");
  await expect(ada.status).toContainText(/On this device only: 1 change/);
  await ada.unfoldPart("Sync details");
  await ada.page.getByRole("button", { name: "Check what is wrong" }).click();
  await expect(ada.page.getByRole("list", { name: "Findings" })).toContainText(/Ben is blocked/);
  await expect(ada.note("Only Ben")).toBeHidden();
  await expect(ben.note("Only Ada")).toBeHidden();

  await row.getByRole("button", { name: "Let in again" }).click();
  await expect(ben.note("Only Ada")).toBeVisible();
  await expect(ada.note("Only Ben")).toBeVisible();
  await expect(ada.status).toContainText("Ben has everything");
});

test("syncing with a person is paused and goes on, and who has no name is given one that stays", async ({
  ada,
  browser,
  site,
  relay,
}) => {
  const options = { site: site.url, relay: relay.url };
  const cleo = await Person.open(browser, options, await ada.link("read"));
  await cleo.onBoard("Garden party");
  const nameless = await ada.unfold("No name");
  await nameless.getByRole("textbox", { name: /^Your name for/ }).fill("Cleo's phone");
  await ada.page.keyboard.press("Enter");
  const row = ada.people.filter({ hasText: "Cleo's phone" });
  await expect(ada.status).toContainText("Cleo's phone has everything");

  await row.getByRole("button", { name: "Pause syncing" }).click();
  await expect(row.locator("summary")).toContainText("syncing is paused");
  await ada.write("Later");
  await expect(cleo.status).toContainText("Nobody else is connected now");
  await ada.page.reload();
  await ada.onBoard("Garden party");
  await expect(row.locator("summary"), "remembered").toContainText("syncing is paused");
  await expect(cleo.note("Later")).toBeHidden();
  await ada.unfold("Cleo's phone");
  await row.getByRole("button", { name: "Go on syncing" }).click();
  await expect(cleo.note("Later")).toBeVisible();

  await cleo.close();
  await row.getByRole("button", { name: "Forget" }).click();
  const member = ada.people.filter({ hasText: "No name" });
  await expect(member.locator("summary"), "still on the board").toContainText("can read · not connected");
  await expect(member).toContainText("not yet: this device knows of it from the board only");
  await expect(ada.status).toContainText("So far on this device only");
});

test("what is safe where tells the truth when somebody leaves, and when they come back", async ({
  ada,
  browser,
  site,
  relay,
}) => {
  await expect(ada.status).toContainText("So far on this device only");
  const ben = await Person.open(browser, { site: site.url, relay: relay.url }, await ada.link("write"));
  await ben.onBoard("Garden party");
  await ben.giveName("Ben");
  await ada.write("Music");
  await expect(ada.status).toContainText("Everything is safe on 2 devices: this one and Ben’s");
  await ada.unfoldPart("What is safe where");
  await expect(ada.copies).toHaveText([/^This device all \d+ changes$/, /^Ben ?everything, confirmed \d\d:\d\d$/]);

  await ben.page.close();
  await expect(ada.copies.last()).toContainText("away now");
  await expect(ada.copies.last(), "what it confirmed it has").toContainText("everything");
  await ada.write("Only Ada");
  await expect(ada.copies.last()).toContainText(/\d+ of \d+ changes.*away now/);
  await expect(ada.status).toContainText(/On this device only: 1 change \(\d+ bytes\)/);
  const [, confirmed] = /(\d+) of \d+ changes/.exec((await ada.copies.last().textContent()) ?? "") ?? [];
  const stored = (): Promise<readonly unknown[]> => ada.page.evaluate(readConfirmed);
  await expect.poll(stored, "what Ben confirmed is on the disk").toContain(Number(confirmed));
  await ada.page.reload();
  await ada.onBoard("Garden party");
  await expect(ada.status, "remembered").toContainText(/On this device only: 1 change \(\d+ bytes\)/);

  const page = await ben.context.newPage();
  await page.goto(`${site.url}?relay=${encodeURIComponent(relay.url)}`);
  await page.getByRole("link", { name: "Garden party" }).click();
  await expect(page.getByRole("list", { name: "Notes" })).toContainText("Only Ada");
  await expect(ada.status).toContainText("Everything is safe on 2 devices: this one and Ben’s");
  await ben.close();
});

test("3,000 notes come with a progress that is paused, resumed, cancelled and taken up again, and end complete", async ({
  browser,
  site,
  app,
  relay,
}) => {
  const ada = await Person.open(browser, { site: site.url, relay: relay.url });
  await ada.makeBoard("Long list", "Ada");
  const link = await ada.link("write");
  await fillBoard(await Device.open(browser, { site: app.url, relay: relay.url }), link, 3_000);
  await ada.unfoldPart("Sync details");
  await ada.page.getByRole("radio", { name: /^Slow line/ }).check();

  const ben = await Person.open(browser, { site: site.url, relay: relay.url, ...phone }, link);
  const transfer = ben.page.getByRole("region", { name: "Transfers" });
  const received = async (): Promise<number> =>
    Number(/([\d,]+) of 3,/.exec((await transfer.textContent()) ?? "")?.[1]?.replace(",", "") ?? "0");
  await expect(transfer).toContainText(/\d of 3,\d+ changes, .* per second/);
  expect(await findUnnamed(ben.page)).toEqual([]);
  await transfer.getByRole("button", { name: "Pause" }).click();
  await expect(transfer).toContainText("Paused");
  await expect(transfer.getByRole("button", { name: "Resume" })).toBeFocused();
  const paused = await received();
  expect(paused).toBeLessThan(3_000);
  await ben.page.keyboard.press("Enter");
  await expect(transfer.getByRole("button", { name: "Pause" })).toBeFocused();
  await expect.poll(received, "it goes on").toBeGreaterThan(paused + 100);
  await transfer.getByRole("button", { name: "Cancel" }).click();
  await expect(transfer).toContainText("Cancelled");
  await expect(ben.page.getByText("Receiving is on hold")).toBeVisible();
  expect(await findFaint(ben.page)).toEqual([]);

  await ada.page.getByRole("radio", { name: /^At once/ }).check();
  await transfer.getByRole("button", { name: "Receive the rest" }).click();
  await ben.onBoard("Long list");
  await expect(ben.page.getByRole("radio", { name: "All 3,000" })).toBeAttached();
  await expect(ben.page.getByRole("button", { name: /Ada has everything/ })).toBeVisible();
  await expect(transfer).toBeHidden();
  expect([...ada.errors, ...ben.errors]).toEqual([]);
  for (const person of [ada, ben]) await person.close();
});

/** Writes so many notes on a board, each a change of its own, waits until somebody else has them, and leaves. */
async function fillBoard(device: Device, link: string, count: number): Promise<void> {
  await device.join(link);
  await device.run(async (count) => {
    const notes = db.table("notes");
    const by = tide.publicKey;
    const write = (_: unknown, i: number): Promise<void> =>
      notes.put(`n${i}`, { text: `note ${i}`, done: false, order: i, by, at: 0 });
    await Promise.all(Array.from({ length: count }, write));
    await db.whenSafe({ copies: 2, timeoutMs: 30_000 });
  }, count);
  await device.close();
}

test("the details say what is wrong and what happened, and make a report without secrets, with the keyboard alone", async ({
  ada,
  ben,
}) => {
  await ada.context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await ada.write("A secret note");
  await expect(ben.note("A secret note")).toBeVisible();
  const { page, press } = keyboardUser(ada);
  const details = page.locator("summary").getByText("Sync details");
  await page.getByRole("button", { name: "Ask the browser to keep it" }).waitFor();
  await page.getByRole("textbox", { name: "Your name" }).focus();
  await press("Tab", "Tab", "Tab", "Tab"); // Save, asking the browser, keeping or deleting the board.
  await expect(page.locator("summary:focus")).toHaveText("Sync details");
  await press("Enter");
  await expect(page.getByRole("radio", { name: /^At once/ })).toBeVisible();
  await press("Tab");
  await expect(page.getByRole("radio", { name: /^At once/ })).toBeFocused();
  await press("ArrowDown");
  await expect(page.getByRole("radio", { name: /^Gathered/ })).toBeChecked();
  await press("Tab", "Enter");
  await expect(page.getByText("Compared with 1 device: all hold the same.")).toBeVisible();
  await press("Tab", "Enter");
  await expect(page.getByText("All is well.")).toBeVisible();

  await ada.goOffline(true);
  await page.getByRole("button", { name: "Compare now" }).press("Enter");
  await expect(page.getByText("You are offline: there is nobody to compare with.")).toBeVisible();
  await press("Tab", "Enter");
  const findings = page.getByRole("list", { name: "Findings" });
  await expect(findings).toContainText("Wrong: This device is offline.");
  await expect(findings).toContainText("switch sync on");
  for (const title of ["Exchanges", "Numbers", "Events"]) await ada.unfoldPart(title);
  await expect(ada.status).toContainText("Ben: ended in agreement");
  await expect(page.getByRole("row", { name: /^Entries stored \d/ })).toBeVisible();
  await expect(ada.status).toContainText("instance.wentOffline");
  await page.getByRole("button", { name: "Copy report for support" }).press("Enter");
  await expect(page.getByText("Copied.")).toBeVisible();
  const report = await page.evaluate(() => navigator.clipboard.readText());
  expect(Object.keys(JSON.parse(report))).toEqual(["madeAt", "diagnosis", "metrics", "settings", "log"]);
  expect(report).not.toMatch(/A secret note|tidemark:\?|[0-9a-f]{33}/);

  await page.reload();
  await ada.onBoard("Garden party");
  await details.press("Enter");
  await expect(page.getByRole("radio", { name: /^Gathered/ }), "the choice is remembered").toBeChecked();
});

test("10,000 notes that arrive from somebody else are shown, and working with them draws what is near and changes", async ({
  browser,
  site,
  app,
  relay,
}) => {
  const ada = await Person.open(browser, { site: site.url, relay: relay.url });
  await ada.makeBoard("Long list", "Ada");
  const device = await Device.open(browser, { site: app.url, relay: relay.url });
  await device.join(await ada.link("write"));
  await device.run(async () => {
    await db.transact((tx) => {
      for (let i = 0; i < 10_000; i++) {
        tx.table("notes").put(`n${i}`, { text: `note ${i}`, done: i % 2 === 0, order: i, by: tide.publicKey, at: 0 });
      }
    });
  });
  await expect(ada.page.getByRole("radio", { name: "All 10,000" })).toBeAttached();
  await expect(ada.texts.first()).toHaveText("note 9999");
  await ada.write("on top");
  const drawn = await ada.page.evaluate(async () => {
    const list = document.querySelector(".notes") as HTMLElement;
    let changed = 0;
    const watching = new MutationObserver((changes) => {
      for (const { addedNodes, removedNodes } of changes) changed += addedNodes.length + removedNodes.length;
    });
    watching.observe(list, { subtree: true, childList: true, characterData: true });
    const counts = (): string => document.querySelector(".segments")?.textContent ?? "";
    const before = counts();
    list.querySelector<HTMLInputElement>(".note-check")?.click();
    while (counts() === before) await new Promise((resolve) => setTimeout(resolve, 10));
    watching.disconnect();
    return { rows: list.children.length, changed };
  });
  expect(drawn.rows, "what is near").toBeLessThan(1_000);
  expect(drawn.changed, "from the click to the new counts").toBeLessThan(10);
  await ada.page.getByRole("radio", { name: "Done" }).check({ force: true });
  await expect(ada.texts.nth(1)).toHaveText("note 9998");
  for (const one of [ada, device]) await one.close();
});

test("what other devices write is text and never markup, and odd rows do no harm", async ({
  ada,
  browser,
  app,
  relay,
}) => {
  const device = await Device.open(browser, { site: app.url, relay: relay.url });
  await device.join(await ada.link("write"));
  const markup = `<img src="x" onerror="document.title='gone'">`;
  await device.run(async (text) => {
    await db.transact((tx) => {
      tx.table("notes").put("odd", { text: { not: "text" }, done: "yes", order: null, by: 7, at: "then" });
      tx.table("notes").put("__proto__", { text: "a strange id", order: 2 });
      tx.table("notes").put("markup", { text, order: 1, by: tide.publicKey });
      tx.kv("people").set(tide.publicKey, { name: text });
      tx.kv("people").set("no key", { name: "Nobody" });
    });
  }, markup);
  await expect(ada.note("a strange id")).toBeVisible();
  await expect(ada.note(markup).locator(".note-text")).toHaveText(markup);
  await expect(ada.status).not.toContainText("Nobody without");
  await ada.box("a strange id").check();
  await expect(ada.texts).toHaveText(["a strange id", markup, ""]);
  await expect(ada.page).toHaveTitle(/Garden party/);
  await expect(ada.page.locator("img")).toHaveCount(0);
  expect(ada.errors).toEqual([]);
  await device.close();
});

test("nothing is fetched from anywhere but the page's own host", async ({ ada, ben, site }) => {
  const requests: string[] = [];
  for (const person of [ada, ben]) person.context.on("request", (request) => requests.push(request.url()));
  for (const person of [ada, ben]) await person.page.reload();
  for (const person of [ada, ben]) await person.onBoard("Garden party");
  await ada.write("Buy lemons");
  await expect(ben.note("Buy lemons")).toBeVisible();
  expect(requests.length).toBeGreaterThan(0);
  expect(requests.filter((url) => !url.startsWith(site.url))).toEqual([]);
});

const looks = [
  { name: "on a phone", options: phone },
  { name: "on a desktop", options: { viewport: { width: 1280, height: 800 } } },
];

for (const { name, options } of looks) {
  test(`${name}, in light and in dark: every control has a name, every text has contrast, and nothing is too wide`, async ({
    browser,
    site,
    relay,
  }) => {
    const ada = await Person.open(browser, { site: site.url, relay: relay.url, ...options });
    const { page } = ada;
    const check = (what: string): Promise<void> => checkPage(page, what);
    await check("the first page");
    await ada.makeBoard("Garden party", "Ada");
    await check("an empty board");
    await ada.write(
      "Buy lemons",
      "W".repeat(200),
      "דלג על הקניות אם יורד גשם",
      `https://example.com/${"long/".repeat(60)}`,
    );
    await ada.box("Buy lemons").check();
    await ada.remove("Buy lemons");
    await check("a board with notes and a toast");
    if (name === "on a phone") await page.locator("button.summary").click();
    await ada.goOffline(true);
    await check("offline");
    await page.getByRole("button", { name: "Share" }).click();
    await page.getByRole("button", { name: "Make link" }).click();
    const link = await page.getByRole("textbox", { name: "Link" }).inputValue();
    await page.getByRole("listitem").filter({ hasText: "not used yet" }).waitFor();
    await check("the share dialog");
    await page.keyboard.press("Escape");
    await ada.unfoldPart("What is safe where");
    await check("what is safe where");
    await ada.unfoldPart("Sync details");
    await page.getByRole("button", { name: "Check what is wrong" }).click();
    await page.getByRole("list", { name: "Findings" }).waitFor();
    for (const title of ["Exchanges", "Numbers", "Events"]) await ada.unfoldPart(title);
    await page.getByRole("table").waitFor();
    await check("the details");
    await ada.unfoldPart("How this works");
    await check("the help");
    await ada.goOffline(false);
    const ben = await Person.open(browser, { site: site.url, relay: relay.url }, link);
    const row = await ada.unfold("No name");
    await check("a person");
    await row.getByRole("button", { name: "Remove from board" }).press("Enter");
    await page.getByRole("dialog").waitFor();
    await check("a question");
    await page.keyboard.press("Escape");
    await row.getByRole("button", { name: "Block" }).click();
    await row.getByRole("button", { name: "Let in again" }).waitFor();
    await check("a person who is blocked");
    await ben.close();
    expect(
      await page
        .locator("[dir=auto]")
        .getByText("דלג")
        .evaluate((text) => text.matches(":dir(rtl)")),
    ).toBe(true);
    const asking = await ada.askingLink();
    await ada.goTo(`${site.url}#tidemark:?broken`);
    await check("a broken link");
    const dan = await Person.open(browser, { site: site.url, relay: relay.url, ...options }, asking);
    await checkPage(dan.page, "asking to come in");
    await dan.ask("Dan", "");
    await dan.page.getByRole("heading", { name: "You have asked to come in" }).waitFor();
    await checkPage(dan.page, "waiting for an answer");
    await dan.close();
    await ada.close();
  });
}

test("names as long as they may be leave everything in its place on a phone", async ({ browser, site, relay }) => {
  const options = { site: site.url, relay: relay.url };
  const ada = await Person.open(browser, options);
  await ada.makeBoard("Garden party", "W".repeat(40));
  const ben = await Person.open(browser, { ...options, ...phone }, await ada.link("write"));
  await ben.onBoard("Garden party");
  const summary = ben.page.getByRole("button", { name: /W{40} has everything/ });
  await summary.click();
  await ben.unfoldPart("What is safe where");
  await ben.unfold("WWWW");
  expect(await sidewaysScroll(ben.page)).toBeLessThanOrEqual(0);
  expect(await findCut(ben.page)).toEqual([]);
  for (const person of [ada, ben]) await person.close();
});

/** On the page: how many entries peers confirmed, as it is stored for the one instance that there is. */
async function readConfirmed(): Promise<readonly unknown[]> {
  const names = (await indexedDB.databases()).flatMap(({ name = "" }) => (name.split("/").length === 2 ? [name] : []));
  const done = <T>(request: IDBRequest<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
  const db = await done(indexedDB.open(names[0] ?? ""));
  const records = await done(db.transaction("_sync").objectStore("_sync").getAll());
  db.close();
  return records.map((record) => record.value.heldThrough);
}
