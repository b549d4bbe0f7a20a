import type { IncomingMessage, ServerResponse } from "node:http";
import { pathOf } from "./admission.ts";
import { formatMetrics, type RelayStats } from "./metrics.ts";

/** Answers what is not a WebSocket: `/healthz` (JSON), `/metrics` (Prometheus text), 404 for everything else. */
export function answerRequest(request: IncomingMessage, response: ServerResponse, stats: RelayStats): void {
  const page = request.method === "GET" || request.method === "HEAD" ? findPage(pathOf(request), stats) : undefined;
  response.writeHead(page === undefined ? 404 : 200, {
    "content-type": page?.contentType ?? "text/plain; charset=utf-8",
    "cache-control": "no-store",
    // A body that nobody reads would keep the connection busy.
    connection: "close",
  });
  response.end(page?.body ?? "not found\n");
}

interface Page {
  readonly contentType: string;
  readonly body: string;
}

function findPage(path: string, stats: RelayStats): Page | undefined {
  switch (path) {
    case "/healthz":
      return { contentType: "application/json", body: '{"status":"ok"}\n' };
    case "/metrics":
      return { contentType: "text/plain; version=0.0.4; charset=utf-8", body: formatMetrics(stats) };
    default:
      return undefined;
  }
}
