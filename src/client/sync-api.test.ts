import { expect, test } from "vitest";
import { type DatabaseId, formatCid, type PublicKey } from "../core/ids.ts";
import type { CommandName, SyncResults } from "../engine/commands.ts";
import type { JobState } from "../engine/records.ts";
import type { JobInfo, PeerInfo } from "../engine/sync-info.ts";
import type { WorkerApi, WriteId } from "../worker/api.ts";
import { InstanceSync } from "./instance-sync.ts";
import type { Leader, Line, Waiting } from "./line.ts";
import { Sync } from "./sync.ts";
import { withCid } from "./sync-info.ts";

const key = "a".repeat(64) as PublicKey;
const database = "d".repeat(64) as DatabaseId;
const cid = formatCid(database);

interface Sent {
  readonly name: string;
  readonly command: unknown;
  readonly waiting: Waiting | undefined;
}

/** A worker that writes down what it is told, and answers each command with what the test gives for it. */
class RecordedLine implements Line {
  readonly leader: Leader = { api: this.#api() };
  readonly sent: Sent[] = [];
  readonly calls: string[] = [];
  answers: Partial<SyncResults> = {};

  call<T>(_name: string, run: (api: WorkerApi) => Promise<T>): Promise<T> {
    return run(this.leader.api);
  }

  write<T>(_name: string, run: (api: WorkerApi, write: WriteId) => Promise<T>): Promise<T> {
    return run(this.leader.api, { tab: "t1", number: 1, settledBelow: 1 });
  }

  send(run: (api: WorkerApi) => Promise<unknown>): void {
    void run(this.leader.api);
  }

  stand(begin: (leader: Leader) => void): () => void {
    begin(this.leader);
    return () => {};
  }

  async command<Name extends CommandName>(name: Name, command: object, waiting?: Waiting): Promise<SyncResults[Name]> {
    this.sent.push({ name, command, waiting });
    return this.answers[name] as SyncResults[Name];
  }

  #api(): WorkerApi {
    const note =
      (_: object, method: string | symbol) =>
      async (...given: unknown[]) =>
        void this.#note(method, given);
    return new Proxy({}, { get: note }) as WorkerApi;
  }

  #note(method: string | symbol, given: readonly unknown[]): void {
    this.calls.push(`${String(method)} ${given.join()}`);
  }
}

function peerOf(peer: PublicKey, name = ""): PeerInfo {
  return { key: peer, name } as PeerInfo;
}

function jobOf(state: JobState, endedMs?: number): JobInfo {
  return { id: "j1", database, peer: key, type: "backfill", state, endedMs } as JobInfo;
}

test("[CLIENT-9] peers, addresses, names, states and databases are checked before anything is sent", async () => {
  const line = new RecordedLine();
  const sync = new InstanceSync(line);
  const wrong: readonly (() => Promise<unknown>)[] = [
    () => sync.peers.get("A".repeat(64)),
    () => sync.peers.add("short"),
    () => sync.peers.add(key, null as never),
    () => sync.peers.add(key, { name: "\ud800" }),
    () => sync.peers.add(key, { name: "x".repeat(257) }),
    () => sync.peers.add(key, { addresses: "memory:a" as never }),
    () => sync.peers.add(key, { addresses: ["memory:"] }),
    () => sync.peers.update(key, { state: "gone" as never }),
    () => sync.peers.remove(5 as never),
    () => sync.connect("somewhere"),
    () => sync.connect("MEMORY:x"),
    () => sync.connect(`memory:${"x".repeat(1_024)}`),
    () => sync.disconnect(""),
    () => sync.syncNow({ database: "bafy" }),
    () => sync.syncNow({ peer: "bafy" }),
    () => sync.relations({ database: database }),
    () => sync.startListening(""),
    () => sync.diagnose("me"),
    () => sync.transports.add("", { type: "memory" }),
    () => sync.transports.add("a", { type: "memory", config: { at: new Date() } }),
    () => sync.transports.addresses(""),
    () => sync.changeSettings({ attemptsMax: 0 }),
  ];
  for (const call of wrong) await expect(call(), String(call)).rejects.toMatchObject({ code: "INPUT_INVALID" });
  const own = new Sync(database, line);
  expect(() => own.peer("bafy")).toThrow(expect.objectContaining({ code: "INPUT_INVALID" }));
  const wrongHere: readonly (() => Promise<unknown>)[] = [
    () => own.peer(key).addAddress("nowhere"),
    () => own.peer(key).send(cid as never),
    () => own.peer(key).send([database]),
    () => own.peer(key).send([5 as never]),
    () => own.peer(key).send(Array<string>(1_001).fill(cid)),
    () => own.peer(key).queue("bafy"),
    () => own.start({ peer: "bafy" }),
    () => own.setPreferences("", {}),
    () => own.setPreferences("view", { intervalMs: -1 }),
    () => own.setPreferences("view", { enabled: "no" as never }),
    () => own.setPreferences("view", { properties: { theme: 5 as never } }),
  ];
  for (const call of wrongHere) await expect(call(), String(call)).rejects.toMatchObject({ code: "INPUT_INVALID" });
  expect(line.sent).toEqual([]);
});

