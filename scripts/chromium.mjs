// The Chromium that tests run in: an installed one, else the one Playwright downloads.
import { findInstalled } from "./installed.mjs";

const names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const places = ["/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"];

/** The path of an installed Chromium or Chrome, or undefined. */
export function findChromium() {
  return findInstalled(names, places);
}

/** Without these, Chromium calls home, and does not start as root in a container. */
const args = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Each window has two pages of its address bar, in renderers of their own: half of what a context costs, and no test sees them. */
const addressBar = ["WebUIOmniboxPopup", "WebUIOmniboxAimPopup"];

/** Playwright's own list (1.64 and 1.65): Chromium heeds the last list only, so what is in ours has to hold all of it. */
const offByPlaywright = [
  "AimEnabled",
  "AutoDeElevate",
  "AvoidCorsURLLoaderRestartOnRedirect",
  "AvoidUnnecessaryBeforeUnloadCheckSync",
  "BlockOriginHeaderModificationOnRedirect",
  "DestroyProfileOnBrowserClose",
  "DialMediaRouteProvider",
  "GlobalMediaControls",
  "HttpsFirstBalancedModeAutoEnable",
  "HttpsUpgrades",
  "LensOverlay",
  "MediaRouter",
  "NetworkTimeServiceQuerying",
  "OptimizationHints",
  "PaintHolding",
  "PreconnectToSearch",
  "ThirdPartyStoragePartitioning",
  "Translate",
];

function without(...features) {
  return `--disable-features=${features.join(",")}`;
}

function launch(list) {
  const executablePath = findChromium();
  return executablePath === undefined ? { args: list } : { executablePath, args: list };
}

/** Playwright's launch options, for vitest's browser mode and for the end-to-end tests. */
export function launchOptions() {
  return launch([...args, without(...offByPlaywright, ...addressBar)]);
}

/** For a Chromium that Playwright does not start. */
export function plainOptions() {
  return launch([...args, without(...addressBar)]);
}
