import "fake-indexeddb/auto";
import { runStorageAdapterTests } from "@automerge/automerge-repo/helpers/tests/storage-adapter-tests.js";
import { TidemarkStorageAdapter } from "./storage-adapter.ts";

let databases = 0;

runStorageAdapterTests(async () => {
  const adapter = new TidemarkStorageAdapter({ database: `suite-${databases++}` });
  return { adapter, teardown: () => void adapter.close() };
}, "[REPO-1] TidemarkStorageAdapter on the double of IndexedDB");
