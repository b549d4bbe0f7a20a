import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { compareBuilds, packageVersion } from "./build.ts";

test("[TABS-17] the version is the one in package.json", () => {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  expect(JSON.parse(text)).toMatchObject({ version: packageVersion });
});

test("[TABS-11] builds are newer or older by their number alone", () => {
  const of = (version: string, tabs: number): Parameters<typeof compareBuilds>[0] => ({ version, tabs });
  expect(compareBuilds(of("1.0.0", 2), of("2.0.0", 2))).toBe(0);
  expect(compareBuilds(of("1.0.0", 3), of("2.0.0", 2))).toBeGreaterThan(0);
  expect(compareBuilds(of("3.0.0", 1), of("2.0.0", 2))).toBeLessThan(0);
});
