import { afterEach, beforeEach, expect, test } from "vitest";
import { PeerConnections } from "./simple-peer.ts";
import type { ToPage, ToWorker } from "./webrtc-messages.ts";

const realConnection = globalThis.RTCPeerConnection;
const made: RTCPeerConnection[] = [];
const unhandled: unknown[] = [];
const note = (event: Event) => unhandled.push(event);

beforeEach(() => {
  globalThis.RTCPeerConnection = class extends realConnection {
    constructor(configuration?: RTCConfiguration) {
      super(configuration);
      made.push(this);
    }
  };
  globalThis.addEventListener("unhandledrejection", note);
  globalThis.addEventListener("error", note);
});

afterEach(() => {
  globalThis.RTCPeerConnection = realConnection;
  globalThis.removeEventListener("unhandledrejection", note);
  globalThis.removeEventListener("error", note);
  expect(unhandled.splice(0)).toEqual([]);
  made.length = 0;
});

/** A page's half, with the worker's messages sent by the test. Data channels stay on the page, or they could not be looked at. */
class Half {
  readonly heard: ToWorker[] = [];
  readonly page: PeerConnections;
  readonly #port: MessagePort;
  #wake: () => void = () => {};

  constructor() {
    const { port1, port2 } = new MessageChannel();
    this.page = new PeerConnections(port1, { transfer: false });
    this.#port = port2;
    port2.onmessage = ({ data }) => {
      this.heard.push(data);
      this.#wake();
    };
  }

  post(message: ToPage): this {
    this.#port.postMessage(message);
    return this;
  }

  connect(id: number, initiator: boolean): this {
    return this.post({ type: "connect", id, initiator, iceServers: [] });
  }

  /** The first message of a type, now or later. */
  async first<T extends ToWorker["type"]>(type: T): Promise<Extract<ToWorker, { type: T }>> {
    for (;;) {
      const found = this.heard.find((message): message is Extract<ToWorker, { type: T }> => message.type === type);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

/** Passes signals between a half and a connection of the test's own, which is the other side. */
async function connectTo(half: Half, other: RTCPeerConnection): Promise<void> {
  half.connect(1, true);
  other.onicecandidate = ({ candidate }) => {
    if (candidate === null) return;
    const { candidate: text, sdpMLineIndex, sdpMid } = candidate;
    half.post({ type: "signal", id: 1, signal: { type: "candidate", candidate: text, sdpMLineIndex, sdpMid } });
  };
  const { signal: offer } = await half.first("signal");
  if (offer.type !== "offer") throw new Error("the first signal is the offer");
  await other.setRemoteDescription(offer);
  await other.setLocalDescription(await other.createAnswer());
  const sdp = other.localDescription?.sdp ?? "";
  half.post({ type: "signal", id: 1, signal: { type: "answer", sdp } });
}

test("[PAGE-2] no connection is made before one is asked for", async () => {
  const half = new Half();
  half.post({ type: "close", id: 3 }).post({ type: "signal", id: 3, signal: { type: "offer", sdp: "" } });
  half.connect(1, true);
  await half.first("signal");
  expect(made).toHaveLength(1);
  half.page.close();
});

test("[PAGE-3] a description that the browser refuses ends that connection only, and nothing goes unhandled", async () => {
  const half = new Half().connect(1, true).connect(2, false);
  await half.first("signal");
  half.post({ type: "signal", id: 2, signal: { type: "offer", sdp: "nonsense" } });
  expect(await half.first("closed")).toMatchObject({ id: 2 });
  expect(made.map(({ connectionState }) => connectionState)).toEqual(["new", "closed"]);
  half.page.close();
});

test("[PAGE-3] a candidate that the browser refuses ends the connection, and nothing goes unhandled", async () => {
  const half = new Half();
  await connectTo(half, new realConnection());
  await half.first("bound");
  half.post({
    type: "signal",
    id: 1,
    signal: { type: "candidate", candidate: "x", sdpMLineIndex: null, sdpMid: null },
  });
  expect(await half.first("closed")).toMatchObject({ id: 1 });
  half.page.close();
});

test("[PAGE-3] a browser that makes no connection is reported with its reason", async () => {
  globalThis.RTCPeerConnection = class extends realConnection {
    constructor() {
      super({ iceServers: [{ urls: "nonsense:" }] });
    }
  };
  const half = new Half().connect(1, true);
  expect((await half.first("closed")).reason).toMatch(/nonsense/);
  half.page.close();
});

test("[PAGE-4] a peer that speaks on the control channel is cut off", async () => {
  const half = new Half();
  const other = new realConnection();
  const control = other.createDataChannel("control", { negotiated: true, id: 1 });
  control.onopen = () => control.send("hello");
  await connectTo(half, other);
  expect((await half.first("closed")).reason).toBe("data on the control channel");
  other.close();
  half.page.close();
});

test("[PAGE-4] a peer that opens a channel of its own is cut off", async () => {
  const half = new Half();
  const other = new realConnection();
  other.createDataChannel("more", { negotiated: false });
  await connectTo(half, other);
  expect((await half.first("closed")).reason).toBe("a channel nobody asked for");
  other.close();
  half.page.close();
});

test("[PAGE-5] the binding is made of the certificates that the connection uses", async () => {
  const half = new Half();
  const certificate = await realConnection.generateCertificate({
    name: "ECDSA",
    namedCurve: "P-256",
  } as AlgorithmIdentifier);
  const other = new realConnection({ certificates: [certificate] });
  await connectTo(half, other);
  const { binding } = await half.first("bound");
  const digest = certificate.getFingerprints()[0]?.value ?? "";
  expect([...binding].slice(-32)).toEqual(digest.split(":").map((pair) => Number.parseInt(pair, 16)));
  expect(binding).toHaveLength(2 * (1 + 7 + 1 + 32));
  other.close();
  half.page.close();
});

test("[PAGE-6] a page that is left closes its connections at once and tells the worker", async () => {
  const half = new Half().connect(1, true).connect(2, true);
  await half.first("signal");
  globalThis.dispatchEvent(new PageTransitionEvent("pagehide"));
  expect(made.map(({ connectionState }) => connectionState)).toEqual(["closed", "closed"]);
  await half.first("closed");
  half.page.close();
  await half.first("gone");
  expect(half.heard.filter(({ type }) => type === "closed")).toHaveLength(2);
});
