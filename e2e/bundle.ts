/** An app as Vite builds it without any configuration, against the built package. */
import { join } from "node:path";
import { build } from "vite";
import { project } from "./fixtures.ts";

/** `root` holds an index.html; what it imports by name it finds in a folder node_modules. */
export async function bundle(root: string, outDir: string): Promise<void> {
  const built = (name: string): string => join(project, `dist/${name}.js`);
  await build({
    root,
    configFile: false,
    logLevel: "error",
    resolve: {
      alias: [
        { find: /^tidemark$/, replacement: built("index") },
        { find: /^tidemark\/(worker|automerge-repo)$/, replacement: built("$1") },
      ],
    },
    worker: { format: "es" },
    build: { outDir, emptyOutDir: true, target: "es2022" },
  });
}
