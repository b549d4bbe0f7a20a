import fc from "fast-check";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { type ErrorCode, TidemarkError } from "../core/errors.ts";
import type { DatabaseId } from "../core/ids.ts";
import type { WorkerApi, WriteId } from "../worker/api.ts";
import { LeaderLine } from "./leader-line.ts";
import type { Leader } from "./line.ts";

const database = "d".repeat(64) as DatabaseId;
const edit = { database, stores: [] };

interface Asked {
  readonly what: string;
  answer(value?: unknown): void;
  refuse(code: ErrorCode): void;
}

/** A leader that writes down what it is asked, and answers when the test says so. */
class FakeLeader implements Leader {
  readonly asked: Asked[] = [];
  readonly writes: WriteId[] = [];
  readonly api: WorkerApi = {
    databases: () => this.#ask("databases"),
    keys: () => this.#ask("keys"),
    createKey: (name: string) => this.#ask(`createKey ${name}`),
    cancel: (id: number) => this.#ask(`cancel ${id}`),
    command: (name: string, _: object, { timeoutMs }: { timeoutMs?: number }) =>
      this.#ask([name, timeoutMs].filter((part) => part !== undefined).join(" ")),
    commit: (_: DatabaseId, __: unknown, write: WriteId) => {
      this.writes.push(write);
      return this.#ask(`commit ${write.number}`);
    },
  } as unknown as WorkerApi;

  get names(): readonly string[] {
    return this.asked.map(({ what }) => what);
  }

  answerAll(): void {
    for (const { answer } of this.asked) answer();
  }

  #ask(what: string): Promise<never> {
    return new Promise((resolve, reject) => {
      const refuse = (code: ErrorCode): void => reject(new TidemarkError(code, {} as never));
      this.asked.push({ what, answer: resolve as Asked["answer"], refuse });
    });
  }
}

interface SetUp {
  readonly line: LeaderLine;
  readonly forgotten: number[];
  readonly wrote: string[];
}

function setUp(forget: (number: number) => Promise<void> = async () => {}): SetUp {
  const forgotten: number[] = [];
  const wrote: string[] = [];
  const line = new LeaderLine({
    tab: "t1",
    forget: async (number) => {
      await forget(number);
      forgotten.push(number);
    },
    began: () => {},
    wrote: (name) => wrote.push(name),
  });
  return { line, forgotten, wrote };
}

function commit(line: LeaderLine): Promise<void> {
  return line.write("transact", (api, write) => api.commit(database, [], write), { edit });
}

function codeOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => value,
    (error: TidemarkError) => error.code,
  );
}

/** Everything that is due in this turn. */
function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

test("[CLIENT-28] calls wait while nobody leads, and are made in their order", async () => {
  const { line } = setUp();
  const done = [line.call("a", (api) => api.databases()), commit(line), line.call("b", (api) => api.keys())];
  const leader = new FakeLeader();
  expect(leader.names).toEqual([]);
  line.attach(leader);
  expect(leader.names).toEqual(["databases", "commit 1", "keys"]);
  leader.answerAll();
  await Promise.all(done);
});

test("[CLIENT-28] what a leader did not answer the next one is asked, in the order of the calls, and nothing else", async () => {
  const { line } = setUp();
  const [first, second] = [new FakeLeader(), new FakeLeader()];
  line.attach(first);
  const read = line.call("a", (api) => api.databases());
  const write = commit(line);
  const answered = line.call("b", (api) => api.keys());
  const later = commit(line);
  first.asked[2]?.answer([]);
  await answered;
  line.hold();
  line.attach(second);
  expect(second.names).toEqual(["databases", "commit 1", "commit 2"]);
  second.answerAll();
  await Promise.all([read, write, later]);
  const third = new FakeLeader();
  line.attach(third);
  expect(third.names).toEqual([]);
});

test("[CLIENT-28] a leader that only fell silent for a while is not asked again", async () => {
  const { line } = setUp();
  const leader = new FakeLeader();
  line.attach(leader);
  const read = line.call("a", (api) => api.databases());
  line.hold();
  const waiting = line.call("b", (api) => api.keys());
  line.attach(leader);
  expect(leader.names).toEqual(["databases", "keys"]);
  leader.answerAll();
  await Promise.all([read, waiting]);
});

