/** A page of the app: one is shown at a time. */
import type { Instance } from "tidemark";
import type { Announcer } from "./announcer.ts";
import type { OpenTabs } from "./open-tabs.ts";
import type { OwnName } from "./own-name.ts";
import type { Problems } from "./problems.ts";
import type { Toasts } from "./toasts.ts";

export interface View {
  /** How the page is laid out. */
  readonly layout: "start" | "board" | "notice";
  /** For the title of the window; empty for the app's own name alone. */
  readonly title: string;
  readonly elements: readonly HTMLElement[];
  /** Resolves when there is something to use. */
  readonly ready: Promise<void>;
  /** Puts the focus where work starts; called when the view replaces another one. */
  focus(): void;
  /** Ends what it listens to. */
  close(): void;
}

/** What every view works with. */
export interface Surroundings {
  readonly instance: Instance;
  readonly announcer: Announcer;
  readonly toasts: Toasts;
  readonly problems: Problems;
  readonly ownName: OwnName;
  readonly tabs: OpenTabs;
  /** Shows why the app cannot go on. */
  giveUp(error: unknown): void;
  /** Shows the first page. */
  toBoards(): void;
}
