/** The app of the tests with automerge-repo (page/automerge-repo), built once by each worker. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundle } from "./bundle.ts";
import { test as base, project, type Site, serveFolder } from "./fixtures.ts";

export const test: ReturnType<typeof base.extend<object, { readonly repoApp: Site }>> = base.extend<
  object,
  { readonly repoApp: Site }
>({
  repoApp: [
    async ({}, use) => {
      const folder = mkdtempSync(join(tmpdir(), "tidemark-repo-"));
      await bundle(join(project, "e2e/page/automerge-repo"), folder);
      const site = await serveFolder(folder);
      await use(site);
      site.close();
      rmSync(folder, { recursive: true, force: true });
    },
    { scope: "worker" },
  ],
});
