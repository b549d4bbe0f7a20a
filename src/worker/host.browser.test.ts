import { expose } from "comlink";
import { expect, onTestFinished, test } from "vitest";
import { WorkerLink } from "../client/worker-link.ts";
import type { CommandName } from "../engine/commands.ts";
import type { TransportBuilder } from "../ports/transport.ts";
import type { WorkerEvent } from "./api.ts";
import { WorkerHost } from "./host.ts";

const options = { relays: [], iceServers: [], sync: {} };

function boot(host: WorkerHost, name: string): Promise<unknown> {
  const { port1 } = new MessageChannel();
  return host.boot({ ...options, name, lifeLock: crypto.randomUUID() }, port1);
}

/** The page's side and the worker's side in one thread, with a channel between them in place of a worker. */
async function openLink(events: WorkerEvent[] = [], host: WorkerHost = new WorkerHost()): Promise<WorkerLink> {
  const { port1, port2 } = new MessageChannel();
  expose(host, port1);
  const worker = Object.assign(port2, { terminate: () => port1.close(), onerror: null }) as unknown as Worker;
  const name = crypto.randomUUID();
  const { link } = await WorkerLink.boot({
    startWorker: () => worker,
    bootTimeoutMs: 5_000,
    signal: undefined,
    boot: { ...options, name },
    onEvent: (event) => events.push(event),
  });
  onTestFinished(() => link.close(name));
  return link;
}

test("[CLIENT-1] a call made before the start waits for it, and rejects with the start's error when that fails", async () => {
  const name = crypto.randomUUID();
  const [first, second] = [new WorkerHost(), new WorkerHost()];
  const early = first.databases();
  await boot(first, name);
  expect(await early).toEqual([]);

  const refused = second.databases();
  await expect(boot(second, name)).rejects.toMatchObject({ code: "INSTANCE_IN_USE" });
  await expect(refused).rejects.toMatchObject({ code: "INSTANCE_IN_USE" });
  await first.close();
});

test("[CLIENT-6] what is durable is there for the next start, under the same key", async () => {
  const name = crypto.randomUUID();
  const [first, second] = [new WorkerHost(), new WorkerHost()];
  const before = await boot(first, name);
  const { id } = await first.createDatabase({ name: "Board" });
  await first.close();
  expect(await boot(second, name)).toEqual(before);
  expect(await second.databases()).toEqual([{ id, name: "Board" }]);
  await second.close();
});

test("[CLIENT-12] [CLIENT-13] over the border a command is answered, refused, given up and cut off, each with its code", async () => {
  const link = await openLink();
  const { id: database } = await link.call("createDatabase", (api) => api.createDatabase({ name: "Board" }));
  expect(await link.command("settings", {})).toMatchObject({ batchEntries: 1_000 });
  await expect(link.command("dropEverything" as CommandName, {} as never)).rejects.toMatchObject({
    code: "INPUT_INVALID",
    details: { field: "command" },
  });
  const forNobody = { database, copies: 2 };
  await expect(link.command("whenSafe", forNobody, { timeoutMs: 20 })).rejects.toMatchObject({
    code: "TIMEOUT",
    details: { call: "whenSafe", afterMs: 20 },
  });
  const signal = AbortSignal.timeout(20);
  await expect(link.command("whenSafe", forNobody, { signal })).rejects.toMatchObject({ code: "ABORTED" });
  await expect(link.command("whenSafe", forNobody, { timeoutMs: 0 })).rejects.toMatchObject({ code: "INPUT_INVALID" });
  await expect(link.command("whenSafe", forNobody, { signal: {} as AbortSignal })).rejects.toMatchObject({
    code: "INPUT_INVALID",
  });
  const cut = link.command("whenSafe", forNobody);
  await Promise.all([
    expect(cut).rejects.toMatchObject({ code: "INSTANCE_CLOSED" }),
    link.command("settings", {}).then(() => link.close("test")),
  ]);
  await expect(link.command("settings", {})).rejects.toMatchObject({ code: "INSTANCE_CLOSED" });
});

