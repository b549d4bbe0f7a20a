#!/usr/bin/env node
/** `tidemark-relay`: a relay from the command line. Ends by itself once everything is closed. */
import { readFileSync } from "node:fs";
import { TidemarkError } from "./core/errors.ts";
import { parseCommandLine, usage } from "./relay/command-line.ts";
import { type RelayOptions, startRelay } from "./relay/server.ts";

const exitCodes = { couldNotStart: 1, wrongUsage: 2 } as const;

function fail(code: number, text: string): void {
  process.stderr.write(`tidemark-relay: ${text}\n`);
  process.exitCode = code;
}

function explain(error: unknown): string {
  if (!(error instanceof TidemarkError)) return String(error);
  if (error.code !== "RELAY_LISTEN") return error.message;
  const { host, port, reason } = (error as TidemarkError<"RELAY_LISTEN">).details;
  const what = reason === "EADDRINUSE" ? "is taken" : `cannot be listened on (${reason})`;
  return `port ${port} on ${host} ${what}. ${error.hint ?? ""}`;
}

function readVersion(): string {
  const text = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  return String((JSON.parse(text) as { readonly version?: unknown }).version);
}

async function run(options: RelayOptions): Promise<void> {
  const relay = await startRelay({ ...options, log: (line) => process.stderr.write(`${line}\n`) });
  // Scripts read the first line; what happens later goes to the log on the other stream.
  process.stdout.write(`${relay.url}\n`);
  const stop = () => void relay.close();
  process.once("SIGINT", stop);
  process.once("SIGTERM", stop);
}

const command = parseCommandLine(process.argv.slice(2), process.env);
switch (command.type) {
  case "help":
    process.stdout.write(usage);
    break;
  case "version":
    process.stdout.write(`${readVersion()}\n`);
    break;
  case "mistake":
    fail(exitCodes.wrongUsage, `${command.text}\n\n${usage}`);
    break;
  case "start":
    run(command.options).catch((error: unknown) => fail(exitCodes.couldNotStart, explain(error)));
    break;
}
