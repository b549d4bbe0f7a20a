import { expose, wrap } from "comlink";
import { describe, expect, test } from "vitest";
import type { Channels, Locks } from "../ports/tabs.ts";
import { channelsContract, locksContract } from "../testing/tabs-contract.ts";
import { openBroadcast } from "./broadcast.ts";
import { openPair } from "./pair-endpoint.ts";
import { openWebLocks } from "./web-locks.ts";

const locks = openWebLocks() as Locks;
const channels = openBroadcast() as Channels;

/** Names that no other test has. */
function apart(): { readonly locks: Locks; readonly channels: Channels } {
  const prefix = crypto.randomUUID();
  return {
    locks: { request: (name, options) => locks.request(prefix + name, options) },
    channels: { open: (name) => channels.open(prefix + name) },
  };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}

describe("[TABS-1] a Web Lock", () => {
  test.each(locksContract)("$name", async ({ run }) => {
    const { locks: own } = apart();
    await run({ first: own, second: own, settle: (promise) => promise });
  });

  test("is free when the worker that held it is terminated", async () => {
    const name = crypto.randomUUID();
    const code = `navigator.locks.request("${name}", () => { postMessage("held"); return new Promise(() => {}); });`;
    const worker = new Worker(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
    await new Promise((resolve) => {
      worker.onmessage = resolve;
    });
    expect(await locks.request(name, { ifAvailable: true })).toBeUndefined();
    worker.terminate();
    (await locks.request(name))?.();
  });
});

describe("[TABS-2] a BroadcastChannel", () => {
  test.each(channelsContract)("$name", async ({ run }) => {
    const { channels: own } = apart();
    await run({ first: own, second: own, until });
  });
});

describe("[TABS-16] a pair channel", () => {
  const api = {
    add: async (a: number, b: number): Promise<number> => a + b,
    fail: async (): Promise<void> => {
      throw new RangeError("as it was told");
    },
    echo: async (bytes: Uint8Array): Promise<Uint8Array> => bytes,
  };

  test("carries Comlink's calls and the leader's notes beside each other", async () => {
    const { channels: own } = apart();
    const notes: unknown[] = [];
    const page = openPair<string, number>(own.open("pair"), (note) => notes.push(note));
    const leader = openPair<string, number>(own.open("pair"));
    expose(api, leader.endpoint);
    leader.post({ type: "attached", info: "hello" });
    await until(() => notes.length > 0);
    const remote = wrap<typeof api>(page.endpoint);
    expect(await remote.add(1, 2)).toBe(3);
    await expect(remote.fail()).rejects.toThrow("as it was told");
    leader.post({ type: "event", event: 7 });
    expect(await remote.echo(Uint8Array.of(1, 2))).toEqual(Uint8Array.of(1, 2));
    await until(() => notes.length > 1);
    expect(notes).toMatchObject([
      { type: "attached", info: "hello" },
      { type: "event", event: 7 },
    ]);
    page.close();
    leader.close();
    leader.post({ type: "event", event: 8 });
    expect(notes).toHaveLength(2);
  });
});