test("[CLIENT-28] an answer counts though its leader has ended; an error of one that has ended does not", async () => {
  const { line } = setUp();
  const [first, second] = [new FakeLeader(), new FakeLeader()];
  line.attach(first);
  const answered = line.call("a", (api) => api.databases());
  const failed = line.call("b", (api) => api.databases());
  line.attach(second);
  first.asked[0]?.answer("by the first");
  first.asked[1]?.refuse("STORAGE_CLOSED");
  expect(await answered).toBe("by the first");
  await settle();
  second.asked[1]?.answer("by the second");
  expect(await failed).toBe("by the second");
});

test.each(["CALL_INTERRUPTED", "STORAGE_FENCED", "INSTANCE_CLOSED"] as const)(
  "[CLIENT-28] %s of a leader is no answer: the call waits for the next one",
  async (code) => {
    const { line } = setUp();
    const [first, second] = [new FakeLeader(), new FakeLeader()];
    line.attach(first);
    const read = line.call("a", (api) => api.databases());
    first.asked[0]?.refuse(code);
    await settle();
    line.attach(second);
    second.asked[0]?.answer("here");
    expect(await read).toBe("here");
  },
);

test("[CLIENT-28] a leader that would not answer, and serves this page again, is asked again", async () => {
  const { line } = setUp();
  const leader = new FakeLeader();
  line.attach(leader);
  const read = line.call("a", (api) => api.databases());
  leader.asked[0]?.refuse("CALL_INTERRUPTED");
  await settle();
  line.attach(leader);
  leader.asked[1]?.answer("here");
  expect(await read).toBe("here");
});

test("[CLIENT-28] a call that must not be made twice rejects with CALL_INTERRUPTED once it was sent, and waits before", async () => {
  const { line } = setUp();
  const once = { kind: "once" } as const;
  const waiting = line.call("keys.create", (api) => api.createKey("a"), once);
  const first = new FakeLeader();
  line.attach(first);
  const refused = codeOf(line.call("keys.create", (api) => api.createKey("b"), once));
  first.asked[1]?.refuse("CALL_INTERRUPTED");
  expect(await refused).toBe("CALL_INTERRUPTED");
  const interrupted = expect(waiting).rejects.toMatchObject({
    code: "CALL_INTERRUPTED",
    details: { call: "keys.create" },
  });
  line.hold();
  line.attach(new FakeLeader());
  await interrupted;
});

test("[CLIENT-28] a command that would fail because it was done is made once; others again, for the time that is left", async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const { line } = setUp();
  const [first, second] = [new FakeLeader(), new FakeLeader()];
  line.attach(first);
  const cancelled = codeOf(line.command("cancelJob", { job: "j1" }));
  const flushed = line.command("flush", {}, { timeoutMs: 60_000 });
  expect(first.names).toEqual(["cancelJob", "flush 60000"]);
  vi.advanceTimersByTime(20_000);
  line.attach(second);
  expect(await cancelled).toBe("CALL_INTERRUPTED");
  expect(second.names).toEqual(["flush 40000"]);
  second.answerAll();
  await flushed;
});

test("[CLIENT-12] a command ends with TIMEOUT though nobody leads, and whoever leads stops working for it", async () => {
  const { line } = setUp();
  const error = { code: "TIMEOUT", details: { call: "flush", afterMs: 5 } };
  await expect(line.command("flush", {}, { timeoutMs: 5 })).rejects.toMatchObject(error);
  const leader = new FakeLeader();
  line.attach(leader);
  expect(leader.names).toEqual([]);
  await expect(line.command("flush", {}, { timeoutMs: 5 })).rejects.toMatchObject(error);
  expect(leader.names.at(-1)).toBe("cancel 2");
  const abort = new AbortController();
  const aborted = codeOf(line.command("flush", {}, { timeoutMs: 60_000, signal: abort.signal }));
  abort.abort();
  expect([await aborted, leader.names.at(-1)]).toEqual(["ABORTED", "cancel 3"]);
  const told = line.command("flush", {}, { timeoutMs: 60_000 });
  leader.asked.at(-1)?.refuse("TIMEOUT");
  await expect(told).rejects.toMatchObject({ code: "TIMEOUT", details: { afterMs: 60_000 } });
});

