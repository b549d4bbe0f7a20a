/** "tidemark/relay": the relay for programs that run their own. The command line is `tidemark-relay`. */
export { defaultRelayLimits, type RelayLimits } from "./relay/limits.ts";
export type { Refusal, RelayStats } from "./relay/metrics.ts";
export { type Relay, type RelayOptions, startRelay } from "./relay/server.ts";
