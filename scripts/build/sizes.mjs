// How large dist/ is: as it is, and as a consumer serves it (minified, gzip).
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { transformSync } from "esbuild";
import { project } from "./project.mjs";

export function reportSizes(metafiles) {
  const outputs = metafiles.flatMap((metafile) => Object.keys(metafile.outputs));
  console.log(`${"".padEnd(32)}${["raw", "gzip", "min+gzip"].map((title) => title.padStart(10)).join("")}`);
  for (const path of outputs.filter((output) => output.endsWith(".js")).sort()) {
    const text = readFileSync(join(project, path), "utf8");
    const small = transformSync(text, { minify: true, format: "esm", legalComments: "none" }).code;
    const sizes = [Buffer.byteLength(text), gzipSync(text).length, gzipSync(small).length];
    console.log(`${path.padEnd(32)}${sizes.map((size) => `${(size / 1000).toFixed(1)} kB`.padStart(10)).join("")}`);
  }
}
