/** The hooks of automerge-repo for React, on documents of Tidemark. */
import type { Browser } from "@playwright/test";
import type { Doc } from "tidemark";
import { type Device, openPair } from "./device.ts";
import { expect, type Relay, type Site } from "./fixtures.ts";
import type { Plan } from "./page/automerge-repo/react.tsx";
import { test } from "./repo-app.ts";

declare global {
  var plan: Doc<Plan>;
  /** Takes the app away. */
  var leave: () => void;
  /** Renders it again. */
  var comeBack: () => void;
  /** How many hear of changes of the handle. */
  var countListeners: () => number;
  var errors: unknown[];
}

async function openPlan(device: Device, title?: string): Promise<void> {
  await device.run(async (title) => {
    globalThis.errors = [];
    console.error = (...all: unknown[]) => errors.push(all.map(String));
    addEventListener("error", ({ message }) => errors.push(message));
    addEventListener("unhandledrejection", ({ reason }) => errors.push(String(reason)));
    globalThis.plan = await db.doc<Plan>("plan");
    if (title === undefined) return;
    plan.change((draft) => {
      draft.title = title;
      draft.tasks = [];
    });
    await plan.saved();
  }, title);
  await expect.poll(() => device.run(() => plan.value.title)).toBe("Party");
  await device.run(() => {
    const repo = new parts.Repo();
    const handle = parts.openHandle(repo, plan);
    globalThis.countListeners = () => handle.listenerCount("change");
    globalThis.comeBack = () => {
      globalThis.leave = parts.showPlan(repo, handle.url);
    };
    comeBack();
  });
  await expect(device.page.getByLabel("Title")).toHaveValue("Party");
}

async function openPlans(browser: Browser, repoApp: Site, relay: Relay): Promise<readonly [Device, Device]> {
  const [a, b] = await openPair(browser, { site: repoApp.url, relay: relay.url });
  await openPlan(a, "Party");
  await openPlan(b);
  return [a, b];
}

async function press(device: Device, button: "Add" | "Finish"): Promise<void> {
  await device.page.getByRole("button", { name: button }).click();
}

async function expectTasks(tasks: readonly string[], ...devices: readonly Device[]): Promise<void> {
  for (const { page } of devices) await expect(page.getByRole("listitem")).toHaveText([...tasks]);
}

function countRenders(device: Device): Promise<Readonly<Record<string, number>>> {
  return device.run(() => ({ ...parts.renders }));
}

test("[REPO-15] React hooks on one document in two browsers: each change is rendered once in both, where it is; unmounted, nothing is left behind", async ({
  browser,
  repoApp,
  relay,
}) => {
  const [a, b] = await openPlans(browser, repoApp, relay);
  await press(a, "Add");
  await expectTasks(["Party: to do"], a, b);
  await b.page.getByLabel("Title").click();
  await b.page.keyboard.press("Home");
  const before = await countRenders(b);
  await b.page.keyboard.type("Garden ");
  for (const { page } of [a, b]) await expect(page.getByLabel("Title")).toHaveValue("Garden Party");
  expect((await countRenders(b)).plan).toBe((before.plan ?? 0) + "Garden ".length);
  const [inA, inB] = [await countRenders(a), await countRenders(b)];
  await press(b, "Add");
  await expectTasks(["Party: to do", "Garden Party: to do"], a, b);
  await press(a, "Finish");
  await expectTasks(["Party: done", "Garden Party: done"], a, b);
  for (const [device, { plan = 0, others = 0 }] of [
    [a, inA],
    [b, inB],
  ] as const) {
    const expected = { plan: plan + 2, others: others + 2, Party: 2, "Garden Party": 2 };
    expect(await countRenders(device)).toEqual(expected);
  }
  const listeners = await a.run(() => countListeners());
  await a.run(() => leave());
  expect(await a.run(() => countListeners())).toBeLessThan(listeners);
  await b.page.getByLabel("Title").fill("Picnic");
  await press(b, "Add");
  await expectTasks(["Party: done", "Garden Party: done", "Picnic: to do"], b);
  await a.run(() => comeBack());
  await expectTasks(["Party: done", "Garden Party: done", "Picnic: to do"], a);
  expect(await a.run(() => countListeners())).toBe(listeners);
  await expect(a.page.locator("footer p")).toHaveText("3 tasks, me and 0 others");
  for (const device of [a, b]) expect(await device.run(() => errors)).toEqual([]);
  for (const device of [a, b]) await device.close();
});
