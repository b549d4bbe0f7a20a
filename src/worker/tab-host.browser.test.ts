import { expect, onTestFinished, test } from "vitest";
import { TableChanges } from "../core/store/table-changes.ts";
import type { TransportBuilder } from "../ports/transport.ts";
import { Outbox, readOutbox } from "../storage/outbox.ts";
import { tabLockName } from "../tabs/names.ts";
import { openWebLocks } from "../tabs/web-locks.ts";
import type { BootInfo, BootOptions, StoreWrites, WorkerEvent } from "./api.ts";
import { TabHost } from "./tab-host.ts";

const options = { relays: [], iceServers: [], sync: {} };

interface Opened {
  readonly host: TabHost;
  readonly events: readonly WorkerEvent[];
  readonly info: BootInfo;
}

/** A tab that leads, and its page's side of it. */
async function openTab(name: string, given: Partial<BootOptions> = {}, host: TabHost = new TabHost()): Promise<Opened> {
  const { port1, port2 } = new MessageChannel();
  const events: WorkerEvent[] = [];
  let lead: () => void = () => {};
  const leads = new Promise<void>((resolve) => {
    lead = resolve;
  });
  port1.onmessage = ({ data }: MessageEvent<WorkerEvent>) => {
    events.push(data);
    if (data.type === "tab" && data.state.type === "leading") lead();
  };
  await host.boot({ ...options, name, lifeLock: crypto.randomUUID(), ...given }, port2);
  onTestFinished(() => host.close());
  await leads;
  const info = await host.attach();
  if (info === undefined) throw new Error("it leads");
  return { host, events, info };
}

function row(id: string): readonly StoreWrites[] {
  const changes = new TableChanges("rows");
  changes.put(id, {});
  return [{ type: "table", store: "rows", payload: changes.encode(), updatedRows: [] }];
}

test("[CLIENT-1] in this browser, a call before there is somebody to ask says so at once", async () => {
  await expect(new TabHost().databases()).rejects.toMatchObject({ code: "CALL_INTERRUPTED" });
});

test("[CLIENT-6] what is durable is there for the next start, under the same key", async () => {
  const name = crypto.randomUUID();
  const first = await openTab(name);
  const { id } = await first.host.createDatabase({ name: "Board" });
  await first.host.close();
  const second = await openTab(name);
  expect(second.info).toEqual(first.info);
  expect(await second.host.databases()).toEqual([{ id, name: "Board" }]);
});

test("[CLIENT-17] what the app chose for sync holds from the start", async () => {
  const { host } = await openTab(crypto.randomUUID(), { sync: { attemptsMax: 3 } });
  expect(await host.command("settings", {}, { id: 1 })).toMatchObject({ attemptsMax: 3, batchEntries: 1_000 });
});

test("[CLIENT-20] a type of transport that was registered before the boot can be added, and none can be registered later", async () => {
  const host = new TabHost();
  const pigeon: TransportBuilder = {
    type: "pigeon",
    addressTypes: ["pigeon"],
    checkConfig: () => {},
    build: () => {
      throw new Error("not built before it is started");
    },
  };
  host.register(pigeon);
  await openTab(crypto.randomUUID(), {}, host);
  const added = await host.command("addTransport", { name: "roof", type: "pigeon" }, { id: 1 });
  expect(added).toMatchObject({ name: "roof", type: "pigeon", isRunning: false });
  expect(() => host.register({ ...pigeon, type: "drum" })).toThrow(expect.objectContaining({ code: "INPUT_INVALID" }));
});

test("[CLIENT-22] a second close of the worker's side waits for the first, which leaves the instance to the next", async () => {
  const name = crypto.randomUUID();
  const { host } = await openTab(name);
  void host.close();
  await host.close();
  await openTab(name);
});

test("[CLIENT-35] [CLIENT-38] in this browser, whoever robs a leader finds what that had answered, and the robbed one writes nothing more", async () => {
  const name = crypto.randomUUID();
  const first = await openTab(name);
  const { id } = await first.host.createDatabase({ name: "Board" });
  await first.host.commit(id, row("r1"), { tab: "a1", number: 1, settledBelow: 0 });
  const late = first.host.commit(id, row("r2"), { tab: "a1", number: 2, settledBelow: 0 });
  const outcome = late.then(
    () => "stored",
    (error: { readonly code: string }) => error.code,
  );
  const release = await openWebLocks()?.request(`tidemark/${name}`, { steal: true });
  await expect.poll(() => first.events.at(-1)).toMatchObject({ type: "tab", state: { type: "waiting" } });
  await expect(first.host.commit(id, row("r3"))).rejects.toMatchObject({ code: "CALL_INTERRUPTED" });
  release?.();
  await expect
    .poll(() => first.events.at(-1), { timeout: 10_000 })
    .toMatchObject({ type: "tab", state: { type: "leading" } });
  expect(await first.host.attach()).toEqual(first.info);
  await first.host.commit(id, row("r1"), { tab: "a1", number: 1, settledBelow: 0 });
  await first.host.commit(id, row("r2"), { tab: "a1", number: 2, settledBelow: 0 });
  expect((await first.host.allRows(id, "rows")).map(([row]) => row)).toEqual(["r1", "r2"]);
  expect((await first.host.stateDigest(id)).entries).toBe(3);
  expect(["stored", "CALL_INTERRUPTED"]).toContain(await outcome);
  expect(first.events.filter(({ type }) => type === "problem")).toEqual([]);
});

test("[CLIENT-36] in this browser, an edit in the outbox of a tab that ended is done at the next start", async () => {
  const name = crypto.randomUUID();
  const first = await openTab(name);
  const { id } = await first.host.createDatabase({ name: "Board" });
  await first.host.close();
  const tab = "b2".repeat(16);
  const outbox = new Outbox(name, tab);
  outbox.warm();
  await outbox.set("ready", true);
  const release = await openWebLocks()?.request(tabLockName(name, tab));
  outbox.put([{ number: 1, edit: { database: id, stores: row("r1") } }]);
  const second = await openTab(name);
  expect(await second.host.allRows(id, "rows")).toEqual([]);
  release?.();
  await expect.poll(async () => (await second.host.allRows(id, "rows")).map(([row]) => row)).toEqual(["r1"]);
  await expect.poll(() => readOutbox(name)).toEqual([]);
  outbox.close();
});
