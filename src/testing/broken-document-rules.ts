/** How rules of documents, and of who is there, are broken. */
import { Incoming } from "../client/documents/incoming.ts";
import { Outgoing } from "../client/documents/outgoing.ts";
import { Collisions } from "../core/document/collisions.ts";
import { References } from "../core/document/references.ts";
import { Presence } from "../engine/presence.ts";
import { DocumentWatch } from "../worker/document-watch.ts";
import type { BrokenRule } from "./broken-rule.ts";
import { replace } from "./replacing.ts";

/** Each is noticed in lives with documents. */
export const brokenDocumentRules: readonly BrokenRule[] = [
  {
    name: "which of two changes of one number is applied follows from the document",
    breaks: "the first that comes is applied",
    noticed: "duplicate seq",
    patch: () =>
      replace(
        Collisions.prototype,
        "decide",
        (decide) =>
          function (this: Collisions) {
            return this.leftOut.size > 0 ? undefined : decide.call(this);
          },
      ),
  },
  {
    name: "a change that does not stand on its past is left out",
    breaks: "Automerge is given what an object is missing for",
    noticed: "Missing from Index",
    from: 3,
    patch: () =>
      replace(
        References.prototype,
        "check",
        (check) =>
          function (this: References, tail, placement) {
            const found = check.call(this, tail, placement);
            return typeof found === "string" ? [] : found;
          },
      ),
  },
  {
    name: "a page is told of every change",
    breaks: "one of those that come is dropped",
    noticed: "has other heads than its engine",
    patch: () =>
      replace(
        Incoming.prototype,
        "push",
        (push) =>
          function (this: Incoming, changes, reached) {
            push.call(this, changes.length === 1 ? [] : changes, reached);
          },
      ),
  },
  {
    name: "a page is told when its document begins anew",
    breaks: "it goes on with what does not count any more",
    noticed: "has other heads than its engine",
    from: 6,
    patch: () => {
      const restoreRefresh = replace(DocumentWatch.prototype, "refresh", () => () => {});
      const restoreNote = replace(
        DocumentWatch.prototype,
        "note",
        (note) =>
          function (this: DocumentWatch, state, change) {
            note.call(this, state, { ...change, isAnew: false });
          },
      );
      return () => {
        restoreNote();
        restoreRefresh();
      };
    },
  },
  {
    name: "what a page wrote, and what it stood on fell, is written again",
    breaks: "it is shown, and is nowhere else",
    noticed: "is gone, and its app was not told",
    from: 22,
    patch: () =>
      replace(
        Outgoing.prototype,
        "resume",
        (resume) =>
          function (this: Outgoing, nonce) {
            resume.call(this, nonce, []);
          },
      ),
  },
  {
    name: "saved means durable",
    breaks: "an app is told that what was refused is saved",
    noticed: "was told durable",
    from: 14,
    patch: () =>
      replace(
        Outgoing.prototype,
        "saved",
        (saved) =>
          function (this: Outgoing) {
            return saved.call(this).catch(() => {});
          },
      ),
  },
  {
    name: "a page that goes says so, and is not shown any more",
    breaks: "it is there for ever",
    noticed: "there are {",
    from: 18,
    patch: () =>
      replace(
        Presence.prototype,
        "set",
        (set) =>
          function (this: Presence, database, page, turn, state) {
            if (state !== undefined) set.call(this, database, page, turn, state);
          },
      ),
  },
  {
    name: "what peers say of their pages is taken",
    breaks: "everybody sees itself alone",
    noticed: "there are {",
    from: 6,
    patch: () => replace(Presence.prototype, "received", () => async () => "unchecked"),
  },
];
