import { expect, test } from "vitest";
import type { DatabaseId } from "../core/ids.ts";
import type { WriteEvent } from "../engine/hook-reader.ts";
import type { Hook } from "../engine/hooks.ts";
import type { SyncControl } from "../engine/sync-control.ts";
import type { WorkerEvent } from "./api.ts";
import { WriteHooks } from "./write-hooks.ts";

const database = "d".repeat(64) as DatabaseId;

function eventOf(cursor: string): WriteEvent {
  return { database, origin: "local", entries: [], cursor };
}

/** An engine that hands events over when the test says so. */
function setUp(): { hooks: WriteHooks; added: Hook[]; posted: WorkerEvent[]; stopped: Hook[] } {
  const added: Hook[] = [];
  const stopped: Hook[] = [];
  const posted: WorkerEvent[] = [];
  const control: SyncControl = {
    execute: () => Promise.reject(new Error("no command is expected")),
    addHook: (hook) => {
      added.push(hook);
      hook.began?.("c");
      return () => stopped.push(hook);
    },
  };
  return { hooks: new WriteHooks(control, (event) => posted.push(event), "a1"), added, posted, stopped };
}

/** Whether a promise has settled after everything that was due. */
async function isSettled(promise: unknown): Promise<boolean> {
  const open = Symbol();
  await Promise.resolve();
  return (await Promise.race([promise, Promise.resolve(open)])) !== open;
}

test("[CLIENT-15] an event is done with when the page took it, and one hook does not wait for another", async () => {
  const { hooks, added, posted } = setUp();
  expect(await hooks.add(1, database, {})).toBe("c");
  await hooks.add(2, database, { name: "search", after: "c0" });
  expect(added[1]).toMatchObject({ database, name: "search", after: "c0", owner: "a1" });
  const first = added[0]?.write(eventOf("c1"));
  const second = added[1]?.write(eventOf("c1"));
  expect(posted).toEqual([
    { type: "written", hook: 1, event: eventOf("c1") },
    { type: "written", hook: 2, event: eventOf("c1") },
  ]);
  expect([await isSettled(first), await isSettled(second)]).toEqual([false, false]);
  hooks.taken(2, undefined);
  expect([await isSettled(first), await isSettled(second)]).toEqual([false, true]);
  hooks.taken(1, undefined);
  expect(await isSettled(first)).toBe(true);
  const failing = added[0]?.write(eventOf("c2"));
  hooks.taken(1, "Error: no room");
  await expect(failing).rejects.toThrow("no room");
});

test("[CLIENT-15] an event that was not taken when its hook was removed counts as not told", async () => {
  const { hooks, added, stopped } = setUp();
  await hooks.add(1, database, { name: "search" });
  const under = added[0]?.write(eventOf("c1"));
  hooks.delete(1);
  hooks.taken(1, undefined);
  expect(stopped).toEqual(added);
  expect(await isSettled(under)).toBe(false);
});
