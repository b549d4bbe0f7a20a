// The Firefox that tests run in: an installed one, else the one Playwright downloads.
import { findInstalled } from "./installed.mjs";

const names = ["firefox-esr", "firefox"];
const places = ["/Applications/Firefox.app/Contents/MacOS/firefox"];

/** The path of an installed Firefox, or undefined. */
export function findFirefox() {
  return findInstalled(names, places);
}

/** Playwright's launch options. A stock Firefox speaks WebDriver BiDi and needs the channel that does; Playwright's own needs neither. */
export function firefoxOptions() {
  const executablePath = findFirefox();
  return executablePath === undefined ? {} : { channel: "moz-firefox", executablePath };
}
