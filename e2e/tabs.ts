/**
 * Several tabs of one device, and what happens to tabs: closed, crashed, frozen, robbed of their worker, without this or
 * that part of the browser, on a newer build, with a full disk.
 */
import { type BrowserContext, type CDPSession, expect, type Page, type Route } from "@playwright/test";

export interface TabOptions {
  /** Where e2e/page and the built package are served. */
  readonly site: string;
  readonly relay?: string;
  /** Of the instance. */
  readonly name?: string;
}

declare global {
  /** The worker of the tab's page. */
  var tabWorker: Worker;
  /** For what a test has under way, and for what its page heard. */
  var written: Promise<unknown>;
  var noted: unknown[];
}

/** One page that has the instance open, on which the globals of device.ts are there. */
export class Tab {
  readonly page: Page;
  readonly #options: TabOptions;

  private constructor(page: Page, options: TabOptions) {
    this.page = page;
    this.#options = options;
  }

  /** A page on which nothing is open yet. */
  static async prepare(context: BrowserContext, options: TabOptions): Promise<Tab> {
    const tab = new Tab(await context.newPage(), options);
    await tab.prepare();
    return tab;
  }

  static async open(context: BrowserContext, options: TabOptions): Promise<Tab> {
    const tab = await Tab.prepare(context, options);
    await tab.open();
    return tab;
  }

