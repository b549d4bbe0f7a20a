/** The engine's own numbers, in a small table. */
import type { MetricsSnapshot } from "tidemark";
import { bytesWords, durationWords } from "./amounts.ts";
import { element } from "./element.ts";

export function numbersTable({ counters, gauges, latencies }: MetricsSnapshot): HTMLElement {
  const rows = [
    ...Object.entries({ ...counters, ...gauges }).map(([name, value]) => row(name, valueWords(name, value))),
    ...Object.entries(latencies).map(([name, { p50, p99 }]) => {
      return row(name, `${durationWords(p50)}, at worst ${durationWords(p99)}`);
    }),
  ];
  if (rows.length === 0) return element("p", { class: "fine" }, "Nothing was counted yet.");
  const head = element(
    "thead",
    { class: "unseen" },
    element("tr", {}, element("th", { scope: "col" }, "What"), element("th", { scope: "col" }, "How much")),
  );
  return element("table", { class: "numbers" }, head, element("tbody", {}, ...rows));
}

function row(name: string, words: string): HTMLElement {
  return element("tr", {}, element("th", { scope: "row" }, nameWords(name)), element("td", {}, words));
}

/** "bytes.sent" → "Bytes sent". */
function nameWords(name: string): string {
  const words = name.replace(/[._]/g, " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function valueWords(name: string, value: number): string {
  return name.includes("bytes") ? bytesWords(value) : value.toLocaleString("en", { maximumFractionDigits: 1 });
}
