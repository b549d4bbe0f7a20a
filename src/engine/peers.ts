/**
 * The peers of an instance, keyed by identity: the paths to each, and which of them carries its session.
 *
 * [ENGINE-13] Of several paths to a peer the one with the smallest transcript carries the session, at both ends; the others stand by.
 * [ENGINE-14] At most `peersMax` peers; one more takes the place of a peer that shares no database, or is turned away.
 * [PATH-4] A peer that was opened anew replaces its old paths at once.
 * [PATH-5] A path that ends while another stands by is no loss: the other goes on from what is durable at both ends.
 * [CONNECT-5] Blocked and inactive peers are not dialled, and are let go before anything is said about databases.
 */
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId, PublicKey } from "../core/ids.ts";
import { inboundTotalBytesMax } from "../core/limits.ts";
import type { SessionEvent } from "../core/protocol/session.ts";
import type { Channel } from "../ports/transport.ts";
import { breaksProtocol } from "./attempts.ts";
import { Dialler } from "./dialler.ts";
import { Handshakes } from "./handshakes.ts";
import { InboundBudget } from "./inbound-budget.ts";
import { Meetings } from "./meetings.ts";
import { Path } from "./path.ts";
import { assertActive, Breaches, refusalOf } from "./peer-access.ts";
import { PeerPaths } from "./peer-paths.ts";
import { PeerTimers } from "./peer-timers.ts";
import type { PeersOptions } from "./peers-owner.ts";
import type { PathMeasures } from "./pulse.ts";
import type { PeerInfo } from "./sync-info.ts";

export class Peers {
  readonly #options: PeersOptions;
  readonly #inbound = new InboundBudget(inboundTotalBytesMax);
  readonly #dialler: Dialler;
  readonly #handshakes: Handshakes;
  readonly #byKey = new Map<PublicKey, PeerPaths>();
  readonly #meetings: Meetings;
  readonly #timers: PeerTimers;
  readonly #breaches: Breaches;
  #online = false;