test("[CLIENT-7] an aborted call rejects at once, is not made again, and its leader's answer goes nowhere", async () => {
  const { line, forgotten } = setUp();
  const [first, second] = [new FakeLeader(), new FakeLeader()];
  line.attach(first);
  const abort = new AbortController();
  const read = codeOf(line.call("a", (api) => api.databases(), { signal: abort.signal }));
  const write = codeOf(line.write("join", (api, id) => api.commit(database, [], id), { signal: abort.signal }));
  abort.abort();
  expect([await read, await write]).toEqual(["ABORTED", "ABORTED"]);
  expect(await codeOf(line.call("a", (api) => api.databases(), { signal: abort.signal }))).toBe("ABORTED");
  line.attach(second);
  expect(second.names).toEqual([]);
  first.answerAll();
  await settle();
  expect(forgotten).toEqual([1]);
});

test("[CLIENT-7] after the end every call rejects with its reason, those under way too", async () => {
  const { line } = setUp();
  line.attach(new FakeLeader());
  const calls = [line.call("a", (api) => api.databases()), commit(line), line.command("flush", {})].map(codeOf);
  line.end(new TidemarkError("WORKER_DEAD", { reason: "a test" }));
  calls.push(codeOf(line.call("b", (api) => api.keys())), codeOf(commit(line)));
  expect(await Promise.all(calls)).toEqual(Array<string>(5).fill("WORKER_DEAD"));
  const leader = new FakeLeader();
  line.attach(leader);
  expect(leader.names).toEqual([]);
});

test("[CLIENT-32] edits under way can wait on when everything else ends", async () => {
  const { line } = setUp();
  line.attach(new FakeLeader());
  void commit(line);
  const read = codeOf(line.call("a", (api) => api.databases()));
  line.end(new TidemarkError("BUILD_OUTDATED", { got: "1", expected: "2" }), "edits");
  expect(await read).toBe("BUILD_OUTDATED");
  expect(await codeOf(commit(line))).toBe("BUILD_OUTDATED");
  expect(line.openEdits()).toEqual([{ number: 1, edit }]);
});

test("[CLIENT-28] writes have ascending numbers, and say below which all have their answers", async () => {
  const { line, wrote } = setUp();
  const leader = new FakeLeader();
  line.attach(leader);
  const writes = [commit(line), commit(line), commit(line)];
  leader.asked[1]?.answer();
  await writes[1];
  await settle();
  writes.push(commit(line));
  leader.asked[0]?.refuse("PERMISSION_DENIED");
  await expect(writes[0]).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
  await settle();
  writes.push(commit(line));
  expect(leader.writes.map(({ tab, number, settledBelow }) => [tab, number, settledBelow])).toEqual([
    ["t1", 1, 1],
    ["t1", 2, 1],
    ["t1", 3, 1],
    ["t1", 4, 1],
    ["t1", 5, 3],
  ]);
  expect(wrote).toEqual(["transact"]);
  leader.answerAll();
  await Promise.all(writes.slice(1));
});

test("[OUTBOX-2] leaders remember a write until it is out of the outbox", async () => {
  let takenOut = (): void => {};
  const { line } = setUp((number) =>
    number === 1 ? new Promise((resolve) => (takenOut = resolve)) : Promise.resolve(),
  );
  const leader = new FakeLeader();
  line.attach(leader);
  const first = commit(line);
  leader.asked[0]?.answer();
  await first;
  await settle();
  void commit(line);
  expect(leader.writes.at(-1)?.settledBelow).toBe(1);
  takenOut();
  await settle();
  void commit(line);
  expect(leader.writes.at(-1)?.settledBelow).toBe(2);
});

