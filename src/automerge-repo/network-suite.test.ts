import "@automerge/automerge-repo";
import { runNetworkAdapterTests } from "@automerge/automerge-repo/helpers/tests/network-adapter-tests.js";
import { onTestFinished, vi } from "vitest";
import { ChannelPage, openChannelDevices } from "../testing/app-channels.ts";
import type { Device } from "../testing/device.ts";
import { TidemarkNetworkAdapter } from "./network-adapter.ts";

async function setup(cuts: readonly (readonly [number, number])[]): Promise<{
  adapters: [TidemarkNetworkAdapter, TidemarkNetworkAdapter, TidemarkNetworkAdapter];
  teardown: () => void;
}> {
  // The suite waits for so many milliseconds here and there, and takes what is not there then for missing.
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
  onTestFinished(() => void vi.useRealTimers());
  const pass = (ms: number): void => void vi.advanceTimersByTime(ms);
  const { devices, stop } = await openChannelDevices("automerge-repo", 3, cuts, pass);
  onTestFinished(stop);
  const [a, b, c] = devices as readonly [Device, Device, Device];
  const adapterOf = (device: Device): TidemarkNetworkAdapter => new TidemarkNetworkAdapter(new ChannelPage(device));
  return { adapters: [adapterOf(a), adapterOf(b), adapterOf(c)], teardown: stop };
}

runNetworkAdapterTests(() => setup([]), "[REPO-1] TidemarkNetworkAdapter, everybody connected to everybody");

runNetworkAdapterTests(() => setup([[0, 2]]), "[REPO-1] TidemarkNetworkAdapter, two connected to a hub only");
