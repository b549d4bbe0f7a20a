/** The ways that this device reaches others, by the names that the app gave them. */
import { validateName, validateValue } from "../core/store/values.ts";
import type { TransportInfo } from "../engine/sync-info.ts";
import { assertObject, given } from "./input.ts";
import type { Line } from "./line.ts";

const nameBytesMax = 64;

export class TransportList {
  readonly #line: Line;

  /** For `InstanceSync`. */
  constructor(line: Line) {
    this.#line = line;
  }

  list(): Promise<readonly TransportInfo[]> {
    return this.#line.command("transports", {});
  }

  /**
   * Registers a transport, which runs from `start` on, and after a restart as soon as it is registered again if it ran
   * before. Types beyond the built-in ones are made known in the worker: see `registerTransport` of `tidemark/worker`.
   * The name is 1 to 64 bytes; `config` is what the type asks for, of JSON values and bytes. Rejects with
   * TRANSPORT_EXISTS, TRANSPORT_TYPE when another type is remembered under this name, TRANSPORT_CONFIG, or
   * INPUT_INVALID.
   */
  async add(name: string, options: { readonly type: string; readonly config?: unknown }): Promise<TransportInfo> {
    assertObject(options, "options of add", "{ type, config }");
    const config = options.config === undefined ? undefined : validateValue(options.config, "config");
    const type = validateName(options.type, "type", nameBytesMax);
    return this.#line.command("addTransport", given({ name: toName(name), type, config }));
  }

  /** Stops it and forgets what it remembered. Rejects with TRANSPORT_UNKNOWN. */
  async remove(name: string): Promise<void> {
    await this.#line.command("removeTransport", { name: toName(name) });
  }

  /**
   * Remembered. Rejects with TRANSPORT_UNKNOWN, with TRANSPORT_STARTED when it runs, or with the transport's own code.
   */
  async start(name: string): Promise<TransportInfo> {
    return this.#line.command("startTransport", { name: toName(name) });
  }

  /**
   * Where others can dial this device by it at present; `list` has them too, for all. Rejects with TRANSPORT_UNKNOWN, or with TRANSPORT_STOPPED
   * when it does not run.
   */
  async addresses(name: string): Promise<readonly string[]> {
    return this.#line.command("transportAddresses", { name: toName(name) });
  }

  /**
   * Closes what it carries; remembered. Rejects with TRANSPORT_UNKNOWN, or with TRANSPORT_STOPPED when it does not run.
   */
  async stop(name: string): Promise<TransportInfo> {
    return this.#line.command("stopTransport", { name: toName(name) });
  }
}

export function toName(name: unknown): string {
  return validateName(name, "name of the transport", nameBytesMax);
}
