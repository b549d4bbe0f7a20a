import { expect, test } from "vitest";
import { entryIdFromDigest } from "../core/ids.ts";
import { keyOf } from "../testing/writers.ts";
import {
  type DiagnosedDatabase,
  type DiagnosedPeer,
  type DiagnosedRelation,
  type DiagnosisInput,
  diagnose,
} from "./diagnosis.ts";
import type { JobRecord } from "./records.ts";

const [b, c] = [keyOf(1), keyOf(2)];
const error = (code: string): { readonly code: string; readonly atMs: number } => ({ code, atMs: 0 });
const id = entryIdFromDigest(new Uint8Array(32).fill(1));

const job: JobRecord = {
  ...{
    id: "j",
    type: "backfill",
    database: id,
    peer: b,
    state: "running",
    startedMs: 0,
    endedMs: undefined,
    batches: 0,
  },
  ...{ receivedEntries: 0, receivedBytes: 0, totalEntries: 0, totalBytes: 0, error: error("STORAGE_QUOTA") },
};

function peer(given: Partial<DiagnosedPeer> = {}): DiagnosedPeer {
  const well = { state: "active", connection: "connected", lastError: undefined } as const;
  return { key: b, name: "Bea", ...well, ...given };
}

function relation(given: Partial<DiagnosedRelation> = {}): DiagnosedRelation {
  const well = { isOff: false, permission: "write", isShared: true, stalledMs: 0 } as const;
  return { peer: b, ...well, queue: { entries: 0, bytes: 0 }, ...given };
}

function database(given: Partial<DiagnosedDatabase> = {}): DiagnosedDatabase {
  const well = { isReady: true, permission: "owner", isEnabled: true, heldBack: { entries: 0, aheadMs: 0 } } as const;
  return {
    id,
    name: "Board",
    ...well,
    refused: undefined,
    unreachable: undefined,
    sealed: { entries: 0, isKeyKnown: false },
    pending: { entries: 0, bytes: 0 },
    jobs: [job],
    relations: [relation()],
    ...given,
  };
}

function input(given: Partial<DiagnosisInput> = {}): DiagnosisInput {
  return {
    storageError: undefined,
    isOnline: true,
    transports: [{ name: "lan", type: "memory", isRunning: true }],
    relays: [{ url: "wss://one", state: "connected" }],
    peers: [peer()],
    databases: [database()],
    ...given,
  };
}

test("[DIAGNOSIS-3] where nothing is wrong it says so, and every check says what it found", () => {
  const { findings, summary } = diagnose(input());
  expect(summary).toBe("All is well: 1 of 1 peers connected, 1 databases.");
  expect(new Set(findings.map(({ state }) => state))).toEqual(new Set(["ok"]));
  expect(new Set(findings.map(({ check }) => check)).size).toBe(18);
  expect(findings.every(({ found, advice }) => found.endsWith(".") && advice === undefined)).toBe(true);
});

