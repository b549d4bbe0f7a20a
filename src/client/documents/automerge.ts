/**
 * What of Automerge is used, and how a page comes by it: the app's own copy of the package, once a document is opened and not before.
 *
 * Written down here, so that the types of this package need no other to be installed.
 */
import { TidemarkError } from "../../core/errors.ts";
import type { DocPatch } from "./patches.ts";

/** A document as Automerge keeps it. */
export type RawDoc = Readonly<Record<string | number, unknown>>;

type Path = (string | number)[];

export interface RawOptions {
  /** Hex digits. */
  readonly actor: string;
  readonly freeze?: boolean;
}

export interface RawChangeOptions {
  message?: string;
  /** In seconds since 1970. */
  time?: number;
  patchCallback?: (patches: DocPatch[]) => void;
}

/** A part of what the module exports: see its own documentation. */
export interface Automerge {
  isWasmInitialized(): boolean;
  initializeWasm(wasm: string): Promise<void>;
  init(options: RawOptions): RawDoc;
  load(bytes: Uint8Array, options: RawOptions): RawDoc;
  save(doc: RawDoc): Uint8Array;
  clone(doc: RawDoc, options: RawOptions): RawDoc;
  view(doc: RawDoc, heads: string[]): RawDoc;
  merge(local: RawDoc, remote: RawDoc): RawDoc;
  free(doc: RawDoc): void;
  change(doc: RawDoc, options: RawChangeOptions, callback: (draft: RawDoc) => void): RawDoc;
  applyChanges(
    doc: RawDoc,
    changes: Uint8Array[],
    options: { patchCallback?: (patches: DocPatch[]) => void },
  ): [RawDoc];
  getChangesSince(doc: RawDoc, heads: string[]): Uint8Array[];
  getHeads(doc: RawDoc): string[];
  hasHeads(doc: RawDoc, heads: string[]): boolean;
  diff(doc: RawDoc, before: string[], after: string[]): DocPatch[];
  splice(doc: RawDoc, path: Path, index: number, del: number, text?: string): void;
  mark(
    doc: RawDoc,
    path: Path,
    range: { start: number; end: number; expand: "none" },
    name: string,
    value: string,
  ): void;
  unmark(doc: RawDoc, path: Path, range: { start: number; end: number }, name: string): void;
  getConflicts(object: RawDoc, key: string | number): Record<string, unknown> | undefined;
  getCursor(doc: RawDoc, path: Path, index: number): string;
  getCursorPosition(doc: RawDoc, path: Path, cursor: string): number;
  stats(doc: RawDoc): { numChanges: number; numOps: number };
}

export interface AutomergeOptions {
  /** Where Automerge's WebAssembly is served, or the compiled module, for bundlers that do not emit it. */
  readonly wasm?: string | URL | WebAssembly.Module;
}

/** Every call with the first that succeeds. Rejects with DOC_UNAVAILABLE. */
export function automergeLoader({ wasm }: AutomergeOptions): () => Promise<Automerge> {
  let loading: Promise<Automerge> | undefined;
  return () => {
    loading ??= load(wasm).catch((error: unknown) => {
      loading = undefined;
      throw new TidemarkError("DOC_UNAVAILABLE", { reason: String(error) }, { cause: error });
    });
    return loading;
  };
}

async function load(wasm: AutomergeOptions["wasm"]): Promise<Automerge> {
  const automerge = await importAutomerge();
  // The app may have done it, for other uses of its own.
  if (automerge.isWasmInitialized()) return automerge;
  // Bundlers look for exactly this expression.
  const source = wasm ?? new URL("./automerge_wasm_bg.wasm", import.meta.url);
  // Automerge hands on whatever the glue of its WebAssembly takes.
  await automerge.initializeWasm((source instanceof URL ? source.href : source) as string);
  return automerge;
}

async function importAutomerge(): Promise<Automerge> {
  try {
    // In a `try`, and as it is written here: bundlers of apps without the package then build all the same.
    return await import("@automerge/automerge/slim");
  } catch (error) {
    throw new Error("the package @automerge/automerge is to be installed beside tidemark", { cause: error });
  }
}
