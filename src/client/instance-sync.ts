/** Sync as a whole: peers, transports, what happened, what is wrong. What concerns one database is in sync.ts. */
import type { DatabaseId, PublicKey } from "../core/ids.ts";
import { invalid } from "../core/store/values.ts";
import type { Diagnosis } from "../engine/diagnosis.ts";
import type { LoggedEvent } from "../engine/event-log.ts";
import type { MetricsSnapshot } from "../engine/metrics.ts";
import type { Preset, SyncSettings } from "../engine/settings.ts";
import type { PeerInfo } from "../engine/sync-info.ts";
import { assertAddress, assertObject, given, isKeyText, toDatabaseId, toPublicKey } from "./input.ts";
import type { Line, Waiting } from "./line.ts";
import { Listeners, type Stop } from "./listeners.ts";
import { type Messages, type MessagesEvent, OpenMessages } from "./messages.ts";
import { PeerList } from "./peer-list.ts";
import { type Exchange, type JobInfo, type RelationInfo, withCid } from "./sync-info.ts";
import { resolveSettings, type SyncChoice } from "./sync-settings.ts";
import { TransportList, toName } from "./transport-list.ts";

/** Of one peer, of one database (its id), of both, or of all. */
export interface PeerAndDatabase {
  readonly peer?: string | undefined;
  readonly database?: string | undefined;
}

export interface InstanceSyncEvents {
  /** All peers, after something about any of them changed. At most 20 times a second. */
  peers: readonly PeerInfo[];
  /** A job of any database, whenever something about it changed: about once per batch. */
  job: JobInfo;
  /** Each event of the log, as it happens. */
  log: LoggedEvent;
}

export class InstanceSync {
  readonly peers: PeerList;
  readonly transports: TransportList;
  readonly #line: Line;
  readonly #messages: OpenMessages;
  readonly #listeners = new Listeners<Omit<InstanceSyncEvents, "peers">>(["job", "log"]);
  #stopLogging: Stop | undefined;

  /** For `Instance`. */
  constructor(line: Line) {
    this.#line = line;
    this.#messages = new OpenMessages(line);
    this.peers = new PeerList(line);
    this.transports = new TransportList(line);
  }

  /**
   * Dials a peer (its key) or an address now, whatever the back-off says; a peer without an address is waited for.
   * Resolves when the peer has proved its key, at once when it is connected. Rejects with PEER_UNKNOWN, PEER_INACTIVE,
   * PEER_BLOCKED, ADDRESS_INVALID, CONNECT_FAILED, CONNECT_REFUSED, a HANDSHAKE_ code, TIMEOUT, ABORTED or
   * INPUT_INVALID.
   *
   * @example
   * await tide.sync.connect(key, { timeoutMs: 10_000 });
   */
  async connect(peerOrAddress: string, waiting?: Waiting): Promise<PeerInfo> {
    return this.#line.command("connect", toTarget(peerOrAddress), waiting);
  }

  /**
   * Closes all paths to a peer; it may come back by itself. Set its state to keep it away. Rejects with PEER_UNKNOWN.
   */
  async disconnect(peer: string): Promise<void> {
    await this.#line.command("disconnect", { peer: toPublicKey(peer) });
  }

  /**
   * Compares now, with one peer or with all that are connected, without waiting for the next time. Resolves when they
   * hold the same. Rejects with PEER_UNKNOWN, CONNECT_FAILED for a peer that is not connected, DATABASE_UNKNOWN for a
   * database that is not shared with it, TIMEOUT or ABORTED.
   */
  async syncNow(options: PeerAndDatabase & Waiting = {}): Promise<void> {
    assertObject(options, "options of syncNow", "{ peer, database, signal, timeoutMs }");
    await this.#line.command("syncWithPeer", toSelection(options), options);
  }

  /**
   * Resolves when connected peers have confirmed all that waits for them, and everything remembered is on disk. Rejects
   * with TIMEOUT or ABORTED.
   */
  async flush(waiting?: Waiting): Promise<void> {
    await this.#line.command("flush", {}, waiting);
  }

  /**
   * Lets others dial this device, by one transport (its name) or by all that can; remembered. Resolves with the
   * addresses to dial. As long as nobody calls this, only peers that were looked for are met. Rejects with
   * TRANSPORT_UNKNOWN.
   */
  async startListening(transport?: string): Promise<readonly string[]> {
    return this.#line.command("startListening", toTransport(transport));
  }