test("[CLIENT-19] what was left out is left out, defaults are filled in, and ids are sent as the engine has them", async () => {
  const line = new RecordedLine();
  line.answers = { startJob: jobOf("running"), relations: [], history: [] };
  const sync = new InstanceSync(line);
  const signal = new AbortController().signal;
  await sync.peers.add(key, { name: "" });
  await sync.connect(key, { timeoutMs: 5 });
  await sync.connect("ws:wss://office.example", { signal });
  await sync.syncNow({ database: cid, signal });
  await sync.relations({ peer: key });
  await sync.startListening();
  await sync.transports.addresses("tabs");
  await new Sync(database, line).peer(key).send([cid, cid]);
  await new Sync(database, line).peer(key).queue(cid);
  await new Sync(database, line).start();
  await new Sync(database, line).setPreferences("view", { enabled: false });
  expect(line.sent).toStrictEqual([
    { name: "addPeer", command: { peer: key, name: "" }, waiting: undefined },
    { name: "connect", command: { peer: key }, waiting: { timeoutMs: 5 } },
    { name: "connect", command: { address: "ws:wss://office.example" }, waiting: { signal } },
    { name: "syncWithPeer", command: { database }, waiting: { database: cid, signal } },
    { name: "relations", command: { peer: key }, waiting: undefined },
    { name: "startListening", command: {}, waiting: undefined },
    { name: "transportAddresses", command: { name: "tabs" }, waiting: undefined },
    { name: "sendEntries", command: { database, peer: key, ids: [database, database] }, waiting: undefined },
    { name: "queueEntry", command: { database, peer: key, id: database }, waiting: undefined },
    { name: "startJob", command: { database }, waiting: undefined },
    {
      name: "setPreferences",
      command: { database, user: "view", enabled: false, onCommit: true, intervalMs: 0, properties: {} },
      waiting: undefined,
    },
  ]);
});

test("[CLIENT-19] apps see databases by their CIDs, in everything they are told", async () => {
  const line = new RecordedLine();
  line.answers = { relations: [{ database } as never], history: [{ database } as never], jobs: [jobOf("running")] };
  const sync = new InstanceSync(line);
  expect(await sync.relations()).toEqual([{ database: cid }]);
  expect(await sync.history()).toEqual([{ database: cid }]);
  const [job] = await new Sync(database, line).jobs();
  expect(await job?.info()).toMatchObject({ id: "j1", database: cid });
});

