/** Shown from the opening of a link until the board is here: what is waited for, how far it is, and a way out. */
import { type Database, type DatabaseStatus, type ErrorDetails, type Stop, TidemarkError } from "tidemark";
import { element, setText } from "./element.ts";
import { type Explanation, endsAll, explain, hasCode } from "./explain.ts";
import { icon, mark } from "./icons.ts";
import { Transfers } from "./transfers.ts";
import type { Surroundings, View } from "./view.ts";

export interface JoiningOwner {
  /** The board is here. */
  arrived(): void;
  /** Nobody wants to wait any longer. */
  gaveUp(): void;
}

export class Joining implements View {
  readonly layout = "notice";
  readonly title = "Joining";
  readonly elements: readonly HTMLElement[];
  readonly ready: Promise<void> = Promise.resolve();
  readonly #around: Surroundings;
  readonly #heading = element("h1", { tabindex: -1 }, "Joining a board");
  readonly #text = element("p", { class: "lead", role: "status" });
  readonly #bar = element("progress", { "aria-label": "Waiting for the board" });
  readonly #transfers: Transfers;
  readonly #waiting = new AbortController();
  readonly #stops: Stop[] = [];
  #hasArrived = false;
  #isRefused = false;

  constructor(database: Database, around: Surroundings, owner: JoiningOwner) {
    this.#around = around;
    this.#transfers = new Transfers(database, {
      nameOf: () => "the other device",
      announcer: around.announcer,
      report: (error) => this.#report(error),
    });
    this.elements = [
      element(
        "main",
        { class: "notice", id: "main", tabindex: -1 },
        mark(),
        this.#heading,
        this.#text,
        this.#bar,
        this.#transfers.element,
        this.#actions(owner),
      ),
    ];
    this.#stops.push(
      database.sync.subscribe((status) => {
        if (hasArrived(status)) this.#arrive(owner);
        else this.#showStatus(status);
      }),
    );
    database.ready({ signal: this.#waiting.signal }).then(
      () => this.#arrive(owner),
      (error: unknown) => this.#fail(error),
    );
  }

  focus(): void {
    this.#heading.focus({ preventScroll: true });
  }

  close(): void {
    this.#waiting.abort();
    this.#transfers.close();
    for (const stop of this.#stops) stop();
  }

  #arrive(owner: JoiningOwner): void {
    if (this.#hasArrived) return;
    this.#hasArrived = true;
    owner.arrived();
  }

  #showStatus(status: DatabaseStatus): void {
    if (this.#isRefused) return;
    const onHold = "Receiving is on hold. Go on whenever you like.";
    const isAsking = status.access.state === "pending";
    setText(this.#heading, isAsking ? "You have asked to come in" : "Joining a board");
    const words = isAsking ? askingWords(status) : waitingWords(status);
    setText(this.#text, this.#transfers.isOnHold && status.online ? onHold : words);
    // Once something comes, its own bar says more.
    this.#bar.hidden = !this.#transfers.element.hidden;
  }

  #fail(error: unknown): void {
    if (hasCode(error, "ABORTED")) return;
    if (endsAll(error)) return this.#around.giveUp(error);
    this.#isRefused = true;
    const { title, hint } = refusalWords(error);
    setText(this.#heading, title);
    setText(this.#text, hint);
    this.#bar.hidden = true;
  }

  #report(error: unknown): void {
    const { title, hint } = explain(error);
    this.#around.toasts.show(title, { hint, isError: true });
  }

  #actions(owner: JoiningOwner): HTMLElement {
    const stop = element("button", { type: "button" }, "Stop waiting");
    stop.addEventListener("click", () => owner.gaveUp());
    return element("p", { class: "actions" }, element("a", { href: "#", class: "back" }, icon("back"), "Boards"), stop);
  }
}

function refusalWords(error: unknown): Explanation {
  if (error instanceof TidemarkError && error.code === "JOIN_REFUSED") {
    const { reason } = error.details as ErrorDetails["JOIN_REFUSED"];
    if (reason === "rejected")
      return {
        title: "You were turned down",
        hint: "Somebody on the board decided so. If it was a mistake, ask them for a link.",
      };
    if (reason === "removed")
      return {
        title: "You are no longer on this board",
        hint: "Somebody took you off it. A link does not change that; they can.",
      };
  }
  return explain(error);
}

/** The entry that lets us in comes last: whoever may do something has everything before it. */
export function hasArrived({ ready, permission }: DatabaseStatus): boolean {
  return ready || permission !== "none";
}

function askingWords({ online, peers, relays }: DatabaseStatus): string {
  if (!online) return "You are offline. You are heard when you are back.";
  if (peers.length > 0) return "You are let in. The board is on its way…";
  const isFound = relays.some(({ state }) => state === "connected");
  const what = "The board opens by itself once somebody on it says yes. You can close this page and come back.";
  return isFound ? what : `The relay is not reached; trying again. ${what}`;
}

function waitingWords({ online, relays, peers }: DatabaseStatus): string {
  if (!online) return "You are offline. The board comes when you are back.";
  if (peers.length > 0) return "Connected. The board is on its way…";
  if (relays.some(({ state }) => state === "connected"))
    return "Looking for somebody who has the board… One of them has to be online, with the board open.";
  if (relays.some(({ state }) => state === "connecting")) return "Looking for the relay…";
  return "The relay is not reached; trying again. Check the network connection of this device.";
}
