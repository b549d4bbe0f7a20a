/** How rules are broken about who may do what, and about what counts. */
import { Authority } from "../core/authority/authority.ts";
import { Cuts } from "../core/authority/cuts.ts";
import { Ledger } from "../core/authority/ledger.ts";
import { Standings } from "../core/authority/standings.ts";
import { Graph } from "../core/graph.ts";
import { Session } from "../core/protocol/session.ts";
import { SessionState } from "../core/protocol/session-state.ts";
import { Replica } from "../core/replica.ts";
import { NONE, WRITE } from "../core/store/power.ts";
import type { SettingsOp } from "../core/store/settings.ts";
import type { BrokenRule } from "./broken-rule.ts";
import { replace } from "./replacing.ts";

export const brokenPermissionRules: readonly BrokenRule[] = [
  {
    name: "acceptance independent of arrival",
    breaks: "whether an entry is accepted depends on what else has come already",
    noticed: "never equal",
    from: 52,
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
    from: 14,
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
    from: 37,
    patch: () => beforeRecording((op) => (op.type === "invite" ? [without(op, "uses")] : [op])),
  },
  {
    name: "expiry of an invite",
    breaks: "an invite may be redeemed at any time",
    noticed: "nobody may accept",
    about: "permissions",
    from: 36,
    patch: () => beforeRecording((op) => (op.type === "invite" ? [without(op, "expiresMs")] : [op])),
  },
  {
    name: "withdrawal of an invite",
    breaks: "an invite may be redeemed after it was withdrawn",
    noticed: "other settings than",
    about: "permissions",
    from: 36,
    patch: () => beforeRecording((op) => (op.type === "invite" && op.power === NONE ? [] : [op])),
  },
  {
    name: "guests only while the invite stands",
    breaks: "whoever was a guest once goes on being served in its session",
    noticed: "may not read",
    about: "permissions",
    from: 29,
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
