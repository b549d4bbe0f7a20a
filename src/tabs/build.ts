/** Which code a tab runs, so that tabs of different builds do not spoil each other's work. */

/** Raise it when messages between tabs, or the stored format, change so that the builds before cannot take part. */
export const tabsProtocol = 1;

/** The version in package.json, which a test compares. */
export const packageVersion = "0.1.0";

export interface Build {
  /** For people. */
  readonly version: string;
  /** Builds with the same number work together; of two others the one with the higher number is the newer. */
  readonly tabs: number;
}

export const thisBuild: Build = { version: packageVersion, tabs: tabsProtocol };

/** Below 0: `a` is older than `b`; 0: they work together; above 0: `a` is newer. */
export function compareBuilds(a: Build, b: Build): number {
  return a.tabs - b.tabs;
}
