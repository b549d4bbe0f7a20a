import { expect, test } from "vitest";
import { keyOf } from "../testing/writers.ts";
import { type BlockInput, type BlockPeer, blockedBy, blockTypes } from "./blocked-by.ts";
import { databaseStatus, type PeerLane, type StatusInput } from "./status.ts";

const [b, c] = [keyOf(1), keyOf(2)];
const error = (code: string): { readonly code: string; readonly atMs: number } => ({ code, atMs: 0 });

function peer(given: Partial<BlockPeer> = {}): BlockPeer {
  const well = {
    state: "active",
    isOff: false,
    connection: "connected",
    isShared: true,
    isPaused: false,
    isCancelled: false,
  } as const;
  return { key: b, name: "Bea", ...well, lastError: undefined, ...given };
}

function block(given: Partial<BlockInput> = {}): BlockInput {
  const well = { isOnline: true, ways: 1, isEnabled: true, isReady: true, permission: "write" } as const;
  const faults = {
    reply: undefined,
    unreachable: undefined,
    storageError: undefined,
    heldBack: { entries: 0, aheadMs: 0 },
  };
  return { ...well, ...faults, peers: [peer()], ...given };
}

test("[TICKET-10] nobody is known, and nothing that the ticket names leads to anybody", () => {
  const alone = { isReady: false, permission: "none", peers: [] } as const;
  expect(types(alone)).toEqual(["noPeers", "notReady"]);
  expect(blockedBy(block({ ...alone, unreachable: "CONNECT_REFUSED" }))).toMatchObject([
    { type: "connectionFailed", detail: expect.stringContaining("CONNECT_REFUSED") },
    { type: "notReady" },
  ]);
  expect(types({ ...alone, unreachable: "CONNECT_REFUSED", peers: [peer()] })).toEqual(["notReady"]);
});

test("[REQUEST-7] [STATUS-3] who asked to be let in is not told that nobody is known", () => {
  const asking = { isReady: false, permission: "none", peers: [] } as const;
  expect(types({ ...asking, reply: "heard" })).toEqual(["pending", "notReady"]);
  expect(blockedBy(block({ ...asking, reply: "rejected" }))[0]).toMatchObject({
    type: "refused",
    detail: expect.stringContaining("rejected"),
  });
  expect(types({ reply: "void" })).toEqual([]);
});

function types(given: Partial<BlockInput>): readonly string[] {
  return blockedBy(block(given)).map(({ type }) => type);
}

const away = { connection: "waiting", isShared: false } as const;

function lane(given: Partial<PeerLane> = {}): PeerLane {
  return { key: b, path: "webrtc", phase: "live", unconfirmed: 0, unconfirmedBytes: 0, ...given };
}

function status(given: Partial<StatusInput> = {}): StatusInput {
  const amounts = { entries: 9, saved: 8, encrypted: false, sealedEntries: 0, pending: { entries: 3, bytes: 70 } };
  const lists = { heldBy: [], jobs: [], relays: [], lanes: [lane()], relations: [] };
  const access = { state: "member", permission: "write" } as const;
  return { name: "Board", access, ...amounts, ...lists, agreedMs: undefined, block: block(), ...given };
}

test("[STATUS-1] saved, pending and held are three different things, and each is told as it is", () => {
  const held = { peer: b, name: "Bea", entries: 5, isComplete: false, atMs: 7, epoch: "e" };
  const { saved, entries, pending, heldBy, ready, permission, online } = databaseStatus(status({ heldBy: [held] }));
  expect([entries, saved, pending, heldBy]).toEqual([9, 8, { entries: 3, bytes: 70 }, [held]]);
  expect([ready, permission, online]).toEqual([true, "write", true]);
});

test("[STATUS-1] the queue is what waits for connected peers or is on its way, for each of them", () => {
  const lanes = [
    lane({ unconfirmed: 2, unconfirmedBytes: 50 }),
    lane({ key: c, unconfirmed: 3, unconfirmedBytes: 60 }),
  ];
  expect(databaseStatus(status({ lanes })).queue).toEqual({ entries: 5, bytes: 110 });
});

test("[STATUS-1] last synced is the last agreement with any peer, in this run or an earlier one", () => {
  const last = (agreedMs: number | undefined, ...oks: (number | undefined)[]): number | undefined =>
    databaseStatus(status({ agreedMs, relations: oks.map((lastOkMs) => ({ lastOkMs })) })).lastSyncedMs;
  expect([last(undefined), last(undefined, undefined, 4, 9), last(12, 4, 9), last(3, 4)]).toEqual([
    undefined,
    9,
    12,
    4,
  ]);
});

