import { expect, test } from "vitest";
import { open } from "../index.ts";

test("[CLIENT-10] importing needs no browser, and opening says what is missing", async () => {
  await expect(open({ name: "notes" })).rejects.toMatchObject({ code: "ENVIRONMENT_UNSUPPORTED" });
});

test("[CLIENT-46] the name of an instance has no slash: it would be that of another's outbox or lock", async () => {
  for (const name of ["notes/outbox", "notes/steal", "/notes", "notes/"]) {
    await expect(open({ name })).rejects.toMatchObject({ code: "INPUT_INVALID", details: { field: "name" } });
  }
});

test("[CLIENT-9] options that will not do are refused before anything starts", async () => {
  await expect(open({ name: "" })).rejects.toMatchObject({ code: "INPUT_INVALID" });
  await expect(open({ name: "x".repeat(65) })).rejects.toMatchObject({ code: "INPUT_INVALID" });
  await expect(open({ name: "notes", relay: "https://relay.example" })).rejects.toMatchObject({
    code: "INPUT_INVALID",
    details: { field: "relay", got: expect.stringContaining("https"), expected: expect.stringContaining("wss://") },
  });
  await expect(open({ name: "notes", sync: "fast" as "lan" })).rejects.toMatchObject({
    code: "INPUT_INVALID",
    details: { field: "preset", expected: "interactive, bulk, lowBandwidth, lan" },
  });
  await expect(open({ name: "notes", sync: { attemptsMax: 0 } })).rejects.toMatchObject({ code: "INPUT_INVALID" });
  await expect(open({ name: "notes", signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "ABORTED" });
});
