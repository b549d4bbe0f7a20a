/** What the demo shows of the device: its tabs, its storage, files, and the end of a board or of everything. */
import { readFile } from "node:fs/promises";
import type { Locator, Page } from "@playwright/test";
import { checkPage } from "./accessibility.ts";
import { expect, test } from "./fixtures.ts";
import { openAda, Person } from "./person.ts";
import { changeBuild, takeAway } from "./tabs.ts";

/** The section of the first page. */
function device(page: Page): Locator {
  return page.getByRole("region", { name: "This device" });
}

async function unfold(page: Page, title: string): Promise<void> {
  const folded = page.locator("details").filter({ has: page.locator("summary", { hasText: title }) });
  if ((await folded.last().getAttribute("open")) === null) await folded.last().locator("summary").press("Enter");
}

async function saveAll(page: Page, passphrase: string): Promise<string> {
  await unfold(page, "Save all boards as a file");
  await page.getByLabel("Passphrase of the file").fill(passphrase);
  const downloading = page.waitForEvent("download");
  await page.getByRole("button", { name: "Save the file" }).click();
  const download = await downloading;
  expect(download.suggestedFilename()).toMatch(/^boards-\d{4}-\d\d-\d\d\.tidemark$/);
  return download.path();
}

async function takeUp(page: Page, file: string, passphrase: string): Promise<void> {
  await unfold(page, "Take up boards from a file");
  await page.getByLabel("File with boards").setInputFiles({
    name: "boards.tidemark",
    mimeType: "application/octet-stream",
    buffer: await readFile(file),
  });
  await page.getByLabel("Its passphrase").fill(passphrase);
  await page.getByRole("button", { name: "Take up boards from the file" }).click();
}

test("two tabs show the same board, say which of them does the work, and either may be closed", async ({ ada }) => {
  await ada.write("Buy lemons");
  await expect(ada.status).toContainText("This tab does the work");
  const other = await ada.context.newPage();
  await other.goto(ada.page.url());
  await expect(other.getByRole("list", { name: "Notes" })).toContainText("Buy lemons");
  const panel = other.getByRole("complementary", { name: "Status and people" });
  await expect(panel).toContainText("Another tab does the work for 2 tabs");
  await expect(ada.status).toContainText("This tab does the work for 2 tabs");
  await other.getByRole("textbox", { name: "New note" }).fill("Music");
  await other.keyboard.press("Enter");
  await expect(ada.note("Music")).toBeVisible();
  await ada.page.close({ runBeforeUnload: true });
  await expect(panel).toContainText("This tab does the work");
  await expect(panel).not.toContainText("for 2 tabs");
  await other.getByRole("textbox", { name: "New note" }).fill("Lanterns");
  await other.keyboard.press("Enter");
  await expect(other.getByRole("list", { name: "Notes" })).toContainText("Lanterns");
});

test("the first page says how this device keeps what is saved, and checks all of it", async ({ ada }) => {
  await ada.write("Buy lemons", "Music");
  await ada.page.getByRole("link", { name: "Boards" }).click();
  const section = device(ada.page);
  await expect(section).toContainText("Saved on this device");
  await expect(section).toContainText(/ of .+ used/);
  await expect(section.getByRole("meter", { name: "Storage used" })).toBeVisible();
  await section.getByRole("button", { name: "Ask the browser to keep it" }).click();
  await expect(section).toContainText("The browser has promised nothing");
  await section.getByRole("button", { name: "Check everything that is saved" }).click();
  await expect(section).toContainText(/\d+ records looked at\. All as it was written\./);
});

test("boards come back from a file after everything was deleted, with a passphrase and only with it", async ({
  ada,
}) => {
  await ada.write("Buy lemons");
  await ada.page.getByRole("link", { name: "Boards" }).click();
  const file = await saveAll(ada.page, "correct horse battery");
  await expect(device(ada.page)).toContainText("Without the passphrase nobody can read it");

  await unfold(ada.page, "Delete everything");
  await ada.page.getByRole("button", { name: "Delete everything on this device" }).click();
  const question = ada.page.getByRole("dialog");
  await expect(question).toContainText("What never reached anybody else is lost");
  await question.getByRole("button", { name: "Delete everything" }).click();
  await expect(ada.page.getByRole("heading", { name: "Everything on this device was deleted" })).toBeVisible();
  const loaded = ada.page.waitForEvent("load");
  await ada.page.getByRole("button", { name: "Load the page again" }).click();
  await loaded;
  await ada.goTo();
  await expect(ada.page.getByRole("heading", { name: "Your boards" })).toHaveCount(0);

  await takeUp(ada.page, file, "wrong horse battery");
  await expect(device(ada.page)).toContainText("That is not the passphrase of the file");
  await takeUp(ada.page, file, "correct horse battery");
  await expect(device(ada.page)).toContainText("“Garden party” is back");
  await ada.page.getByRole("link", { name: "Garden party" }).click();
  await expect(ada.note("Buy lemons")).toBeVisible();
});

