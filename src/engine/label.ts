/** Short texts that people and apps give things. */
import { show, TidemarkError } from "../core/errors.ts";
import { utf8Length } from "../core/utf8.ts";

const control = /\p{Cc}/u;

export function isTextOf(text: unknown, bytesMax: number): text is string {
  if (typeof text !== "string") return false;
  const length = utf8Length(text);
  return length >= 0 && length <= bytesMax;
}

/** Not empty, and without characters that could hide the rest of it. */
export function isLabel(text: string, bytesMax: number): boolean {
  return text !== "" && isTextOf(text, bytesMax) && !control.test(text);
}

/** Fails with INPUT_INVALID when the text is longer, is not well-formed, or has a control character, which could hide the rest of it. */
export function checkLabel(field: string, text: string, bytesMax: number): void {
  if (isTextOf(text, bytesMax) && !control.test(text)) return;
  const expected = `well-formed text of at most ${bytesMax} bytes without control characters`;
  throw new TidemarkError("INPUT_INVALID", { field, got: show(text), expected });
}
