/**
 * A follower's page and the leader's worker share one channel: calls in both directions (Comlink's own messages, wrapped), and beside
 * them notes: what the leader tells by itself. Used by both ends.
 */
import type { TabChannel } from "../ports/tabs.ts";

/**
 * What is said on a pair channel beside calls. The leader's first note is `attached`. If it comes again the leader begins anew: what it has
 * not answered it never will.
 */
export type PairNote<Info, Event> =
  | { readonly type: "attached"; readonly info: Info }
  | { readonly type: "event"; readonly event: Event };

/** What Comlink calls an Endpoint. Nothing can be transferred between tabs: it is copied. */
export interface PairEndpoint {
  postMessage(message: unknown, transfer?: Transferable[]): void;
  addEventListener(type: string, listener: EventListenerOrEventListenerObject): void;
  removeEventListener(type: string, listener: EventListenerOrEventListenerObject): void;
}

export interface Pair<Info, Event> {
  readonly endpoint: PairEndpoint;
  /** Does nothing once closed. */
  post(note: PairNote<Info, Event>): void;
  /** Idempotent. Calls under way are not answered any more. */
  close(): void;
}

/** Takes over the channel: nobody else may listen to it. What is neither call nor note is left aside. */
export function openPair<Info, Event>(
  channel: TabChannel,
  noted: (note: PairNote<Info, Event>) => void = () => {},
): Pair<Info, Event> {
  const listeners = new Set<EventListenerOrEventListenerObject>();
  const number = ++pairs;
  let greeting: PairNote<Info, Event> | undefined;
  let greetedBy: unknown;
  channel.listen((message) => {
    if (!isPairMessage(message)) return;
    if (message.type === "hello") {
      if (greeting !== undefined) channel.post({ ...greeting, number });
    } else if (message.type === "attached") {
      const isNew = message.number !== greetedBy;
      greetedBy = message.number;
      if (isNew) noted(message as PairNote<Info, Event>);
    } else if (message.type === "event") noted(message as PairNote<Info, Event>);
    else if (message.to === undefined || message.to === number) {
      for (const listener of [...listeners]) tell(listener, new MessageEvent("message", { data: message.data }));
    }
  });
  // Nobody promises that the channel is open before the leader has heard of us and answered: then its greeting was lost.
  channel.post({ type: "hello" });
  return {
    endpoint: {
      // A call that comes only after the leader began anew is asked again, in its place among those that were lost between.
      postMessage: (data) => channel.post({ type: "call", data, to: greetedBy }),
      addEventListener: (type, listener) => void (type === "message" && listeners.add(listener)),
      removeEventListener: (_type, listener) => void listeners.delete(listener),
    },
    post: (note) => {
      if (note.type === "attached") greeting = note;
      channel.post({ ...note, number });
    },
    close: () => {
      listeners.clear();
      channel.close();
    },
  };
}

/** How many were opened in this realm: tells apart those of one leader and page. */
let pairs = 0;

interface PairMessage {
  readonly type: "hello" | "call" | "attached" | "event";
  readonly data?: unknown;
  readonly number?: unknown;
  /** The end that is meant; undefined: whoever there is. */
  readonly to?: unknown;
}

function isPairMessage(message: unknown): message is PairMessage {
  if (typeof message !== "object" || message === null || !("type" in message)) return false;
  const { type } = message;
  return type === "hello" || type === "call" || type === "attached" || type === "event";
}

function tell(listener: EventListenerOrEventListenerObject, event: MessageEvent): void {
  if (typeof listener === "function") listener(event);
  else listener.handleEvent(event);
}
