/**
 * What somebody who knows would check first when sync does not work, and what to do about it.
 *
 * [DIAGNOSIS-1] The checks run in the order in which one fault hides the next: storage, network, transports, relays, peers, databases, entries.
 * [DIAGNOSIS-2] Every check says what it found; what is wrong comes with advice, and what cannot be judged is skipped.
 * [DIAGNOSIS-3] The summary is the first advice about something that failed, else the first warning's, else that all is well.
 *
 * Deliberately not here: measuring anything. Everything is known before, so that a diagnosis costs nothing and disturbs nothing.
 */
import type { DatabaseId, PublicKey } from "../core/ids.ts";
import type { Permission } from "../core/store/power.ts";
import type { RelayStatus } from "../ports/transport.ts";
import { connectionAdvice } from "./connection-advice.ts";
import type { PendingAmount } from "./holdings.ts";
import type { ErrorNote, JobRecord, PeerState } from "./records.ts";
import type { PeerInfo, TransportInfo } from "./sync-info.ts";

export interface Finding {
  /** Such as "storage", "relay", "peer.permission". */
  readonly check: string;
  readonly state: "ok" | "warning" | "failed" | "skipped";
  readonly found: string;
  /** What to do; undefined when there is nothing to do. */
  readonly advice: string | undefined;
}

export interface Diagnosis {
  readonly findings: readonly Finding[];
  /** The most urgent advice, or that all is well. */
  readonly summary: string;
}

export interface DiagnosedPeer {
  readonly key: PublicKey;
  /** Empty: not named. */
  readonly name: string;
  readonly state: PeerState;
  readonly connection: PeerInfo["connection"];
  readonly lastError: ErrorNote | undefined;
}

/** A database and a peer that could have it. */
export interface DiagnosedRelation {
  readonly peer: PublicKey;
  readonly isOff: boolean;
  /** What the peer's key may do with the database. */
  readonly permission: Permission;
  /** Its session speaks about the database; undefined: not connected. */
  readonly isShared: boolean | undefined;
  readonly queue: PendingAmount;
  /** For how long nothing has moved although something waits; 0: it moves, or nothing waits. */
  readonly stalledMs: number;
}

export interface DiagnosedDatabase {
  readonly id: DatabaseId;
  readonly name: string;
  /** It, and what its ticket promised, has arrived. */
  readonly isReady: boolean;
  /** Why nobody lets this device in; undefined: nobody said so. */
  readonly refused: string | undefined;
  /** The code of the last failure when nothing that its ticket names leads to anybody. */
  readonly unreachable: string | undefined;
  /** What this device's key may do with it. */
  readonly permission: Permission;
  readonly isEnabled: boolean;
  /** Entries held back for being ahead of this device's clock, and by how much the farthest is. */
  readonly heldBack: { readonly entries: number; readonly aheadMs: number };
  /** Entries that cannot be opened here, and whether admins know the sealing key for which to wrap what opens them. */
  readonly sealed: { readonly entries: number; readonly isKeyKnown: boolean };
  readonly pending: PendingAmount;
  /** Live ones, and those whose being cancelled makes a peer hold back. */
  readonly jobs: readonly JobRecord[];
  readonly relations: readonly DiagnosedRelation[];
}

export interface DiagnosisInput {
  /** Why storage takes nothing at present, or a database could not be read. */
  readonly storageError: ErrorNote | undefined;
  readonly isOnline: boolean;
  readonly transports: readonly Pick<TransportInfo, "name" | "type" | "isRunning">[];
  readonly relays: readonly RelayStatus[];
  /** All, or the one that was asked about. */
  readonly peers: readonly DiagnosedPeer[];
  readonly databases: readonly DiagnosedDatabase[];
}

type Check = (input: DiagnosisInput) => readonly Finding[];

export function diagnose(input: DiagnosisInput): Diagnosis {
  const findings = checks.flatMap((check) => check(input));
  const worst = findings.find(({ state }) => state === "failed") ?? findings.find(({ state }) => state === "warning");
  return { findings, summary: worst?.advice ?? wellWords(input) };
}

