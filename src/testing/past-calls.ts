/** A leader that answers what a page asks about earlier states, and nothing else. */
import type { WorkerEvent } from "../worker/api.ts";
import { HistoryCalls, type HistoryParts } from "../worker/history.ts";
import { PastViews } from "../worker/past-views.ts";
import type { Device } from "./device.ts";

export class PastCalls extends HistoryCalls {
  readonly past: PastViews;
  readonly told: WorkerEvent[] = [];
  /** Names of calls, in their order. */
  readonly calls: string[] = [];
  readonly #device: Device;

  constructor(device: Device, post: (event: WorkerEvent) => void = () => {}) {
    super();
    this.#device = device;
    const { instance, ports } = device;
    const told = (event: WorkerEvent): void => {
      this.told.push(event);
      post(event);
    };
    this.past = new PastViews({ instance, ports, post: told });
  }

  protected async run<T>(name: string, call: (client: HistoryParts) => T | Promise<T>): Promise<T> {
    this.calls.push(name);
    const { instance, ports } = this.#device;
    return await call({ engine: { instance, ports }, past: this.past });
  }
}
