import { expect, onTestFinished, test } from "vitest";
import { type DatabaseId, formatCid } from "../core/ids.ts";
import type { WriteEvent as EngineWriteEvent } from "../engine/hook-reader.ts";
import type { WorkerApi } from "../worker/api.ts";
import type { Line } from "./line.ts";
import { type WriteListener, Written } from "./written.ts";

const database = "d".repeat(64) as DatabaseId;

function eventOf(cursor: string): EngineWriteEvent {
  const entry = { id: "e".repeat(64) as DatabaseId, author: "a".repeat(64), seq: 3, time: 1_024_512, stores: [] };
  return { database, origin: "remote", entries: [entry as never], cursor };
}

/** A worker that writes down which calls came, and refuses hooks when told to. */
function setUp(refusal?: unknown): { written: Written; calls: string[]; failures: unknown[] } {
  const calls: string[] = [];
  const failures: unknown[] = [];
  const api = {
    addHook: async (hook: number) => {
      calls.push(`add ${hook}`);
      if (refusal !== undefined) throw refusal;
    },
    removeHook: async (hook: number) => void calls.push(`remove ${hook}`),
    taken: async (hook: number, failure = "") => void calls.push(`taken ${hook} ${failure}`.trim()),
  } as unknown as WorkerApi;
  const line: Line = { call: (_name, run) => run(api), command: () => Promise.reject(new Error("not expected")) };
  return { written: new Written(line, (error) => failures.push(error)), calls, failures };
}

/** Errors that reach nobody else, as a page's `error` event tells them. */
function catchUncaught(): unknown[] {
  const caught: unknown[] = [];
  const before = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  process.on("uncaughtException", (error) => caught.push(error));
  onTestFinished(() => {
    process.removeAllListeners("uncaughtException");
    for (const listener of before) process.on("uncaughtException", listener);
  });
  return caught;
}

test("[CLIENT-15] the worker is told when the listener took an event; one that hangs holds up only itself", async () => {
  const { written, calls } = setUp();
  const seen: string[] = [];
  let release = (): void => {};
  const hanging: WriteListener = () =>
    new Promise((resolve) => {
      release = resolve;
    });
  written.add(database, hanging, {});
  written.add(database, ({ cursor }) => void seen.push(cursor), {});
  const first = written.take({ type: "written", hook: 1, event: eventOf("c1") });
  for (const cursor of ["c1", "c2"]) await written.take({ type: "written", hook: 2, event: eventOf(cursor) });
  expect(seen).toEqual(["c1", "c2"]);
  expect(calls).toEqual(["add 1", "add 2", "taken 2", "taken 2"]);
  release();
  await first;
  expect(calls.at(-1)).toBe("taken 1");
});

test("[CLIENT-15] errors of a listener reach the page as uncaught ones, and the engine, which goes on", async () => {
  const caught = catchUncaught();
  const { written, calls } = setUp();
  written.add(database, () => Promise.reject(new Error("async")), {});
  written.add(
    database,
    () => {
      throw new Error("sync");
    },
    {},
  );
  for (const hook of [1, 2]) await written.take({ type: "written", hook, event: eventOf("c1") });
  expect(calls).toEqual(["add 1", "add 2", "taken 1 Error: async", "taken 2 Error: sync"]);
  await expect.poll(() => caught.map(String)).toEqual(["Error: async", "Error: sync"]);
});

test("[CLIENT-15] a stopped listener hears nothing more, and what it had not taken is not confirmed", async () => {
  const { written, calls } = setUp();
  const seen: string[] = [];
  const stop = written.add(
    database,
    ({ cursor }) => {
      seen.push(cursor);
      stop();
    },
    {},
  );
  for (const cursor of ["c1", "c2"]) await written.take({ type: "written", hook: 1, event: eventOf(cursor) });
  stop();
  expect(seen).toEqual(["c1"]);
  expect(calls).toEqual(["add 1", "remove 1"]);
});

test("[CLIENT-15] a cursor that the engine refuses is told as a problem", async () => {
  const { written, calls, failures } = setUp("CURSOR_INVALID");
  const stop = written.add(database, () => {}, { after: "nonsense" });
  await expect.poll(() => failures).toEqual(["CURSOR_INVALID"]);
  stop();
  expect(calls).toEqual(["add 1"]);
});

test("[CLIENT-19] apps see entries and databases by their CIDs, and times in milliseconds", async () => {
  const { written } = setUp();
  const seen: unknown[] = [];
  written.add(database, (event) => void seen.push(event), {});
  await written.take({ type: "written", hook: 1, event: eventOf("c1") });
  expect(seen).toEqual([
    {
      database: formatCid(database),
      origin: "remote",
      cursor: "c1",
      entries: [
        { id: formatCid("e".repeat(64) as DatabaseId), author: "a".repeat(64), seq: 3, atMs: 1_000, stores: [] },
      ],
    },
  ]);
});
