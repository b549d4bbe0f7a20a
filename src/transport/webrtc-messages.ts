/**
 * Everything that is said between the worker and its page about WebRTC connections, over one MessagePort.
 *
 * The worker decides which connections are wanted and numbers them; the page makes them. A connection ends once: with
 * `close` from the worker or with `closed` from the page. Messages about a connection that has ended are ignored.
 */
import type { Signal } from "./signal.ts";

/** From the worker to the page. */
export type ToPage =
  | {
      readonly type: "connect";
      readonly id: number;
      readonly initiator: boolean;
      readonly iceServers: readonly RTCIceServer[];
    }
  /** What the other side's connection said. Only after `connect`. */
  | { readonly type: "signal"; readonly id: number; readonly signal: Signal }
  | { readonly type: "close"; readonly id: number };

/** From the page to the worker. */
export type ToWorker =
  | AboutConnection
  /** The page is going away, and every connection with it. */
  | { readonly type: "gone" };

export type AboutConnection =
  /** What the other side's connection must be told, in this order. */
  | { readonly type: "signal"; readonly id: number; readonly signal: Signal }
  /** The data channel, transferred before its first use. */
  | { readonly type: "channel"; readonly id: number; readonly channel: RTCDataChannel }
  /** Instead of `channel` where data channels cannot be transferred: see port-pipe.ts. */
  | { readonly type: "port"; readonly id: number; readonly port: MessagePort }
  /** Both sides' certificates are known. May come before or after the channel opens. */
  | { readonly type: "bound"; readonly id: number; readonly binding: Uint8Array }
  | { readonly type: "closed"; readonly id: number; readonly reason: string };
