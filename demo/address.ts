/**
 * What the page's address says, and how links are made.
 *
 *   ?as=name       another person in the same browser: the name of the instance
 *   ?relay=wss://… another relay
 *   #board=…       a board of this device; with /text, its text
 *   #tidemark:?…   a ticket: a key to a board. It is taken out of the address as soon as it is used.
 */
export type Route =
  | { readonly type: "start" }
  | { readonly type: "board"; readonly id: string; readonly part: Part }
  | { readonly type: "join"; readonly link: string };

/** What of a board is shown. */
export type Part = "notes" | "text";

const defaultInstance = "board";
const personKey = "tidemark-board/as";
const boardPrefix = "#board=";
const textSuffix = "/text";
const ticketStart = "tidemark:?";

export function readRoute(): Route {
  const { hash, href } = location;
  if (hash === "" || hash === "#") return { type: "start" };
  if (hash.startsWith(boardPrefix)) {
    const part: Part = hash.endsWith(textSuffix) ? "text" : "notes";
    const id = hash.slice(boardPrefix.length, part === "text" ? -textSuffix.length : undefined);
    return { type: "board", id, part };
  }
  // Whatever else it is, joining says what is wrong with it.
  return { type: "join", link: href };
}

export function boardHref(id: string, part: Part = "notes"): string {
  return boardPrefix + id + (part === "text" ? textSuffix : "");
}

/** Puts another route into the address without a step in the history: a ticket must not stay there. */
export function replaceRoute(hash: string): void {
  history.replaceState(null, "", location.pathname + location.search + hash);
}

/** A link to this page with a ticket behind the `#`, where no server sees it. */
export function shareLink(ticket: string): string {
  const url = new URL(location.href);
  url.searchParams.delete("as");
  url.hash = "";
  return `${url.href.replace(/#$/, "")}#${ticket}`;
}

/** Whether a link opens its board by itself; else whoever has it can ask to come in. */
export function hasSecret(link: string): boolean {
  return /[?&]in=/.test(link.slice(link.indexOf(ticketStart)));
}

/** Undefined for what is no link to a board. */
export function boardOf(link: string): string | undefined {
  return /tidemark:\?(?:[^#]*&)?db=([a-z0-9]+)/.exec(link)?.[1];
}

/** From the address, else what this tab chose before, else the usual one. */
export function readInstanceName(): string {
  const asked = new URLSearchParams(location.search).get("as");
  if (asked !== null && asked !== "") return asked;
  return readTab() ?? defaultInstance;
}

export function isUsualInstance(name: string): boolean {
  return name === defaultInstance;
}

/** Another person for this tab: kept for as long as the tab is. `taken` is the name that another tab uses. */
export function chooseNextPerson(taken: string): string {
  const number = /^person-(\d+)$/.exec(taken)?.[1];
  const name = `person-${number === undefined ? 2 : Number(number) + 1}`;
  try {
    sessionStorage.setItem(personKey, name);
  } catch {
    // Site data is blocked: the choice is lost with the next load.
  }
  return name;
}

export function readRelay(): string | undefined {
  const asked = new URLSearchParams(location.search).get("relay");
  if (asked !== null && asked !== "") return asked;
  const built = import.meta.env.VITE_RELAY_URL;
  if (built !== undefined && built !== "") return built;
  const isLocal = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
  return isLocal ? "ws://localhost:8787" : undefined;
}

function readTab(): string | undefined {
  try {
    return sessionStorage.getItem(personKey) ?? undefined;
  } catch {
    return undefined;
  }
}