test("a file that is dropped is chosen", async ({ browser, site, relay }) => {
  const ada = await Person.open(browser, { site: site.url, relay: relay.url });
  await unfold(ada.page, "Take up boards from a file");
  const data = await ada.page.evaluateHandle(() => {
    const transfer = new DataTransfer();
    transfer.items.add(new File(["nothing of ours"], "notes.tidemark"));
    return transfer;
  });
  await ada.page.locator(".drop-zone").dispatchEvent("drop", { dataTransfer: data });
  await expect(device(ada.page)).toContainText("notes.tidemark is chosen");
  await ada.page.getByRole("button", { name: "Take up boards from the file" }).click();
  await expect(device(ada.page)).toContainText("This file is damaged, cut off, or holds no boards");
  await ada.close();
});

test("a board can be taken off a device, and removed for everybody by its owner", async ({ ada, ben }) => {
  await ada.write("Buy lemons");
  await expect(ben.note("Buy lemons")).toBeVisible();
  await ada.unfoldPart("Keep or delete this board");
  await ada.page.getByRole("button", { name: "Remove it for everybody" }).click();
  await ada.page.getByRole("dialog").getByRole("button", { name: "Remove it" }).click();
  for (const { page } of [ada, ben]) await expect(page.getByText("Its owner removed this board")).toBeVisible();
  await expect(ben.page.getByRole("textbox", { name: "New note" })).toBeHidden();
  await expect(ben.note("Buy lemons"), "it can still be read").toBeVisible();
  await ben.unfoldPart("Keep or delete this board");
  await ben.page.getByRole("button", { name: "Take it off this device" }).click();
  await ben.page.getByRole("dialog").getByRole("button", { name: "Take it off" }).click();
  await expect(ben.page.getByRole("heading", { name: "Boards that live on your devices" })).toBeVisible();
  await expect(ben.page.getByRole("link", { name: "Garden party" })).toHaveCount(0);
  await ben.page.reload();
  await ben.ready();
  await expect(ben.page.getByRole("link", { name: "Garden party" })).toHaveCount(0);
});

test("a newer build waits for the older one and says so, and the older one offers to load it", async ({ ada }) => {
  const newer = await ada.context.newPage();
  await changeBuild(newer, 1);
  await newer.goto(ada.page.url());
  await expect(newer.getByRole("alert")).toContainText("An older version of this page is open in another tab");
  await expect(newer.getByRole("progressbar", { name: "Waiting for the other tabs" })).toBeVisible();
  await expect(newer).toHaveTitle(/Waiting/);
  await checkPage(newer, "waiting for an older build");
  const banner = ada.page.getByRole("alert").filter({ hasText: "A newer version of this page" });
  await expect(banner).toBeVisible();
  await checkPage(ada.page, "told of a newer build");
  await ada.write("Written in the older one");
  await expect(newer.getByRole("heading", { name: "Garden party" })).toHaveCount(0);
  await changeBuild(ada.page, 1);
  await banner.getByRole("button", { name: "Load the new version" }).click();
  for (const page of [ada.page, newer]) {
    await expect(page.getByRole("list", { name: "Notes" })).toContainText("Written in the older one");
    await expect(page.getByRole("alert").filter({ hasText: "version of this page" })).toBeHidden();
  }
  expect(ada.errors).toEqual([]);
});

test("an older build beside a newer one says what helps, and loaded again it is the newer one", async ({ ada }) => {
  await ada.write("Buy lemons");
  const older = await ada.context.newPage();
  await changeBuild(older, -1);
  await older.goto(ada.page.url());
  await expect(
    older.getByRole("heading", { name: "A newer version of this page is open in another tab" }),
  ).toBeVisible();
  await expect(older.getByText("Load this page again to get it, too.")).toBeVisible();
  await checkPage(older, "an older build");
  await ada.write("Music");
  await older.unrouteAll();
  await older.getByRole("button", { name: "Load the page again" }).click();
  await expect(older.getByRole("list", { name: "Notes" })).toContainText("Music");
  expect(ada.errors).toEqual([]);
});

test("where nothing can be saved every page says so", async ({ browser, site, relay }) => {
  const context = await browser.newContext();
  await takeAway(context, "indexedDB");
  const page = await context.newPage();
  await page.goto(`${site.url}?relay=${encodeURIComponent(relay.url)}`);
  await expect(page.getByRole("alert").filter({ hasText: "Not saved" })).toBeVisible();
  await expect(device(page)).toContainText("Not saved: it is gone when the tab that does the work is closed");
  await context.close();
});

for (const [what, viewport] of [
  ["phone", { width: 360, height: 740 }],
  ["desktop", { width: 1280, height: 800 }],
] as const) {
  test(`what is said of the device can be seen and said, in light and in dark, on a ${what}`, async ({
    browser,
    site,
    relay,
  }) => {
    const ada = await openAda(browser, { site: site.url, relay: relay.url, viewport });
    const { page } = ada;
    if (what === "phone") await page.locator("button.summary").click();
    await ada.unfoldPart("Keep or delete this board");
    await checkPage(page, "a board");
    await page.getByRole("link", { name: "Boards" }).click();
    for (const title of ["Save all boards as a file", "Take up boards from a file", "Delete everything"]) {
      await unfold(page, title);
    }
    await page.getByRole("button", { name: "Check everything that is saved" }).click();
    await expect(device(page)).toContainText("All as it was written");
    await checkPage(page, "the first page");
    await ada.close();
  });
}
