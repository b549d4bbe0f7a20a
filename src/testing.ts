/** What apps and adapters can test with: whole devices on a simulated clock, network, storage and randomness. See docs/simulation.md. */

export { createMemoryStorage, MemoryDisk } from "./storage/memory.ts";
export { SimulatedClock } from "./testing/clock.ts";
export { Cluster, type DeviceOptions, type Group, type MemberOptions } from "./testing/cluster.ts";
export { Device } from "./testing/device.ts";
export { Forger, type ForgerOptions, type Forgery } from "./testing/hostile-entries.ts";
export {
  type FloodName,
  type FloodSubject,
  flood,
  floodBadSignatures,
  floodNames,
  floodOrphans,
  floods,
} from "./testing/hostile-floods.ts";
export { Middle, type MiddleOptions, type Passing } from "./testing/hostile-middle.ts";
export { HostilePeer, type HostilePeerOptions } from "./testing/hostile-peer.ts";
export { type HandshakeScript, HostileTalk, type TalkOptions } from "./testing/hostile-talk.ts";
export {
  MemoryNetwork,
  type MemoryNetworkOptions,
  type NetworkTap,
  type WayConditions,
} from "./testing/memory-network.ts";
export { MemorySwitchboard, type MemorySwitchboardOptions } from "./testing/memory-transport.ts";
export type { Action, Plan, PlanOptions } from "./testing/plan.ts";
export { SeededRandom } from "./testing/random.ts";
export { describeFailure, type Shrunk, shrink } from "./testing/shrink.ts";
export { type SimulationOptions, type SimulationResult, simulate } from "./testing/simulation.ts";
export { type PowerLoss, SlowStorage } from "./testing/slow-storage.ts";
export {
  checksFor,
  type TransportCheck,
  type TransportSubject,
  transportContract,
} from "./testing/transport-contract.ts";
export { rowParts, setPower, settingsParts } from "./testing/writers.ts";
