/**
 * A network for an app's `Repo`: other devices that share a database with this one, over the connections that Tidemark has to them.
 *
 * [REPO-7] A device is known by its key, which its connection proves: a `Repo` there speaks under the peer id with which it greeted, and no other.
 * [REPO-8] What was sent arrives once, whole and in order, or the peer is disconnected and comes anew, as automerge-repo expects it.
 *
 * Deliberately not here: what the messages mean, and who may have which document (`shareConfig` of the `Repo`, with `keyOf`).
 */
import {
  type Message,
  NetworkAdapter,
  type NetworkAdapterInterface,
  type PeerId,
  type PeerMetadata,
  type StorageId,
} from "@automerge/automerge-repo/slim";
import { reportUncaught } from "../client/listeners.ts";
import type { Messages } from "../client/messages.ts";
import { CborWriter } from "../core/cbor-writer.ts";
import { TidemarkError } from "../core/errors.ts";
import { encodeHex, type PublicKey } from "../core/ids.ts";
import { repoMessageBytesMax, repoReadyMs, repoRetryMs } from "../core/limits.ts";
import { Device, type RemoteRepo } from "./device.ts";
import { toMessage, withoutUndefined } from "./message.ts";
import { decodePacket, encodePacket, type Greeting, type PageId, type Part, splitMessage } from "./packet.ts";

/** As much of a channel as this needs. */
export type RepoChannel = Pick<Messages, "peers" | "send" | "on" | "close">;

/** As much of an `Instance` as this needs. */
export interface ChannelSource {
  readonly sync: { messages(channel: string): RepoChannel };
}

export interface TidemarkNetworkOptions {
  /** Only adapters on a channel of the same name meet. Default: "automerge-repo". */
  readonly channel?: string;
}

/** From `connect` to `disconnect`. */
interface Connected {
  readonly page: PageId;
  readonly channel: RepoChannel;
  readonly devices: Map<PublicKey, Device>;
  readonly stops: readonly (() => void)[];
}

