import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeNote, noteBytesMax, notesOfSignals, parseNote, type Signal, type SignalNote } from "./signal.ts";

const attempt = "0123456789abcdef";
const sdp = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:0\r\n";

const hex16 = fc.stringMatching(/^[0-9a-f]{16}$/);
const signal: fc.Arbitrary<Signal> = fc.oneof(
  fc.record({
    type: fc.constantFrom("offer" as const, "answer" as const),
    sdp: fc.nat().map((n) => `${sdp}a=x:${n}\r\n`),
  }),
  fc.record({
    type: fc.constant("candidate" as const),
    candidate: fc.string({ maxLength: 1_024 }),
    sdpMLineIndex: fc.constant(0),
    sdpMid: fc.option(fc.string({ maxLength: 32 })),
  }),
);
const note: fc.Arbitrary<SignalNote> = fc.oneof(
  fc.constant({ type: "hello" as const }),
  fc.record({ type: fc.constant("ask" as const), attempt: hex16 }),
  fc.record({ type: fc.constant("signals" as const), attempt: hex16, signals: fc.array(signal, { maxLength: 4 }) }),
);

function encodeJson(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

test("[SIGNAL-1] every note comes out as it went in", () => {
  fc.assert(
    fc.property(note, (one) => {
      expect(parseNote(encodeNote(one))).toEqual({ ok: true, value: one });
    }),
  );
});

test("[SIGNAL-1] many signals are split over notes that fit, in order", () => {
  fc.assert(
    fc.property(fc.array(signal, { minLength: 1, maxLength: 200 }), (signals) => {
      const notes = notesOfSignals(attempt, signals);
      const arrived = notes.flatMap((bytes) => {
        expect(bytes.length).toBeLessThanOrEqual(noteBytesMax);
        const parsed = parseNote(bytes);
        return parsed.ok && parsed.value.type === "signals" ? parsed.value.signals : [];
      });
      expect(arrived).toEqual(signals);
    }),
    { numRuns: 30 },
  );
});

test("[SIGNAL-1] a signal too large for any note is left out, the others are not", () => {
  const large: Signal = { type: "offer", sdp: sdp + "a=x\r\n".repeat(10_000) };
  const small: Signal = { type: "candidate", candidate: "c", sdpMLineIndex: 0, sdpMid: null };
  const notes = notesOfSignals(attempt, [small, large, small]);
  expect(notes.map((bytes) => parseNote(bytes))).toEqual(
    [small, small].map((one) => ({ ok: true, value: { type: "signals", attempt, signals: [one] } })),
  );
});

const candidate = { type: "candidate", candidate: "c", sdpMLineIndex: 0, sdpMid: "0" };
const refused: Readonly<Record<string, unknown>> = {
  "no object": [1],
  "another type": { type: "bye", attempt },
  "no attempt": { type: "ask" },
  "an attempt of another form": { type: "ask", attempt: `${attempt}0` },
  "signals that are no array": { type: "signals", attempt, signals: {} },
  "too many signals": { type: "signals", attempt, signals: Array.from({ length: 65 }, () => candidate) },
  "a wish to negotiate again": { type: "signals", attempt, signals: [{ type: "renegotiate", renegotiate: true }] },
  "a wish for sound": { type: "signals", attempt, signals: [{ type: "transceiverRequest" }] },
  "a description with sound": {
    type: "signals",
    attempt,
    signals: [{ type: "offer", sdp: `${sdp}m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n` }],
  },
  "a description of sound alone": {
    type: "signals",
    attempt,
    signals: [{ type: "offer", sdp: "v=0\r\nm=audio 9 x 1\r\n" }],
  },
  "a description of nothing": { type: "signals", attempt, signals: [{ type: "answer", sdp: "" }] },
  "two data channels": { type: "signals", attempt, signals: [{ type: "answer", sdp: sdp + sdp }] },
  "a candidate for no part": {
    type: "signals",
    attempt,
    signals: [{ ...candidate, sdpMLineIndex: null, sdpMid: null }],
  },
  "a candidate for another part": { type: "signals", attempt, signals: [{ ...candidate, sdpMLineIndex: 1 }] },
  "a huge candidate": { type: "signals", attempt, signals: [{ ...candidate, candidate: "c".repeat(1_025) }] },
};

for (const [name, value] of Object.entries(refused)) {
  test(`[SIGNAL-2] refused: ${name}`, () => {
    expect(parseNote(encodeJson(value))).toMatchObject({ ok: false, failure: { code: "MESSAGE_MALFORMED" } });
  });
}

test("[SIGNAL-2] random bytes, random JSON, bad UTF-8 and notes that are too large are refused or are notes, never a crash", () => {
  const large = encodeJson({ type: "hello", more: "x".repeat(noteBytesMax) });
  const deep = new TextEncoder().encode("[".repeat(noteBytesMax));
  for (const bytes of [large, deep, Uint8Array.of(0x22, 0xff, 0x22)]) expect(parseNote(bytes).ok).toBe(false);
  const hostile = fc.oneof(
    fc.uint8Array(),
    fc.json().map((text) => new TextEncoder().encode(text)),
  );
  fc.assert(
    fc.property(hostile, (bytes) => {
      const parsed = parseNote(bytes);
      if (!parsed.ok) expect(parsed.failure.code).toBe("MESSAGE_MALFORMED");
    }),
    { numRuns: 1_000 },
  );
});
