/**
 * A Chromium as people have it: Playwright's pages never are hidden, frozen, or kept for going back. Here one tab at a time is shown.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type BrowserContext, chromium, type Page } from "@playwright/test";
import { plainOptions } from "../scripts/chromium.mjs";

export interface PlainChromium {
  readonly context: BrowserContext;
  close(): Promise<void>;
}

export async function launchPlain(): Promise<PlainChromium> {
  const { executablePath = chromium.executablePath(), args } = plainOptions();
  const profile = await mkdtemp(join(tmpdir(), "tidemark-chromium-"));
  const own = ["--headless=new", "--remote-debugging-port=0", `--user-data-dir=${profile}`, "about:blank"];
  const child = spawn(executablePath, [...args, ...own], { stdio: ["ignore", "ignore", "pipe"] });
  const end = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    }
    await rm(profile, { recursive: true, force: true, maxRetries: 10 });
  };
  try {
    const browser = await chromium.connectOverCDP(await endpoint(child), { noDefaults: true });
    const [context] = browser.contexts();
    if (context === undefined) throw new Error("this Chromium has no window");
    return { context, close: end };
  } catch (error) {
    await end();
    throw error;
  }
}

/** Chromium says on its standard error output where it listens. */
function endpoint(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    if (child.stderr === null) return reject(new Error("no output to read"));
    createInterface({ input: child.stderr }).on("line", (line) => {
      const [url] = /ws:\/\/\S+/.exec(line) ?? [];
      if (url !== undefined) resolve(url);
    });
    child.once("exit", (code) => reject(new Error(`Chromium ended with code ${code}`)));
    child.once("error", reject);
  });
}

/**
 * Stops everything on the page and in its worker, as for a tab that was hidden for long, until what comes back is called. It has to be hidden.
 *
 * Asked to, Chromium freezes a page in whatever it does, also between a transaction's beginning and its end. Of itself it freezes none whose
 * transaction keeps another page of the same site waiting (https://github.com/francoisdoray/freezing-on-energy-saver): here such a one goes on for a
 * moment as well.
 *
 * @param database the name of the IndexedDB database that both have open, with an object store "lease"
 */
export async function freeze(page: Page, other: Page, database: string): Promise<() => Promise<void>> {
  await freezeAnywhere(page);
  let isFrozen = true;
  const letGo = async (): Promise<void> => {
    for (; isFrozen; await other.waitForTimeout(200)) {
      if (await other.evaluate(isFree, database)) continue;
      await thaw(page);
      if (isFrozen) await freezeAnywhere(page);
    }
  };
  const watching = letGo();
  return async () => {
    isFrozen = false;
    await watching;
    await thaw(page);
  };
}

/** Also where Chromium would not. */
export async function freezeAnywhere(page: Page): Promise<void> {
  const session = await page.context().newCDPSession(page);
  await session.send("Page.setWebLifecycleState", { state: "frozen" });
}

/** On a page: whether nobody writes to the database for longer than a second. */
function isFree(database: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open(database);
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => {
      const transaction = opening.result.transaction("lease");
      const late = setTimeout(() => resolve(false), 1_000);
      transaction.objectStore("lease").count();
      transaction.oncomplete = () => {
        clearTimeout(late);
        opening.result.close();
        resolve(true);
      };
      transaction.commit();
    };
  });
}

export async function thaw(page: Page): Promise<void> {
  const session = await page.context().newCDPSession(page);
  await session.send("Page.setWebLifecycleState", { state: "active" });
}

/** Goes back one page, and waits until it is there. */
export async function goBack(page: Page, isThere: () => boolean): Promise<void> {
  page.evaluate(() => history.back()).catch(() => {}); // The page that is left never answers.
  await page.waitForFunction(isThere);
}