const away = { connection: "waiting" } as const;
const faults: readonly [string, Partial<DiagnosisInput>, string, string][] = [
  ["a full disk", { storageError: error("STORAGE_QUOTA") }, "storage", "Free some space"],
  ["a broken disk", { storageError: error("STORAGE_CORRUPT") }, "storage", "Close other tabs"],
  ["no network", { isOnline: false, peers: [peer(away)] }, "network", "Connect this device to a network"],
  ["no transport", { transports: [], relays: [], peers: [peer(away)] }, "transport", "Start a transport"],
  [
    "a stopped transport",
    { transports: [{ name: "lan", type: "memory", isRunning: false }], relays: [] },
    "transport",
    "Start",
  ],
  [
    "a relay that refuses",
    { relays: [{ url: "wss://one", state: "refused", reason: "full" }] },
    "relay",
    "Check the relay's",
  ],
  ["a relay that is away", { relays: [{ url: "wss://one", state: "waiting" }] }, "relay", "Check that the relay runs"],
  ["nobody", { peers: [], databases: [database({ relations: [] })] }, "peers", "Share a ticket"],
  ["a blocked peer", { peers: [peer({ state: "blocked", connection: "offline" })] }, "peer.state", "Set Bea to active"],
  ["a peer that is away", { peers: [peer(away)] }, "peer.connection", "Open the app on Bea"],
  [
    "an unreachable peer",
    { peers: [peer({ ...away, lastError: error("CONNECT_FAILED") })] },
    "peer.connection",
    "Check that Bea is on and online, and that no firewall",
  ],
  ...["VERSION: Update", "SIGNATURE: Somebody", "PEER: Another", "SELF: Two devices"].map((each) => {
    const [code, advice = ""] = each.split(": ");
    const peers = [peer({ connection: "parked", lastError: error(`HANDSHAKE_${code}`) })];
    return [`HANDSHAKE_${code}`, { peers }, "peer.connection", advice] as [
      string,
      Partial<DiagnosisInput>,
      string,
      string,
    ];
  }),
  [
    "a peer that lets nobody in",
    { peers: [peer({ connection: "parked", lastError: error("CONNECT_REFUSED") })] },
    "peer.connection",
    "Let Bea accept",
  ],
  [
    "a bad address",
    { peers: [peer({ connection: "parked", lastError: error("ADDRESS_INVALID") })] },
    "peer.connection",
    "Correct the address",
  ],
  [
    "a peer that was given up",
    { peers: [peer({ connection: "offline", lastError: error("PEER_GIVEN_UP") })] },
    "peer.connection",
    "Check that Bea is on and online; then connect",
  ],
  ["sync switched off", { databases: [database({ isEnabled: false })] }, "database.preferences", "Enable the sync"],
  ["no permission here", { databases: [database({ permission: "none" })] }, "database.permission", "Ask an owner"],
  [
    "a relation taken away",
    { databases: [database({ relations: [relation({ isOff: true, permission: "none" })] })] },
    "relation",
    "Add the relation",
  ],
  [
    "no permission there",
    { databases: [database({ relations: [relation({ permission: "none", isShared: false })] })] },
    "peer.permission",
    "Grant Bea",
  ],
  [
    "a peer that does not have it",
    { databases: [database({ relations: [relation({ isShared: false })] })] },
    "peer.shares",
    "Let Bea open",
  ],
  [
    "nothing arrived",
    { databases: [database({ isReady: false, permission: "none" })] },
    "database.arrival",
    "Open the app",
  ],
  [
    "a ticket that is worth nothing",
    { databases: [database({ isReady: false, permission: "none", refused: "expired" })] },
    "database.arrival",
    "Ask for a new ticket",
  ],
  [
    "a ticket that leads to nobody",
    { databases: [database({ isReady: false, permission: "none", unreachable: "CONNECT_FAILED" })] },
    "database.arrival",
    "Check the network",
  ],
  ["a paused job", { databases: [database({ jobs: [{ ...job, state: "paused" }] })] }, "job", "Resume the backfill"],
  ["a cancelled job", { databases: [database({ jobs: [{ ...job, state: "cancelled" }] })] }, "job", "Start a job"],
  [
    "keys that have not come",
    { databases: [database({ permission: "read", sealed: { entries: 2, isKeyKnown: true } })] },
    "entries.sealed",
    "Wait until a device of an admin",
  ],
  [
    "keys that nobody can give",
    { databases: [database({ permission: "read", sealed: { entries: 2, isKeyKnown: false } })] },
    "entries.sealed",
    "the sealing key of this device",
  ],
  [
    "entries held back",
    { databases: [database({ heldBack: { entries: 2, aheadMs: 90_000 }, pending: { entries: 1, bytes: 9 } })] },
    "entries.clock",
    "Set the clock of this device, or",
  ],
  [
    "a queue that stands",
    { databases: [database({ relations: [relation({ stalledMs: 31_000, queue: { entries: 3, bytes: 90 } })] })] },
    "queue",
    "Disconnect Bea",
  ],
  [
    "no other copy",
    { databases: [database({ pending: { entries: 3, bytes: 90 } })] },
    "copies",
    "Leave this page open",
  ],
];

test.each(faults)(
  "[DIAGNOSIS-1] [DIAGNOSIS-2] %s is found, and its advice comes first",
  (_title, given, check, advice) => {
    const { findings, summary } = diagnose(input(given));
    const first = findings.find(({ state }) => state === "failed" || state === "warning");
    expect(first?.check).toBe(check);
    expect([summary, first?.advice]).toEqual([expect.stringContaining(advice), summary]);
  },
);

test("[DIAGNOSIS-1] the checks come in the order in which one fault hides the next", () => {
  const order = [...new Set(diagnose(input()).findings.map(({ check }) => check))];
  const ofThisDevice = ["storage", "network", "transport", "relay"];
  const ofPeers = ["peers", "peer.state", "peer.connection"];
  const ofDatabases = ["database.preferences", "database.permission", "relation", "peer.permission", "peer.shares"];
  const ofEntries = ["database.arrival", "job", "entries.sealed", "entries.clock", "queue", "copies"];
  expect(order).toEqual([...ofThisDevice, ...ofPeers, ...ofDatabases, ...ofEntries]);
});

test("[DIAGNOSIS-1] who only relays is not told that it cannot open what it relays", () => {
  const relayed = database({ permission: "relay", sealed: { entries: 2, isKeyKnown: false } });
  const { findings } = diagnose(input({ databases: [relayed] }));
  expect(findings.find(({ check }) => check === "entries.sealed")?.state).toBe("ok");
});

test("[DIAGNOSIS-2] what cannot be judged is skipped: relays and connections offline", () => {
  const { findings } = diagnose(input({ isOnline: false }));
  const skipped = findings.filter(({ state }) => state === "skipped").map(({ check }) => check);
  expect(skipped).toEqual(["relay", "peer.connection"]);
});

test("[DIAGNOSIS-3] what failed is more urgent than a warning before it, and one of several peers that is away is a warning", () => {
  const peers = [peer(), peer({ ...away, key: c, name: "" })];
  const { findings, summary } = diagnose(input({ peers, databases: [database({ isEnabled: false })] }));
  expect(findings.filter(({ state }) => state !== "ok").map(({ check, state }) => [check, state])).toEqual([
    ["peer.connection", "warning"],
    ["database.preferences", "failed"],
  ]);
  expect(summary).toBe("Enable the sync of “Board”.");
  const blocked = diagnose(input({ peers: [peer(), peer({ key: c, state: "inactive", connection: "offline" })] }));
  expect(blocked.summary).toBe("Set Bea to active to sync with it.");
  const relays = [{ url: "wss://one", state: "waiting" } as const, { url: "wss://two", state: "connected" } as const];
  expect(diagnose(input({ relays })).findings.find(({ check }) => check === "relay")?.state).toBe("warning");
});
