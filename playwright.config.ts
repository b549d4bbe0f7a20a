import type { PlaywrightTestConfig } from "@playwright/test";
import { launchOptions } from "./scripts/chromium.mjs";

/** Tests start what they need through e2e/fixtures.ts: there is no server beside them, and nothing is tried twice. */
const config: PlaywrightTestConfig = {
  testDir: "e2e",
  outputDir: "test-results",
  forbidOnly: process.env.CI !== undefined,
  retries: 0,
  workers: 2,
  timeout: 60_000,
  expect: { timeout: 15_000 },
  reporter: "list",
  use: { browserName: "chromium", launchOptions: launchOptions(), trace: "retain-on-failure" },
};

export default config;
