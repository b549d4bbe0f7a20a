/**
 * Each core rule of the design, and a way to break it: the simulation proves that it would notice.
 *
 * Nothing here touches the code that is tested: an instance gets a port that misbehaves, or a method is replaced and put back.
 */
import { Authority } from "../core/authority/authority.ts";
import { Cuts } from "../core/authority/cuts.ts";
import { Ledger } from "../core/authority/ledger.ts";
import { Standings } from "../core/authority/standings.ts";
import { type Entry, follows } from "../core/entry.ts";
import { assert } from "../core/errors.ts";
import { Graph } from "../core/graph.ts";
import { Pending } from "../core/pending.ts";
import { Arrivals } from "../core/protocol/arrivals.ts";
import { LogRanges } from "../core/protocol/log-ranges.ts";
import { Session, type SessionEffect } from "../core/protocol/session.ts";
import { SessionState } from "../core/protocol/session-state.ts";
import { Window } from "../core/protocol/window.ts";
import { Replica } from "../core/replica.ts";
import { NONE, WRITE } from "../core/store/power.ts";
import type { SettingsOp } from "../core/store/settings.ts";
import { DatabaseState } from "../core/store/state.ts";
import { OpenDatabase } from "../engine/database.ts";
import { Registry } from "../engine/registry.ts";
import { Repair } from "../engine/repair.ts";
import { presets } from "../engine/settings.ts";
import type { DeviceOptions } from "./cluster.ts";
import type { PlanOptions } from "./plan.ts";

export interface BrokenRule {
  readonly name: string;
  /** What goes wrong. */
  readonly breaks: string;
  /** A part of what is noticed, beside what else may be. */
  readonly noticed: string;
  /** The lives in which it is soon noticed. Default: all. */
  readonly about?: PlanOptions["about"];
  readonly ports?: DeviceOptions["ports"];
  /** Breaks it everywhere until what it returns is called. */
  readonly patch?: () => () => void;
}

