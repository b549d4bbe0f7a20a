/** How rules are broken about what an entry is, where it stands, and what follows from it. */
import { type Entry, follows } from "../core/entry.ts";
import { Graph } from "../core/graph.ts";
import { Pending } from "../core/pending.ts";
import { Replica } from "../core/replica.ts";
import { DatabaseState } from "../core/store/state.ts";
import { OpenDatabase } from "../engine/database.ts";
import type { BrokenRule } from "./broken-rule.ts";
import { replace } from "./replacing.ts";

export const brokenEntryRules: readonly BrokenRule[] = [
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
    name: "signature checked",
    breaks: "every signature counts as good",
    noticed: "forged row",
    ports: (ports) => ({ ...ports, verifier: { verify: async () => true } }),
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
    name: "chain",
    breaks: "an entry may have any number in its author's chain",
    noticed: "with a wrong number",
    from: 11,
    patch: () => beforeReceiving(({ prev }) => (prev === undefined ? {} : { seq: prev.seq + 1 })),
  },
  {
    name: "height",
    breaks: "an entry may have any height",
    noticed: "with a wrong height",
    from: 9,
    patch: () => beforeReceiving(({ followed }) => ({ height: 1 + Math.max(...followed.map(({ height }) => height)) })),
  },
];

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
