/**
 * The relay: a WebSocket server that introduces clients in common rooms to each other and carries sealed notes between them.
 *
 * It keeps nothing on disk and nothing about a client beyond its socket. A relay that restarts empty is a relay that works:
 * clients come back and enter their rooms again.
 */
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import { TidemarkError } from "../core/errors.ts";
import { platformRandom } from "../crypto/random.ts";
import { createVerifier } from "../crypto/verifier.ts";
import type { Clock } from "../ports/clock.ts";
import type { Verifier } from "../ports/keys.ts";
import type { Random } from "../ports/random.ts";
import { Admission, refusalStatus } from "./admission.ts";
import { Connection } from "./connection.ts";
import { type RelayLimits, resolveLimits } from "./limits.ts";
import { type RelayStats, Traffic, type UpgradeRefusal } from "./metrics.ts";
import { Rooms } from "./rooms.ts";
import { answerRequest } from "./status-page.ts";
import { systemClock } from "./system-clock.ts";

export interface RelayOptions {
  /** Address to listen on. Default 127.0.0.1: reachable from this machine only. */
  readonly host?: string;
  /** Default 8787. 0 takes a free one. */
  readonly port?: number;
  /**
   * The hosts clients dial, as in their URLs (`relay.example`, `relay.example:8787`). A proof made for any other host is
   * refused. Set it wherever strangers can reach the relay: without it the request's own Host header is believed, and
   * another relay could pass a client's proof on to this one.
   */
  readonly hosts?: readonly string[];
  /** Web pages that may connect, such as `https://app.example`. Default: all. Does not concern clients outside browsers. */
  readonly allowedOrigins?: readonly string[];
  /** Behind a proxy: the header in which it writes the client's address, such as `x-forwarded-for`; its last item counts. */
  readonly addressHeader?: string;
  readonly limits?: Partial<RelayLimits>;
  /** Told in a line when the relay starts and stops. Never a key, a room or an address of a client. */
  readonly log?: (line: string) => void;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly verifier?: Verifier;
}

export interface Relay {
  /** `ws://host:port`, with the port really taken. */
  readonly url: string;
  readonly port: number;
  readonly stats: RelayStats;
  /** Stops accepting, closes all sockets with 1001, and resolves when all are gone, at most `closeTimeoutMs` later. Idempotent. */
  close(): Promise<void>;
}

const defaultHost = "127.0.0.1";
const defaultPort = 8787;
/** Besides the WebSockets: requests for the status pages, and sockets that are not yet or no longer WebSockets. */
const httpSocketsMax = 100;
const httpTimeoutMs = 10_000;

/**
 * Starts a relay.
 *
 * Rejects with RELAY_LISTEN when it cannot listen there, such as on a taken port, and with INPUT_INVALID for bad limits.
 *
 *     const relay = await startRelay({ port: 0 });
 *     console.log(relay.url);
 *     await relay.close();
 */
export async function startRelay(options: RelayOptions = {}): Promise<Relay> {
  const relay = new RelayServer(options, options.verifier ?? (await createVerifier()));
  await relay.listen();
  return relay;
}

class RelayServer implements Relay {
  readonly #host: string;
  /** The wanted one until it listens, then the real one. */
  #port: number;
  readonly #hosts: readonly string[] | undefined;
  readonly #limits: RelayLimits;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #verifier: Verifier;
  readonly #log: (line: string) => void;
  readonly #admission: Admission;
  readonly #rooms: Rooms;
  readonly #traffic = new Traffic();
  readonly #connections = new Set<Connection>();
  readonly #http: Server;
  readonly #webSockets: WebSocketServer;
  #closing: Promise<void> | undefined;

