/** Who may open a socket: right path, allowed origin, and room for one more, in total and from that address. */
import type { IncomingMessage } from "node:http";
import { addressGroup } from "./address.ts";
import type { RelayLimits } from "./limits.ts";
import type { UpgradeRefusal } from "./metrics.ts";

export interface AdmissionRules {
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

export class Admission {
  readonly #rules: AdmissionRules;
  readonly #socketsByAddress = new Map<string, number>();
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
    if (fromThere >= limits.socketsPerAddressMax) return "address";
    this.#sockets++;
    this.#socketsByAddress.set(address, fromThere + 1);
    return () => this.#release(address);
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
