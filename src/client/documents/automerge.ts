/**
 * What of Automerge is used, and how a page comes by it: the app's own copy of the package, once a document is opened and not before.
 *
 * [DOC-55] A change of known content is made before any other: whoever encodes it otherwise would write what all others refuse.
 * Written down here, so that the types of this package need no other to be installed.
 */
import { TidemarkError } from "../../core/errors.ts";
import { actorBytesMin } from "../../core/limits.ts";
import { hashOf } from "./outgoing.ts";
import type { DocPatch } from "./patches.ts";

/** A document as Automerge keeps it. */
export type RawDoc = Readonly<Record<string | number, unknown>>;

type Path = (string | number)[];

export interface RawOptions {
  /** Hex digits. */
  readonly actor: string;
  /** Whether what is loaded is taken without computing its hashes anew. */
  readonly unchecked?: boolean;
}

export interface RawChangeOptions {
  message?: string;
  /** In seconds since 1970. */
  time?: number;
  patchCallback?: (patches: DocPatch[]) => void;
}

/** What Automerge keeps in WebAssembly, of which the value of a document is made. */
export interface RawHandle {
  /** The value, new in all its parts. With the last argument it is a document, and nothing else is to be done with the one before. */
  materialize(
    object: "/",
    heads: undefined,
    state: { handle: RawHandle; heads: undefined; patchCallback: undefined },
  ): unknown;
  /** Throws when there is none of this name. */
  objInfo(object: string): { readonly type: string };
  /** How many there are in a list. Throws as `objInfo` does. */
  length(object: string, heads?: string[]): number;
  /** All values of a key or an item, each with what kind it is before it and the id of its op behind it: the last is shown. Throws as `objInfo` does. */
  getAll(object: string, key: string | number, heads?: string[]): unknown[][];
  /** In a change. */
  delete(object: string, key: string | number): void;
  diff(before: string[], after: string[]): DocPatch[];
  /** Throws RangeError when both have a change of one actor and number. What a document of it shows is as it was. */
  merge(other: RawHandle): unknown;
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
  getBackend(doc: RawDoc): RawHandle;
  getHeads(doc: RawDoc): string[];
  hasHeads(doc: RawDoc, heads: string[]): boolean;
  getMissingDeps(doc: RawDoc, heads: string[]): string[];
  splice(doc: RawDoc, path: Path, index: number, del: number, text?: string): void;
  mark(
    doc: RawDoc,
    path: Path,
    range: { start: number; end: number; expand: "none" },
    name: string,
    value: string,
  ): void;
  unmark(doc: RawDoc, path: Path, range: { start: number; end: number }, name: string): void;
  /** Null where none is. */
  block(doc: RawDoc, path: Path, index: number): Record<string, unknown> | null;
  splitBlock(doc: RawDoc, path: Path, index: number, block: object): void;
  updateBlock(doc: RawDoc, path: Path, index: number, block: object): void;
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
export function automergeLoader(
  { wasm }: AutomergeOptions,
  importPackage: () => Promise<Automerge> = importAutomerge,
): () => Promise<Automerge> {
  let loading: Promise<Automerge> | undefined;
  return () => {
    loading ??= load(importPackage, wasm).catch((error: unknown) => {
      loading = undefined;
      throw new TidemarkError("DOC_UNAVAILABLE", { reason: String(error) }, { cause: error });
    });
    return loading;
  };
}

async function load(importPackage: () => Promise<Automerge>, wasm: AutomergeOptions["wasm"]): Promise<Automerge> {
  const automerge = await importPackage();
  await initialise(automerge, wasm);
  assertEncoding(automerge);
  return automerge;
}

async function initialise(automerge: Automerge, wasm: AutomergeOptions["wasm"]): Promise<void> {
  // The app may have done it, for other uses of its own.
  if (automerge.isWasmInitialized()) return;
  // Bundlers look for exactly this expression.
  const source = wasm ?? new URL("./automerge_wasm_bg.wasm", import.meta.url);
  // Automerge hands on whatever the glue of its WebAssembly takes.
  await automerge.initializeWasm((source instanceof URL ? source.href : source) as string);
}

/** What Automerge 3.5 gives for the change below: of other bytes other devices would say that they are not in their one form. */
const knownHash = "dba9e2cd8f29562f5882bc0e7d3f038bc77b10a1ce8e603bd2c13d5fbd86658a";

/** Throws when a change comes out otherwise than the engine, and every other device, takes it. Costs a millisecond. */
function assertEncoding(automerge: Automerge): void {
  const empty = automerge.init({ actor: "a0".repeat(actorBytesMin) });
  const doc = automerge.change(empty, { time: 1, message: "known" }, (draft) => {
    const known: Record<string, unknown> = draft;
    known.text = "";
    automerge.splice(draft, ["text"], 0, 0, "ab🌍");
    automerge.splice(draft, ["text"], 1, 1);
    automerge.mark(draft, ["text"], { start: 0, end: 1, expand: "none" }, "bold", "yes");
    known.list = [null, true, -7, 0.5, new Date(0), Uint8Array.of(1), { inner: "x" }];
    known.text2 = "once";
    known.text2 = "again";
  });
  const changes = automerge.getChangesSince(doc, []);
  const hashes = [...changes.map(hashOf), ...automerge.getHeads(doc)];
  automerge.free(doc);
  if (hashes.join() !== `${knownHash},${knownHash}`)
    throw new Error(`it encodes changes otherwise than the version that the package names: ${hashes.join()}`);
}

async function importAutomerge(): Promise<Automerge> {
  try {
    // In a `try`, and as it is written here: bundlers of apps without the package then build all the same.
    return await import("@automerge/automerge/slim");
  } catch (error) {
    throw new Error("the package @automerge/automerge is to be installed beside tidemark", { cause: error });
  }
}
