/** Quick checks of a page as it is shown: names of controls, contrast of text, and nothing wider than its place. */
import type { Page } from "@playwright/test";
import { expect } from "./fixtures.ts";

/** All of it, in light and in dark; `what` is for whoever reads that it failed. */
export async function checkPage(page: Page, what: string): Promise<void> {
  expect(await findUnnamed(page), what).toEqual([]);
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    expect(await findFaint(page), `${what}, ${colorScheme}`).toEqual([]);
    expect(await sidewaysScroll(page), `${what}, ${colorScheme}`).toBeLessThanOrEqual(0);
    expect(await findCut(page), `${what}, ${colorScheme}`).toEqual([]);
  }
}

/** Colours and places on their way to others are nobody's last word. */
async function finishAnimations(page: Page): Promise<void> {
  await page.evaluate(() => {
    // Not waited for: in a page that is not in front none goes on.
    const ending = document.getAnimations().filter((one) => one.effect?.getComputedTiming().endTime !== Infinity);
    for (const one of ending) one.finish();
  });
}

/** Controls in view without a name that a screen reader could say, by their HTML. */
export function findUnnamed(page: Page): Promise<readonly string[]> {
  return page.evaluate(() => {
    const controls = document.querySelectorAll<HTMLElement>(
      "a, button, input, textarea, select, summary, dialog, [role]",
    );
    const textOf = (id: string): string => document.getElementById(id)?.textContent ?? "";
    const nameOf = (control: HTMLElement): string => {
      const labelledBy = control.getAttribute("aria-labelledby")?.split(" ").map(textOf).join(" ");
      const labels = [...((control as HTMLInputElement).labels ?? [])].map((label) => label.textContent).join(" ");
      return labelledBy || control.getAttribute("aria-label") || labels || control.textContent || "";
    };
    const needsNone = (control: HTMLElement): boolean =>
      ["status", "alert"].includes(control.getAttribute("role") ?? "");
    return [...controls]
      .filter((control) => control.checkVisibility() && !needsNone(control) && nameOf(control).trim() === "")
      .map((control) => control.outerHTML.slice(0, 120));
  });
}

/** Text in view whose contrast with what is behind it is below 4.5 (3 for large text), with the ratio. */
export async function findFaint(page: Page): Promise<readonly string[]> {
  await finishAnimations(page);
  return page.evaluate(() => {
    type Colour = readonly [r: number, g: number, b: number, a: number];
    const canvas = document.createElement("canvas");
    const paint = canvas.getContext("2d", { willReadFrequently: true });
    const read = (css: string): Colour => {
      if (paint === null) throw new Error("no canvas");
      paint.clearRect(0, 0, 1, 1);
      paint.fillStyle = css;
      paint.fillRect(0, 0, 1, 1);
      const [r = 0, g = 0, b = 0, a = 0] = paint.getImageData(0, 0, 1, 1).data;
      return [r, g, b, a / 255];
    };
    const over = ([r, g, b, a]: Colour, [r2, g2, b2]: Colour): Colour => {
      const mix = (x: number, y: number): number => x * a + y * (1 - a);
      return [mix(r, r2), mix(g, g2), mix(b, b2), 1];
    };
    const behind = (element: Element | null): Colour => {
      if (element === null) return read("Canvas");
      const own = read(getComputedStyle(element).backgroundColor);
      return own[3] === 1 ? own : over(own, behind(element.parentElement));
    };
    const luminance = ([r, g, b]: Colour): number => {
      const [x = 0, y = 0, z = 0] = [r, g, b].map((c) =>
        c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4,
      );
      return 0.2126 * x + 0.7152 * y + 0.0722 * z;
    };
    const ratio = (a: Colour, b: Colour): number => {
      const [dark = 0, light = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y);
      return (light + 0.05) / (dark + 0.05);
    };
    const isShown = (element: Element): boolean =>
      element.checkVisibility({ opacityProperty: true }) &&
      element.closest(":disabled, .unseen, .skip, noscript") === null;
    const hasText = (element: Element): boolean =>
      [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent?.trim());
    return [...document.body.querySelectorAll("*")]
      .filter((element) => hasText(element) && isShown(element))
      .flatMap((element) => {
        const { color, fontSize, fontWeight } = getComputedStyle(element);
        const ground = behind(element);
        const contrast = ratio(over(read(color), ground), ground);
        const size = Number.parseFloat(fontSize);
        const isLarge = size >= 24 || (size >= 18.66 && Number(fontWeight) >= 700);
        return contrast >= (isLarge ? 3 : 4.5)
          ? []
          : [`${contrast.toFixed(2)} ${element.textContent?.trim().slice(0, 40)}`];
      });
  });
}

/** How far the page can be scrolled sideways, in pixels. */
export async function sidewaysScroll(page: Page): Promise<number> {
  await finishAnimations(page);
  return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
}

/** Blocks in view that are too narrow for what they hold, so that some of it is cut off or stands out. */
export async function findCut(page: Page): Promise<readonly string[]> {
  await finishAnimations(page);
  return page.evaluate(() =>
    [...document.body.querySelectorAll("*")]
      .filter((block) => block.checkVisibility() && block.closest(".unseen, input") === null)
      .filter(({ clientWidth, scrollWidth }) => clientWidth > 0 && scrollWidth > clientWidth)
      .map((block) => `${block.className} ${block.textContent?.trim().slice(0, 40)}`),
  );
}
