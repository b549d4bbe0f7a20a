// Installs what is missing, and only that: packages, and browsers for the tests. `node scripts/setup.mjs [--no-browser]`
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { findChromium } from "./chromium.mjs";
import { findFirefox } from "./firefox.mjs";
import { isDebianRoot } from "./installed.mjs";

const project = fileURLToPath(new URL("..", import.meta.url));
const npm = process.platform === "win32" ? "npm.cmd" : "npm";

/** Throws when there is no going on: too old a Node, or packages that cannot be installed. */
export function setupPackages() {
  checkNode();
  if (!arePackagesInstalled()) install("packages", npm, ["ci"]);
}

/** Throws when no Chromium can be installed, or no Firefox on Debian as root; elsewhere the tests in Firefox are left out. */
export async function setupBrowser() {
  const { chromium, firefox } = await import("@playwright/test");
  if (findChromium() === undefined && !existsSync(chromium.executablePath())) installBrowser("chromium", "chromium");
  if (findFirefox() !== undefined || existsSync(firefox.executablePath())) return;
  try {
    installBrowser("firefox", "firefox-esr");
  } catch (error) {
    if (isDebianRoot()) throw error;
    console.log(`${error.message}: the tests in Firefox are left out`);
  }
}

function checkNode() {
  const { engines } = readJson("package.json");
  const [major = 0, minor = 0] = engines.node.replace(">=", "").split(".").map(Number);
  const [ourMajor = 0, ourMinor = 0] = process.versions.node.split(".").map(Number);
  if (ourMajor > major || (ourMajor === major && ourMinor >= minor)) return;
  throw new Error(
    `Node ${engines.node.replace(">=", "")} or newer is needed, this is ${process.versions.node}: https://nodejs.org`,
  );
}

/** npm writes down what it installed: compare that with what the lock file wants. */
function arePackagesInstalled() {
  if (!existsSync(join(project, "node_modules/.package-lock.json"))) return false;
  const wanted = readJson("package-lock.json").packages;
  const installed = readJson("node_modules/.package-lock.json").packages;
  return Object.entries(wanted).every(
    ([path, { version, optional }]) => path === "" || optional || installed[path]?.version === version,
  );
}

function installBrowser(name, debianPackage) {
  if (isDebianRoot()) {
    console.log(`installing ${debianPackage} with apt …`);
    const apt = ["install", "-y", "--no-install-recommends", debianPackage];
    if (run("apt-get", ["update"]) && run("apt-get", apt)) return;
  }
  install(name, process.execPath, [join(project, "node_modules/@playwright/test/cli.js"), "install", name]);
}

function install(what, program, args) {
  console.log(`installing ${what} …`);
  if (!run(program, args)) throw new Error(`could not install ${what}: ${program} ${args.join(" ")} failed`);
}

function run(program, args) {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const options = { cwd: project, env, stdio: ["ignore", "inherit", "inherit"], timeout: 300_000 };
  return spawnSync(program, args, { ...options, shell: process.platform === "win32" }).status === 0;
}

function readJson(path) {
  return JSON.parse(readFileSync(join(project, path), "utf8"));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  try {
    setupPackages();
    if (!process.argv.includes("--no-browser")) await setupBrowser();
  } catch (error) {
    console.error(error.message);
    process.exit(1);
  }
}
