/** How rules are broken about what is durable, here and elsewhere, and about what may be said before it is. */
import { Session, type SessionEffect } from "../core/protocol/session.ts";
import { Replica } from "../core/replica.ts";
import { OpenDatabase } from "../engine/database.ts";
import type { BrokenRule } from "./broken-rule.ts";
import { replace, replaceGetter, withMethods } from "./replacing.ts";

export const brokenDurabilityRules: readonly BrokenRule[] = [
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
];
