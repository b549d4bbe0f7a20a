/** Who may open a socket: right path, allowed origin, and room for one more, in total and from that address, not too fast. */
import type { IncomingMessage } from "node:http";
import { TokenBucket } from "../core/token-bucket.ts";
import type { Clock } from "../ports/clock.ts";
import { addressGroup } from "./address.ts";
import type { RelayLimits } from "./limits.ts";
import type { UpgradeRefusal } from "./metrics.ts";

export interface AdmissionRules {
  readonly clock: Clock;
  readonly limits: RelayLimits;
  /** Undefined allows every origin. A request without an origin does not come from a web page and is allowed too. */
  readonly allowedOrigins: readonly string[] | undefined;
  /** The header in which a proxy in front writes the client's address; undefined without a proxy. */
  readonly addressHeader: string | undefined;
}

export const refusalStatus: Readonly<Record<UpgradeRefusal, string>> = {
  path: "404 Not Found",
  origin: "403 Forbidden",
  sockets: "503 Service Unavailable",
  address: "429 Too Many Requests",
  stopping: "503 Service Unavailable",
};

/** Addresses whose rate is remembered, 200 bytes each. Of more the one seen longest ago is forgotten: it begins anew. */
const ratesMax = 16_384;

export class Admission {
  readonly #rules: AdmissionRules;
  readonly #socketsByAddress = new Map<string, number>();
  /** By address, the one seen last at the end. */
  readonly #rates = new Map<string, TokenBucket>();
  #sockets = 0;

  constructor(rules: AdmissionRules) {
    this.#rules = rules;
  }

  get sockets(): number {
    return this.#sockets;
  }

  /** Why this request may not become a socket, or the function that gives its place back. Call it exactly once. */
  admit(request: IncomingMessage): UpgradeRefusal | (() => void) {
    const { limits, allowedOrigins } = this.#rules;
    if (pathOf(request) !== "/") return "path";
    const { origin } = request.headers;
    if (origin !== undefined && allowedOrigins !== undefined && !allowedOrigins.includes(origin)) return "origin";
    if (this.#sockets >= limits.socketsMax) return "sockets";
    const address = this.#addressOf(request);
    const fromThere = this.#socketsByAddress.get(address) ?? 0;
    if (fromThere >= limits.socketsPerAddressMax || !this.#isSlow(address)) return "address";
    this.#sockets++;
    this.#socketsByAddress.set(address, fromThere + 1);
    return () => this.#release(address);
  }

  /** Takes one socket from the rate of the address. */
  #isSlow(address: string): boolean {
    const { clock, limits } = this.#rules;
    const { socketsPerAddressPerSecond: perSecond, socketsPerAddressBurst: burst } = limits;
    const rate = this.#rates.get(address) ?? new TokenBucket(perSecond, burst, clock.now());
    this.#rates.delete(address);
    this.#rates.set(address, rate);
    const [oldest] = this.#rates.keys();
    if (this.#rates.size > ratesMax && oldest !== undefined) this.#rates.delete(oldest);
    return rate.take(1, clock.now());
  }

  #release(address: string): void {
    this.#sockets--;
    const left = (this.#socketsByAddress.get(address) ?? 1) - 1;
    if (left === 0) this.#socketsByAddress.delete(address);
    else this.#socketsByAddress.set(address, left);
  }

  #addressOf(request: IncomingMessage): string {
    const { addressHeader } = this.#rules;
    if (addressHeader === undefined) return addressGroup(request.socket.remoteAddress ?? "");
    const value = String(request.headers[addressHeader.toLowerCase()] ?? "");
    // Only the last one was written by the proxy we trust; the client could have sent the others itself.
    return addressGroup((value.split(",").at(-1) ?? "").trim());
  }
}

export function pathOf(request: IncomingMessage): string {
  return (request.url ?? "").split("?", 1)[0] ?? "";
}
