/**
 * The background worker: published as one self-contained file, started by `open()`. Apps whose bundler does not emit it
 * serve this file themselves and pass its URL as `workerUrl`.
 *
 * An app with transports of its own starts a worker of its own that imports this file and registers them; see
 * docs/sync.md.
 */
import { expose } from "comlink";
import type { TransportBuilder } from "./ports/transport.ts";
import { carryErrors } from "./worker/error-data.ts";
import { TabHost } from "./worker/tab-host.ts";

export { type ErrorCode, type ErrorDetails, TidemarkError } from "./core/errors.ts";
export type { PublicKey } from "./core/ids.ts";
export type {
  Channel,
  ChannelListener,
  RelayStatus,
  Transport,
  TransportBuilder,
  TransportContext,
  TransportListener,
} from "./ports/transport.ts";

const host = new TabHost();
// Exposed before anything is awaited: a message that arrives earlier would be lost.
carryErrors();
expose(host);

/**
 * Makes a type of transport known, for `tide.sync.transports.add`. To be called while the worker's modules are
 * evaluated: messages of the page are handled after that. Throws INPUT_INVALID later than that, for what is no builder,
 * and for a type that is registered.
 *
 * @example
 * registerTransport({ type: "pigeon", addressTypes: ["pigeon"], checkConfig, build });
 */
export function registerTransport(builder: TransportBuilder): void {
  host.register(builder);
}
