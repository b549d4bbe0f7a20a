import { expect, test } from "vitest";
import { tabsMax } from "../core/limits.ts";
import { TabsWorld } from "../testing/tabs-world.ts";
import { AttachedTabs } from "./attached-tabs.ts";

test("[TABS-19] one page too many is refused, and those that are served stay", () => {
  const { locks, channels } = new TabsWorld(1).realm("leader");
  const served = new Set<string>();
  const refused: string[] = [];
  const tabs = new AttachedTabs({
    ...{ name: "notes", lead: "lead", locks, channels },
    leading: {
      attach: (tab) => void served.add(tab),
      detach: (tab) => void served.delete(tab),
      isIdle: () => true,
      isTied: () => false,
      stop: async () => {},
    },
    refused: (tab) => refused.push(tab),
  });
  for (let i = 0; i <= tabsMax; i++) tabs.attach(`t${i}`);
  // It is served already.
  tabs.attach("t0");
  expect([served.size, refused]).toEqual([tabsMax, [`t${tabsMax}`]]);
  tabs.detach("t0");
  tabs.attach("late");
  expect([served.has("late"), refused.length]).toEqual([true, 1]);
  tabs.end();
});