export const brokenRules: readonly BrokenRule[] = [
  {
    name: "durable before visible",
    breaks: "storage says that entries are durable before they are, so they are announced too early",
    noticed: "not durable",
    ports: (ports) => {
      const { storage } = ports;
      const commit: typeof storage.commit = (given) => {
        const done = storage.commit(given);
        done.catch(() => {});
        return given.record === undefined ? Promise.resolve() : done;
      };
      return { ...ports, storage: withMethods(storage, { commit }) };
    },
  },
  {
    name: "parent-closed",
    breaks: "an entry enters the graph though something that it follows is missing",
    noticed: "without what it follows",
    patch: () => {
      let current: Replica | undefined;
      const restoreStep = replace(
        Replica.prototype,
        "step",
        (step) =>
          function (this: Replica, event) {
            current = this;
            return step.call(this, event);
          },
      );
      const restoreWait = replace(Pending.prototype, "wait", () => (entry) => {
        const graph = current?.graph;
        const held = (id: string | undefined): boolean => graph?.get(id as never) !== undefined;
        const prev = held(entry.prev) ? entry.prev : undefined;
        graph?.add({ ...entry, prev, parents: entry.parents.filter(held), size: entry.bytes.length, settings: false });
        return true;
      });
      return () => {
        restoreWait();
        restoreStep();
      };
    },
  },
  {
    name: "tips",
    breaks: "an entry that others follow counts as a tip",
    noticed: "tips instead of",
    patch: () =>
      replace(
        Graph.prototype,
        "tips",
        (tips) =>
          function (this: Graph) {
            const found = tips.call(this);
            return this.size > 5 && this.root !== undefined ? [this.root, ...found] : found;
          },
      ),
  },
  {
    name: "one order of last writers",
    breaks: "of two writes to a cell the one that came later to this device wins",
    noticed: "another state than",
    patch: () => {
      let arrivals = 0;
      return replace(
        DatabaseState.prototype,
        "merge",
        (merge) =>
          function (this: DatabaseState, parts, stamp) {
            return merge.call(this, parts, { ...stamp, time: ++arrivals });
          },
      );
    },
  },
  {
    name: "acceptance independent of arrival",
    breaks: "whether an entry is accepted depends on what else has come already",
    noticed: "never equal",
    patch: () =>
      replace(
        Authority.prototype,
        "judge",
        (judge) =>
          function (this: Authority, author, ops, followed, owner, redeeming) {
            if (followed.length > 0 && this.power(author) > WRITE && redeeming === undefined)
              return { code: "ENTRY_PERMISSION", details: { author, need: "write" } };
            return judge.call(this, author, ops, followed, owner, redeeming);
          },
      ),
  },
  {
    name: "signature checked",
    breaks: "every signature counts as good",
    noticed: "forged row",
    ports: (ports) => ({ ...ports, verifier: { verify: async () => true } }),
  },
  {
    name: "permission checked",
    breaks: "whoever signs an entry was entitled to it",
    noticed: "nobody may accept",
    patch: () => replace(Authority.prototype, "judge", () => () => undefined),
  },
  {
    name: "serving rule",
    breaks: "everybody may read",
    noticed: "may not read",
    patch: () => replace(Replica.prototype, "mayHold", () => () => true),
  },
  {
    name: "acknowledgement only for durable",
    breaks: "entries of a peer are confirmed before they are durable",
    noticed: "confirmed",
    patch: () => {
      let isConfirming = false;
      const restoreReceive = replace(
        OpenDatabase.prototype,
        "receive",
        (receive) =>
          async function (this: OpenDatabase, entries) {
            const judged = await receive.call(this, entries);
            judged.durable.catch(() => {});
            return { ...judged, durable: Promise.resolve() };
          },
      );
      // The session looks for itself whether it is so.
      const restoreStep = replace(
        Session.prototype,
        "step",
        (step) =>
          function (this: Session, event) {
            isConfirming = event.type === "batchStored";
            try {
              return step.call(this, event);
            } finally {
              isConfirming = false;
            }
          },
      );
      const restoreStored = replaceGetter(
        Replica.prototype,
        "stored",
        (stored) =>
          function (this: Replica) {
            return isConfirming ? this.graph.size : stored.call(this);
          },
      );
      return () => {
        restoreStored();
        restoreStep();
        restoreReceive();
      };
    },
  },
  {
    name: "held means durable there",
    breaks: "a peer counts as holding one entry more than it has confirmed",
    noticed: "believes that",
    patch: () =>
      replace(
        Session.prototype,
        "step",
        (step) =>
          function (this: Session, event) {
            const more = (effect: SessionEffect): SessionEffect =>
              effect.type === "held" ? { ...effect, through: effect.through + 1 } : effect;
            return step.call(this, event).map(more);
          },
      ),
  },
  {
    name: "no entry lost at restart",
    breaks: "what was written last is gone after a restart",
    noticed: "were durable, and are not",
    ports: (ports, disk) => {
      const { storage } = ports;
      const load: typeof storage.load = (database) => {
        const stored = disk.databases.get(database);
        // The first two are how the database came to be.
        if (stored !== undefined && stored.index.length > 2) {
          const last = stored.index.pop();
          stored.bytes.pop();
          if (last !== undefined) stored.positions.delete(last.id);
          stored.checkpoints = [];
        }
        return storage.load(database);
      };
      return { ...ports, storage: withMethods(storage, { load }) };
    },
  },
  {
    name: "hold-back of clocks ahead",
    breaks: "an entry is accepted however far ahead of the clock it is",
    noticed: "too early",
    patch: () =>
      replace(
        Replica.prototype,
        "step",
        (step) =>
          function (this: Replica, event) {
            return step.call(this, event.type === "received" ? { ...event, nowMs: event.nowMs + 1e9 } : event);
          },
      ),
  },
  {
    name: "queue limits",
    breaks: "batches are sent however many are unconfirmed",
    noticed: "batches under way",
    patch: () => replace(Window.prototype, "hasRoomFor", () => () => true),
  },
  {
    name: "limit of what waits for a peer",
    breaks: "new entries that wait may need any number of ranges",
    noticed: "ranges of new entries wait",
    ports: (ports) => {
      const { settings = presets.interactive } = ports;
      return { ...ports, settings: { ...settings, queueRanges: 1, flushEntries: 1_000, flushAgeMs: 10_000 } };
    },
    patch: () =>
      replace(
        LogRanges.prototype,
        "add",
        (add) =>
          function (this: LogRanges, node) {
            return add.call(this, node, Number.POSITIVE_INFINITY);
          },
      ),
  },
  {
    name: "loop suppression",
    breaks: "an entry goes back to the peer that sent it",
    noticed: "back to",
    patch: () => replace(Arrivals.prototype, "isFromPeer", () => () => false),
  },
  {
    name: "chain",
    breaks: "an entry may have any number in its author's chain",
    noticed: "with a wrong number",
    patch: () => beforeReceiving(({ prev }) => (prev === undefined ? {} : { seq: prev.seq + 1 })),
  },
  {
    name: "height",
    breaks: "an entry may have any height",
    noticed: "with a wrong height",
    patch: () => beforeReceiving(({ followed }) => ({ height: 1 + Math.max(...followed.map(({ height }) => height)) })),
  },
  {
    name: "relation taken away",
    breaks: "a database goes to a peer that is not to have it",
    noticed: "in spite of unrelate",
    patch: () => replace(Registry.prototype, "isOff", () => () => false),
  },
  {
    name: "blocked peer",
    breaks: "a database goes to a peer that is blocked",
    noticed: "in spite of block",
    patch: () =>
      replace(
        Registry.prototype,
        "peer",
        (peer) =>
          function (this: Registry, key) {
            const record = peer.call(this, key);
            return record?.state === "blocked" ? { ...record, state: "active" } : record;
          },
      ),
  },
  {
    name: "digest covers everything",
    breaks: "the digest is of one author's entries alone",
    noticed: "digest",
    patch: () =>
      replace(
        Replica.prototype,
        "digest",
        (digest) =>
          function (this: Replica) {
            const [first] = this.frontier();
            const restore = replace(this, "frontier", () => () => new Map(first === undefined ? [] : [first]));
            try {
              return digest.call(this);
            } finally {
              restore();
            }
          },
      ),
  },
  {
    name: "pending entries asked for",
    breaks: "what waiting entries miss is never asked for",
    noticed: "never asked for",
    patch: () => {
      const restoreStep = replace(
        Replica.prototype,
        "step",
        (step) =>
          function (this: Replica, event) {
            return step.call(this, event).filter(({ type }) => type !== "fetch");
          },
      );
      const restoreCheck = replace(Repair.prototype, "check", () => () => {});
      return () => {
        restoreCheck();
        restoreStep();
      };
    },
  },
  {
    name: "cut",
    breaks: "what a lowered key wrote without knowing that it was lowered goes on counting",
    noticed: "for counting, which it is not",
    patch: () => {
      const restoreCutBy = replace(Cuts.prototype, "cutBy", () => () => []);
      const restoreCutterOf = replace(Cuts.prototype, "cutterOf", () => () => undefined);
      return () => {
        restoreCutterOf();
        restoreCutBy();
      };
    },
  },
  {
    name: "settings of a cut admin",
    breaks: "what an admin set without knowing that it was lowered has its effect",
    noticed: "other settings than",
    about: "permissions",
    patch: () =>
      replace(
        Standings.prototype,
        "with",
        (decide) =>
          function (this: Standings, node, rulings, isMember) {
            const decided = decide.call(this, node, rulings, isMember);
            return decided === "contested" ? rulings : decided;
          },
      ),
  },
  {
    name: "void entries kept back",
    breaks: "void entries are sent like any other",
    noticed: "which is void",
    patch: () => {
      let sessions = 0;
      const restoreStep = replace(
        Session.prototype,
        "step",
        (step) =>
          function (this: Session, event) {
            sessions += 1;
            try {
              return step.call(this, event);
            } finally {
              sessions -= 1;
            }
          },
      );
      const restoreCounts = replace(
        Graph.prototype,
        "counts",
        (counts) =>
          function (this: Graph, node) {
            return sessions > 0 || counts.call(this, node);
          },
      );
      return () => {
        restoreCounts();
        restoreStep();
      };
    },
  },
  {
    name: "uses of an invite",
    breaks: "an invite may be redeemed any number of times",
    noticed: "which it is not",
    about: "permissions",
    patch: () => beforeRecording((op) => (op.type === "invite" ? [without(op, "uses")] : [op])),
  },
  {
    name: "expiry of an invite",
    breaks: "an invite may be redeemed at any time",
    noticed: "nobody may accept",
    about: "permissions",
    patch: () => beforeRecording((op) => (op.type === "invite" ? [without(op, "expiresMs")] : [op])),
  },
  {
    name: "withdrawal of an invite",
    breaks: "an invite may be redeemed after it was withdrawn",
    noticed: "other settings than",
    about: "permissions",
    patch: () => beforeRecording((op) => (op.type === "invite" && op.power === NONE ? [] : [op])),
  },
  {
    name: "guests only while the invite stands",
    breaks: "whoever was a guest once goes on being served in its session",
    noticed: "may not read",
    about: "permissions",
    patch: () => {
      const guests = new WeakMap<SessionState, Set<string>>();
      const restoreLetIn = replace(
        SessionState.prototype,
        "letIn",
        (letIn) =>
          function (this: SessionState, database, invite) {
            const isIn = letIn.call(this, database, invite);
            if (isIn) guests.set(this, (guests.get(this) ?? new Set<string>()).add(database));
            return isIn;
          },
      );
      const restoreReadable = replace(
        SessionState.prototype,
        "isReadable",
        (isReadable) =>
          function (this: SessionState, database) {
            return guests.get(this)?.has(database) === true || isReadable.call(this, database);
          },
      );
      return () => {
        restoreReadable();
        restoreLetIn();
      };
    },
  },
];

