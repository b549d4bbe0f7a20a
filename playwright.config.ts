import type { PlaywrightTestConfig } from "@playwright/test";
import { launchOptions } from "./scripts/chromium.mjs";

/**
 * Tests start what they need through e2e/fixtures.ts: there is no server beside them. On a machine that others load too a browser may
 * miss its time: there a test is tried once more, and named as flaky when only that passed.
 */
const config: PlaywrightTestConfig = {
  testDir: "e2e",
  outputDir: "test-results",
  forbidOnly: process.env.CI !== undefined,
  retries: process.env.CI === undefined ? 0 : 1,
  workers: 2,
  timeout: 60_000,
  expect: { timeout: 15_000 },
  reporter: "list",
  use: { browserName: "chromium", launchOptions: launchOptions(), trace: "retain-on-failure" },
};

export default config;
