/** Frames over a WebRTC data channel, in the worker that it was transferred to. */
import { type FramePipe, type FramePipeListener, pipeBytesLow } from "./frame-pipe.ts";

/** What a text message counts as: an empty frame, which is refused as malformed. */
const notAFrame = new Uint8Array(0);

export class DataChannelPipe implements FramePipe {
  readonly #channel: RTCDataChannel;

  constructor(channel: RTCDataChannel) {
    this.#channel = channel;
    channel.binaryType = "arraybuffer";
    channel.bufferedAmountLowThreshold = pipeBytesLow;
  }

  get bufferedAmount(): number {
    return this.#channel.bufferedAmount;
  }

  listen(listener: FramePipeListener): void {
    const channel = this.#channel;
    channel.onopen = () => listener.opened();
    channel.onbufferedamountlow = () => listener.low();
    channel.onmessage = ({ data }) => listener.frame(data instanceof ArrayBuffer ? new Uint8Array(data) : notAFrame);
    channel.onclose = () => {
      channel.onmessage = null;
      channel.onclose = null;
      listener.closed();
    };
    if (channel.readyState === "open") listener.opened();
  }

  send(frame: Uint8Array<ArrayBuffer>): void {
    // It may have closed a moment ago, with the event still on its way.
    if (this.#channel.readyState === "open") this.#channel.send(frame);
  }

  close(): void {
    this.#channel.close();
  }
}
