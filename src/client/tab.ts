/** Which of an instance's tabs works for all of them, as the app sees it. */

/** One page that has the instance open, and how it stands to the others. */
export interface Tab {
  /** 32 hex digits; another one after every load of the page. */
  readonly id: string;
  /**
   * leading: this tab's worker runs the engine, for all tabs. following: that of another tab does. waiting: none does just now; calls wait until one
   * does, which is usually the case within a second.
   */
  readonly state: "leading" | "following" | "waiting";
}

/** Another tab has a build of the app that this one cannot work together with. */
export interface OtherBuild {
  /** Its version, as its Tidemark tells it. */
  readonly build: string;
}
