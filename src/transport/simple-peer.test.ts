import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { expect, test } from "vitest";
import { PeerConnections } from "./simple-peer.ts";

test("[PAGE-1] simple-peer is the version whose private connection object we use", () => {
  const path = createRequire(import.meta.url).resolve("simple-peer/package.json");
  expect(JSON.parse(readFileSync(path, "utf8")).version).toBe("9.11.1");
});

test("[PAGE-2] importing needs no browser, and makes and loads nothing", () => {
  expect(typeof globalThis.RTCPeerConnection).toBe("undefined");
  expect(PeerConnections).toBeTypeOf("function");
  const loaded = Object.keys(createRequire(import.meta.url).cache).filter((file) => file.includes("simple-peer"));
  expect(loaded).toEqual([]);
});