  /** Loads the page, anew if it was loaded. */
  async prepare(): Promise<void> {
    await this.page.goto(this.#options.site);
    await this.page.waitForFunction(() => globalThis.tidemark !== undefined);
  }

  /** Opens the instance and the first of its databases, with the worker where it can be got at. */
  async open(): Promise<void> {
    const { relay, name = "e2e" } = this.#options;
    await this.page.evaluate(
      async ({ relay, name }) => {
        const worker = (): Worker => {
          globalThis.tabWorker = new Worker(new URL("./tidemark/worker.js", location.href), { type: "module" });
          return globalThis.tabWorker;
        };
        globalThis.tide = await tidemark.open({ name, worker, ...(relay === undefined ? {} : { relay }) });
      },
      { relay, name },
    );
    await this.findDatabase();
  }

  async reload(): Promise<void> {
    await this.prepare();
    await this.open();
  }

  /** Makes a database, `db` on this page. */
  async createDatabase(): Promise<void> {
    await this.run(async () => {
      globalThis.db = await tide.createDatabase({ name: "Together" });
    });
  }

  /** Makes what another tab created `db` on this page. */
  async findDatabase(): Promise<void> {
    await this.run(async () => {
      const [first] = await tide.databases();
      if (first !== undefined) globalThis.db = first;
    });
  }

  run<T, A>(action: (argument: A) => T | Promise<T>, argument?: A): Promise<T> {
    return this.page.evaluate(action as (argument: unknown) => T | Promise<T>, argument);
  }

  standing(): Promise<"leading" | "following" | "waiting"> {
    return this.run(() => tide.tab.state);
  }

  /** As a tab is closed by a person: its page hears `pagehide` and no more. */
  async close(): Promise<void> {
    const closed = this.page.waitForEvent("close");
    await this.page.close({ runBeforeUnload: true });
    await closed;
  }

  /** Ends its renderer, as for lack of memory; the page hears nothing. Other tabs go on: each has a renderer of its own. */
  async crash(): Promise<void> {
    const crashed = this.page.waitForEvent("crash");
    const session = await this.page.context().newCDPSession(this.page);
    session.send("Page.crash").catch(() => {}); // It never answers.
    await crashed;
    await this.page.close();
  }

  /** As the browser does for lack of memory. */
  async killWorker(): Promise<void> {
    await this.run(() => tabWorker.terminate());
  }
}

/** They open at the same instant. */
export async function openTabs(context: BrowserContext, count: number, options: TabOptions): Promise<readonly Tab[]> {
  const tabs = await Promise.all(Array.from({ length: count }, () => Tab.prepare(context, options)));
  await Promise.all(tabs.map((tab) => tab.open()));
  return tabs;
}

/** Waits until one of the tabs leads and all others follow. */
export async function settled(
  tabs: readonly Tab[],
): Promise<{ readonly leader: Tab; readonly followers: readonly Tab[] }> {
  let states: readonly string[] = [];
  const expected = ["leading", ...tabs.slice(1).map(() => "following")].sort();
  const read = async (): Promise<readonly string[]> => {
    states = await Promise.all(tabs.map((tab) => tab.standing()));
    return [...states].sort();
  };
  await expect.poll(read, { intervals: [20] }).toEqual(expected);
  const leader = tabs[states.indexOf("leading")] as Tab;
  return { leader, followers: tabs.filter((tab) => tab !== leader) };
}

/** Parts of the browser that can be missing. */
export type Part = "locks" | "SharedWorker" | "BroadcastChannel" | "Ed25519" | "indexedDB";

/** Pages of the context that are opened from now on, and their workers, do without. */
export async function takeAway(context: BrowserContext, ...parts: readonly Part[]): Promise<void> {
  const script = parts.map((part) => removals[part]).join("\n");
  await letReachRelay(context);
  await context.addInitScript({ content: script });
  await context.route(workerScript, (route) => rewrite(route, (source) => `${script}\n${source}`));
}

/** Of the package, and of the demo. */
const workerScript = /\/(tidemark|assets)\/worker[^/]*\.js$/;

const removals: Readonly<Record<Part, string>> = {
  locks: remove("Object.getPrototypeOf(navigator)", "locks"),
  SharedWorker: remove("globalThis", "SharedWorker"),
  BroadcastChannel: remove("globalThis", "BroadcastChannel"),
  indexedDB: remove("globalThis", "indexedDB"),
  Ed25519: `for (const name of ["generateKey", "importKey", "sign", "verify"]) {
    const before = SubtleCrypto.prototype[name];
    SubtleCrypto.prototype[name] = function (...args) {
      const isMeant = args.some((arg) => arg === "Ed25519" || arg?.name === "Ed25519");
      if (isMeant) return Promise.reject(new DOMException("Unrecognized name.", "NotSupportedError"));
      return before.apply(this, args);
    };
  }`,
};

/** From the object and whatever it inherits from. */
function remove(object: string, name: string): string {
  return `for (let o = ${object}; o !== null; o = Object.getPrototypeOf(o)) delete o.${name};`;
}

/** As the page is loaded next it runs a build that cannot work together with the one that is served: one later, or one earlier. */
export async function changeBuild(page: Page, by: 1 | -1): Promise<void> {
  await letReachRelay(page.context());
  await page.route(/\/(tidemark|assets)\/[^/]*\.js$/, (route) =>
    rewrite(route, (source) =>
      source.replace(buildNumber, (_match, before: string, number: string) => `${before}${Number(number) + by}`),
    ),
  );
}

/** As it stands in the package, and made smaller in the demo: `{version:`0.1.0`,tabs:1}`. */
const buildNumber = /(tabsProtocol = |\{version:[^{},]+,tabs:)(\d+)/;

/** Chromium takes a script that a test hands in for one from the Internet, which may not connect to this machine's relay. */
async function letReachRelay(context: BrowserContext): Promise<void> {
  await context.grantPermissions(["local-network-access"]);
}

async function rewrite(route: Route, change: (source: string) => string): Promise<void> {
  const response = await route.fetch();
  await route.fulfill({ response, body: change(await response.text()) });
}

/**
 * Gives the origin so many bytes, or what it had. Chromium asks for the limit as it first writes, and again when it is reached: a lower one has
 * to be set before the first tab of a context opens.
 */
export async function setQuota(page: Page, quotaSize?: number): Promise<void> {
  const session = await quotaSession(page);
  const { origin } = new URL(page.url());
  await session.send("Storage.overrideQuotaForOrigin", { origin, ...(quotaSize === undefined ? {} : { quotaSize }) });
}

/** An override ends with the session that asked for it. */
const quotaSessions = new WeakMap<Page, Promise<CDPSession>>();

function quotaSession(page: Page): Promise<CDPSession> {
  const known = quotaSessions.get(page);
  if (known !== undefined) return known;
  const session = page.context().newCDPSession(page);
  quotaSessions.set(page, session);
  return session;
}

/** The browser promises to keep what the origin stores, when it is asked: a Chromium without a window does not by itself. */
export async function letPersist(page: Page): Promise<void> {
  const session = await page.context().newCDPSession(page);
  const { browserContextId } = (await session.send("Target.getTargetInfo")).targetInfo;
  const { origin } = new URL(page.url());
  await session.send("Browser.grantPermissions", {
    permissions: ["durableStorage"],
    origin,
    ...(browserContextId === undefined ? {} : { browserContextId }),
  });
}

/** As a browser that needs room, or a person who clears what a site stored. */
export async function clearStorage(page: Page): Promise<void> {
  const session = await page.context().newCDPSession(page);
  await session.send("Storage.clearDataForOrigin", { origin: new URL(page.url()).origin, storageTypes: "all" });
}