test("[CLIENT-18] the list of peers is read when it changed and somebody listens, and once more when it changed meanwhile", async () => {
  const line = new RecordedLine();
  const { peers } = new InstanceSync(line);
  line.answers = { peers: [peerOf(key, "before")] };
  await peers.reread();
  expect(line.sent, "nobody listens").toEqual([]);

  const shown: string[] = [];
  const stop = peers.on("changed", (list) => shown.push(list.map(({ name }) => name).join()));
  const reading = peers.reread();
  for (const _ of [1, 2, 3]) void peers.reread();
  line.answers = { peers: [peerOf(key, "after")] };
  await reading;
  expect(shown).toEqual(["before", "after"]);
  await peers.reread();
  expect(shown).toEqual(["before", "after", "after"]);
  stop();
  await peers.reread();
  expect(line.sent).toHaveLength(3);
});

test("[CLIENT-18] the worker is asked for events of the log while somebody listens", () => {
  const line = new RecordedLine();
  const sync = new InstanceSync(line);
  const stops = [sync.on("log", () => {}), sync.on("log", () => {})];
  stops[0]?.();
  stops[1]?.();
  expect(line.calls).toEqual(["setLogging true", "setLogging false"]);
});

test("[CLIENT-21] a job is done when it is done, whether that was before the question, meanwhile or later", async () => {
  const line = new RecordedLine();
  const sync = new Sync(database, line);
  line.answers = { startJob: jobOf("running"), jobs: [jobOf("done", 5)] };
  const job = await sync.start();
  expect(await job.done()).toMatchObject({ state: "done", database: cid });

  line.answers = { jobs: [jobOf("running")] };
  const seen: string[] = [];
  job.on("changed", ({ state }) => seen.push(state));
  const later = job.done();
  sync.take("job", withCid({ ...jobOf("done", 5), id: "another" }));
  sync.take("job", withCid(jobOf("paused")));
  sync.take("job", withCid(jobOf("done", 5)));
  expect(await later).toMatchObject({ id: "j1", state: "done" });
  expect(seen, "jobs of the same database have listeners of their own").toEqual(["paused", "done"]);
});

test("[CLIENT-21] a job that failed, was cancelled or is not known is never done", async () => {
  const line = new RecordedLine();
  const sync = new Sync(database, line);
  line.answers = { startJob: jobOf("running"), jobs: [jobOf("failed", 5)] };
  const job = await sync.start();
  await expect(job.done()).rejects.toMatchObject({
    code: "JOB_STATE",
    details: { job: "j1", got: "failed", expected: "done" },
  });
  line.answers = { jobs: [jobOf("running")] };
  const cancelled = job.done();
  sync.take("job", withCid(jobOf("cancelled", 5)));
  await expect(cancelled).rejects.toMatchObject({ code: "JOB_STATE", details: { got: "cancelled" } });
  line.answers = { jobs: [] };
  await expect(job.done()).rejects.toMatchObject({ code: "JOB_UNKNOWN" });
});

test("[CLIENT-7] waiting for a job ends with ABORTED, and the job goes on", async () => {
  const line = new RecordedLine();
  line.answers = { startJob: jobOf("running"), jobs: [jobOf("running")] };
  const job = await new Sync(database, line).start();
  const abort = new AbortController();
  const waiting = job.done({ signal: abort.signal });
  abort.abort();
  await expect(waiting).rejects.toMatchObject({ code: "ABORTED" });
  await expect(job.done({ signal: abort.signal })).rejects.toMatchObject({ code: "ABORTED" });
  expect(line.sent.map(({ name }) => name)).not.toContain("cancelJob");
});

test("[CLIENT-19] a peer's status about a database is what is known of both, and an unknown peer has none", async () => {
  const line = new RecordedLine();
  const peer = new Sync(database, line).peer(key);
  line.answers = { peers: [peerOf(key)], relations: [] };
  expect(await peer.status()).toEqual({ peer: peerOf(key), relation: undefined });
  line.answers = { peers: [peerOf(key)], relations: [{ database, peer: key } as never] };
  expect((await peer.status()).relation).toEqual({ database: cid, peer: key });
  line.answers = { peers: [], relations: [] };
  await expect(peer.status()).rejects.toMatchObject({ code: "PEER_UNKNOWN", details: { peer: key } });
});