test("[CLIENT-30] edits can be kept while they have no answer; when leaders may have forgotten, nobody knows of any write", async () => {
  const { line } = setUp();
  const read = line.call("a", (api) => api.databases());
  const share = codeOf(line.write("share", (api, id) => api.commit(database, [], id)));
  const edits = [codeOf(commit(line)), codeOf(commit(line))];
  expect(line.openEdits()).toEqual([
    { number: 2, edit },
    { number: 3, edit },
  ]);
  line.interruptWrites();
  expect(await Promise.all([share, ...edits])).toEqual(Array<string>(3).fill("CALL_INTERRUPTED"));
  expect([line.openEdits(), line.isWaiting]).toEqual([[], true]);
  const leader = new FakeLeader();
  line.attach(leader);
  expect(leader.names).toEqual(["databases"]);
  leader.answerAll();
  await read;
  expect(line.isWaiting).toBe(false);
});

test("[OUTBOX-2] what could not be taken out of the outbox is tried again with the next answer, and remembered until then", async () => {
  let isFailing = true;
  const tried: number[] = [];
  const { line, forgotten } = setUp(async (number) => {
    tried.push(number);
    if (isFailing && number < 4) throw new Error("storage fails");
  });
  const leader = new FakeLeader();
  line.attach(leader);
  const answerNext = async (): Promise<void> => {
    const done = commit(line);
    leader.asked.at(-1)?.answer();
    await done;
    await settle();
  };
  for (let i = 0; i < 4; i++) await answerNext();
  expect(tried).toEqual([1, 2, 3, 4, 1]);
  expect(forgotten).toEqual([4]);
  isFailing = false;
  await answerNext();
  expect(leader.writes.at(-1)?.settledBelow).toBe(1);
  expect(forgotten).toEqual([4, 5, 1, 2, 3]);
  void commit(line);
  expect(leader.writes.at(-1)?.settledBelow).toBe(6);
});

test("[CLIENT-28] standing wishes are told to each leader before calls are made again, until they are taken back", () => {
  const { line } = setUp();
  const told: string[] = [];
  void line.call("a", (api) => api.databases());
  const stop = line.stand((leader) => told.push(`${(leader as FakeLeader).names.length} asked`));
  expect(told).toEqual([]);
  const [first, second] = [new FakeLeader(), new FakeLeader()];
  line.attach(first);
  line.hold();
  line.attach(first);
  line.attach(second);
  expect(told).toEqual(["0 asked", "0 asked"]);
  line.stand(() => told.push("at once"));
  stop();
  line.attach(new FakeLeader());
  expect(told).toEqual(["0 asked", "0 asked", "at once", "at once"]);
});

test("[CLIENT-28] what is sent to whoever leads now is sent to nobody else", () => {
  const { line } = setUp();
  line.send((api) => api.databases());
  const leader = new FakeLeader();
  line.attach(leader);
  line.send((api) => api.keys());
  line.hold();
  line.send((api) => api.databases());
  expect(leader.names).toEqual(["keys"]);
});

test("[CLIENT-22] the end of all writes under way can be waited for, however they end", async () => {
  const { line } = setUp();
  const leader = new FakeLeader();
  line.attach(leader);
  const [good, bad] = [commit(line), codeOf(commit(line))];
  line.refuse(new TidemarkError("INSTANCE_CLOSED", { name: "a" }));
  const ended = vi.fn();
  void line.writesEnded().then(ended);
  leader.asked[0]?.answer();
  await good;
  await settle();
  expect(ended).not.toHaveBeenCalled();
  leader.asked[1]?.refuse("STORAGE_QUOTA");
  await bad;
  await settle();
  expect(ended).toHaveBeenCalled();
});

/** What may happen to a page: it calls, leaders come and fall silent, answer or end. */
const steps = fc.array(
  fc.oneof(fc.constantFrom("read", "write", "abort", "attach", "hold", "interrupt"), fc.record({ answer: fc.nat(20) })),
  { maxLength: 60 },
);

