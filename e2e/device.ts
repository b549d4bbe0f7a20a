/**
 * One device for tests: a browser context of its own with a page on which the built package is loaded as any app would.
 * What is given to `run` runs on that page, where `tidemark` is the package, `tide` the instance and `db` the database.
 */
import type { Browser, BrowserContext, Page } from "@playwright/test";
import type * as Tidemark from "tidemark";

declare global {
  var tidemark: typeof Tidemark;
  var tide: Tidemark.Instance;
  var db: Tidemark.Database;
}

export interface DeviceOptions {
  /** Where e2e/page and the built package are served. */
  readonly site: string;
  readonly relay: string;
  readonly name?: string;
}

export class Device {
  readonly context: BrowserContext;
  readonly page: Page;
  readonly #options: DeviceOptions;

  private constructor(context: BrowserContext, page: Page, options: DeviceOptions) {
    this.context = context;
    this.page = page;
    this.#options = options;
  }

  static async open(browser: Browser, options: DeviceOptions): Promise<Device> {
    return Device.openIn(await browser.newContext(), options);
  }

  /** In a context of the caller's, such as one with a profile on disk. */
  static async openIn(context: BrowserContext, options: DeviceOptions): Promise<Device> {
    const device = new Device(context, await context.newPage(), options);
    await device.load();
    return device;
  }

  /** Loads the page, again after a reload or a crash, and opens the instance with all it has. */
  async load(): Promise<void> {
    const { site, relay, name = "e2e" } = this.#options;
    await this.page.goto(site);
    await this.page.waitForFunction(() => globalThis.tidemark !== undefined);
    await this.page.evaluate(
      async ({ relay, name }) => {
        globalThis.tide = await tidemark.open({ name, relay });
        const [first] = await tide.databases();
        if (first !== undefined) globalThis.db = first;
      },
      { relay, name },
    );
  }

  run<T, A>(action: (argument: A) => T | Promise<T>, argument?: A): Promise<T> {
    return this.page.evaluate(action as (argument: unknown) => T | Promise<T>, argument);
  }

  /** Makes the database of this device; resolves with a ticket for writers. */
  createAndShare(): Promise<string> {
    return this.run(async () => {
      globalThis.db = await tide.createDatabase({ name: "Together" });
      return db.share({ permission: "write" });
    });
  }

  /** Joins and waits until everything promised has arrived. */
  join(ticket: string): Promise<void> {
    return this.run(async (text) => {
      globalThis.db = await tide.join(text);
      await db.ready();
    }, ticket);
  }

  digest(): Promise<Tidemark.StateDigest> {
    return this.run(() => db.digest());
  }

  async close(): Promise<void> {
    await this.context.close();
  }
}

/** Two devices with one database between them. */
export async function openPair(browser: Browser, options: DeviceOptions): Promise<readonly [Device, Device]> {
  const [a, b] = await Promise.all([Device.open(browser, options), Device.open(browser, options)]);
  await b.join(await a.createAndShare());
  return [a, b];
}
