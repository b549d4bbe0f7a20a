/** How rules are broken about what goes to whom, and how much of it waits. */
import { Arrivals } from "../core/protocol/arrivals.ts";
import { LogRanges } from "../core/protocol/log-ranges.ts";
import { Window } from "../core/protocol/window.ts";
import { Replica } from "../core/replica.ts";
import { Registry } from "../engine/registry.ts";
import { Repair } from "../engine/repair.ts";
import { presets } from "../engine/settings.ts";
import type { BrokenRule } from "./broken-rule.ts";
import { replace } from "./replacing.ts";

export const brokenExchangeRules: readonly BrokenRule[] = [
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
    name: "relation taken away",
    breaks: "a database goes to a peer that is not to have it",
    noticed: "in spite of unrelate",
    from: 9,
    patch: () => replace(Registry.prototype, "isOff", () => () => false),
  },
  {
    name: "blocked peer",
    breaks: "a database goes to a peer that is blocked",
    noticed: "in spite of block",
    from: 13,
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
];
