// Writes the fixture of the format that this version stores: `node scripts/fixture.mjs`; see src/testing/make-fixture.ts for when.
import "fake-indexeddb/auto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const project = fileURLToPath(new URL("..", import.meta.url));
const folder = mkdtempSync(join(project, "node_modules/.fixture-"));
try {
  const outfile = join(folder, "make-fixture.mjs");
  const entryPoints = [join(project, "src/testing/make-fixture.ts")];
  await build({ entryPoints, outfile, bundle: true, platform: "node", format: "esm", packages: "external" });
  const { makeFixture } = await import(pathToFileURL(outfile).href);
  const fixture = await makeFixture("fixture");
  const bytes = gzipSync(JSON.stringify(fixture), { level: 9 });
  const path = join(project, `src/storage/fixtures/format-${fixture.version}.json.gz`);
  writeFileSync(path, bytes);
  console.log(`${path}: ${bytes.length} bytes`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
