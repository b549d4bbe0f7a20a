/**
 * Frames over a MessagePort, for browsers that cannot transfer a data channel: the page keeps the channel (`PortPipeEnd`)
 * and the worker speaks to it through the port (`PortPipe`).
 *
 * The worker spends a credit of bytes and gets it back as the bytes leave the page: a data channel throws when its
 * buffer is full, and the worker cannot see that buffer.
 */
import { type FramePipe, type FramePipeListener, pipeBytesLow } from "./frame-pipe.ts";

/** Both ways a bare ArrayBuffer is a frame, transferred. */
type ToPage = ArrayBuffer | { readonly type: "close" };
type ToWorker =
  | ArrayBuffer
  | { readonly type: "opened" }
  | { readonly type: "credit"; readonly bytes: number }
  | { readonly type: "closed" };

/** The worker's end. */
export class PortPipe implements FramePipe {
  readonly #port: MessagePort;
  #open = false;
  #spent = 0;

  constructor(port: MessagePort) {
    this.#port = port;
  }

  get bufferedAmount(): number {
    return this.#spent;
  }

  listen(listener: FramePipeListener): void {
    this.#port.onmessage = ({ data }: MessageEvent<ToWorker>) => {
      if (data instanceof ArrayBuffer) listener.frame(new Uint8Array(data));
      else if (data.type === "opened") this.#opened(listener);
      else if (data.type === "credit") this.#credited(data.bytes, listener);
      else this.#closed(listener);
    };
  }

  send(frame: Uint8Array<ArrayBuffer>): void {
    if (!this.#open) return;
    this.#spent += frame.length;
    this.#post(frame.buffer, [frame.buffer]);
  }

  close(): void {
    this.#open = false;
    this.#post({ type: "close" }, []);
  }

  #post(message: ToPage, transfer: Transferable[]): void {
    this.#port.postMessage(message, transfer);
  }

  #opened(listener: FramePipeListener): void {
    this.#open = true;
    listener.opened();
  }

  #credited(bytes: number, listener: FramePipeListener): void {
    const wasHigh = this.#spent > pipeBytesLow;
    this.#spent -= bytes;
    if (wasHigh && this.#spent <= pipeBytesLow) listener.low();
  }

  #closed(listener: FramePipeListener): void {
    this.#open = false;
    this.#port.close();
    listener.closed();
  }
}

/** Half of what the worker may have outstanding: the channel keeps sending while the credit is on its way. */
const channelBytesLow = pipeBytesLow / 2;

/** Joins a data channel of this page to a port whose other end goes to the worker. */
export function joinPortToChannel(port: MessagePort, channel: RTCDataChannel): void {
  let taken = 0;
  const post = (message: ToWorker, transfer: Transferable[] = []) => port.postMessage(message, transfer);
  const credit = () => {
    const bytes = taken - channel.bufferedAmount;
    taken -= bytes;
    if (bytes > 0) post({ type: "credit", bytes });
  };
  channel.binaryType = "arraybuffer";
  channel.bufferedAmountLowThreshold = channelBytesLow;
  channel.onopen = () => post({ type: "opened" });
  channel.onbufferedamountlow = credit;
  channel.onmessage = ({ data }) => {
    const frame = data instanceof ArrayBuffer ? data : new ArrayBuffer(0);
    post(frame, [frame]);
  };
  channel.onclose = () => {
    post({ type: "closed" });
    port.onmessage = null;
  };
  port.onmessage = ({ data }: MessageEvent<ToPage>) => {
    if (!(data instanceof ArrayBuffer)) channel.close();
    else if (channel.readyState === "open") {
      taken += data.byteLength;
      channel.send(data);
      // No event comes for a buffer that never rose above the threshold.
      if (channel.bufferedAmount <= channelBytesLow) credit();
    }
  };
}
