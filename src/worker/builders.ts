/** Types of transports that an app brings along. */
import { invalid } from "../core/store/values.ts";
import type { TransportBuilder } from "../ports/transport.ts";

export class Builders {
  readonly #builders = new Map<string, TransportBuilder>();
  #isTaken = false;

  /** Throws INPUT_INVALID for what is no builder, for a type that is there, and after `take`. */
  add(builder: TransportBuilder): void {
    if (this.#isTaken) throw invalid("registerTransport", "a call after the instance was opened", "one before");
    check(builder);
    if (this.#builders.has(builder.type)) throw invalid("type", builder.type, "a type that is not registered");
    this.#builders.set(builder.type, builder);
  }

  /** All of them; there will be no more. */
  take(): readonly TransportBuilder[] {
    this.#isTaken = true;
    return [...this.#builders.values()];
  }
}

function check(builder: Partial<TransportBuilder> | undefined): void {
  const { type, addressTypes, checkConfig, build } = builder ?? {};
  if (typeof type !== "string" || type === "") throw invalid("type", type, "a text that is not empty");
  if (!Array.isArray(addressTypes)) throw invalid("addressTypes", addressTypes, "an array of texts");
  for (const one of addressTypes) {
    if (typeof one !== "string" || !/^[a-z][a-z0-9+.-]*$/.test(one))
      throw invalid("addressTypes", one, "a-z, 0-9, + . -");
  }
  if (typeof checkConfig !== "function") throw invalid("checkConfig", checkConfig, "a function");
  if (typeof build !== "function") throw invalid("build", build, "a function");
}