function wellWords({ peers, databases }: DiagnosisInput): string {
  const connected = peers.filter(({ connection }) => connection === "connected").length;
  return `All is well: ${connected} of ${peers.length} peers connected, ${databases.length} databases.`;
}

const checkStorage: Check = ({ storageError }) => {
  if (storageError === undefined) return [ok("storage", "Storage works.")];
  const advice =
    storageError.code === "STORAGE_QUOTA"
      ? "Free some space on this device, or ask the browser for persistent storage; then reload the page."
      : "Close other tabs of this app and reload the page; if it stays, look at the site's storage settings.";
  return [failed("storage", `Storage failed with ${storageError.code}.`, advice)];
};

const checkNetwork: Check = ({ isOnline }) =>
  isOnline
    ? [ok("network", "This device is online.")]
    : [failed("network", "This device is offline.", "Connect this device to a network, and switch sync on.")];

const checkTransports: Check = ({ transports, relays }) => {
  const running = transports.filter(({ isRunning }) => isRunning);
  if (running.length > 0) return [ok("transport", `Running: ${running.map(({ name }) => name).join(", ")}.`)];
  if (relays.length > 0) return [ok("transport", "Peers are met through relays.")];
  return [failed("transport", "No transport is running.", "Start a transport, or pass a relay to open().")];
};

const checkRelays: Check = ({ isOnline, relays }) => {
  if (relays.length === 0) return [skipped("relay", "No relay is used.")];
  if (!isOnline) return [skipped("relay", "This device is offline.")];
  const faults = relays.filter(({ state }) => state === "refused" || state === "waiting");
  const isAny = faults.length < relays.length;
  return orOk("relay", `${relays.length} relays answer.`, faults, ({ url, state, reason }) => {
    const words = `The relay ${url} ${state === "refused" ? "refuses this device" : "does not answer"}${reason === undefined ? "" : `: ${reason}`}.`;
    const advice =
      state === "refused"
        ? "Check the relay's address and limits; one that says `replaced` has another tab or a copied profile with this key."
        : "Check that the relay runs and can be reached from this network.";
    return isAny ? warning("relay", words, advice) : failed("relay", words, advice);
  });
};

const checkPeersKnown: Check = ({ peers }) =>
  peers.length > 0
    ? [ok("peers", `${peers.length} peers are known.`)]
    : [failed("peers", "No other device is known.", "Share a ticket with another device, or join with one.")];

const checkPeerStates: Check = ({ peers }) => {
  const faults = peers.filter(({ state }) => state !== "active");
  const isAny = faults.length < peers.length;
  return orOk("peer.state", "All peers are active.", faults, (peer) => {
    const words = `${nameOf(peer)} is ${peer.state}.`;
    const advice = `Set ${nameOf(peer)} to active to sync with it.`;
    return isAny ? warning("peer.state", words, advice) : failed("peer.state", words, advice);
  });
};

const checkConnections: Check = ({ isOnline, peers }) => {
  if (!isOnline) return [skipped("peer.connection", "This device is offline.")];
  const active = peers.filter(({ state }) => state === "active");
  const faults = active.filter(({ connection }) => connection !== "connected" && connection !== "connecting");
  const isAny = faults.length < active.length;
  return orOk("peer.connection", "All active peers are connected or being connected.", faults, (peer) => {
    const why = peer.lastError === undefined ? "" : ` after ${peer.lastError.code}`;
    const words = `${nameOf(peer)} is not connected (${peer.connection}${why}).`;
    const advice = connectionAdvice(nameOf(peer), peer.lastError?.code);
    return isAny ? warning("peer.connection", words, advice) : failed("peer.connection", words, advice);
  });
};

const checkPreferences: Check = ({ databases }) =>
  orOk("database.preferences", "Sync is enabled.", databases.filter(isNot("isEnabled")), ({ name }) =>
    failed("database.preferences", `Sync of ${quote(name)} is switched off.`, `Enable the sync of ${quote(name)}.`),
  );

