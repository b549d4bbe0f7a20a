/** An editor with ProseMirror, bound as the guide says; it undoes what this page did, and nothing else. */
import { spans } from "@automerge/automerge";
import type { DocHandle, DocHandleChangePayload } from "@automerge/automerge-repo";
import { basicSchemaAdapter, init, pmDocFromSpans } from "@automerge/prosemirror";
import { baseKeymap, toggleMark } from "prosemirror-commands";
import { keymap } from "prosemirror-keymap";
import { EditorState, Plugin } from "prosemirror-state";
import { EditorView } from "prosemirror-view";
import type { Doc } from "tidemark";

const { strong } = basicSchemaAdapter.schema.marks;

export function showProse<T extends object>(page: Doc<T>, handle: DocHandle<T>, path: string[]): EditorView {
  let tell: (event: DocHandleChangePayload<T>) => void;
  // The binding hears that the document was changed, not how: what it makes of patches is not always what the document has.
  const { pmDoc, plugin } = init(
    {
      doc: () => handle.doc(),
      change: (change) => handle.change(change),
      on: (event, hear) => {
        tell = (change) => hear({ ...change, patches: [] });
        handle.on(event, tell);
      },
      off: (event) => handle.off(event, tell),
    },
    path,
  );
  const follow = new Plugin({
    appendTransaction(transactions, _, { doc: shown, tr }) {
      // So the binding marks what others did.
      if (transactions.every((one) => one.getMeta("addToHistory") !== false)) return null;
      const now = pmDocFromSpans(basicSchemaAdapter, spans(handle.doc(), path));
      const start = shown.content.findDiffStart(now.content);
      const end = shown.content.findDiffEnd(now.content);
      if (start === null || end === null) return null;
      const overlap = Math.max(0, start - Math.min(end.a, end.b));
      return tr.replace(start, end.a + overlap, now.slice(start, end.b + overlap)).setMeta("addToHistory", false);
    },
  });
  const keys = {
    ...baseKeymap,
    "Mod-z": (): boolean => page.undo(),
    "Mod-y": (): boolean => page.redo(),
    ...(strong === undefined ? {} : { "Mod-b": toggleMark(strong) }),
  };
  const state = EditorState.create({ doc: pmDoc, plugins: [keymap(keys), plugin, follow] });
  return new EditorView(document.body, { state });
}
