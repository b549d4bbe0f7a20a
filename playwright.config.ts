import { existsSync } from "node:fs";
import { firefox, type PlaywrightTestConfig } from "@playwright/test";
import { launchOptions } from "./scripts/chromium.mjs";
import { findFirefox, firefoxOptions } from "./scripts/firefox.mjs";
import { isDebianRoot } from "./scripts/installed.mjs";

const inFirefox = "firefox.spec.ts";

/** Where it can be installed, it has to be there (`npm run setup`): left out, it would fail unseen. */
const hasFirefox = findFirefox() !== undefined || existsSync(firefox.executablePath()) || isDebianRoot();
if (!hasFirefox && process.env.TEST_WORKER_INDEX === undefined) {
  console.log("no Firefox is installed here: the tests in it are left out");
}

/** Tests start what they need through e2e/fixtures.ts: there is no server beside them, and nothing is tried twice. */
const config: PlaywrightTestConfig = {
  testDir: "e2e",
  outputDir: "test-results",
  forbidOnly: process.env.CI !== undefined,
  retries: 0,
  // More than cores: half of the time a test waits for a timer, a connection or a disk.
  workers: 3,
  // By the test, not by the file: else a long file is left over for one worker at the end.
  fullyParallel: true,
  // To end what hangs, not to judge what is slow: a machine that does other things as well may take many times as long.
  timeout: 240_000,
  expect: { timeout: 40_000 },
  reporter: "list",
  // A trace takes a third of the time. `npm run e2e -- --trace retain-on-failure FILE` makes one of what failed.
  use: { trace: "off", screenshot: "only-on-failure" },
  projects: [
    { name: "chromium", testIgnore: inFirefox, use: { browserName: "chromium", launchOptions: launchOptions() } },
    ...(hasFirefox
      ? [
          {
            name: "firefox",
            testMatch: inFirefox,
            use: { browserName: "firefox", launchOptions: firefoxOptions() },
          } as const,
        ]
      : []),
  ],
};

export default config;