const checkPermissions: Check = ({ databases }) => {
  const faults = databases.filter(({ isReady, permission }) => isReady && permission === "none");
  return orOk("database.permission", "This device may read its databases.", faults, ({ name }) => {
    const advice = `Ask an owner or admin of ${quote(name)} to grant this device a permission.`;
    return failed("database.permission", `This device may not read ${quote(name)}.`, advice);
  });
};

const checkRelations: Check = (input) => {
  const faults = relationsOf(input).filter(({ relation }) => relation.isOff);
  return orOk("relation", "No relation is taken away.", faults, ({ database, peer }) => {
    const advice = `Add the relation of ${quote(database.name)} with ${nameOf(peer)} again.`;
    return warning("relation", `${quote(database.name)} is not to be synced with ${nameOf(peer)}.`, advice);
  });
};

const checkPeerPermissions: Check = (input) => {
  const ready = relationsOf(input).filter(({ database, relation }) => database.isReady && !relation.isOff);
  const faults = ready.filter(({ relation }) => relation.permission === "none");
  return orOk("peer.permission", "The peers may read what they are to have.", faults, ({ database, peer }) => {
    const advice = `Grant ${nameOf(peer)} a permission in ${quote(database.name)}, or give it a ticket.`;
    return warning("peer.permission", `${nameOf(peer)} may not read ${quote(database.name)}.`, advice);
  });
};

const checkShared: Check = (input) => {
  const faults = relationsOf(input).filter(
    ({ relation }) => !relation.isOff && relation.permission !== "none" && relation.isShared === false,
  );
  return orOk("peer.shares", "Connected peers share what they are to have.", faults, ({ database, peer }) => {
    const advice = `Let ${nameOf(peer)} open or join ${quote(database.name)}, and enable its sync there.`;
    return warning(
      "peer.shares",
      `${nameOf(peer)} is connected and says nothing about ${quote(database.name)}.`,
      advice,
    );
  });
};

const checkArrival: Check = ({ databases }) => {
  const faults = databases.filter(({ isReady, refused }) => !isReady || refused !== undefined);
  return orOk("database.arrival", "All databases have arrived.", faults, ({ name, id, refused, unreachable }) => {
    const what = name === "" ? id.slice(0, 8) : quote(name);
    if (refused !== undefined)
      return failed("database.arrival", `Nobody lets this device in to ${what}: ${refused}.`, "Ask for a new ticket.");
    if (unreachable !== undefined) {
      const words = `Nothing that the ticket of ${what} names leads to anybody: ${unreachable}.`;
      return failed("database.arrival", words, "Check the network, or ask for a new ticket.");
    }
    const advice = "Open the app on the device that made the ticket, and leave it open until the database has arrived.";
    return warning("database.arrival", `${what} has not arrived yet.`, advice);
  });
};

const checkJobs: Check = ({ databases }) => {
  const held = databases.flatMap(({ name, jobs }) => jobs.map((job) => ({ name, job })));
  const faults = held.filter(({ job }) => job.state === "paused" || job.state === "cancelled");
  return orOk("job", "No job is paused or cancelled.", faults, ({ name, job }) => {
    const what = `${job.type} of ${quote(name)}`;
    if (job.state === "paused") return warning("job", `The ${what} is paused.`, `Resume the ${what}.`);
    const words = `The ${what} was cancelled: ${job.peer.slice(0, 8)} holds back until a job is started.`;
    return warning("job", words, `Start a job for ${quote(name)} again.`);
  });
};

/** Whoever only relays is not to open anything. */
const checkSealed: Check = ({ databases }) => {
  const faults = databases.filter(({ permission, sealed }) => {
    return sealed.entries > 0 && permission !== "relay" && permission !== "none";
  });
  return orOk("entries.sealed", "What is sealed can be opened.", faults, ({ name, sealed }) => {
    const words = `${sealed.entries} entries of ${quote(name)} cannot be opened: this device was not given their keys.`;
    const advice = sealed.isKeyKnown
      ? `Wait until a device of an admin of ${quote(name)} has been online.`
      : `Give an admin of ${quote(name)} the sealing key of this device, to set with its permission.`;
    return warning("entries.sealed", words, advice);
  });
};

