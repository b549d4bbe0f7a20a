/** What apps and adapters can test with: whole devices on a simulated clock, network and randomness. */
export { Cluster, Device, type DeviceOptions } from "./testing/cluster.ts";
export { SimulatedClock } from "./testing/clock.ts";
export { MemoryNetwork } from "./testing/memory-network.ts";
export { SeededRandom } from "./testing/random.ts";
