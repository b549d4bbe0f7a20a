/** Where an app starts. */
import { TidemarkError } from "../core/errors.ts";
import { invalid, validateName } from "../core/store/values.ts";
import { isRelayUrl } from "../core/ticket.ts";
import type { Preset } from "../engine/settings.ts";
import type { AutomergeOptions } from "./documents/automerge.ts";
import { assertFunction, assertObject, assertOneOf } from "./input.ts";
import { Instance } from "./instance.ts";
import { resolveSettings, type SyncChoice } from "./sync-settings.ts";
import type { OtherBuild } from "./tab.ts";

export interface OpenOptions {
  /** Names the instance within the origin: it has its own key and its own databases. 1 to 64 bytes, no slash. */
  readonly name: string;
  /** `wss://` URL of the relay that introduces peers, or several. Without one, only relays named by tickets are used. */
  readonly relay?: string | readonly string[];
  /** STUN and TURN servers for peers in different networks. Default: none. */
  readonly iceServers?: readonly RTCIceServer[];
  /** How sync behaves: a preset, settings, or both. Default: "interactive". */
  readonly sync?: Preset | SyncChoice;
  /** Where the worker's script is served, for bundlers that do not emit it. */
  readonly workerUrl?: string | URL;
  /** Starts the worker, for those who need full control. */
  readonly worker?: () => Worker;
  /** How long the worker may take to start, in milliseconds. Default: 15,000. */
  readonly bootTimeoutMs?: number;
  readonly signal?: AbortSignal;
  /**
   * Called when a tab with an older build of the app leads, which this one cannot work together with: `open` waits until all tabs of that build are
   * closed or reloaded. They are told by their "outdated".
   */
  readonly onBlocked?: (older: OtherBuild) => void;
  /**
   * auto, the default: the browser is asked to keep what is stored, once per device, when its user first makes, shares or joins a database;
   * some browsers then ask their user. never: only when the app calls `storage.persist()`.
   */
  readonly persist?: "auto" | "never";
  /** For documents: where Automerge's WebAssembly comes from, for bundlers that do not emit it. */
  readonly automerge?: AutomergeOptions;
}

const instanceNameBytesMax = 64;
const bootTimeoutDefaultMs = 15_000;

/**
 * Opens the instance of that name in this browser, and with it everything that was saved.
 *
 * Any number of tabs may have it open: one of them leads and works for all. When it is closed or crashes, another one takes over; calls that
 * wait are answered by that, and what is written is written once.
 *
 * Rejects with INPUT_INVALID; ENVIRONMENT_UNSUPPORTED outside a secure browser page; WORKER_BOOT when the worker's script does not start;
 * STORAGE_NEWER when a newer version of the app has stored something here and other STORAGE_ codes; BUILD_OUTDATED when a newer version is open in
 * another tab; INSTANCE_IN_USE when another tab has it open and tabs cannot talk to each other in this browser; ABORTED.
 *
 * @example
 * const tide = await open({ name: "notes-app", relay: "wss://relay.example" });
 * const db = await tide.createDatabase({ name: "Team notes" });
 * await db.table("notes").put("n1", { title: "Hello", done: false });
 */
export async function open(options: OpenOptions): Promise<Instance> {
  assertObject(options, "options of open", "{ name, … }");
  validateName(options.name, "name", instanceNameBytesMax);
  // It divides an instance's name from what else there is of it, as in `tidemark/notes/outbox`.
  if (options.name.includes("/")) throw invalid("name", options.name, "a name without a slash");
  const relays = options.relay === undefined ? [] : [options.relay].flat();
  for (const relay of relays) validateRelay(relay);
  const sync = options.sync === undefined ? {} : resolveSettings(options.sync);
  if (options.onBlocked !== undefined) assertFunction(options.onBlocked, "onBlocked");
  if (options.automerge !== undefined) assertObject(options.automerge, "automerge", "{ wasm }");
  if (options.persist !== undefined) assertOneOf(options.persist, "persist", ["auto", "never"]);
  if (options.signal?.aborted) throw new TidemarkError("ABORTED", { call: "open" });
  assertBrowserPage();
  return Instance.open({
    name: options.name,
    relays,
    iceServers: options.iceServers ?? [],
    sync,
    startWorker: workerStarter(options),
    bootTimeoutMs: options.bootTimeoutMs ?? bootTimeoutDefaultMs,
    signal: options.signal,
    onBlocked: options.onBlocked,
    persist: options.persist ?? "auto",
    automerge: options.automerge ?? {},
  });
}

function workerStarter({ worker, workerUrl }: OpenOptions): () => Worker {
  if (worker !== undefined) return worker;
  if (workerUrl !== undefined) return () => new Worker(workerUrl, { type: "module" });
  // Bundlers look for exactly this expression.
  return () => new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
}

function validateRelay(relay: string): void {
  if (URL.canParse(relay) && isRelayUrl(relay)) return;
  throw invalid("relay", relay, "a URL that starts with wss:// or ws://");
}

function assertBrowserPage(): void {
  for (const missing of ["Worker", "MessageChannel"]) {
    if (!(missing in globalThis)) throw new TidemarkError("ENVIRONMENT_UNSUPPORTED", { missing });
  }
  if (!globalThis.isSecureContext) {
    throw new TidemarkError("ENVIRONMENT_UNSUPPORTED", { missing: "a secure context: https, or localhost" });
  }
}
