// Looks for programs, without starting any.
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";

/** The path of the first of `names` in /usr/bin or on the PATH, else the first of `places` that is there, or undefined. */
export function findInstalled(names, places) {
  const folders = (process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  const candidates = ["/usr/bin", ...folders].flatMap((folder) => names.map((name) => join(folder, name)));
  return [...candidates, ...places].find((path) => existsSync(path));
}

/** Where what is missing can be installed without asking anybody. */
export function isDebianRoot() {
  return existsSync("/etc/debian_version") && process.getuid?.() === 0;
}
