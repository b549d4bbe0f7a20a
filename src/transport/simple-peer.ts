/**
 * The page's half of WebRTC: makes the connections that the worker asks for and hands their data channels over.
 *
 * `RTCPeerConnection` exists only on pages. simple-peer is loaded when the first connection is wanted, and keeps a
 * channel of its own for itself; ours is made beside it in the same turn, because a channel can be transferred only
 * before its first use.
 */
import type SimplePeer from "simple-peer";
import { channelBinding } from "./channel-binding.ts";
import { frameBytesMax } from "./frames.ts";
import { joinPortToChannel } from "./port-pipe.ts";
import type { Signal } from "./signal.ts";
import type { ToPage, ToWorker } from "./webrtc-messages.ts";

/** `_pc` is private, missing when it could not be made, and null when it is over. A test pins the version that has it so. */
type Peer = SimplePeer.Instance & { readonly _pc: RTCPeerConnection | null | undefined };

const controlChannelId = 1;
const framesChannelId = 7;

export interface PeerConnectionsOptions {
  /** False keeps data channels on the page, as in browsers that cannot transfer them. Default: true, until the browser refuses. */
  readonly transfer?: boolean;
}

/** Serves one worker until `close`. Makes nothing and loads nothing before the worker asks. */
export class PeerConnections {
  readonly #port: MessagePort;
  readonly #peers = new Map<number, Peer>();
  readonly #hide: () => void = () => this.#closeAll("page hidden");
  #transfer: boolean;
  #library: Promise<typeof SimplePeer> | undefined;

  constructor(port: MessagePort, options: PeerConnectionsOptions = {}) {
    this.#port = port;
    this.#transfer = options.transfer ?? true;
    port.onmessage = ({ data }: MessageEvent<ToPage>) => this.#receive(data);
    // Peers learn at once that a tab went away; otherwise they would find out half a minute later.
    globalThis.addEventListener("pagehide", this.#hide);
  }

  /** Closes every connection and tells the worker. Idempotent. */
  close(): void {
    globalThis.removeEventListener("pagehide", this.#hide);
    this.#closeAll("page closed");
    this.#post({ type: "gone" });
    this.#port.onmessage = null;
  }

  /** All messages wait for the library, in order: a signal may follow its `connect` at once. */
  #receive(message: ToPage): void {
    this.#library ??= import("simple-peer").then((module) => module.default);
    this.#library.then(
      (library) => this.#handle(library, message),
      (error: unknown) => {
        this.#library = undefined;
        this.#post({ type: "closed", id: message.id, reason: `simple-peer did not load: ${String(error)}` });
      },
    );
  }

  #handle(library: typeof SimplePeer, message: ToPage): void {
    const { id } = message;
    const peer = this.#peers.get(id);
    try {
      if (message.type === "connect") this.#connect(library, message);
      else if (message.type === "signal") peer?.signal(signalForPeer(message.signal));
      else this.#forget(id)?.destroy();
    } catch (error) {
      this.#forget(id)?.destroy();
      this.#post({ type: "closed", id, reason: String(error) });
    }
  }

  #connect(library: typeof SimplePeer, { id, initiator, iceServers }: Extract<ToPage, { type: "connect" }>): void {
    const peer = new library({
      initiator,
      trickle: true,
      config: { iceServers: [...iceServers] },
      // Agreed on beforehand, so that no channel of the peer's making is ever taken up.
      channelConfig: { negotiated: true, id: controlChannelId },
    }) as Peer;
    this.#peers.set(id, peer);
    peer.on("error", (error) => this.#closed(id, error.message));
    peer.on("close", () => this.#closed(id, "connection closed"));
    peer.on("signal", (data) => this.#signalled(id, data));
    // Nothing is sent on the control channel, and what nobody reads would pile up.
    peer.on("data", () => this.#closed(id, "data on the control channel"));
    const connection = peer._pc;
    // The browser refused to make one; the event that says why is on its way.
    if (!connection) return;
    peer.once("negotiated", () => this.#bind(id, initiator, connection));
    connection.ondatachannel = () => this.#closed(id, "a channel nobody asked for");
    this.#handOver(id, connection.createDataChannel("frames", { negotiated: true, id: framesChannelId }));
  }

  #handOver(id: number, channel: RTCDataChannel): void {
    if (this.#transfer) {
      try {
        this.#post({ type: "channel", id, channel }, [channel]);
        return;
      } catch {
        this.#transfer = false;
      }
    }
    const { port1, port2 } = new MessageChannel();
    joinPortToChannel(port1, channel);
    this.#post({ type: "port", id, port: port2 }, [port2]);
  }

  #signalled(id: number, data: SimplePeer.SignalData): void {
    const signal = signalFromPeer(data);
    if (signal !== undefined) this.#post({ type: "signal", id, signal });
  }

  #bind(id: number, initiator: boolean, connection: RTCPeerConnection): void {
    const local = connection.localDescription?.sdp ?? "";
    const remote = connection.remoteDescription?.sdp ?? "";
    const binding = initiator ? channelBinding(local, remote) : channelBinding(remote, local);
    if (binding === undefined) this.#closed(id, "no binding");
    else if ((connection.sctp?.maxMessageSize ?? frameBytesMax) < frameBytesMax) this.#closed(id, "frames too small");
    else this.#post({ type: "bound", id, binding });
  }

  /** Tells the worker, once. */
  #closed(id: number, reason: string): void {
    const peer = this.#forget(id);
    if (peer === undefined) return;
    this.#post({ type: "closed", id, reason });
    peer.destroy();
  }

  #forget(id: number): Peer | undefined {
    const peer = this.#peers.get(id);
    this.#peers.delete(id);
    return peer;
  }

  #closeAll(reason: string): void {
    for (const [id, peer] of [...this.#peers]) {
      // simple-peer waits a moment before it closes the connection; a page that goes away does not have it.
      peer._pc?.close();
      this.#closed(id, reason);
    }
  }

  #post(message: ToWorker, transfer: Transferable[] = []): void {
    this.#port.postMessage(message, transfer);
  }
}

function signalForPeer(signal: Signal): SimplePeer.SignalData {
  if (signal.type !== "candidate") return { type: signal.type, sdp: signal.sdp };
  const { candidate, sdpMLineIndex, sdpMid } = signal;
  return { type: "candidate", candidate: { candidate, sdpMLineIndex, sdpMid } as RTCIceCandidate };
}

/** Undefined for wishes to negotiate again: a connection is described once. */
function signalFromPeer(data: SimplePeer.SignalData): Signal | undefined {
  if (data.type === "offer" || data.type === "answer") return { type: data.type, sdp: data.sdp ?? "" };
  if (data.type !== "candidate") return undefined;
  const { candidate, sdpMLineIndex, sdpMid } = data.candidate;
  return { type: "candidate", candidate, sdpMLineIndex, sdpMid };
}
