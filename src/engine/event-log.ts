/**
 * What happened lately, for people who help other people: without secrets, contents or whole keys.
 *
 * [LOG-1] The last 1,000 events are kept, oldest first.
 * [LOG-2] Nowhere in an event is a whole key, id, CID or secret of a ticket.
 * [LOG-3] An event is small: texts of at most 120 characters, at most 16 details.
 * [LOG-4] A listener hears of every event, and one that throws harms nothing.
 */
import { attempt } from "../core/errors.ts";
import { parseCid } from "../core/ids.ts";
import type { Clock } from "../ports/clock.ts";

export interface LoggedEvent {
  readonly atMs: number;
  /** Past tense, such as "path.opened". */
  readonly event: string;
  readonly level: "debug" | "info" | "warn" | "error";
  /** The same for all that belongs together: one path, one job, one command. */
  readonly correlation: string | undefined;
  /** Keys and ids are shortened to eight digits. */
  readonly details: Readonly<Record<string, string | number | boolean>>;
}

type Detail = LoggedEvent["details"][string];

const eventsMax = 1_000;
const detailsMax = 16;
const textLengthMax = 120;
/** Longer texts are cut before they are looked through, which takes time. */
const readLengthMax = 1_000;
const shortDigits = 8;
const redacted = "[redacted]";

/** A ticket, a link with one, or a part of one, also when it is the parameter of another link. */
const ticket = /tidemark(:|%(25)*3a)|in(=|%(25)*3d)/i;
/** Whatever is long enough to be a key, an id, or most of a secret: those are 43 digits and more, an epoch is 32. */
const longRun = /[\w-]{33,}/g;
const hexRun = /^[0-9a-f-]+$/i;

export class EventLog {
  readonly #clock: Clock;
  readonly #listener: ((event: LoggedEvent) => void) | undefined;
  /** A ring once it is full; `#next` is the oldest then. */
  readonly #events: LoggedEvent[] = [];
  #next = 0;
  #isTelling = false;

  /** What the listener itself logs is kept, and not told to it. */
  constructor(clock: Clock, listener?: (event: LoggedEvent) => void) {
    this.#clock = clock;
    this.#listener = listener;
  }

  /** Keeps what happened, redacted; the details beyond the sixteenth are left out. */
  log(
    level: LoggedEvent["level"],
    event: string,
    correlation: string | undefined,
    details: LoggedEvent["details"] = {},
  ): void {
    const logged: LoggedEvent = {
      atMs: this.#clock.now(),
      event: redactText(event),
      level,
      correlation: correlation === undefined ? undefined : redactText(correlation),
      details: redactDetails(details),
    };
    this.#events[this.#next] = logged;
    this.#next = (this.#next + 1) % eventsMax;
    this.#tell(logged);
  }

  /** Oldest first. */
  events(): readonly LoggedEvent[] {
    return [...this.#events.slice(this.#next), ...this.#events.slice(0, this.#next)];
  }

  #tell(event: LoggedEvent): void {
    if (this.#isTelling) return;
    this.#isTelling = true;
    try {
      this.#listener?.(event);
    } catch {
      // What is wrong with a listener is not what happened here.
    } finally {
      this.#isTelling = false;
    }
  }
}

function redactDetails(details: LoggedEvent["details"]): LoggedEvent["details"] {
  const kept = Object.entries(details).slice(0, detailsMax);
  return Object.fromEntries(kept.map(([name, value]): [string, Detail] => [redactText(name), redact(value)]));
}

function redact(value: Detail): Detail {
  return typeof value === "number" || typeof value === "boolean" ? value : redactText(String(value));
}

function redactText(text: string): string {
  // What a cut leaves of a key at the end is left out: it would not be known as one.
  const read = text.length > readLengthMax ? text.slice(0, readLengthMax).replace(/[\w-]+$/, "…") : text;
  if (ticket.test(read)) return redacted;
  const short = read.replace(longRun, shorten);
  return short.length > textLengthMax ? `${short.slice(0, textLengthMax - 1)}…` : short;
}

/** Keys and ids are known by their first digits; what else is long may be a secret. */
function shorten(run: string): string {
  if (hexRun.test(run)) return `${run.slice(0, shortDigits)}…`;
  const id = attempt(() => parseCid(run));
  return id.ok ? `${id.value.slice(0, shortDigits)}…` : redacted;
}
