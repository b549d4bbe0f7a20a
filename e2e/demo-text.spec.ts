/** The text of a board, which everybody on it writes: real keys in real browsers, over the real relay. */
import type { Locator, Page } from "@playwright/test";
import { checkPage } from "./accessibility.ts";
import { expect, test } from "./fixtures.ts";
import { openAda, Person } from "./person.ts";

const phone = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true };

function field(page: Page): Locator {
  return page.getByRole("textbox", { name: "Text", exact: true });
}

/** With a name for each caret of somebody else. */
function flags(page: Page): Locator {
  return page.locator(".text-name");
}

function here(page: Page): Locator {
  return page.getByRole("list", { name: "In the text now" }).getByRole("listitem");
}

async function openText(...pages: readonly Page[]): Promise<void> {
  for (const page of pages) await page.getByRole("tab", { name: "Text" }).click();
  for (const page of pages) await field(page).waitFor();
}

/** With real keys, at the end. */
async function typeAtEnd(page: Page, text: string): Promise<void> {
  await field(page).focus();
  await page.keyboard.press("Control+End");
  await page.keyboard.type(text);
}

/** Until all have the same, with all of these in it; answers with it. */
async function agree(pages: readonly Page[], ...parts: readonly string[]): Promise<string> {
  for (const part of parts) for (const page of pages) await expect(field(page)).toHaveValue(new RegExp(part));
  let texts: readonly string[] = [];
  const differing = async (): Promise<number> => {
    texts = await Promise.all(pages.map((page) => field(page).inputValue()));
    return new Set(texts).size;
  };
  await expect.poll(differing, "all have the same").toBe(1);
  return texts[0] ?? "";
}

/** Until the flag of the other stands in the second line, behind the words there. */
async function seeInSecondLine(page: Page): Promise<void> {
  const isThere = (): Promise<boolean> =>
    field(page).evaluate((area) => {
      const flag = document.querySelector(".text-name")?.getBoundingClientRect();
      const { x, y } = area.getBoundingClientRect();
      return flag !== undefined && flag.y > y + 40 && flag.x > x + 150;
    });
  await expect.poll(isThere, "in the second line, behind what is written there").toBe(true);
}

/** Until none of them is told anything of the others. */
async function goApart(...people: readonly Person[]): Promise<void> {
  for (const person of people) await person.goOffline(true);
  for (const { page } of people) await expect(here(page), "nobody is told of anybody").toHaveText(["You"]);
}

/** Takes back until the text is like this: what was typed with a pause goes step by step. Answers with the number of steps. */
async function takeBack(page: Page, until: RegExp): Promise<number> {
  await field(page).focus();
  let steps = 0;
  for (; steps < 50 && !until.test(await field(page).inputValue()); steps++) await page.keyboard.press("Control+z");
  return steps;
}

test("two write one text at the same time, see where the other is, and take back only what is their own", async ({
  ada,
  ben,
}) => {
  const wasm: string[] = [];
  ada.page.on("request", (request) => request.url().endsWith(".wasm") && wasm.push(request.url()));
  await ada.page.getByRole("tab", { name: "Notes" }).focus();
  expect(wasm, "nothing of it is fetched before it is looked at").toEqual([]);
  await ada.page.keyboard.press("ArrowRight");
  await expect(ada.page.getByRole("tab", { name: "Text" })).toBeFocused();
  await field(ada.page).waitFor();
  expect(wasm).toHaveLength(1);
  await expect(field(ada.page)).toHaveAttribute("placeholder", /^Nothing written yet/);
  await openText(ben.page);
  await expect(here(ada.page)).toHaveText(["You", /^Ben/]);
  await ada.page.keyboard.press("Tab"); // To Ben's place.
  await ada.page.keyboard.press("Tab");
  await expect(field(ada.page)).toBeFocused();

  await ada.page.keyboard.type("Bring lemons.\n");
  await expect(field(ben.page)).toHaveValue("Bring lemons.\n");
  await Promise.all([
    typeAtEnd(ben.page, "Ben was here, at the end."),
    ada.page.keyboard.press("Control+Home").then(() => ada.page.keyboard.type("Ada begins: ")),
  ]);
  const whole = "Ada begins: Bring lemons.\nBen was here, at the end.";
  expect(await agree([ada.page, ben.page], "Ada begins: ", "at the end\\.$")).toBe(whole);
  await expect(flags(ada.page)).toHaveText("Ben");
  await expect(flags(ben.page)).toHaveText("Ada");
  await seeInSecondLine(ada.page);
  const flag = await flags(ada.page).elementHandle();

  const steps = await takeBack(ben.page, /lemons\.\n$/);
  expect(await agree([ada.page, ben.page], "^Ada begins: Bring lemons\\.\n$")).not.toContain("Ben");
  for (let step = 0; step < steps; step++) await ben.page.keyboard.press("Control+Shift+z");
  expect(await agree([ada.page, ben.page], "at the end\\.$")).toBe(whole);
  await seeInSecondLine(ada.page);
  await ada.page.getByRole("button", { name: "Ben: go to line 2" }).press("Enter");
  await expect(field(ada.page)).toBeFocused();
  await ada.page.keyboard.type("!");
  expect(await agree([ada.page, ben.page], "!$")).toBe(`${whole}!`);
  expect(await flag?.evaluate((one) => one.isConnected), "it moved, and was never gone").toBe(true);

  await expect(ada.page.getByText("Saved here · Ben has everything").last()).toBeVisible();
  await ben.page.getByRole("tab", { name: "Notes" }).click();
  await expect(here(ada.page), "who left is not shown").toHaveText(["You"]);
  await expect(flags(ada.page)).toHaveCount(0);
  expect([...ada.errors, ...ben.errors]).toEqual([]);
});

