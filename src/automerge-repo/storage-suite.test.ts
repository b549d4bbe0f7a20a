import { runStorageAdapterTests } from "@automerge/automerge-repo/helpers/tests/storage-adapter-tests.js";
import * as idbDouble from "fake-indexeddb";
import { afterAll } from "vitest";
import { installIdbDouble } from "../testing/idb-double.ts";
import { TidemarkStorageAdapter } from "./storage-adapter.ts";

afterAll(installIdbDouble(idbDouble));

let databases = 0;

runStorageAdapterTests(async () => {
  const adapter = new TidemarkStorageAdapter({ database: `suite-${databases++}` });
  return { adapter, teardown: () => void adapter.close() };
}, "[REPO-1] TidemarkStorageAdapter on the double of IndexedDB");
