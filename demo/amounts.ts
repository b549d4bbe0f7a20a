/** Amounts, rates and times as people read them. */
import { countWords } from "./element.ts";

const kilo = 1_000;

/** "1 byte", "940 bytes", "1.2 kB", "34 MB", "10 GB". */
export function bytesWords(bytes: number): string {
  if (bytes < kilo) return countWords(Math.round(bytes), "byte");
  const unit = bytes < kilo ** 2 ? "kB" : bytes < kilo ** 3 ? "MB" : "GB";
  const scaled = bytes / kilo ** { kB: 1, MB: 2, GB: 3 }[unit];
  return `${scaled.toLocaleString("en", { maximumFractionDigits: scaled < 10 ? 1 : 0 })} ${unit}`;
}

/** "3 changes (1.2 kB)". */
export function amountWords({ entries, bytes }: { readonly entries: number; readonly bytes: number }): string {
  return `${countWords(entries, "change")} (${bytesWords(bytes)})`;
}

/** "14:03" for today, "21 Nov, 14:03" for other days. */
export function timeWords(ms: number): string {
  const date = new Date(ms);
  const time = date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  if (date.toDateString() === new Date().toDateString()) return time;
  return `${date.toLocaleDateString("en-GB", { day: "numeric", month: "short" })}, ${time}`;
}

/** "14:03:07": where one thing follows another. */
export function secondWords(ms: number): string {
  return new Date(ms).toLocaleTimeString("en-GB");
}

/** "0.4 ms", "12 ms", "3.1 s". */
export function durationWords(ms: number): string {
  const [scaled, unit] = ms < kilo ? [ms, "ms"] : [ms / kilo, "s"];
  return `${scaled.toLocaleString("en", { maximumFractionDigits: scaled < 10 ? 1 : 0 })} ${unit}`;
}
