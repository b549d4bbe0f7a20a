/** On a page: a text in a document of automerge-repo, kept in IndexedDB and synced through its WebSocket server. */
import { initializeWasm, splice } from "@automerge/automerge/slim";
import { type DocHandle, isValidAutomergeUrl, Repo } from "@automerge/automerge-repo/slim";
import { WebSocketClientAdapter } from "@automerge/automerge-repo-network-websocket";
import { IndexedDBStorageAdapter } from "@automerge/automerge-repo-storage-indexeddb";
import type { Patch } from "../e2e/recordings.ts";
import type { TypedText } from "./typing.ts";

interface Text {
  text: string;
}

globalThis.openText = async (server: string, url?: string): Promise<TypedText & { readonly url: string }> => {
  await initializeWasm("./automerge.wasm");
  const repo = new Repo({ network: [new WebSocketClientAdapter(server)], storage: new IndexedDBStorageAdapter() });
  const handle = url === undefined ? repo.create<Text>({ text: "" }) : await find(repo, url);
  return {
    url: handle.url,
    read: () => handle.doc().text,
    edit: (patches) => handle.change((doc) => editText(doc, patches)),
    subscribe: (changed) => void handle.on("change", changed),
    durable: () => repo.flush([handle.documentId]),
  };
};

/** It is not there before the server has it. */
async function find(repo: Repo, url: string): Promise<DocHandle<Text>> {
  if (!isValidAutomergeUrl(url)) throw new Error(`${url} is no document`);
  for (;;) {
    try {
      return await repo.find<Text>(url);
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

function editText(doc: Text, patches: readonly Patch[]): void {
  for (const [position, deleted, inserted] of patches) splice(doc, ["text"], position, deleted, inserted);
}