type Methods<T> = { [Name in keyof T]: T[Name] extends (...args: never) => unknown ? Name : never }[keyof T];

/** Puts another method in the place of one; what it returns puts the first one back. */
function replace<T extends object, Name extends Methods<T>>(
  target: T,
  name: Name,
  make: (original: T[Name]) => (this: T, ...args: Parameters<Extract<T[Name], (...args: never) => unknown>>) => unknown,
): () => void {
  const descriptor = Object.getOwnPropertyDescriptor(target, name);
  Object.defineProperty(target, name, { value: make(target[name]), configurable: true, writable: true });
  return () => {
    if (descriptor === undefined) Reflect.deleteProperty(target, name);
    else Object.defineProperty(target, name, descriptor);
  };
}

type Place = Pick<Entry, "id" | "seq" | "height">;

/** What a peer says of the place of its entries is made right before they are judged; their bytes are what they were. */
function beforeReceiving(
  correct: (around: { readonly prev: Place | undefined; readonly followed: readonly Place[] }) => Partial<Entry>,
): () => void {
  return replace(
    OpenDatabase.prototype,
    "receive",
    (receive) =>
      function (this: OpenDatabase, entries) {
        const { graph } = this.replica;
        for (const entry of entries) {
          const followed: readonly Place[] = follows(entry).flatMap(
            (id) => graph.get(id) ?? entries.find((other) => other.id === id) ?? [],
          );
          const prev = followed.find(({ id }) => id === entry.prev);
          if (followed.length > 0) Object.assign(entry, correct({ prev, followed }));
        }
        return receive.call(this, entries);
      },
  );
}

