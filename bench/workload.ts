/** What is measured: workloads, the figures they give, and what is aimed at. */
import type { BrowserContext, Page } from "@playwright/test";
import type { Device } from "../e2e/device.ts";
import type { Relay } from "../e2e/fixtures.ts";
import type { Hardware } from "./hardware.ts";
import type { RepoServer } from "./repo-server.ts";

/** By name; times in ms, rates per second. */
export type Figures = Readonly<Record<string, number>>;

export interface Target {
  /** One of the workload's figures. */
  readonly figure: string;
  readonly atLeast?: number;
  readonly atMost?: number;
  /** It is no matter of how fast the machine is: missing it fails the run. */
  readonly isExact?: boolean;
}

export interface Ratio {
  readonly figure: string;
  /** What the figure is compared with, for people. */
  readonly to: string;
  readonly limit: (hardware: Hardware) => number;
}

/** Where a workload runs. */
export interface Bench {
  /** How much of the full size is run; undefined when nobody said. */
  readonly size: number | undefined;
  /** Two devices that run the built package, in two browsers with new profiles on disk. */
  withDevices<T = Figures>(action: (a: Device, b: Device, relay: Relay) => Promise<T>): Promise<T>;
  /** Two pages of automerge-repo in two browsers with new profiles on disk: see repo-page.ts. */
  withRepoPages<T>(action: (a: Page, b: Page, server: RepoServer) => Promise<T>): Promise<T>;
  /** One browser with a new profile on disk; the bundle of the benchmark's own worker is at `url`. */
  withWorkerPage(action: (context: BrowserContext, url: string) => Promise<Figures>): Promise<Figures>;
}

export interface Workload {
  readonly name: string;
  readonly what: string;
  readonly run: (bench: Bench) => Promise<Figures>;
  readonly targets?: readonly Target[];
  readonly ratios?: readonly Ratio[];
}

/** `full` at size 1, and in any case `min`. */
export function scaled(full: number, { size = 1 }: Pick<Bench, "size">, min = 1): number {
  return Math.max(min, Math.round(full * size));
}

/** The value below which `part` of them are; 0 for none. Sorts them. */
export function percentile(values: number[] | Float64Array, part: number): number {
  values.sort((x, y) => x - y);
  return values[Math.max(0, Math.ceil(values.length * part) - 1)] ?? 0;
}