  /** What is connected stays. Rejects with TRANSPORT_UNKNOWN. */
  async stopListening(transport?: string): Promise<void> {
    await this.#line.command("stopListening", toTransport(transport));
  }

  async relations(of: PeerAndDatabase = {}): Promise<readonly RelationInfo[]> {
    return (await this.#line.command("relations", toSelection(of))).map(withCid);
  }

  /** Finished exchanges, the newest first, as far as `historyMs` and `historyRows` of the settings go. */
  async history(of: PeerAndDatabase = {}): Promise<readonly Exchange[]> {
    return (await this.#line.command("history", toSelection(of))).map(withCid);
  }

  /** Checks what somebody who knows would check, of sync as a whole or with one peer, and says what to do. */
  async diagnose(peer?: string): Promise<Diagnosis> {
    return this.#line.command("diagnose", given({ peer: peer === undefined ? undefined : toPublicKey(peer) }));
  }

  /** Counters, present values and latencies since the instance was opened. */
  metrics(): Promise<MetricsSnapshot> {
    return this.#line.command("metrics", {});
  }

  /** The last 1,000 events, the oldest first, without contents, secrets or whole keys. */
  log(): Promise<readonly LoggedEvent[]> {
    return this.#line.command("log", {});
  }

  settings(): Promise<SyncSettings> {
    return this.#line.command("settings", {});
  }

  /**
   * Changes what is given, from now on, until the instance closes. A preset changes everything: what it does not name
   * gets its default. Resolves with all settings. Rejects with INPUT_INVALID.
   */
  async changeSettings(choice: Preset | SyncChoice): Promise<SyncSettings> {
    return this.#line.command("changeSettings", resolveSettings(choice));
  }

  /**
   * Opens a channel for bytes of the app's own, 1 to 64 bytes of a name: to and from connected peers that share a database and have a channel of the same
   * name open. Nothing is stored, and nothing is sent to whoever is away. For adapters of other libraries, calls, games. Throws INPUT_INVALID.
   *
   * @example
   * const messages = tide.sync.messages("chess/1");
   * messages.on("message", ({ peer, bytes }) => play(peer, bytes));
   * for (const peer of messages.peers()) await messages.send(peer, move);
   */
  messages(channel: string): Messages {
    return this.#messages.open(channel);
  }

  /** For `Instance`: an event of the worker. */
  hear(event: MessagesEvent): void {
    this.#messages.take(event);
  }

  on<E extends keyof InstanceSyncEvents>(event: E, listener: (data: InstanceSyncEvents[E]) => void): Stop {
    if (event === "peers") return this.peers.on("changed", listener as (data: readonly PeerInfo[]) => void);
    const stop = this.#listeners.on(event as "job" | "log", listener as (data: JobInfo | LoggedEvent) => void);
    if (event !== "log") return stop;
    this.#setLogging();
    return () => {
      stop();
      this.#setLogging();
    };
  }

  /** For `Instance`: an event of the worker. */
  take<E extends "job" | "log">(event: E, data: InstanceSyncEvents[E]): void {
    this.#listeners.emit(event, data as never);
  }

  /** The worker sends events of the log only while somebody listens. */
  #setLogging(): void {
    const on = this.#listeners.has("log");
    if (on) this.#stopLogging ??= this.#line.stand(({ api }) => void api.setLogging(true).catch(() => {})); // The next one is told.
    if (on || this.#stopLogging === undefined) return;
    this.#stopLogging();
    this.#stopLogging = undefined;
    this.#line.send((api) => api.setLogging(false));
  }
}

function toTarget(text: string): { readonly peer: PublicKey } | { readonly address: string } {
  if (isKeyText(text)) return { peer: toPublicKey(text) };
  if (typeof text !== "string" || !text.includes(":")) {
    throw invalid("peer or address", text, "a public key (ed25519:…) or an address such as memory:office");
  }
  assertAddress(text);
  return { address: text };
}

function toSelection(of: PeerAndDatabase): { readonly peer?: PublicKey; readonly database?: DatabaseId } {
  assertObject(of, "selection", "{ peer, database }");
  return given({
    peer: of.peer === undefined ? undefined : toPublicKey(of.peer),
    database: of.database === undefined ? undefined : toDatabaseId(of.database),
  });
}

function toTransport(name: string | undefined): { readonly transport?: string } {
  return name === undefined ? {} : { transport: toName(name) };
}