/** `new Repo({ network: [new TidemarkNetworkAdapter(tide)] })`, where `tide` is what `open()` gave. */
export class TidemarkNetworkAdapter extends NetworkAdapter implements NetworkAdapterInterface {
  readonly #source: ChannelSource;
  readonly #channel: string;
  #connected: Connected | undefined;
  readonly #reposByPeer = new Map<string, { readonly device: Device; readonly repo: RemoteRepo }>();
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();
  /** Of all devices: none is greeted twice with the same number. */
  #greetings = 0;
  #isReady = false;
  #ready: () => void = () => {};
  readonly #whenReady: Promise<void> = new Promise((resolve) => {
    this.#ready = resolve;
  });

  constructor(tide: ChannelSource, { channel = "automerge-repo" }: TidemarkNetworkOptions = {}) {
    super();
    this.#source = tide;
    this.#channel = channel;
  }

  /** The public key of the device where this peer's `Repo` is. Undefined: it is not connected here. */
  keyOf(peerId: string): PublicKey | undefined {
    return this.#reposByPeer.get(peerId)?.device.key;
  }

  isReady(): boolean {
    return this.#isReady;
  }

  /**
   * Resolves when every device that has the channel open has answered, and there is one; a second after `connect` at the latest. Whoever looks for a
   * document asks those that are there then.
   */
  whenReady(): Promise<void> {
    return this.#whenReady;
  }

  connect(peerId: PeerId, peerMetadata: PeerMetadata = {}): void {
    this.disconnect();
    this.peerId = peerId;
    this.peerMetadata = peerMetadata;
    const channel = this.#source.sync.messages(this.#channel);
    const farewell = (): void => void this.#sayGoodbye();
    globalThis.addEventListener?.("pagehide", farewell);
    this.#timers.add(setTimeout(() => this.#becomeReady(), repoReadyMs));
    const stops = [
      channel.on("message", ({ peer, bytes }) => this.#take(peer, bytes)),
      channel.on("peer", ({ peer, isUp }) => (isUp ? this.#greet(peer) : this.#drop(peer))),
      () => globalThis.removeEventListener?.("pagehide", farewell),
    ];
    const page = encodeHex(crypto.getRandomValues(new Uint8Array(16)));
    this.#connected = { page, channel, devices: new Map(), stops };
    for (const peer of channel.peers()) this.#greet(peer);
  }

  disconnect(): void {
    if (this.#connected === undefined) return;
    const { channel, devices, stops } = this.#connected;
    for (const stop of stops) stop();
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    const said = this.#sayGoodbye();
    this.#connected = undefined;
    for (const device of devices.values()) this.#forgetAll(device);
    void Promise.allSettled(said).then(() => channel.close());
  }

  /** To a peer that is not connected, nothing. */
  send(message: Message): void {
    const to = this.#reposByPeer.get(message.targetId);
    if (this.#connected === undefined || to === undefined) return;
    const bytes = encodeMessage(message);
    if (bytes.length > repoMessageBytesMax) {
      reportUncaught(new TidemarkError("MESSAGE_TOO_LARGE", { got: bytes.length, max: repoMessageBytesMax }));
      return;
    }
    const parts = [...splitMessage(this.#connected.page, to.repo.page, bytes)];
    if (to.device.post(parts.map(encodePacket)) || message.type === "ephemeral") return;
    // Left out, it would be missed for ever: from the beginning it is not.
    this.#drop(to.device.key);
    this.#greet(to.device.key);
  }

  #sayGoodbye(): readonly Promise<void>[] {
    if (this.#connected === undefined) return [];
    const { channel, devices, page } = this.#connected;
    const goodbye = encodePacket({ type: "goodbye", from: page });
    return [...devices.keys()].map((peer) => channel.send(peer, goodbye).catch(() => {}));
  }

  #take(peer: PublicKey, bytes: Uint8Array): void {
    const packet = decodePacket(bytes);
    if (packet === undefined || this.#connected === undefined) return;
    const device = this.#deviceOf(peer, this.#connected);
    if (packet.type === "greeting") return this.#takeGreeting(device, packet, this.#connected.page);
    const repo = device.repos.get(packet.from);
    if (repo === undefined) return;
    if (packet.type === "goodbye") this.#forget(device, repo);
    else if (packet.to === this.#connected.page) this.#takePart(device, repo, packet);
  }

  #takeGreeting(device: Device, greeting: Greeting, page: PageId): void {
    if (greeting.answers !== undefined && greeting.answers !== page) return;
    if (!this.#meet(device, greeting)) return;
    if (greeting.answers === undefined) this.#say(device, greeting.from);
  }

  /** False: it is not talked to. */
  #meet(device: Device, greeting: Greeting): boolean {
    const known = device.repos.get(greeting.from);
    if (known !== undefined && greeting.number <= known.greeting.number) return true;
    const holder = this.#reposByPeer.get(greeting.peerId);
    // Who speaks under another one's name has to wait until that one is gone.
    if (greeting.peerId === this.peerId || (holder !== undefined && holder.device !== device)) return false;
    if (known !== undefined) this.#forget(device, known);
    if (holder !== undefined) this.#forget(device, holder.repo);
    const repo = device.add(greeting);
    if (repo === undefined) return false;
    const { peerId, storageId, isEphemeral } = greeting;
    this.#reposByPeer.set(peerId, { device, repo });
    const peerMetadata: PeerMetadata = {
      ...(storageId === undefined ? {} : { storageId: storageId as StorageId }),
      ...(isEphemeral === undefined ? {} : { isEphemeral }),
    };
    this.emit("peer-candidate", { peerId: peerId as PeerId, peerMetadata });
    const devices = [...(this.#connected?.devices.values() ?? [])];
    if (devices.every(({ repos }) => repos.size > 0)) this.#becomeReady();
    return true;
  }

  #takePart(device: Device, repo: RemoteRepo, part: Part): void {
    const bytes = repo.assembly.add(part);
    if (bytes === undefined) return;
    const message = bytes === "wrong" ? undefined : toMessage(bytes, repo.greeting.peerId, this.peerId);
    if (message === undefined) this.#forget(device, repo);
    else this.emit("message", message);
  }

  #deviceOf(peer: PublicKey, { channel, devices }: Connected): Device {
    const known = devices.get(peer);
    if (known !== undefined) return known;
    this.#greetings += 1;
    const device = new Device(
      peer,
      this.#greetings,
      (bytes) => channel.send(peer, bytes),
      (error) => this.#lost(device, error),
    );
    devices.set(peer, device);
    return device;
  }

  /** Whoever goes away is told of by the channel when it is back; one that stays had too much to do. */
  #lost(device: Device, error: unknown): void {
    this.#drop(device.key);
    if (error instanceof TidemarkError && error.code === "INSTANCE_CLOSED") return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      const isThere = this.#connected?.channel.peers().includes(device.key) ?? false;
      if (isThere && this.#connected?.devices.has(device.key) === false) this.#greet(device.key);
    }, repoRetryMs);
    this.#timers.add(timer);
  }

  #greet(peer: PublicKey): void {
    if (this.#connected === undefined) return;
    this.#say(this.#deviceOf(peer, this.#connected), undefined);
  }

  #say(device: Device, answers: PageId | undefined): void {
    if (this.#connected === undefined || this.peerId === undefined) return;
    const { storageId, isEphemeral } = this.peerMetadata ?? {};
    const from = this.#connected.page;
    const greeting = { from, number: device.greeting, peerId: this.peerId, storageId, isEphemeral, answers };
    device.post([encodePacket({ type: "greeting", ...greeting })]);
  }

  #drop(peer: PublicKey): void {
    const device = this.#connected?.devices.get(peer);
    if (device === undefined) return;
    this.#connected?.devices.delete(peer);
    this.#forgetAll(device);
  }

  #forgetAll(device: Device): void {
    for (const repo of [...device.repos.values()]) this.#forget(device, repo);
    device.leave();
  }

  #forget(device: Device, repo: RemoteRepo): void {
    device.repos.delete(repo.page);
    const { peerId } = repo.greeting;
    if (this.#reposByPeer.get(peerId)?.repo !== repo) return;
    this.#reposByPeer.delete(peerId);
    this.emit("peer-disconnected", { peerId: peerId as PeerId });
  }

  #becomeReady(): void {
    this.#isReady = true;
    this.#ready();
  }
}

function encodeMessage(message: Message): Uint8Array {
  const writer = new CborWriter();
  writer.writeValue(withoutUndefined(message), "message");
  return writer.finish();
}