  constructor(options: PeersOptions) {
    this.#options = options;
    const { ports, registry, transports, settings, owner } = options;
    const { clock, random } = ports;
    this.#meetings = new Meetings(clock);
    this.#handshakes = new Handshakes(clock, (key) => registry.peer(key) !== undefined);
    this.#breaches = new Breaches(clock, random);
    this.#timers = new PeerTimers({
      clock,
      random,
      settings,
      compare: (database) => this.stepAll(database === undefined ? { type: "resumed" } : { type: "resumed", database }),
      dial: () => this.#dialler.run(),
      check: (silentMs) => this.#checkAll(silentMs),
    });
    this.#dialler = new Dialler({
      clock,
      random,
      registry,
      transports,
      settings,
      owner: {
        isOnline: () => this.#online,
        isConnected: (key) => this.#byKey.has(key),
        take: (channel, expected, address) => this.#take(channel, expected, address),
        parked: (key, address, error) => owner.parked(key, address, error),
        givenUp: (key, error) => owner.givenUp(key, error),
        changed: (key) => owner.peerChanged(key),
      },
    });
  }

  get online(): boolean {
    return this.#online;
  }

  /** The paths that carry a session, one for every connected peer. */
  all(): readonly Path[] {
    return [...this.#byKey.values()].flatMap(({ carrier }) => (carrier === undefined ? [] : [carrier]));
  }

  /** Those and the ones that stand by. */
  paths(): readonly Path[] {
    return [...this.#byKey.values()].flatMap(({ paths }) => paths);
  }

  /** The path that carries the peer's session; undefined while it is not connected. */
  carrier(key: PublicKey): Path | undefined {
    return this.#byKey.get(key)?.carrier;
  }

  stepAll(event: SessionEvent): void {
    for (const path of this.all()) path.step(event);
  }

  connectionOf(key: PublicKey): PeerInfo["connection"] {
    return this.#byKey.has(key) ? "connected" : this.#dialler.state(key).type;
  }

  /** Everything known about a peer. Fails with PEER_UNKNOWN. */
  info(key: PublicKey): PeerInfo {
    const record = this.#options.registry.peer(key);
    if (record === undefined) throw new TidemarkError("PEER_UNKNOWN", { peer: key });
    const peer = this.#byKey.get(key);
    const { type, nextAttemptMs } = this.#dialler.state(key);
    const untold = peer?.untold();
    return {
      ...record,
      bytesSent: record.bytesSent + (untold?.bytesSent ?? 0),
      bytesReceived: record.bytesReceived + (untold?.bytesReceived ?? 0),
      connection: peer === undefined ? type : "connected",
      nextAttemptMs: peer === undefined ? nextAttemptMs : undefined,
      paths: peer?.info() ?? [],
      ...(peer?.queued() ?? { queuedEntries: 0, queuedBytes: 0 }),
    };
  }

  // --- Coming and going

  /** A channel that others or a room made. */
  take(channel: Channel, expected: PublicKey | undefined): void {
    this.#take(channel, expected, undefined);
  }

  /**
   * Dials a peer, or whoever is at an address, and resolves when the handshake is done; at once when the peer is connected. A peer without
   * an address is waited for. Rejects with PEER_UNKNOWN, PEER_BLOCKED, PEER_INACTIVE, ABORTED, or why the last address failed.
   */
  async connect(
    target: { readonly peer: PublicKey } | { readonly address: string; readonly expected?: PublicKey },
    signal: AbortSignal,
  ): Promise<PublicKey> {
    if (!this.#online) throw new TidemarkError("CONNECT_FAILED", { address: addressOf(target), reason: "offline" });
    if ("address" in target) return await this.#dialler.dialAddress(target.address, target.expected, signal);
    const { peer } = target;
    assertActive(this.#options.registry, peer);
    if (this.#byKey.has(peer)) return peer;
    if (this.#options.registry.addressesByScore(peer).length > 0) await this.#dialler.connect(peer, signal);
    else await this.#meet(peer, signal);
    return peer;
  }

  /** Closes every path to a peer. It is not dialled until something changes; one that comes by itself is taken. */
  disconnect(key: PublicKey): void {
    this.#dialler.hold(key);
    this.#byKey.get(key)?.close();
  }

  /** Its state, addresses or relations changed, or it was removed: it is let go, or dialled. */
  changed(key: PublicKey): void {
    const refusal = refusalOf(this.#options.registry, key);
    const isGone = refusal !== undefined || this.#options.registry.peer(key) === undefined;
    if (isGone) this.#byKey.get(key)?.close(refusal);
    this.#breaches.reset(key);
    if (isGone) this.#dialler.forget(key);
    else this.#dialler.reset(key);
    this.#dialler.run();
  }

  setOnline(online: boolean): void {
    if (online === this.#online) return;
    this.#online = online;
    this.settingsChanged();
    if (!online) return this.#leave();
    this.#dialler.resetAll();
    this.#dialler.run();
  }

  /** The network came back, the device woke, the page is seen again: whatever waits is tried now, and who is connected is asked whether it lives. */
  wake(): void {
    if (!this.#online) return;
    for (const peer of this.#byKey.values()) for (const path of peer.paths) path.ping();
    this.#options.transports.retry();
    this.#dialler.resetAll();
    this.#dialler.run();
  }

  /** What could not be dialled before may be reached now. */
  transportStarted(): void {
    this.#dialler.resetAll();
    this.#dialler.run();
  }

  /** Ends every path; peers come back in their own time. */
  dropAll(): void {
    this.#handshakes.closeAll();
    for (const peer of this.#byKey.values()) peer.close();
  }

  close(): void {
    this.setOnline(false);
    this.#timers.close();
  }

  // --- Times

  /** Timers start anew, and peers are told what they may send. */
  settingsChanged(): void {
    if (this.#online) this.#timers.start();
    else this.#timers.stop();
    for (const path of this.all()) this.#pace(path, true);
  }

  /** Compares a database with every peer this often, in milliseconds, beside what the settings say. 0: not any more. */
  compareEvery(database: DatabaseId, ms: number): void {
    this.#timers.compareEvery(database, ms);
  }

  /** A path that was never measured is asked too, so that there is something to show. */
  #checkAll(silentMs: number): void {
    const nowMs = this.#options.ports.clock.now();
    for (const peer of this.#byKey.values())
      for (const path of peer.paths)
        if (nowMs - path.heardMs >= silentMs || path.roundTripMs === undefined) path.ping();
  }

  #pace(path: Path, isChange: boolean): void {
    const { receiveBytesPerSecond, peerReceiveBytesPerSecond } = this.#options.settings();
    const caps = [receiveBytesPerSecond, peerReceiveBytesPerSecond].filter((cap) => cap > 0);
    if (caps.length > 0) path.step({ type: "pacing", bytesPerSecond: Math.floor(Math.min(...caps)) });
    else if (isChange) path.step({ type: "pacing", bytesPerSecond: 0 });
  }

  // --- Paths

  #take(channel: Channel, expected: PublicKey | undefined, address: string | undefined): Path | undefined {
    const refusal = expected === undefined ? undefined : refusalOf(this.#options.registry, expected);
    if (!this.#online || refusal !== undefined || !this.#hasRoom(expected, address)) {
      channel.close(refusal);
      return undefined;
    }
    const { ports, epoch, boot, settings, bandwidth, owner } = this.#options;
    const path = new Path({
      ports,
      epoch,
      boot,
      settings,
      owner,
      bandwidth: bandwidth.peer(),
      inbound: this.#inbound,
      keeper: {
        proven: (proven) => this.#admit(proven),
        measured: (key, delta) => this.#measured(key, delta),
        ended: (ended, error) => this.#forget(ended, error),
      },
      channel,
      expected,
      address,
    });
    this.#handshakes.add(path);
    path.start();
    return path;
  }

  /** Whoever knows a database's id may connect; a peer that shares nothing with us makes room for another. */
  #hasRoom(expected: PublicKey | undefined, address: string | undefined): boolean {
    if (!this.#handshakes.admits(expected, address)) return false;
    // It may have been opened anew: then the paths that there are lead nowhere.
    if (expected !== undefined && this.#byKey.has(expected)) return true;
    if (this.#byKey.size + this.#handshakes.size < this.#options.settings().peersMax) return true;
    const stranger = [...this.#byKey.values()].find(({ carrier }) => carrier?.session?.isShared === false);
    stranger?.close();
    return stranger !== undefined || this.#handshakes.makeRoom();
  }

  #admit(path: Path): void {
    const { key } = path;
    this.#handshakes.delete(path);
    if (key === undefined) return;
    const refusal = refusalOf(this.#options.registry, key);
    if (refusal !== undefined) return path.close(refusal);
    // Whoever is dialled has waited, or the user wants it.
    if (path.address === undefined && this.#breaches.isWaiting(key)) return path.close("CONNECT_REFUSED");
    const peer = this.#byKey.get(key) ?? new PeerPaths();
    this.#byKey.set(key, peer);
    if (!peer.add(path)) return path.close();
    this.#options.registry.succeeded(key, path.address, path.version);
    this.#choose(peer, path);
    this.#pace(path, false);
    this.#dialler.met(key);
    this.#meetings.met(key);
    this.#options.owner.peerChanged(key);
  }

  #choose(peer: PeerPaths, fresh: Path | undefined): void {
    const isFirst = peer.carrier === undefined && peer.paths.length === 1 && fresh !== undefined;
    const chosen = peer.choose();
    if (chosen === undefined) return;
    this.#options.owner.carried(chosen, isFirst);
    chosen.carry(chosen !== fresh);
  }

  #forget(path: Path, error: TidemarkError | undefined): void {
    const { key } = path;
    const { owner } = this.#options;
    this.#handshakes.delete(path);
    const peer = key === undefined ? undefined : this.#byKey.get(key);
    if (key === undefined) this.#noteFailure(path, error);
    if (key === undefined || peer?.remove(path) !== true) return owner.ended(path, error);
    const isLast = peer.paths.length === 0;
    this.#noteEnd(key, path, error?.code, isLast);
    if (isLast) this.#byKey.delete(key);
    owner.ended(path, error);
    if (isLast) this.#part(key, path, error);
    else this.#choose(peer, undefined);
    owner.peerChanged(key);
  }

  /** Of a handshake with whom we were told to expect; whoever dialled notes it for the address. */
  #noteFailure({ expected, address }: Path, error: TidemarkError | undefined): void {
    if (expected === undefined || address !== undefined || error === undefined) return;
    const atMs = this.#options.ports.clock.now();
    this.#options.registry.failed(expected, undefined, { code: error.code, atMs });
  }

  #part(key: PublicKey, last: Path, error: TidemarkError | undefined): void {
    const { ports, owner } = this.#options;
    owner.parted(key);
    if (this.#online) this.#dialler.parted(key, ports.clock.now() - last.sinceMs, error);
  }

  /** A peer that breaks the protocol is noted with where it was reached, also while other paths stand by. */
  #noteEnd(key: PublicKey, { address, sinceMs }: Path, code: string | undefined, isLast: boolean): void {
    const { registry, ports } = this.#options;
    const atMs = ports.clock.now();
    const isBreach = code !== undefined && breaksProtocol(code);
    if (code !== undefined && (isBreach || isLast))
      registry.failed(key, isBreach ? address : undefined, { code, atMs });
    this.#breaches.ended(key, code, atMs - sinceMs);
  }

  #measured(key: PublicKey, delta: PathMeasures): void {
    this.#options.registry.measured(key, delta);
  }

  async #meet(peer: PublicKey, signal: AbortSignal): Promise<void> {
    const met = this.#meetings.await(peer, signal);
    this.#options.transports.retry();
    await met;
  }

  #leave(): void {
    this.#dialler.stop();
    this.dropAll();
  }
}

function addressOf(target: { readonly peer: PublicKey } | { readonly address: string }): string {
  return "address" in target ? target.address : "";
}
