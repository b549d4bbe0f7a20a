/** The last events of the engine's log and the last exchanges with others, the newest first. */
import type { Exchange, LoggedEvent } from "tidemark";
import { bytesWords, secondWords, timeWords } from "./amounts.ts";
import { element } from "./element.ts";
import { explainCode } from "./explain.ts";

const eventsShown = 20;
const exchangesShown = 10;

export function eventList(events: readonly LoggedEvent[]): HTMLElement {
  if (events.length === 0) return element("p", { class: "fine" }, "Nothing has happened yet.");
  const items = events.slice(-eventsShown).reverse().map(eventItem);
  return element("ol", { role: "list", class: "events" }, ...items);
}

function eventItem({ atMs, event, level, details }: LoggedEvent): HTMLElement {
  const told = Object.entries(details).map(([name, value]) => `${name} ${value}`);
  const isBad = level === "warn" || level === "error";
  return element(
    "li",
    {},
    element("p", {}, `${secondWords(atMs)} ${isBad ? `${level}: ` : ""}${event}`),
    ...(told.length === 0 ? [] : [element("p", { class: "fine" }, told.join(", "))]),
  );
}

export function exchangeList(exchanges: readonly Exchange[], nameOf: (key: string) => string): HTMLElement {
  if (exchanges.length === 0) return element("p", { class: "fine" }, "Nothing was exchanged with others yet.");
  const items = exchanges
    .slice(-exchangesShown)
    .reverse()
    .map((exchange) => exchangeItem(exchange, nameOf(exchange.peer)));
  return element("ol", { role: "list", class: "events" }, ...items);
}

function exchangeItem(exchange: Exchange, name: string): HTMLElement {
  const { endedMs, entriesSent, entriesReceived, bytesSent, bytesReceived, error } = exchange;
  const outcome = error === undefined ? "ended in agreement" : explainCode(error).title;
  return element(
    "li",
    {},
    element("p", {}, `${timeWords(endedMs)} `, element("bdi", {}, name), `: ${outcome}`),
    element(
      "p",
      { class: "fine" },
      `Sent ${sideWords(entriesSent, bytesSent)}, got ${sideWords(entriesReceived, bytesReceived)}`,
    ),
  );
}

function sideWords(entries: number, bytes: number): string {
  return `${entries.toLocaleString("en")} (${bytesWords(bytes)})`;
}
