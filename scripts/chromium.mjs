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

/** Playwright's launch options, for vitest's browser mode and for the end-to-end tests. */
export function launchOptions() {
  const executablePath = findChromium();
  return executablePath === undefined ? { args } : { executablePath, args };
}