test("[CLIENT-28] whatever happens, each call is settled once, and leaders are asked for a write under one name only", async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (run) => {
      const { line } = setUp();
      const leaders: FakeLeader[] = [];
      const ends: Promise<unknown>[] = [];
      let abort = new AbortController();
      for (const step of run) {
        const leader = leaders.at(-1);
        if (typeof step === "object") leader?.asked[step.answer]?.answer(step.answer);
        else if (step === "read") ends.push(codeOf(line.call("a", (api) => api.databases(), { signal: abort.signal })));
        else if (step === "write") ends.push(codeOf(commit(line)));
        else if (step === "abort") {
          abort.abort();
          abort = new AbortController();
        } else if (step === "hold") line.hold();
        else if (step === "interrupt") leader?.asked.at(-1)?.refuse("CALL_INTERRUPTED");
        else {
          leaders.push(new FakeLeader());
          line.attach(leaders.at(-1) as FakeLeader);
        }
        await settle();
      }
      const last = new FakeLeader();
      line.attach(last);
      const numbers = last.writes.map(({ number }) => number);
      expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
      for (const { settledBelow, number } of last.writes)
        expect(settledBelow).toBe(Math.min(number, numbers[0] ?? number));
      last.answerAll();
      await Promise.all(ends);
      expect(line.openEdits()).toEqual([]);
      expect(line.isWaiting).toBe(false);
    }),
    { numRuns: 60 },
  );
});

describe("[TABS-21] a page that is turned away", () => {
  const reason = new TidemarkError("INSTANCE_IN_USE", { name: "notes" });

  test("rejects what waits and what is asked meanwhile, and goes on when it is served", async () => {
    const { line } = setUp();
    const told: Leader[] = [];
    line.stand((leader) => told.push(leader));
    const waiting = [line.call("a", (api) => api.databases()), commit(line), line.call("b", (api) => api.keys())];
    const outcomes = Promise.all(waiting.map(codeOf));
    line.turnAway(reason);
    expect(await outcomes).toEqual(["INSTANCE_IN_USE", "INSTANCE_IN_USE", "INSTANCE_IN_USE"]);
    expect(await codeOf(commit(line))).toBe("INSTANCE_IN_USE");
    expect(line.openEdits()).toEqual([]);
    const leader = new FakeLeader();
    line.attach(leader);
    const asked = line.call("a", (api) => api.databases());
    expect([leader.names, told]).toEqual([["databases"], [leader]]);
    leader.answerAll();
    await asked;
    line.turnAway(reason);
    expect(line.leader).toBeUndefined();
  });

  test("says of what changes something and went out that it may have happened", async () => {
    const { line, forgotten } = setUp();
    const leader = new FakeLeader();
    line.attach(leader);
    const sent = [
      line.call("a", (api) => api.databases()),
      commit(line),
      line.call("createKey", (api) => api.createKey("k"), { kind: "once" }),
    ];
    const refused = commit(line);
    leader.asked[3]?.refuse("CALL_INTERRUPTED");
    await settle();
    line.hold();
    const kept = commit(line);
    line.openEdits();
    const later = commit(line);
    const outcomes = Promise.all([...sent, refused, kept, later].map(codeOf));
    line.turnAway(reason);
    const unsure = "CALL_INTERRUPTED";
    expect(await outcomes).toEqual(["INSTANCE_IN_USE", unsure, unsure, unsure, unsure, "INSTANCE_IN_USE"]);
    await settle();
    expect(forgotten).toEqual([1, 2, 3, 4]);
    leader.answerAll();
  });

  test("waits again when it may be its turn, and is never asked for more once it is closed", async () => {
    const { line } = setUp();
    line.turnAway(reason);
    line.hold();
    const waiting = line.call("a", (api) => api.databases());
    const leader = new FakeLeader();
    line.attach(leader);
    leader.answerAll();
    await waiting;
    line.refuse(new TidemarkError("INSTANCE_CLOSED", { name: "notes" }));
    line.turnAway(reason);
    expect(await codeOf(commit(line))).toBe("INSTANCE_CLOSED");
  });
});
