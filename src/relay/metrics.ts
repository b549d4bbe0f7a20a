import type { RefusalCode } from "../core/protocol/relay-message.ts";

/** Sockets that were refused before they became WebSockets. */
export type UpgradeRefusal = "path" | "origin" | "sockets" | "address" | "stopping";

/** Why something was refused. Only these words become labels, so that nobody outside can grow their number. */
export type Refusal = RefusalCode | UpgradeRefusal | "dead" | "rooms" | "roomsPerSocket" | "membersPerRoom";

/** What a relay has counted since it started, and what it holds now. */
export interface RelayStats {
  readonly sockets: number;
  /** Sockets that have proved their key. */
  readonly members: number;
  readonly rooms: number;
  readonly messagesIn: number;
  readonly messagesOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly notesDelivered: number;
  /** Notes for somebody who is not there or has no room in common with the sender. */
  readonly notesDropped: number;
  readonly refusals: Readonly<Partial<Record<Refusal, number>>>;
}

export class Traffic {
  messagesIn = 0;
  messagesOut = 0;
  bytesIn = 0;
  bytesOut = 0;
  notesDelivered = 0;
  notesDropped = 0;
  readonly refusals: Partial<Record<Refusal, number>> = {};

  received(bytes: number): void {
    this.messagesIn++;
    this.bytesIn += bytes;
  }

  sent(bytes: number): void {
    this.messagesOut++;
    this.bytesOut += bytes;
  }

  refused(why: Refusal): void {
    this.refusals[why] = (this.refusals[why] ?? 0) + 1;
  }
}

interface Metric {
  readonly name: string;
  readonly type: "gauge" | "counter";
  readonly help: string;
  /** Label text and value. */
  readonly samples: readonly (readonly [string, number])[];
}

/** The stats in Prometheus' text format. Holds numbers only: no key, no room, no address. */
export function formatMetrics(stats: RelayStats): string {
  const direction = (inwards: number, outwards: number): Metric["samples"] => [
    ['{direction="in"}', inwards],
    ['{direction="out"}', outwards],
  ];
  const refusals = Object.entries(stats.refusals).map(([code, count]) => [`{code="${code}"}`, count] as const);
  const metrics: readonly Metric[] = [
    { name: "sockets", type: "gauge", help: "Open sockets.", samples: [["", stats.sockets]] },
    { name: "members", type: "gauge", help: "Sockets that proved a key.", samples: [["", stats.members]] },
    { name: "rooms", type: "gauge", help: "Rooms with somebody in them.", samples: [["", stats.rooms]] },
    {
      name: "messages_total",
      type: "counter",
      help: "Messages.",
      samples: direction(stats.messagesIn, stats.messagesOut),
    },
    {
      name: "bytes_total",
      type: "counter",
      help: "Bytes of messages.",
      samples: direction(stats.bytesIn, stats.bytesOut),
    },
    {
      name: "notes_total",
      type: "counter",
      help: "Notes between clients.",
      samples: [
        ['{outcome="delivered"}', stats.notesDelivered],
        ['{outcome="dropped"}', stats.notesDropped],
      ],
    },
    { name: "refusals_total", type: "counter", help: "What was refused, by code.", samples: refusals },
  ];
  return metrics.map(formatMetric).join("");
}

function formatMetric({ name, type, help, samples }: Metric): string {
  const full = `tidemark_relay_${name}`;
  const lines = samples.map(([labels, value]) => `${full}${labels} ${value}\n`);
  return `# HELP ${full} ${help}\n# TYPE ${full} ${type}\n${lines.join("")}`;
}
