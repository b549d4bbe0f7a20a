import fc from "fast-check";
import { expect, test } from "vitest";
import { SeededRandom } from "../testing/random.ts";
import { FrameAssembler, FramePacker, frameBytesMax } from "./frames.ts";

const unlimited = 2 ** 32 - 1;

function pack(messages: readonly Uint8Array[], bytesMax?: number): Uint8Array[] {
  const packer = new FramePacker(bytesMax);
  for (const message of messages) packer.add(message);
  return takeAll(packer);
}

function takeAll(packer: FramePacker): Uint8Array[] {
  const frames: Uint8Array[] = [];
  for (let frame = packer.take(); frame !== undefined; frame = packer.take()) frames.push(frame);
  expect(packer.bytes).toBe(0);
  return frames;
}

/** Everything the frames give, and the code they were refused with, if they were. */
function assemble(frames: readonly Uint8Array[], limit = unlimited): { messages: Uint8Array[]; code?: string } {
  const assembler = new FrameAssembler(limit);
  const messages: Uint8Array[] = [];
  for (const frame of frames) {
    assembler.push(frame);
    for (;;) {
      const next = assembler.next();
      if (!next.ok) return { messages, code: next.failure.code };
      if (next.value === undefined) break;
      messages.push(next.value);
    }
  }
  return { messages };
}

function message(bytes: number, seed = bytes): Uint8Array {
  return new SeededRandom(seed).bytes(bytes);
}

const messagesOf = (lengthMax: number) => fc.array(fc.uint8Array({ maxLength: lengthMax }), { maxLength: 30 });

test("[FRAME-1] messages of any sizes in frames of any size come out as they went in", () => {
  fc.assert(
    fc.property(messagesOf(60), fc.integer({ min: 5, max: 80 }), (messages, bytesMax) => {
      expect(assemble(pack(messages, bytesMax))).toEqual({ messages });
    }),
    { numRuns: 1_000 },
  );
});

test("[FRAME-1] so do messages much larger than a frame, among small ones, while more are added", () => {
  const sizes = [
    0,
    1,
    frameBytesMax - 5,
    frameBytesMax - 4,
    frameBytesMax - 3,
    frameBytesMax,
    300_000,
    3,
    1_500_000,
    0,
  ];
  const messages = sizes.map((size, index) => message(size, index));
  const packer = new FramePacker();
  const frames: Uint8Array[] = [];
  for (const one of messages) {
    packer.add(one);
    frames.push(packer.take() ?? new Uint8Array(0));
  }
  frames.push(...takeAll(packer));
  const arrived = assemble(frames).messages;
  expect(arrived.map((one) => one.length)).toEqual(sizes);
  for (const [index, one] of arrived.entries()) expect(Buffer.compare(one, messages[index] ?? one.slice(1))).toBe(0);
});

test("[FRAME-2] frames are never empty nor too large, and all but the last are full to within a length", () => {
  fc.assert(
    fc.property(messagesOf(60), fc.integer({ min: 5, max: 80 }), (messages, bytesMax) => {
      const frames = pack(messages, bytesMax);
      for (const [index, frame] of frames.entries()) {
        expect(frame.length).toBeGreaterThan(0);
        expect(frame.length).toBeLessThanOrEqual(bytesMax);
        if (index < frames.length - 1) expect(frame.length).toBeGreaterThan(bytesMax - 4);
        expect(frame.buffer.byteLength).toBe(frame.length);
      }
    }),
  );
});

test("[FRAME-3] a message above the limit is refused at its first byte, those before it arrive", () => {
  fc.assert(
    fc.property(messagesOf(60), fc.nat(59), fc.integer({ min: 5, max: 80 }), (messages, limit, bytesMax) => {
      const at = messages.findIndex((one) => one.length > limit);
      const expected = at < 0 ? { messages } : { messages: messages.slice(0, at), code: "MESSAGE_TOO_LARGE" };
      expect(assemble(pack(messages, bytesMax), limit)).toEqual(expected);
    }),
  );
  expect(assemble([Uint8Array.of(0xff, 0xff, 0xff, 0xff)], 1_000).code).toBe("MESSAGE_TOO_LARGE");
});

test("[FRAME-3] a limit that was raised counts for the next message of the same frame", () => {
  const assembler = new FrameAssembler(4);
  for (const frame of pack([message(4), message(5)])) assembler.push(frame);
  expect(assembler.next()).toEqual({ ok: true, value: message(4) });
  assembler.limit = 5;
  expect(assembler.next()).toEqual({ ok: true, value: message(5) });
});

test("[FRAME-4] a claimed length costs no more memory than twice what arrived, or 256 KiB", () => {
  const assembler = new FrameAssembler(unlimited);
  let arrived = 0;
  for (const frame of pack([message(3_000_000)], 10_000).slice(0, -1)) {
    assembler.push(frame);
    expect(assembler.next()).toEqual({ ok: true, value: undefined });
    arrived += frame.length;
    expect(assembler.heldBytes).toBeLessThanOrEqual(Math.max(2 * arrived, 256 * 1024));
  }
  expect(assembler.heldBytes).toBeGreaterThan(arrived / 2);
});

test("[FRAME-5] an empty frame, one above 64 KiB and a cut length are refused, and so is all that follows", () => {
  const good = pack([message(3)]);
  for (const bad of [new Uint8Array(0), new Uint8Array(frameBytesMax + 1), Uint8Array.of(0, 0, 0)]) {
    const assembler = new FrameAssembler(unlimited);
    for (const frame of [bad, ...good]) {
      assembler.push(frame);
      expect(assembler.next()).toMatchObject({ ok: false, failure: { code: "FRAME_MALFORMED" } });
    }
    expect(assembler.heldBytes).toBe(0);
  }
});

test("[FRAME-5] random bytes end in messages within the limit or in a refusal, never in more memory than arrived", () => {
  const hostile = fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.constant(Uint8Array.of(0, 0, 0, 30)));
  fc.assert(
    fc.property(fc.array(hostile, { maxLength: 20 }), fc.nat(64), (frames, limit) => {
      const { messages, code } = assemble(frames, limit);
      const arrived = frames.reduce((sum, frame) => sum + frame.length, 0);
      expect(messages.reduce((sum, one) => sum + one.length, 0)).toBeLessThanOrEqual(arrived);
      for (const one of messages) expect(one.length).toBeLessThanOrEqual(limit);
      expect(["FRAME_MALFORMED", "MESSAGE_TOO_LARGE", undefined]).toContain(code);
    }),
    { numRuns: 2_000 },
  );
});
