import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeBase64Url } from "../core/base64url.ts";
import { encodeHex, entryIdFromDigest, formatCid, publicKeyFromBytes } from "../core/ids.ts";
import { formatTicket } from "../core/ticket.ts";
import { SimulatedClock } from "../testing/clock.ts";
import { EventLog, type LoggedEvent } from "./event-log.ts";

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });

interface Secret {
  /** As it may get into a log. */
  readonly shown: string;
  /** None of these may be in it afterwards. */
  readonly parts: readonly string[];
}

function ticketOf(id: Uint8Array, secret: Uint8Array): string {
  const [relays, peers] = [["wss://relay.example/"], [publicKeyFromBytes(id)]];
  return formatTicket({ database: entryIdFromDigest(id), secret, relays, peers, addresses: [] }, () => secret);
}

const secretOrId: fc.Arbitrary<Secret> = fc.tuple(bytes32, bytes32, fc.nat(9)).map(([id, secret, form]): Secret => {
  const [hex, cid, seed] = [encodeHex(id), formatCid(entryIdFromDigest(id)), encodeBase64Url(secret)];
  const shown = [
    hex,
    hex.toUpperCase(),
    cid,
    seed,
    encodeHex(secret),
    ticketOf(id, secret),
    `https://app.example/#${ticketOf(id, secret)}`,
    `https://app.example/?next=${encodeURIComponent(`/#${ticketOf(id, secret)}`)}`,
    `in=${seed}`,
    `${hex}${hex}`,
  ][form] as string;
  return { shown, parts: [hex, hex.toUpperCase(), cid, seed, encodeHex(secret)] };
});

/** Text around it that could hide it from a rule that looks for word borders, or make a cut fall into it. */
const around = fc.oneof(
  fc.string({ maxLength: 20 }),
  fc.constantFrom("", "peer:", "_", "0", "a-", '{"key":"', "x".repeat(70)),
  fc.integer({ min: 900, max: 1_010 }).map((length) => "x ".repeat(length / 2)),
  // Is short afterwards, so that what follows would show.
  fc.integer({ min: 950, max: 1_000 }).map((length) => `${"a".repeat(length)}:`),
);
const hiding = fc.tuple(around, secretOrId, around).map(([before, { shown, parts }, after]) => {
  return { text: before + shown + after, parts };
});

const hexOf64 = /[0-9a-f]{64}/i;
const cidText = /bafyrei[a-z2-7]{52}/;

test("[LOG-2] no key, id, CID or secret of a ticket survives anywhere in an event, however it is put in", () => {
  const places = fc.record({ event: hiding, correlation: hiding, name: hiding, value: hiding, another: hiding });
  fc.assert(
    fc.property(places, ({ event, correlation, name, value, another }) => {
      const log = new EventLog(new SimulatedClock());
      log.log("info", event.text, correlation.text, { [name.text]: 1, value: value.text, another: another.text });
      const shown = JSON.stringify(log.events());
      expect(shown).not.toMatch(hexOf64);
      expect(shown).not.toMatch(cidText);
      for (const { parts } of [event, correlation, name, value, another]) {
        // Nor enough of it to guess the rest.
        for (const part of parts)
          for (const start of [0, 20]) expect(shown).not.toContain(part.slice(start, start + 12));
      }
    }),
    { numRuns: 1_000 },
  );
});

test("[LOG-2] keys, ids and CIDs are known by the same eight digits; what may be a secret is not known at all", () => {
  const log = new EventLog(new SimulatedClock());
  const bytes = Uint8Array.from({ length: 32 }, (_, n) => n * 7);
  const hex = encodeHex(bytes);
  const short = `${hex.slice(0, 8)}…`;
  log.log("info", "path.opened", hex, {
    peer: hex,
    address: `peer:${hex}`,
    database: formatCid(entryIdFromDigest(bytes)),
    secret: encodeBase64Url(bytes),
    ticket: ticketOf(bytes, bytes),
    epoch: hex.slice(0, 32),
    path: "webrtc",
    entries: 3,
    carries: true,
  });
  expect(log.events()).toEqual([
    {
      atMs: 1_700_000_000_000,
      event: "path.opened",
      level: "info",
      correlation: short,
      details: {
        peer: short,
        address: `peer:${short}`,
        database: short,
        secret: "[redacted]",
        ticket: "[redacted]",
        epoch: hex.slice(0, 32),
        path: "webrtc",
        entries: 3,
        carries: true,
      },
    },
  ]);
});

test("[LOG-3] texts are cut to 120 characters, and details to sixteen", () => {
  fc.assert(
    fc.property(
      fc.string({ maxLength: 3_000 }),
      fc.dictionary(fc.string(), fc.string({ maxLength: 300 })),
      (text, details) => {
        const log = new EventLog(new SimulatedClock());
        log.log("warn", text, text, {
          ...details,
          ...Object.fromEntries(Array.from({ length: 20 }, (_, n) => [n, text])),
        });
        const [event] = log.events();
        expect(Object.keys(event?.details ?? {}).length).toBeLessThanOrEqual(16);
        for (const [name, value] of Object.entries(event?.details ?? {})) {
          expect(name.length).toBeLessThanOrEqual(120);
          expect(String(value).length).toBeLessThanOrEqual(120);
        }
        expect(event?.event.length).toBeLessThanOrEqual(120);
        expect(event?.correlation?.length).toBeLessThanOrEqual(120);
      },
    ),
  );
});

test("[LOG-3] what is no text, number or truth is logged as text", () => {
  const log = new EventLog(new SimulatedClock());
  log.log("debug", "odd", undefined, { gone: undefined, big: 10n ** 80n, list: ["ab".repeat(32)] } as unknown as Record<
    string,
    string
  >);
  expect(log.events()[0]?.details).toEqual({
    gone: "undefined",
    big: expect.not.stringMatching(hexOf64),
    list: "abababab…",
  });
});

test("[LOG-1] the last 1,000 events are kept, oldest first, with their times", () => {
  const clock = new SimulatedClock(0);
  const log = new EventLog(clock);
  for (let n = 0; n < 2_345; n++) {
    clock.advance(1);
    if (n === 10)
      expect(log.events().map(({ event }) => event)).toEqual(Array.from({ length: 10 }, (_, at) => `event ${at}`));
    log.log("info", `event ${n}`, undefined, {});
  }
  const events = log.events();
  expect(events).toHaveLength(1_000);
  expect(events.map(({ event }) => event)).toEqual(Array.from({ length: 1_000 }, (_, at) => `event ${1_345 + at}`));
  expect(events.at(-1)?.atMs).toBe(2_345);
});

test("[LOG-4] a listener hears of every event as it is kept, and one that throws or logs itself harms nothing", () => {
  const clock = new SimulatedClock();
  const heard: LoggedEvent[] = [];
  const log: EventLog = new EventLog(clock, (event) => {
    heard.push(event);
    log.log("debug", "heard", undefined, {});
    throw new Error("no");
  });
  log.log("info", "first", "ab".repeat(32), {});
  log.log("info", "second", undefined, {});
  expect(log.events().map(({ event }) => event)).toEqual(["first", "heard", "second", "heard"]);
  expect(heard).toEqual(log.events().filter(({ event }) => event !== "heard"));
  expect(heard[0]?.correlation).toBe("abababab…");
});
