import { fileURLToPath } from "node:url";
import { playwright } from "@vitest/browser-playwright";
import type { ViteUserConfig } from "vitest/config";
import { launchOptions } from "./scripts/chromium.mjs";

function path(relative: string): string {
  return fileURLToPath(new URL(relative, import.meta.url));
}

/** What the build does for simple-peer (scripts/build.mjs), for tests that run it from `src`. Named here, nothing is found late. */
const optimizeDeps = {
  include: ["comlink", "fast-check", "idb", "simple-peer"],
  rolldownOptions: {
    transform: {
      define: { global: "globalThis" },
      inject: { process: [path("scripts/build/process-shim.js"), "process"] as [string, string] },
    },
  },
};

/** `npm run soak` asks for more runs of those properties that do not say how many they need. */
const setupFiles = process.env.FUZZ_RUNS === undefined ? [] : [path("scripts/fuzz-runs.ts")];

/** Of the unit tests, which share a process for each core. */
const ownGlobals = path("scripts/own-globals.ts");

/** Properties take seconds on a busy machine; what hangs is still found. */
const testTimeout = 30_000;

/** One file for both: vitest over `src`, and Vite for the demo, which uses the built package as an app would. */
const config: ViteUserConfig = {
  root: path(process.env.VITEST ? "." : "demo"),
  // Relative, so that the demo runs from any folder of any static host.
  base: "./",
  resolve: { alias: process.env.VITEST ? {} : { tidemark: path("dist/index.js") } },
  server: { fs: { allow: [path(".")] } },
  worker: { format: "es" },
  build: { outDir: path("demo/dist"), emptyOutDir: true, target: "es2022" },
  test: {
    projects: [
      {
        test: {
          name: "unit",
          setupFiles: [...setupFiles, ownGlobals],
          // A process for each of three hundred files takes longer than most of them: to start, to load what they import, and to compile it.
          isolate: false,
          testTimeout,
          hookTimeout: testTimeout,
          include: ["src/**/*.test.ts"],
          exclude: ["src/**/*.browser.test.ts"],
        },
      },
      {
        optimizeDeps,
        test: {
          name: "browser",
          setupFiles,
          testTimeout,
          hookTimeout: testTimeout,
          include: ["{src,demo}/**/*.browser.test.ts"],
          browser: {
            enabled: true,
            headless: true,
            screenshotFailures: false,
            instances: [{ browser: "chromium" }],
            provider: playwright({ launchOptions: launchOptions() }),
          },
        },
      },
    ],
  },
};

export default config;