test("of what two begin and go on with while they are apart, no letter is lost, and undoing takes nothing of others", async ({
  ada,
  ben,
}) => {
  const pages = [ada.page, ben.page];
  await openText(...pages);
  await goApart(ada, ben);
  await typeAtEnd(ada.page, "Ada began this.");
  await typeAtEnd(ben.page, "Ben began that.");
  for (const person of [ada, ben]) await person.goOffline(false);
  const both = await agree(pages, "Ada began this\\.", "Ben began that\\.");
  expect(both.split("\n").sort()).toEqual(["Ada began this.", "Ben began that."]);

  await goApart(ada, ben);
  const goTo = async (page: Page, text: string, at: number): Promise<void> => {
    await field(page).evaluate(
      (area: HTMLTextAreaElement, to) => area.setSelectionRange(to, to),
      both.indexOf(text) + at,
    );
    await field(page).focus();
  };
  await goTo(ada.page, "Ben began", 3);
  await ada.page.keyboard.type(" (says Ada)");
  await goTo(ben.page, "that.", 4);
  await ben.page.keyboard.type(" and more");
  for (const person of [ada, ben]) await person.goOffline(false);
  await agree(pages, "Ada began this\\.", "Ben \\(says Ada\\) began that and more\\.");

  // Everything that each of them did, down to the beginning of what both write in now.
  await takeBack(ben.page, /^[^B]*$/);
  for (let more = 0; more < 5; more++) await ben.page.keyboard.press("Control+z");
  expect(await agree(pages, "Ada began this\\.", " \\(says Ada\\)")).not.toContain("Ben");
  await ada.goOffline(true);
  await ada.page.reload();
  await field(ada.page).waitFor();
  expect(await agree(pages, "Ada began this\\."), "the part and the text are found again").toContain("(says Ada)");
});

test("when it cannot be loaded that is said, and another try helps; another tab is a reader of its own", async ({
  ada,
}) => {
  const { page } = ada;
  await page.route("**/*.wasm", (route) => route.abort());
  await page.getByRole("tab", { name: "Text" }).click();
  await expect(page.getByRole("alert").getByText("The text could not be loaded")).toBeVisible();
  await checkPage(page, "a text that cannot be loaded");
  await page.unroute("**/*.wasm");
  await page.getByRole("button", { name: "Try again" }).press("Enter");
  await expect(field(page)).toBeFocused();

  const other = await ada.context.newPage();
  await other.goto(page.url());
  await field(other).waitFor();
  await expect(here(page)).toHaveText(["You", /^You, in another tab/]);
  await field(other).click();
  await other.keyboard.type("From there");
  await expect(field(page)).toHaveValue("From there");
  await expect(flags(page)).toHaveText("You, in another…");
  await typeAtEnd(page, ", from here");
  await expect(field(other)).toHaveValue("From there, from here");
  await other.keyboard.type("!");
  expect(await agree([page, other], ", from here$", "!")).toBe("From there!, from here");
  await other.close();
  await expect(here(page)).toHaveText(["You"]);
  expect(ada.errors).toEqual([]);
});