test("[STATUS-2] a peer is up to date only when it confirmed everything, and while comparing nothing is said", () => {
  const lanes = [
    lane({ key: c, phase: "live" }),
    lane({ key: b, phase: "sending", unconfirmed: 1 }),
    lane({ key: keyOf(3), phase: "comparing", unconfirmed: 4 }),
    lane({ key: keyOf(4), phase: "idle" }),
  ];
  const { peers } = databaseStatus(status({ lanes }));
  expect(peers.map(({ state, unconfirmed }) => [state, unconfirmed])).toEqual([
    ["sending", 1],
    ["upToDate", 0],
    ["comparing", undefined],
    ["comparing", undefined],
  ]);
});

test.each<[string, Partial<BlockInput>, readonly string[]]>([
  ["nothing is wrong", {}, []],
  ["storage broke", { storageError: error("STORAGE_UNAVAILABLE") }, ["storage"]],
  ["the disk is full", { storageError: error("STORAGE_QUOTA") }, ["quota"]],
  ["the device is offline", { isOnline: false, peers: [peer(away)] }, ["offline"]],
  ["sync is switched off", { isEnabled: false, peers: [peer(away)] }, ["disabled"]],
  ["nothing runs", { ways: 0, peers: [] }, ["noTransport", "noPeers"]],
  ["permission was taken away", { permission: "none" }, ["noPermission"]],
  ["the database has not arrived", { isReady: false, permission: "none" }, ["notReady"]],
  ["entries are ahead", { heldBack: { entries: 2, aheadMs: 61_000 } }, ["clockSkew"]],
  ["nobody is known", { peers: [] }, ["noPeers"]],
  ["a peer is away", { peers: [peer(away)] }, ["noPeers"]],
  ["a peer is being reached", { peers: [peer({ ...away, connection: "connecting" })] }, ["connecting"]],
  ["a peer failed", { peers: [peer({ ...away, lastError: error("CONNECT_FAILED") })] }, ["connectionFailed"]],
  ["a peer has another version", { peers: [peer({ ...away, lastError: error("HANDSHAKE_VERSION") })] }, ["version"]],
  ["a peer refused", { peers: [peer({ ...away, lastError: error("CONNECT_REFUSED") })] }, ["refused"]],
  ["a peer says nothing of it", { peers: [peer({ isShared: false })] }, ["refused"]],
  ["the exchange is paused", { peers: [peer({ isPaused: true })] }, ["paused"]],
  ["every peer is blocked", { peers: [peer({ state: "blocked" }), peer({ isOff: true })] }, ["disabled"]],
])("[STATUS-3] when %s, that is what blocks", (_title, given, expected) => {
  expect(types(given)).toEqual(expected);
});

test("[STATUS-3] as long as one peer exchanges it, what is wrong with the way to others blocks nothing", () => {
  const others = [peer({ ...away, key: c, lastError: error("CONNECT_FAILED") }), peer({ key: c, isShared: false })];
  expect(types({ peers: others })).toEqual(["refused", "connectionFailed"]);
  expect(types({ peers: [...others, peer()] })).toEqual([]);
  expect(types({ ways: 0, peers: [...others, peer()] })).toEqual([]);
});

test("[STATUS-4] reasons come each once, in the order of importance, with a sentence for people", () => {
  const reasons = blockedBy(
    block({
      isReady: false,
      heldBack: { entries: 1, aheadMs: 1 },
      storageError: error("STORAGE_QUOTA"),
      ways: 0,
      peers: [
        peer({ ...away, connection: "connecting" }),
        peer({ ...away, lastError: error("CONNECT_FAILED") }),
        peer({ ...away, key: c, name: "", lastError: error("HANDSHAKE_TIMEOUT") }),
        peer({ ...away, lastError: error("HANDSHAKE_VERSION") }),
      ],
    }),
  );
  const order = ["quota", "noTransport", "version", "clockSkew", "connectionFailed", "connecting", "notReady"];
  expect(reasons.map(({ type }) => type)).toEqual(order);
  expect(blockTypes.filter((type) => order.includes(type))).toEqual(order);
  expect(reasons.every(({ detail }) => detail.endsWith("."))).toBe(true);
  expect(reasons.find(({ type }) => type === "connectionFailed")?.detail).toBe(
    "Bea could not be reached: CONNECT_FAILED.",
  );
});
