import { expect, test } from "vitest";
import { TidemarkError } from "../core/errors.ts";
import type { CommandName, SyncResults } from "../engine/commands.ts";
import type { SyncControl } from "../engine/sync-control.ts";
import { SimulatedClock } from "../testing/clock.ts";
import { Commands } from "./commands.ts";

interface Executed {
  readonly name: CommandName;
  readonly signal: AbortSignal;
  readonly answer: (result: unknown) => void;
  readonly fail: (error: unknown) => void;
}

/** An engine that answers when the test says so. */
function setUp(): { clock: SimulatedClock; commands: Commands; executed: Executed[]; failures: unknown[] } {
  const executed: Executed[] = [];
  const failures: unknown[] = [];
  const control: SyncControl = {
    execute: (name, _command, signal) =>
      new Promise<SyncResults[typeof name]>((resolve, reject) => {
        executed.push({ name, signal, answer: (result) => resolve(result as SyncResults[typeof name]), fail: reject });
      }),
    addHook: () => () => {},
  };
  const clock = new SimulatedClock();
  return { clock, commands: new Commands(control, clock, (error) => failures.push(error)), executed, failures };
}

test("[CLIENT-12] a command ends with the engine's answer, or with what it failed with", async () => {
  const { clock, commands, executed } = setUp();
  const answered = commands.run("metrics", {}, { id: 1, timeoutMs: 100 });
  const failed = commands.run("flush", {}, { id: 2 });
  executed[0]?.answer({ counters: {} });
  executed[1]?.fail(new TidemarkError("PEER_UNKNOWN", { peer: "a" }));
  expect(await answered).toEqual({ counters: {} });
  await expect(failed).rejects.toMatchObject({ code: "PEER_UNKNOWN" });
  expect(clock.nextAt, "the time-out is off").toBeUndefined();
  commands.cancel(1);
  expect(executed[0]?.signal.aborted, "what is over is not cancelled").toBe(false);
});

test("[CLIENT-12] a command that takes too long ends with TIMEOUT, and the engine is told to stop", async () => {
  const { clock, commands, executed } = setUp();
  const waiting = commands.run("flush", {}, { id: 1, timeoutMs: 250 });
  const other = commands.run("flush", {}, { id: 2 });
  clock.advance(249);
  expect(executed[0]?.signal.aborted).toBe(false);
  clock.advance(1);
  await expect(waiting).rejects.toMatchObject({ code: "TIMEOUT", details: { call: "flush", afterMs: 250 } });
  expect(executed.map(({ signal }) => signal.aborted)).toEqual([true, false]);
  executed[1]?.answer(undefined);
  await other;
});

test("[CLIENT-12] a cancelled command ends with ABORTED although the engine does not answer, and the others go on", async () => {
  const { commands, executed } = setUp();
  const first = commands.run("flush", {}, { id: 1 });
  const second = commands.run("flush", {}, { id: 2 });
  commands.cancel(1);
  await expect(first).rejects.toMatchObject({ code: "ABORTED" });
  expect(executed.map(({ signal }) => signal.aborted)).toEqual([true, false]);
  executed[1]?.answer(undefined);
  await expect(second).resolves.toBeUndefined();
});

test("[CLIENT-12] whoever waits when the instance closes is told so", async () => {
  const { commands, executed } = setUp();
  const waiting = commands.run("flush", {}, { id: 1 });
  commands.close(new TidemarkError("INSTANCE_CLOSED", { name: "notes" }));
  await expect(waiting).rejects.toMatchObject({ code: "INSTANCE_CLOSED" });
  expect(executed[0]?.signal.aborted).toBe(true);
});

test("[CLIENT-13] what is no command is refused with INPUT_INVALID and reaches no engine", async () => {
  const { commands, executed, failures } = setUp();
  for (const name of ["dropEverything", "constructor", "__proto__", ""]) {
    await expect(commands.run(name as CommandName, {} as never, { id: 1 })).rejects.toMatchObject({
      code: "INPUT_INVALID",
      details: { field: "command" },
    });
  }
  commands.post("toString" as CommandName, {} as never);
  await expect.poll(() => failures.length).toBe(1);
  expect(failures[0]).toMatchObject({ code: "INPUT_INVALID" });
  expect(executed).toEqual([]);
});

test("[CLIENT-14] the failure of a command that nobody waits for is told, unless the instance closed meanwhile", async () => {
  const { commands, executed, failures } = setUp();
  for (const _ of [1, 2, 3]) commands.post("wake", {});
  await expect.poll(() => executed.length).toBe(3);
  executed[0]?.answer(undefined);
  executed[1]?.fail(new TidemarkError("STORAGE_QUOTA", { reason: "full" }));
  await expect.poll(() => failures.length).toBe(1);
  expect(failures[0]).toMatchObject({ code: "STORAGE_QUOTA" });
  commands.close(new TidemarkError("INSTANCE_CLOSED", { name: "notes" }));
  executed[2]?.fail(new TidemarkError("INSTANCE_CLOSED", { name: "notes" }));
  await Promise.resolve();
  await Promise.resolve();
  expect(failures).toHaveLength(1);
});
