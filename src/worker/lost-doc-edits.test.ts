import { type Endpoint, wrap } from "comlink";
import { expect, test } from "vitest";
import { WRITE } from "../core/store/power.ts";
import { TableChanges } from "../core/store/table-changes.ts";
import { SiteDocument } from "../testing/site-document.ts";
import { TabSite } from "../testing/tab-site.ts";
import type { StoreWrites } from "./api.ts";

function row(id: string): StoreWrites {
  const changes = new TableChanges("rows");
  changes.put(id, {});
  return { type: "table", store: "rows", payload: changes.encode(), updatedRows: [] };
}

test("[CLIENT-36] [DOC-34] what an ended page wrote to a document that is another by now is told as lost, once, and its other edits are done", async () => {
  const site = await TabSite.open(1, (endpoint) => wrap(endpoint as Endpoint));
  const { world } = site;
  const leader = await site.addPage("a");
  await world.until(() => leader.standing.type === "leading");
  const { id } = await world.settle(leader.write((api, write) => api.createDatabase({ name: "Board" }, write)));
  const ended = await site.addPage("b");
  const [shown, lost] = [
    await new SiteDocument(site, leader, id).open(),
    await new SiteDocument(site, ended, id).open(),
  ];
  shown.type("kept");
  await world.settle(shown.commit());
  await world.until(() => lost.text === "kept");

  // It reaches nobody, and the database is written with another key before the page ends.
  ended.line.hold();
  lost.type(" and lost");
  for (const stores of [[row("before")], [lost.writes(), row("with it")], [row("after")]])
    lost.send(stores).catch(() => {}); // The page is gone.
  const { key } = await world.settle(leader.call((api) => api.createKey("second")));
  const power = { key: key.publicKey, power: WRITE };
  await world.settle(leader.write((api, write) => api.setPermission(id, power, write)));
  const ticket = await world.settle(leader.call((api) => api.ticket(id)));
  await world.settle(leader.write((api, write) => api.join(ticket, { key: "second" }, write)));
  expect(site.outbox).toEqual([]);
  ended.suspend(true);
  ended.kill();
  expect(site.outbox).toHaveLength(3);

  await world.until(() => leader.problems().length > 0 && site.outbox.length === 0);
  const problems = leader.events.filter(({ type }) => type === "problem");
  expect(problems).toMatchObject([
    { database: id, error: { code: "EDIT_LOST", details: { database: id, code: "DOC_OUTDATED" } } },
  ]);
  const rows = await world.settle(leader.call((api) => api.allRows(id, "rows")));
  expect(rows.map(([name]) => name)).toEqual(["after", "before"]);
  const again = await new SiteDocument(site, leader, id).open();
  await world.until(() => again.text === "kept");
  again.type("!");
  await world.settle(again.commit());
  await world.pass(120_000);
  expect(leader.problems()).toEqual(["EDIT_LOST"]);
});
