/** What `tidemark-relay` is asked on the command line and in the environment. */
import { parseArgs } from "node:util";
import type { RelayOptions } from "./server.ts";

export const usage = `Usage: tidemark-relay [options]

Introduces Tidemark devices to each other. Keeps nothing on disk.

Options:
  --port <number>          port to listen on; 0 takes a free one (default: $PORT, else 8787)
  --host <address>         address to listen on (default: 127.0.0.1; 0.0.0.0 for all)
  --public-host <host>     host in the URLs that clients dial, such as relay.example; may be repeated.
                           Set it wherever strangers can reach the relay.
  --origin <origin>        web page that may connect, such as https://app.example; may be repeated (default: all)
  --address-header <name>  behind a proxy: header with the client's address, such as x-forwarded-for
  --help                   print this
  --version                print the version

Serves /healthz and /metrics beside the relay. SIGINT and SIGTERM end it cleanly.
Exit codes: 0 ended cleanly, 1 could not start, 2 wrong usage.
`;

export type Command =
  | { readonly type: "start"; readonly options: RelayOptions }
  | { readonly type: "help" }
  | { readonly type: "version" }
  | { readonly type: "mistake"; readonly text: string };

const flags = {
  port: { type: "string" },
  host: { type: "string" },
  "public-host": { type: "string", multiple: true },
  origin: { type: "string", multiple: true },
  "address-header": { type: "string" },
  help: { type: "boolean" },
  version: { type: "boolean" },
} as const;

/** Flags win over the environment. */
export function parseCommandLine(args: readonly string[], env: Readonly<Record<string, string | undefined>>): Command {
  try {
    const { values } = parseArgs({ args: [...args], options: flags, allowPositionals: false });
    if (values.help === true) return { type: "help" };
    if (values.version === true) return { type: "version" };
    const port = parsePort(values.port ?? (env.PORT || undefined));
    if (port === "not a port") return { type: "mistake", text: "the port must be a number from 0 to 65535" };
    return {
      type: "start",
      options: {
        ...(port !== undefined && { port }),
        ...(values.host !== undefined && { host: values.host }),
        ...(values["public-host"] !== undefined && { hosts: values["public-host"] }),
        ...(values.origin !== undefined && { allowedOrigins: values.origin }),
        ...(values["address-header"] !== undefined && { addressHeader: values["address-header"] }),
      },
    };
  } catch (error) {
    return { type: "mistake", text: error instanceof Error ? error.message : String(error) };
  }
}

function parsePort(text: string | undefined): number | undefined | "not a port" {
  if (text === undefined) return undefined;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  return port <= 65_535 ? port : "not a port";
}
