import { expect, test } from "vitest";
import { WorkerHost } from "./host.ts";

function boot(host: WorkerHost, name: string): Promise<unknown> {
  const { port1 } = new MessageChannel();
  return host.boot({ name, relays: [], iceServers: [], lifeLock: crypto.randomUUID() }, port1);
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
  const { id } = await first.createDatabase("Board");
  await first.close();
  expect(await boot(second, name)).toEqual(before);
  expect(await second.databases()).toEqual([{ id, name: "Board" }]);
  await second.close();
});
