/** What the tests with automerge-repo run in: an app with a `Repo` of its own, editors, and React. */
import { automergeSyncPlugin } from "@automerge/automerge-codemirror";
import { type DocHandle, Repo } from "@automerge/automerge-repo";
import { standardKeymap } from "@codemirror/commands";
import { EditorView, keymap } from "@codemirror/view";
import * as tidemark from "tidemark";
import * as adapters from "tidemark/automerge-repo";
import { showProse } from "./prosemirror.ts";
import { renders, showPlan } from "./react.tsx";

export interface Written {
  text: string;
}

declare global {
  var parts: typeof adapters & {
    readonly Repo: typeof Repo;
    readonly renders: typeof renders;
    readonly showPlan: typeof showPlan;
    readonly showProse: typeof showProse;
  };
  var page: tidemark.Doc<Written>;
  var handle: DocHandle<Written>;
  var view: EditorView;
  /** Shows an editor of `handle`, which undoes what this page did, and nothing else. */
  var showEditor: () => void;
}

globalThis.showEditor = () => {
  const undoing = [
    { key: "Mod-z", run: (): boolean => page.undo() },
    { key: "Mod-y", run: (): boolean => page.redo() },
  ];
  globalThis.view = new EditorView({
    doc: handle.doc().text,
    extensions: [automergeSyncPlugin({ handle, path: ["text"] }), keymap.of([...undoing, ...standardKeymap])],
    parent: document.body,
  });
};
globalThis.parts = { ...adapters, Repo, renders, showPlan, showProse };
globalThis.tidemark = tidemark;