  constructor(options: RelayOptions, verifier: Verifier) {
    this.#host = options.host ?? defaultHost;
    this.#port = options.port ?? defaultPort;
    this.#hosts = options.hosts?.map((host) => host.toLowerCase());
    this.#limits = resolveLimits(options.limits ?? {});
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? platformRandom;
    this.#verifier = verifier;
    this.#log = options.log ?? (() => {});
    const { allowedOrigins, addressHeader } = options;
    this.#admission = new Admission({ clock: this.#clock, limits: this.#limits, allowedOrigins, addressHeader });
    this.#rooms = new Rooms(this.#limits);
    this.#http = this.#createHttp();
    this.#webSockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: this.#limits.messageBytesMax,
    });
  }

  get port(): number {
    return this.#port;
  }

  get url(): string {
    const host = this.#host.includes(":") ? `[${this.#host}]` : this.#host;
    return `ws://${host}:${this.#port}`;
  }

  get stats(): RelayStats {
    const { messagesIn, messagesOut, bytesIn, bytesOut, notesDelivered, notesDropped, refusals } = this.#traffic;
    return {
      sockets: this.#admission.sockets,
      members: this.#rooms.memberCount,
      rooms: this.#rooms.roomCount,
      messagesIn,
      messagesOut,
      bytesIn,
      bytesOut,
      notesDelivered,
      notesDropped,
      refusals: { ...refusals },
    };
  }

  listen(): Promise<void> {
    const [host, port] = [this.#host, this.#port];
    return new Promise((resolve, reject) => {
      const fail = (error: unknown) => reject(listenError(host, port, error));
      this.#http.once("error", fail);
      const ready = () => {
        this.#http.off("error", fail);
        this.#http.on("error", (error: Error) => this.#log(`server error: ${error.message}`));
        this.#port = (this.#http.address() as AddressInfo).port;
        this.#log(`listening on ${this.url}`);
        resolve();
      };
      // Throws at once for a port that is none.
      try {
        this.#http.listen(port, host, ready);
      } catch (error) {
        fail(error);
      }
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#shutDown();
    return this.#closing;
  }

  async #shutDown(): Promise<void> {
    this.#log("closing");
    const closed = new Promise<void>((resolve) => this.#http.close(() => resolve()));
    const ended = [...this.#connections].map((connection) => connection.ended);
    for (const connection of this.#connections) connection.goAway();
    // WebSockets have their own timers; what remains are HTTP requests that never became one.
    const cancel = this.#clock.after(this.#limits.closeTimeoutMs, () => this.#http.closeAllConnections());
    await Promise.all([closed, ...ended]);
    cancel();
    this.#log("closed");
  }

  #createHttp(): Server {
    const server = createServer(
      { headersTimeout: httpTimeoutMs, requestTimeout: httpTimeoutMs, connectionsCheckingInterval: httpTimeoutMs / 2 },
      (request, response) => answerRequest(request, response, this.stats),
    );
    server.maxConnections = this.#limits.socketsMax + httpSocketsMax;
    server.on("clientError", (_error, socket) => socket.destroy());
    server.on("upgrade", (request, socket, head) => this.#upgrade(request, socket, head));
    return server;
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const admitted = this.#closing === undefined ? this.#admission.admit(request) : "stopping";
    if (typeof admitted === "string") {
      this.#turnAway(socket, admitted);
      return;
    }
    // Also when the upgrade fails: this is the end of the socket, whatever it became.
    socket.once("close", admitted);
    this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => this.#connect(webSocket, request));
  }

  #turnAway(socket: Duplex, refusal: UpgradeRefusal): void {
    this.#traffic.refused(refusal);
    // The other side may be gone already; then there is nobody to tell.
    socket.on("error", () => socket.destroy());
    socket.once("finish", () => socket.destroy());
    socket.end(`HTTP/1.1 ${refusalStatus[refusal]}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  }

  #connect(webSocket: WebSocket, request: IncomingMessage): void {
    const hosts = this.#hosts ?? [(request.headers.host ?? "").toLowerCase()];
    const connection = new Connection(webSocket, hosts, {
      limits: this.#limits,
      clock: this.#clock,
      random: this.#random,
      verifier: this.#verifier,
      rooms: this.#rooms,
      traffic: this.#traffic,
    });
    this.#connections.add(connection);
    void connection.ended.then(() => this.#connections.delete(connection));
  }
}

function listenError(host: string, port: number, error: unknown): TidemarkError {
  const reason = (error as NodeJS.ErrnoException).code ?? String(error);
  return new TidemarkError("RELAY_LISTEN", { host, port, reason }, { cause: error });
}
