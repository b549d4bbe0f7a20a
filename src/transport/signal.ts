/**
 * What two connections tell each other before they are connected, as one device sends it to another.
 *
 * [SIGNAL-1] A note holds one step of one attempt: `hello`, `ask`, or signals; `parseNote` is the inverse of `encodeNote`.
 * [SIGNAL-2] Everything else is refused with MESSAGE_MALFORMED: above all descriptions of anything but one data channel.
 *
 * What the browser reads in a description is its own affair: this only refuses what we never send.
 */
import { failure, type Result, show, success } from "../core/errors.ts";

export type Signal =
  | { readonly type: "offer" | "answer"; readonly sdp: string }
  | {
      readonly type: "candidate";
      readonly candidate: string;
      readonly sdpMLineIndex: number | null;
      readonly sdpMid: string | null;
    };

export type SignalNote =
  /** "I have no connection to you", from the initiator. */
  | { readonly type: "hello" }
  /** "Make me an offer", from the other side, which names the attempt. */
  | { readonly type: "ask"; readonly attempt: string }
  | { readonly type: "signals"; readonly attempt: string; readonly signals: readonly Signal[] };

/** What the introducer carries. */
export const noteBytesMax: number = 16 * 1024;
const signalsPerNoteMax = 64;
const candidateLengthMax = 1_024;
const attemptPattern = /^[0-9a-f]{16}$/;

export function encodeNote(note: SignalNote): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(note));
}

/** Notes that carry all signals, in order. A signal that fits no note is left out: it could not be sent anyhow. */
export function notesOfSignals(attempt: string, signals: readonly Signal[]): Uint8Array[] {
  const notes: Uint8Array[] = [];
  let rest = signals;
  while (rest.length > 0) {
    let count = Math.min(rest.length, signalsPerNoteMax);
    let note = encodeNote({ type: "signals", attempt, signals: rest.slice(0, count) });
    while (note.length > noteBytesMax && count > 1) {
      count = count >> 1;
      note = encodeNote({ type: "signals", attempt, signals: rest.slice(0, count) });
    }
    if (note.length <= noteBytesMax) notes.push(note);
    rest = rest.slice(count);
  }
  return notes;
}

/** Fails with MESSAGE_MALFORMED. */
export function parseNote(bytes: Uint8Array): Result<SignalNote> {
  if (bytes.length > noteBytesMax) return malformed("note", bytes, `at most ${noteBytesMax} bytes`);
  const note = parseJson(bytes);
  if (!isRecord(note)) return malformed("note", note, "an object");
  if (note.type === "hello") return success({ type: "hello" });
  const attempt = note.attempt;
  if (typeof attempt !== "string" || !attemptPattern.test(attempt))
    return malformed("attempt", attempt, "16 hex digits");
  if (note.type === "ask") return success({ type: "ask", attempt });
  if (note.type !== "signals") return malformed("type", note.type, "hello, ask or signals");
  return parseSignals(attempt, note.signals);
}

function parseSignals(attempt: string, list: unknown): Result<SignalNote> {
  if (!Array.isArray(list) || list.length > signalsPerNoteMax) {
    return malformed("signals", list, `an array of at most ${signalsPerNoteMax}`);
  }
  const signals: Signal[] = [];
  for (const item of list) {
    const signal = parseSignal(item);
    if (signal === undefined) return malformed("signal", item, "an offer, an answer or a candidate");
    signals.push(signal);
  }
  return success({ type: "signals", attempt, signals });
}

function parseSignal(item: unknown): Signal | undefined {
  if (!isRecord(item)) return undefined;
  const { type, sdp, candidate, sdpMLineIndex, sdpMid } = item;
  if (type === "offer" || type === "answer") {
    return typeof sdp === "string" && describesOneDataChannel(sdp) ? { type, sdp } : undefined;
  }
  if (type !== "candidate" || typeof candidate !== "string" || candidate.length > candidateLengthMax) return undefined;
  // The browser throws unless one of them says which part of the description is meant; ours has only the first.
  if (sdpMLineIndex !== 0 && (sdpMLineIndex !== null || typeof sdpMid !== "string")) return undefined;
  if (sdpMid !== null && (typeof sdpMid !== "string" || sdpMid.length > 32)) return undefined;
  return { type, candidate, sdpMLineIndex, sdpMid };
}

/** Sound and video in a description would make the browser set up decoders for whoever asks. */
function describesOneDataChannel(sdp: string): boolean {
  const sections = sdp.match(/^m=.*$/gm) ?? [];
  return sections.length === 1 && (sections[0] ?? "").startsWith("m=application ");
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function malformed(field: string, got: unknown, expected: string): Result<never> {
  return failure("MESSAGE_MALFORMED", { field, got: show(got), expected });
}