test("what an input method composes is left alone by what others write, and stands where it belongs", async ({
  ada,
  ben,
}) => {
  const pages = [ada.page, ben.page];
  await openText(...pages);
  const input = await ada.context.newCDPSession(ada.page);
  const compose = (text: string): Promise<unknown> =>
    input.send("Input.imeSetComposition", { text, selectionStart: text.length, selectionEnd: text.length });
  await field(ada.page).focus();
  await compose("k");
  await compose("かん");
  await expect(field(ben.page), "others see it while it is made").toHaveValue("かん");
  await typeAtEnd(ben.page, " ends");
  await ben.page.keyboard.press("Control+Home");
  await ben.page.keyboard.type("Begins ");
  await expect(field(ben.page)).toHaveValue("Begins かん ends");
  await ben.page.getByText("Saved here · Ada has everything").last().waitFor();
  await compose("漢字");
  await expect(field(ada.page), "it sees what it made").toHaveValue("漢字");
  await input.send("Input.insertText", { text: "漢字" });
  await expect(field(ada.page)).toHaveValue("Begins 漢字 ends");
  await ada.page.keyboard.type("!");
  expect(await agree(pages, "漢字!")).toBe("Begins 漢字! ends");
});

test("who may only read is told so and can change nothing; what is refused or does not count is shown once more", async ({
  ada,
  ben,
}) => {
  await openText(ada.page, ben.page);
  await typeAtEnd(ada.page, "By Ada.");
  await expect(field(ben.page)).toHaveValue("By Ada.");
  await ben.goOffline(true);
  await typeAtEnd(ben.page, " By Ben.");
  const row = await ada.unfold("Ben");
  await row.getByRole("button", { name: /^Let read only/ }).press("Enter");
  await expect(ada.page.getByText("Ben can read now")).toBeVisible();
  await ben.goOffline(false);
  await expect(field(ben.page)).not.toBeEditable();
  await expect(ben.page.getByText("You can read this board. To write on it")).toBeVisible();
  await expect(field(ben.page)).toHaveValue("By Ada.");
  const refused = ben.page.getByRole("region", { name: "Not taken" });
  await expect(refused).toContainText("What you wrote last was not taken");
  await expect(refused.getByRole("blockquote")).toHaveText("By Ben.");
  await checkPage(ben.page, "a text that may only be read");
  await refused.getByRole("button", { name: "Dismiss" }).press("Enter");
  await expect(refused).toBeHidden();
  await field(ben.page).focus();
  await ben.page.keyboard.type("Nothing");
  await ben.page.keyboard.press("Control+z");
  // The field is a courtesy: what keeps the text is not on this page. In one turn, or the page makes it so again.
  await field(ben.page).evaluate((area: HTMLTextAreaElement) => {
    area.readOnly = false;
    document.execCommand("insertText", false, "Got round it");
  });
  await expect(refused).toContainText("You may not do that on this board");
  await expect(refused.getByRole("blockquote")).toHaveText("Got round it");
  await expect(field(ben.page)).toHaveValue("By Ada.");
  await typeAtEnd(ada.page, " And more.");
  await expect(field(ben.page)).toHaveValue("By Ada. And more.");
  await expect(flags(ada.page), "who reads is seen, too").toHaveText("Ben");
});

for (const [name, options] of [
  ["on a phone", phone],
  ["on a desktop", { viewport: { width: 1280, height: 800 } }],
] as const) {
  test(`${name}, in light and in dark, a text with carets of others is readable and in its place`, async ({
    browser,
    site,
    relay,
  }) => {
    const ada = await openAda(browser, { site: site.url, relay: relay.url, ...options });
    await openText(ada.page);
    await checkPage(ada.page, "an empty text");
    const ben = await Person.open(browser, { site: site.url, relay: relay.url }, await ada.link("write"));
    await ben.giveName("W".repeat(40));
    await openText(ben.page);
    await field(ben.page).fill(`Lemons\n${"W".repeat(200)}\nדלג על הקניות\n${"tables and chairs ".repeat(20)}`);
    await typeAtEnd(ben.page, "x");
    await ben.page.keyboard.press("Shift+Control+Home");
    await expect(ada.page.locator(".text-selection").nth(5)).toBeVisible();
    await expect(flags(ada.page)).toHaveText(/^W+…$/);
    await checkPage(ada.page, "a text with a caret at its beginning");
    await ben.page.keyboard.press("Control+End");
    await expect(ada.page.locator(".text-selection")).toHaveCount(0);
    await checkPage(ada.page, "a text with a caret at its end");
    const heights = await field(ada.page).evaluate((area) => [area.scrollHeight, area.clientHeight]);
    expect(heights[0], "nothing of it is cut off").toBe(heights[1]);
    for (const person of [ada, ben]) await person.close();
  });
}
