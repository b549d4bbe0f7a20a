import { expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import { roomFromBytes } from "../core/protocol/relay-message.ts";
import { platformRandom } from "../crypto/random.ts";
import { RawRelayClient } from "../testing/raw-relay-client.ts";
import { createDevice, RelayMember } from "../testing/relay-member.ts";
import { type Relay, startRelay } from "./server.ts";

async function start(log: (line: string) => void = () => {}): Promise<{ relay: Relay; http: string }> {
  const relay = await startRelay({ port: 0, log });
  onTestFinished(() => relay.close());
  return { relay, http: relay.url.replace("ws:", "http:") };
}

test("[RELAY-8] /healthz says ok, every other path or method is not found", async () => {
  const { relay, http } = await start();
  const health = await fetch(`${http}/healthz?probe=1`);
  expect(health.status).toBe(200);
  expect(health.headers.get("content-type")).toBe("application/json");
  expect(await health.json()).toEqual({ status: "ok" });
  for (const path of ["/", "/healthz/", "/metrics/x", "/../etc/passwd", "/%00"]) {
    expect((await fetch(`${http}${path}`)).status, path).toBe(404);
  }
  expect((await fetch(`${http}/healthz`, { method: "POST", body: "x".repeat(100_000) })).status).toBe(404);
  expect(await new RawRelayClient(`${relay.url}/elsewhere`, WebSocket).closed).toMatchObject({ code: 1006 });
  expect(relay.stats.refusals).toEqual({ path: 1 });
});

test("[RELAY-8] /metrics counts what goes on, and neither it nor the log shows a key, a room or an address", async () => {
  const lines: string[] = [];
  const { relay, http } = await start((line) => lines.push(line));
  const secretRoom = roomFromBytes(platformRandom.bytes(32));
  const [a, b] = [await RelayMember.join(relay.url, WebSocket), await RelayMember.join(relay.url, WebSocket)];
  for (const member of [a, b]) await member.enter(secretRoom);
  await a.sendNote(b.device, "hello");
  await b.nextNote(a.device);
  const liar = new RawRelayClient(relay.url, WebSocket);
  await liar.prove((await createDevice()).identity, a.device.sealer.card);
  await liar.closed;

  const text = await (await fetch(`${http}/metrics`)).text();
  const value = (sample: string) =>
    Number(
      text
        .split("\n")
        .find((line) => line.startsWith(`tidemark_relay_${sample} `))
        ?.split(" ")[1],
    );
  expect(value("sockets")).toBe(2);
  expect(value("members")).toBe(2);
  expect(value("rooms")).toBe(1);
  expect(value('notes_total{outcome="delivered"}')).toBe(1);
  expect(value('refusals_total{code="proof"}')).toBe(1);
  expect(value('messages_total{direction="in"}')).toBe(6);
  expect(value('bytes_total{direction="out"}')).toBe(relay.stats.bytesOut);
  for (const line of text.trimEnd().split("\n")) {
    expect(line).toMatch(/^(# (HELP|TYPE) \w+ .+|tidemark_relay_\w+(\{\w+="\w+"\})? \d+)$/);
  }

  await relay.close();
  expect(lines).toEqual([`listening on ${relay.url}`, "closing", "closed"]);
  for (const secret of [secretRoom, a.device.key, b.device.key])
    expect(text + lines.join()).not.toContain(secret.slice(0, 8));
  expect(text).not.toContain("127.0.0.1");
});