const checkHeldBack: Check = ({ databases }) => {
  const faults = databases.filter(({ heldBack }) => heldBack.entries > 0);
  return orOk("entries.clock", "No entries are held back.", faults, ({ name, heldBack }) => {
    const seconds = Math.ceil(heldBack.aheadMs / 1_000);
    const words = `${heldBack.entries} entries of ${quote(name)} are up to ${seconds} s ahead of this device's clock.`;
    return warning("entries.clock", words, "Set the clock of this device, or of the one that wrote them, right.");
  });
};

const checkQueues: Check = (input) => {
  const faults = relationsOf(input).filter(({ relation }) => relation.stalledMs > stalledMsMax);
  return orOk("queue", "What waits for peers moves.", faults, ({ database, peer, relation }) => {
    const { entries } = relation.queue;
    const seconds = Math.round(relation.stalledMs / 1_000);
    const words = `${entries} entries of ${quote(database.name)} have waited ${seconds} s for ${nameOf(peer)}.`;
    const advice = `Disconnect ${nameOf(peer)} and connect again; if it stays, look at its storage.`;
    return warning("queue", words, advice);
  });
};

const checkCopies: Check = ({ databases }) => {
  const faults = databases.filter(({ pending, isReady }) => isReady && pending.entries > 0);
  return orOk("copies", "Everything is on another device, too.", faults, ({ name, pending }) => {
    const advice = "Leave this page open until another device has confirmed the entries.";
    const words = `${pending.entries} entries (${pending.bytes} bytes) of ${quote(name)} are on no other device.`;
    return warning("copies", words, advice);
  });
};

const checks: readonly Check[] = [
  checkStorage,
  checkNetwork,
  checkTransports,
  checkRelays,
  checkPeersKnown,
  checkPeerStates,
  checkConnections,
  checkPreferences,
  checkPermissions,
  checkRelations,
  checkPeerPermissions,
  checkShared,
  checkArrival,
  checkJobs,
  checkSealed,
  checkHeldBack,
  checkQueues,
  checkCopies,
];

/** Longer than any round trip, shorter than anybody's patience. A guess. */
const stalledMsMax = 30_000;

interface Related {
  readonly database: DiagnosedDatabase;
  readonly peer: DiagnosedPeer;
  readonly relation: DiagnosedRelation;
}

function relationsOf({ databases, peers }: DiagnosisInput): readonly Related[] {
  const byKey = new Map(peers.map((peer) => [peer.key, peer]));
  return databases.flatMap((database) =>
    database.relations.flatMap((relation) => {
      const peer = byKey.get(relation.peer);
      return peer === undefined ? [] : [{ database, peer, relation }];
    }),
  );
}

function isNot(field: "isEnabled" | "isReady"): (database: DiagnosedDatabase) => boolean {
  return (database) => !database[field];
}

function ok(check: string, found: string): Finding {
  return { check, state: "ok", found, advice: undefined };
}

function skipped(check: string, found: string): Finding {
  return { check, state: "skipped", found, advice: undefined };
}

function warning(check: string, found: string, advice: string): Finding {
  return { check, state: "warning", found, advice };
}

function failed(check: string, found: string, advice: string): Finding {
  return { check, state: "failed", found, advice };
}

/** One finding for each fault, or one that all is well. */
function orOk<T>(
  check: string,
  found: string,
  faults: readonly T[],
  describe: (fault: T) => Finding,
): readonly Finding[] {
  return faults.length === 0 ? [ok(check, found)] : faults.map(describe);
}

function nameOf({ name, key }: Pick<DiagnosedPeer, "name" | "key">): string {
  return name === "" ? key.slice(0, 8) : name;
}

function quote(name: string): string {
  return `“${name}”`;
}
