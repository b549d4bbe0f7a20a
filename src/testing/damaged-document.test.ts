/** One flipped bit in the first of three entries of a document. What automerge-repo makes of that: `automerge-repo/damage.test.ts`. */

import * as A from "@automerge/automerge";
import { type Endpoint, wrap } from "comlink";
import * as idbDouble from "fake-indexeddb";
import { afterAll, describe, expect, test } from "vitest";
import { WRITE } from "../core/store/power.ts";
import { damageDocument } from "./damaged-document.ts";
import { installIdbDouble } from "./idb-double.ts";
import { SiteDocument } from "./site-document.ts";
import { type SitePage, TabSite } from "./tab-site.ts";

afterAll(installIdbDouble(idbDouble));

describe("[DOC-42] when the disk damages the first of three entries of a document", () => {
  test.each([
    { name: "each stands on the one before", apart: false, left: [], waiting: 2 },
    { name: "none stands on another", apart: true, left: ["two", "three"], waiting: 0 },
  ])(
    "of which $name: that one is put aside and comes back, and nothing else is lost",
    async ({ name, apart, ...is }) => {
      const all = { lines: ["one", "two", "three", "later"], waiting: 0, gone: 0 };
      expect(await damageDocument(name, { apart })).toEqual({
        atOnce: { lines: is.left, waiting: is.waiting, gone: 1 },
        restarted: { lines: [...is.left, "later"], waiting: is.waiting, gone: 1 },
        healed: [all, all],
        atPeer: all.lines,
        told: ["STORAGE_CORRUPT"],
        beside: [4_000, "other", { text: "beside" }],
        isWhole: true,
      });
    },
  );

  test("a page that has it open shows what is there, and the rest when it has come back", async () => {
    const [site, other] = await openSites();
    const { world } = site;
    const ann = await leadOn(site, "ann");
    const { id } = await world.settle(ann.write((api, write) => api.createDatabase({ name: "Board" }, write)));
    const ben = await leadOn(other, "ben");
    const ticket = await world.settle(ann.write((api, write) => api.share(id, { power: WRITE }, write)));
    await world.settle(ben.write((api, write) => api.join(ticket, {}, write)));
    await world.settle(ben.call((api) => api.ready(id)));
    const written = await new SiteDocument(site, ann, id).open();
    const his = await new SiteDocument(other, ben, id).open();
    for (const letter of ["0", "1", "2", "3"]) {
      written.type(letter);
      await world.settle(written.commit());
      await world.until(() => his.text === written.text);
    }
    const whole = his.docHeads;
    await world.settle(ben.call((api) => api.setOnline(false)));
    await world.settle(ann.close());
    flip(site.disk.databases.get(id)?.bytes.at(-3));

    const page = await leadOn(site, "ann again");
    const shown = await new SiteDocument(site, page, id).open();
    await world.until(() => shown.text === "0");
    expect(page.problems()).toContain("STORAGE_CORRUPT");
    shown.type("4");
    await world.settle(shown.commit());
    await world.settle(ben.call((api) => api.setOnline(true)));
    await world.until(() => his.text.length === 5 && shown.text === his.text);
    expect(shown.docHeads).toEqual(his.docHeads);
    expect(A.hasHeads(shown.doc, [...whole])).toBe(true);
    expect([...shown.text].sort().join("")).toBe("01234");
    expect(shown.events.some(({ isAnew }) => isAnew)).toBe(false);
  });
});

async function openSites(): Promise<readonly [TabSite, TabSite]> {
  const site = await TabSite.open(1, (endpoint) => wrap(endpoint as Endpoint));
  return [site, await TabSite.open(2, (endpoint) => wrap(endpoint as Endpoint), site)];
}

async function leadOn(site: TabSite, name: string): Promise<SitePage> {
  const page = await site.addPage(name);
  await site.world.until(() => page.standing.type === "leading");
  return page;
}

/** One bit in the middle. */
function flip(bytes: Uint8Array | undefined): void {
  if (bytes === undefined) throw new Error("nothing to damage");
  const place = bytes.length >> 1;
  bytes[place] = (bytes[place] as number) ^ 1;
}
