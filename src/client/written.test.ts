import { expect, onTestFinished, test } from "vitest";
import { TidemarkError } from "../core/errors.ts";
import { type DatabaseId, formatCid } from "../core/ids.ts";
import type { WriteEvent as EngineWriteEvent } from "../engine/hook-reader.ts";
import { catchUncaught } from "../testing/uncaught.ts";
import type { HookOptions, WorkerApi } from "../worker/api.ts";
import { LeaderLine } from "./leader-line.ts";
import type { Leader } from "./line.ts";
import { type WriteListener, Written } from "./written.ts";

const database = "d".repeat(64) as DatabaseId;

function eventOf(cursor: string): EngineWriteEvent {
  const entry = { id: "e".repeat(64) as DatabaseId, author: "a".repeat(64), seq: 3, time: 1_024_512, stores: [] };
  return { database, origin: "remote", entries: [entry as never], cursor };
}

interface SetUp {
  readonly written: Written;
  readonly line: LeaderLine;
  readonly calls: string[];
  readonly failures: unknown[];
  /** A leader that writes down which calls came, and refuses hooks when told to. */
  lead(name?: string): Leader;
}

function setUp(refusal?: unknown): SetUp {
  const calls: string[] = [];
  const failures: unknown[] = [];
  const line = new LeaderLine({ tab: "t1", forget: async () => {}, began: () => {}, wrote: () => {} });
  const lead = (name?: string): Leader => {
    const note = (call: string): void => void calls.push(name === undefined ? call : `${name}: ${call}`);
    const api = {
      addHook: async (hook: number, _: DatabaseId, { name: hookName, after }: HookOptions) => {
        note(["add", hook, hookName, after].filter((part) => part !== undefined).join(" "));
        if (refusal !== undefined) throw refusal;
        return "c0";
      },
      removeHook: async (hook: number) => note(`remove ${hook}`),
      taken: async (hook: number, failure = "") => note(`taken ${hook} ${failure}`.trim()),
    } as unknown as WorkerApi;
    const leader = { api };
    line.attach(leader);
    return leader;
  };
  lead();
  return { written: new Written(line, (error) => failures.push(error)), line, calls, failures, lead };
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
  const caught = catchUncaught(onTestFinished);
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
  expect(calls).toEqual(["add 1 nonsense"]);
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

test("[CLIENT-40] a new leader goes on after the last event that a listener without a name was given", async () => {
  const { written, line, calls, lead } = setUp();
  const seen: string[] = [];
  written.add(database, ({ cursor }) => void seen.push(cursor), {});
  await written.take({ type: "written", hook: 1, event: eventOf("c1") });
  line.hold();
  lead("second");
  expect(calls).toEqual(["add 1", "taken 1", "second: add 1 c1"]);
  await written.take({ type: "written", hook: 1, event: eventOf("c2") });
  expect(calls.at(-1)).toBe("second: taken 1");
  expect(seen).toEqual(["c1", "c2"]);
});

test("[CLIENT-40] one that was given nothing goes on where it began", async () => {
  const { written, calls, lead } = setUp();
  written.add(database, () => {}, {});
  written.add(database, () => {}, { name: "search", after: "c7" });
  await Promise.resolve();
  lead("second");
  expect(calls).toEqual(["add 1", "add 2 search c7", "second: add 1 c0", "second: add 2 search c7"]);
});

test("[CLIENT-40] an event that a listener is busy with is not confirmed to another leader, who begins when it is done", async () => {
  const { written, calls, lead } = setUp();
  let release = (_failure?: Error): void => {};
  const busy: WriteListener = () =>
    new Promise((resolve, reject) => {
      release = (failure) => (failure === undefined ? resolve() : reject(failure));
    });
  written.add(database, busy, { name: "search" });
  const first = written.take({ type: "written", hook: 1, event: eventOf("c1") });
  lead("second");
  expect(calls).toEqual(["add 1 search"]);
  release();
  await first;
  await expect.poll(() => calls).toEqual(["add 1 search", "taken 1", "second: add 1 search c1"]);
});

test("[CLIENT-40] what a listener with a name failed at, a new leader tells again; one without a name goes on", async () => {
  const caught = catchUncaught(onTestFinished);
  const { written, calls, lead } = setUp();
  const failing: WriteListener = () => Promise.reject(new Error("no"));
  written.add(database, failing, { name: "search" });
  written.add(database, failing, {});
  for (const hook of [1, 2]) await written.take({ type: "written", hook, event: eventOf("c1") });
  calls.length = 0;
  lead("second");
  expect(calls).toEqual(["second: add 1 search c0", "second: add 2 c1"]);
  await expect.poll(() => caught).toHaveLength(2);
});

test("[CLIENT-40] a listener that a leader could not add because it was ending is added by the next", async () => {
  const { written, failures, calls, lead } = setUp(new TidemarkError("CALL_INTERRUPTED", { call: "onWrite" }));
  written.add(database, () => {}, {});
  await Promise.resolve();
  lead("second");
  expect([calls, failures]).toEqual([["add 1", "second: add 1"], []]);
});
