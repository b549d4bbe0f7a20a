/** Opens the instance and shows the view that the address asks for. */
import { type Database, type Instance, open } from "tidemark";
import {
  boardHref,
  boardOf,
  chooseNextPerson,
  hasSecret,
  type Part,
  readInstanceName,
  readRelay,
  readRoute,
  replaceRoute,
} from "./address.ts";
import { Announcer } from "./announcer.ts";
import { type Asked, Asking } from "./asking.ts";
import { Banners } from "./banners.ts";
import { Blocked } from "./blocked.ts";
import { Board } from "./board.ts";
import { endsAll, hasCode } from "./explain.ts";
import { Failure, type WayOut } from "./failure.ts";
import { GivenUp } from "./given-up.ts";
import { hasArrived, Joining } from "./joining.ts";
import { OpenTabs } from "./open-tabs.ts";
import { OwnName } from "./own-name.ts";
import { Pace } from "./pace.ts";
import { Problems } from "./problems.ts";
import { Start } from "./start.ts";
import { Toasts } from "./toasts.ts";
import type { Surroundings, View } from "./view.ts";

const appName = "Tidemark board";

/** Where on the page everything goes. */
export interface Places {
  readonly root: HTMLElement;
  readonly announcer: HTMLElement;
  readonly toasts: HTMLElement;
  readonly banners: HTMLElement;
}

export class App {
  readonly #root: HTMLElement;
  readonly #announcer: Announcer;
  readonly #toasts: Toasts;
  readonly #banners: Banners;
  #surroundings: Surroundings | undefined;
  #givenUp = new GivenUp("");
  #view: View | undefined;
  /** Counts what was asked to be shown: what was overtaken while it loaded is not shown. */
  #turn = 0;

  constructor({ root, announcer, toasts, banners }: Places) {
    this.#root = root;
    this.#announcer = new Announcer(announcer);
    this.#toasts = new Toasts(toasts);
    this.#banners = new Banners(banners);
    addEventListener("hashchange", () => void this.#showRoute());
  }

  async start(name: string = readInstanceName()): Promise<void> {
    const relay = readRelay();
    try {
      const sync = new Pace(name).get();
      const onBlocked = (): void => void this.#show(new Blocked());
      const instance = await open({ name, sync, onBlocked, ...(relay === undefined ? {} : { relay }) });
      this.#surroundings = this.#surround(instance);
      this.#givenUp = new GivenUp(name);
    } catch (error) {
      return this.#show(new Failure(error, this.#waysToStart(error, name)));
    }
    await this.#showRoute();
  }

  #surround(instance: Instance): Surroundings {
    const problems = new Problems();
    const giveUp = (error: unknown): void => void this.#show(new Failure(error, [reload]));
    instance.on("problem", (error) => {
      problems.add(error);
      if (endsAll(error)) giveUp(error);
    });
    this.#banners.listen(instance);
    return {
      instance,
      problems,
      announcer: this.#announcer,
      toasts: this.#toasts,
      ownName: new OwnName(instance.name),
      tabs: new OpenTabs(instance.name),
      giveUp,
      toBoards: () => this.#go(""),
    };
  }

  #waysToStart(error: unknown, name: string): readonly WayOut[] {
    if (hasCode(error, "INPUT_INVALID")) return [openAsUsual];
    if (!hasCode(error, "INSTANCE_IN_USE")) return [reload];
    const busyLabel = "Opening…";
    const asAnother = (): void => void this.start(chooseNextPerson(name));
    return [
      { label: "Try again", busyLabel, run: () => void this.start(name) },
      { label: "Use this tab as a second person", busyLabel, run: asAnother },
    ];
  }

  /** What cannot be shown is explained, with the way to the boards. */
  async #showRoute(): Promise<void> {
    const around = this.#surroundings;
    if (around === undefined) return;
    const turn = ++this.#turn;
    try {
      const view = await this.#load(around);
      if (turn === this.#turn) await this.#show(view);
      else view.close();
    } catch (error) {
      if (turn === this.#turn)
        await this.#show(new Failure(error, [{ label: "To your boards", run: () => this.#go("") }]));
    }
  }

  async #load(around: Surroundings): Promise<View> {
    const route = readRoute();
    switch (route.type) {
      case "start":
        return this.#loadStart(around);
      case "board":
        return this.#loadBoard(around, route.id, route.part);
      case "join":
        return this.#loadLink(around, route.link);
    }
  }

  async #loadStart(around: Surroundings): Promise<View> {
    const boards = async (): Promise<readonly Database[]> =>
      (await around.instance.databases()).filter(({ id }) => !this.#givenUp.has(id));
    return new Start(around, await boards(), {
      boards,
      openBoard: (id) => this.#go(boardHref(id)),
      openLink: (link) => void this.#openLink(around, link),
    });
  }

  async #loadBoard(around: Surroundings, id: string, part: Part = "notes"): Promise<View> {
    const board = await around.instance.database(id);
    const status = await board.sync.status();
    if (hasArrived(status)) return new Board(board, status, around, part);
    return new Joining(board, around, {
      arrived: () => void this.#showRoute(),
      gaveUp: () => {
        this.#givenUp.add(id);
        this.#go("");
      },
    });
  }

  /** The ticket is a secret: whatever comes of it, it does not stay in the address. */
  async #loadLink(around: Surroundings, link: string): Promise<View> {
    if (await this.#hasToAsk(around, link)) return this.#ask(around, link);
    replaceRoute("");
    const id = await this.#join(around, link);
    replaceRoute(boardHref(id));
    return this.#loadBoard(around, id);
  }

  async #hasToAsk({ instance }: Surroundings, link: string): Promise<boolean> {
    const id = boardOf(link);
    if (id === undefined || hasSecret(link)) return false;
    return (await instance.databases()).every((board) => board.id !== id);
  }

  #ask(around: Surroundings, link: string): View {
    return new Asking(around, async (asked) => this.#go(boardHref(await this.#join(around, link, asked))));
  }

  async #join({ instance, ownName }: Surroundings, link: string, asked?: Asked): Promise<string> {
    const name = asked?.name ?? ownName.get();
    const { id } = await instance.join(link, { ...asked, ...(name === "" ? {} : { name }) });
    this.#givenUp.delete(id);
    return id;
  }

  async #openLink(around: Surroundings, link: string): Promise<void> {
    try {
      if (await this.#hasToAsk(around, link)) await this.#show(this.#ask(around, link));
      else this.#go(boardHref(await this.#join(around, link)));
    } catch (error) {
      await this.#show(new Failure(error, [{ label: "To your boards", run: () => void this.#showRoute() }]));
    }
  }

  #go(hash: string): void {
    if (location.hash === hash) void this.#showRoute();
    else location.hash = hash;
  }

  async #show(view: View): Promise<void> {
    const { dataset } = document.documentElement;
    delete dataset.ready;
    const isFirst = this.#view === undefined;
    this.#view?.close();
    this.#view = view;
    this.#toasts.clear();
    this.#root.replaceChildren(...view.elements);
    this.#root.dataset.layout = view.layout;
    document.title = view.title === "" ? appName : `${view.title} – ${appName}`;
    if (!isFirst) {
      scrollTo(0, 0);
      view.focus();
    }
    await view.ready;
    if (this.#view === view) dataset.ready = "true";
  }
}

const reload: WayOut = { label: "Load the page again", run: () => location.reload() };

/** What the address asked for cannot be: without it, but with its board or ticket. */
const openAsUsual: WayOut = { label: "Open as usual", run: () => location.assign(location.pathname + location.hash) };
