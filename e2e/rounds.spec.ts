/** Tabs that end at random moments as they write, round after round: what was said to be kept is kept, and nothing by half. */
import { setTimeout as passed } from "node:timers/promises";
import { expect, test } from "./fixtures.ts";
import { checkChains, endSomehow, seeded, Witness } from "./rounds.ts";
import { openTabs, Tab } from "./tabs.ts";

/** `npm run soak` asks for more, and for other seeds. */
const rounds = Number(process.env.TAB_ROUNDS ?? 8);
const seed = Number(process.env.TAB_SEED ?? 1);
/** All that a device holds is read after every round: one that lived longer would do little else. */
const roundsOfDevice = 100;
/** A second or two, and many times that on a machine that does other things as well. */
const roundMs = 20_000;

test.describe.configure({ mode: "parallel" });

for (let from = 0; from < rounds; from += roundsOfDevice) {
  const count = Math.min(roundsOfDevice, rounds - from);
  const ownSeed = seed + from;

  test(`what resolved is there, and nothing by half, after ${count} rounds of a tab that ends as it writes (seed ${ownSeed})`, async ({
    browser,
    context,
    app,
    relay,
  }) => {
    test.setTimeout(60_000 + count * roundMs);
    const random = seeded(ownSeed);
    const options = { site: app.url, relay: relay.url };
    const witness = new Witness();
    let tab = await Tab.open(context, options);
    await tab.createDatabase();
    for (let round = 0; round < count; round++) {
      await witness.watch(tab, `r${round}`);
      await passed(random() * 150);
      await endSomehow(tab, random);
      tab = await Tab.open(context, options);
      await witness.check(tab);
    }
    expect(witness.resolved).toBeGreaterThan(count);
    await checkChains(browser, tab, options);
  });

  test(`the same of two tabs that write, after ${count} rounds in which one of them ends (seed ${ownSeed})`, async ({
    browser,
    context,
    app,
    relay,
  }) => {
    test.setTimeout(60_000 + count * roundMs);
    const random = seeded(ownSeed + 1_000_000);
    const options = { site: app.url, relay: relay.url };
    const witness = new Witness();
    let tabs = await openTabs(context, 2, options);
    await tabs[0]?.createDatabase();
    for (const tab of tabs) await tab.findDatabase();
    for (let round = 0; round < count; round++) {
      const [first, second] = tabs as [Tab, Tab];
      await witness.watch(first, `r${round}.0`);
      await witness.watch(second, `r${round}.1`);
      await passed(random() * 150);
      const [ended, left] = random() < 0.5 ? [first, second] : [second, first];
      await endSomehow(ended, random);
      // Both fresh next time, so that whoever is left does not write on and on.
      const fresh = await Tab.open(context, options);
      await left.close();
      await witness.check(fresh);
      tabs = [fresh, await Tab.open(context, options)];
    }
    expect(witness.resolved).toBeGreaterThan(count);
    await checkChains(browser, tabs[0] as Tab, options);
  });
}
