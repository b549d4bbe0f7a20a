/** What apps and adapters can test with: whole devices on a simulated clock, network, storage and randomness. */

export { createMemoryStorage, MemoryDisk } from "./storage/memory.ts";
export { SimulatedClock } from "./testing/clock.ts";
export { Cluster, type DeviceOptions } from "./testing/cluster.ts";
export { Device } from "./testing/device.ts";
export { MemoryNetwork, type MemoryNetworkOptions } from "./testing/memory-network.ts";
export { SeededRandom } from "./testing/random.ts";
export { SlowStorage } from "./testing/slow-storage.ts";