/** What a settings entry says is made right before it is remembered; what is shown of it stays what it was. */
function beforeRecording(correct: (op: SettingsOp) => readonly SettingsOp[]): () => void {
  return replace(
    Ledger.prototype,
    "record",
    (record) =>
      function (this: Ledger, node, ops) {
        return record.call(this, node, ops.flatMap(correct));
      },
  );
}

function without(op: SettingsOp, field: "uses" | "expiresMs"): SettingsOp {
  const { [field]: _left, ...rest } = op as Extract<SettingsOp, { readonly type: "invite" }>;
  return rest;
}

/** The same for a getter. */
function replaceGetter<T extends object, Name extends keyof T>(
  target: T,
  name: Name,
  make: (original: (this: T) => T[Name]) => (this: T) => T[Name],
): () => void {
  const descriptor = Object.getOwnPropertyDescriptor(target, name);
  assert(descriptor?.get, `no getter ${String(name)}`);
  Object.defineProperty(target, name, { ...descriptor, get: make(descriptor.get) });
  return () => Object.defineProperty(target, name, descriptor);
}

/** A port with some methods of its own. */
function withMethods<T extends object>(target: T, methods: Partial<T>): T {
  return new Proxy(target, {
    get: (_, name) => {
      const own = Reflect.get(methods, name) ?? Reflect.get(target, name);
      return typeof own === "function" ? own.bind(target) : own;
    },
  });
}
