/** Everyone on a board, with what can be done about them. Rows stay as long as their person, so that they stay unfolded. */
import type { DatabaseStatus } from "tidemark";
import type { Action } from "./action-row.ts";
import { confirm } from "./confirm.ts";
import { element } from "./element.ts";
import type { Members } from "./members.ts";
import type { Peers } from "./peers.ts";
import { fingerprint, type People } from "./people.ts";
import { mayWords } from "./permission-words.ts";
import { OwnRow, PersonRow } from "./person-row.ts";
import type { KnownPerson } from "./person-words.ts";
import type { Toasts } from "./toasts.ts";

export interface PeopleListOptions {
  readonly people: People;
  readonly peers: Peers;
  readonly members: Members;
  readonly toasts: Toasts;
  /** Resolves with whether it worked; if not, people are told why. */
  readonly attempt: (work: Promise<unknown>) => Promise<boolean>;
}

export class PeopleList {
  readonly element: HTMLElement = element("ul", {
    role: "list",
    class: "people",
    "aria-label": "People on this board",
  });
  readonly #options: PeopleListOptions;
  readonly #own: OwnRow;
  readonly #rows = new Map<string, PersonRow>();

  constructor(options: PeopleListOptions) {
    this.#options = options;
    this.#own = new OwnRow(options.people.self);
    this.element.append(this.#own.element);
  }

  show(status: DatabaseStatus): void {
    const { people, peers, members } = this.#options;
    const text = status.online ? "this device" : "this device, offline";
    this.#own.show(
      people.givenName(people.self),
      { text, tone: status.online ? "good" : "warning" },
      status.permission,
    );
    const keys = this.#keys(status);
    for (const [key, row] of this.#rows) if (!keys.includes(key)) this.#drop(key, row);
    keys.forEach((key, i) => {
      const known: KnownPerson = {
        status: status.peers.find((peer) => peer.key === key),
        info: peers.get(key),
        held: status.heldBy.find(({ peer }) => peer === key),
        entries: status.entries,
        isOnline: status.online,
        member: members.get(key),
        permission: members.permissionOf(key),
      };
      const row = this.#rowAt(key, i + 1);
      row.show(known, this.#knownName(key), people.givenName(key), (other) => people.wordFor(other));
    });
  }

  /** Connected ones first, then whoever is known from the board or has a copy; whoever is kept out is never out of sight. */
  #keys({ peers: connected, heldBy }: DatabaseStatus): readonly string[] {
    const { people, peers, members } = this.#options;
    const keptOut = peers.all().filter(({ state }) => state !== "active");
    const all: readonly string[] = [
      ...connected.map(({ key }) => key),
      ...members.keys(),
      ...people.keys(),
      ...heldBy.map(({ peer }) => peer),
      ...keptOut.map(({ key }) => key),
    ];
    return [...new Set(all)].filter((key) => key !== people.self);
  }

  #rowAt(key: string, i: number): PersonRow {
    const row = this.#rows.get(key) ?? this.#makeRow(key);
    this.#rows.set(key, row);
    const there = this.element.children[i];
    // Moving an element takes the focus from what is in it: whoever works there stays where they are.
    if (there !== row.element && !row.element.contains(document.activeElement))
      this.element.insertBefore(row.element, there ?? null);
    return row;
  }

  #makeRow(key: string): PersonRow {
    return new PersonRow(key, {
      memberActions: (_, known) => this.#memberActions(key, known),
      peerActions: (_, known) => this.#peerActions(key, known),
      setName: (_, name) => void this.#options.attempt(this.#options.peers.setName(key, name)),
    });
  }

  #drop(key: string, row: PersonRow): void {
    row.element.remove();
    this.#rows.delete(key);
  }

  /** What an admin can make of somebody's permission. */
  #memberActions(key: string, { permission }: KnownPerson): readonly Action[] {
    const { members } = this.#options;
    if (!members.mayChange(key)) return [];
    const about = this.#nameOf(key);
    const act = (label: string, run: () => Promise<unknown>): Action => ({ label, about, run });
    const may = (label: string, given: "admin" | "write" | "read"): readonly Action[] =>
      permission === given ? [] : [act(label, () => this.#setPermission(key, given))];
    const remove = permission === "none" ? [] : [act("Remove from board", () => this.#remove(key))];
    return [...may("Let write", "write"), ...may("Let read only", "read"), ...may("Let invite", "admin"), ...remove];
  }

  async #setPermission(key: string, permission: "admin" | "write" | "read"): Promise<void> {
    const { members, people, attempt, toasts } = this.#options;
    if (await attempt(members.set(key, permission, people.givenName(key))))
      toasts.show(`${this.#nameOf(key)} ${mayWords(permission)} now`);
  }

  async #remove(key: string): Promise<void> {
    const { members, attempt, toasts } = this.#options;
    const name = this.#nameOf(key);
    const isSure = await confirm({
      title: `Remove ${name} from this board?`,
      lines: [
        "Nothing that is written from now on goes to that device, and nothing it writes comes to yours.",
        "What it has received it keeps: nobody can take that back.",
        "What it wrote and this device has not seen yet will not count, unless somebody has built on it.",
        "A link does not bring it back; you can.",
      ],
      yes: "Remove",
    });
    if (isSure && (await attempt(members.set(key, "none", "")))) toasts.show(`${name} is no longer on this board`);
  }

  #peerActions(key: string, { info, isOnline }: KnownPerson): readonly Action[] {
    if (info === undefined) return [];
    const { peers, attempt } = this.#options;
    const about = this.#nameOf(key);
    const act = (label: string, run: () => Promise<unknown>): Action => ({ label, about, run });
    const letIn = (): Promise<unknown> => attempt(peers.setState(key, "active"));
    const block = act("Block", () => this.#block(key));
    switch (info.state) {
      case "blocked":
        return [act("Let in again", letIn)];
      case "inactive":
        return [act("Go on syncing", letIn), block];
      case "active": {
        const pause = act("Pause syncing", () => attempt(peers.setState(key, "inactive")));
        const isAway = info.connection !== "connected" && info.connection !== "connecting";
        if (!isAway) return [pause, block];
        const tryNow = isOnline ? [act("Try now", () => attempt(peers.connect(key)))] : [];
        return [...tryNow, pause, block, act("Forget", () => this.#forget(key))];
      }
    }
  }

  async #block(key: string): Promise<void> {
    const { peers, attempt, toasts } = this.#options;
    if (!(await attempt(peers.setState(key, "blocked")))) return;
    toasts.show(`${this.#nameOf(key)} is blocked`, {
      hint: "On all your boards, nothing goes to that device and nothing comes from it.",
      action: { label: "Undo", run: () => void attempt(peers.setState(key, "active")) },
    });
  }

  async #forget(key: string): Promise<void> {
    const { peers, attempt, toasts } = this.#options;
    const name = this.#nameOf(key);
    if (await attempt(peers.forget(key)))
      toasts.show(`This device has forgotten that of ${name}`, { hint: "Should it come back, it is met anew." });
  }

  #nameOf(key: string): string {
    return this.#knownName(key) || fingerprint(key);
  }

  /** What they call themselves, what this device's user calls them, or what the board's settings do; empty: nothing. */
  #knownName(key: string): string {
    const { people, peers, members } = this.#options;
    return people.givenName(key) || peers.nameOf(key) || (members.get(key)?.name ?? "");
  }
}