test("[CLIENT-22] every close resolves with the first, and meanwhile nothing else is asked of the worker", async () => {
  const asked: string[] = [];
  let finish = (): void => {};
  const finished = new Promise<void>((resolve) => {
    finish = resolve;
  });
  class Slow extends WorkerHost {
    override async databases(): ReturnType<WorkerHost["databases"]> {
      asked.push("databases");
      return super.databases();
    }
    override async close(): Promise<void> {
      asked.push("close");
      await finished;
      await super.close();
    }
  }
  const link = await openLink([], new Slow());
  const ended: string[] = [];
  const closes = ["first", "second"].map((each) => link.close("test").then(() => ended.push(each)));
  await expect(link.call("databases", (api) => api.databases())).rejects.toMatchObject({ code: "INSTANCE_CLOSED" });
  await expect.poll(() => asked).toEqual(["close"]);
  expect(ended).toEqual([]);
  finish();
  await Promise.all(closes);
  expect([asked, ended]).toEqual([["close"], ["first", "second"]]);
});

test("[CLIENT-22] a second close of the worker's side waits for the first, which leaves the instance to the next", async () => {
  const host = new WorkerHost();
  const name = crypto.randomUUID();
  await boot(host, name);
  void host.close();
  await host.close();
  const next = new WorkerHost();
  await boot(next, name);
  await next.close();
});

test("[CLIENT-12] the worker is told of every command that its caller gave up, and of no other", async () => {
  const cancelled: number[] = [];
  class Telling extends WorkerHost {
    override async cancel(id: number): Promise<void> {
      cancelled.push(id);
      await super.cancel(id);
    }
  }
  const link = await openLink([], new Telling());
  const { id: database } = await link.call("createDatabase", (api) => api.createDatabase({ name: "Board" }));
  const abort = new AbortController();
  await link.command("settings", {}, { signal: abort.signal });
  const waiting = link.command("whenSafe", { database, copies: 2 }, { signal: abort.signal });
  abort.abort();
  await expect(waiting).rejects.toMatchObject({ code: "ABORTED" });
  await expect.poll(() => cancelled).toEqual([2]);
  await expect(link.command("settings", {}, { signal: abort.signal })).rejects.toMatchObject({ code: "ABORTED" });
  await link.command("settings", {});
  expect(cancelled).toEqual([2]);
});

test("[CLIENT-14] a posted command that fails is told as a problem", async () => {
  const events: WorkerEvent[] = [];
  const link = await openLink(events);
  link.post("dropEverything" as CommandName, {} as never);
  await expect
    .poll(() => events)
    .toContainEqual(
      expect.objectContaining({ type: "problem", error: expect.objectContaining({ code: "INPUT_INVALID" }) }),
    );
});

test("[CLIENT-17] what the app chose for sync holds from the start", async () => {
  const host = new WorkerHost();
  const { port1 } = new MessageChannel();
  const name = crypto.randomUUID();
  await host.boot({ ...options, sync: { attemptsMax: 3 }, name, lifeLock: crypto.randomUUID() }, port1);
  expect(await host.command("settings", {}, { id: 1 })).toMatchObject({ attemptsMax: 3, batchEntries: 1_000 });
  await host.close();
});

test("[CLIENT-20] a type of transport that was registered before the boot can be added, and none can be registered later", async () => {
  const host = new WorkerHost();
  const pigeon: TransportBuilder = {
    type: "pigeon",
    addressTypes: ["pigeon"],
    checkConfig: () => {},
    build: () => {
      throw new Error("not built before it is started");
    },
  };
  host.register(pigeon);
  await boot(host, crypto.randomUUID());
  const added = await host.command("addTransport", { name: "roof", type: "pigeon" }, { id: 1 });
  expect(added).toMatchObject({ name: "roof", type: "pigeon", isRunning: false });
  expect(() => host.register({ ...pigeon, type: "drum" })).toThrow(expect.objectContaining({ code: "INPUT_INVALID" }));
  await host.close();
});
