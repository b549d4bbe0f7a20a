/** A core rule of the design, and a way to break it. */
import type { DeviceOptions } from "./cluster.ts";
import type { PlanOptions } from "./plan.ts";

export interface BrokenRule {
  readonly name: string;
  /** What goes wrong. */
  readonly breaks: string;
  /** A part of what is noticed, beside what else may be. */
  readonly noticed: string;
  /** The lives in which it is soon noticed. Default: all. */
  readonly about?: PlanOptions["about"];
  /** The life to begin with, where it takes many to notice. Default: 1. */
  readonly from?: number;
  readonly ports?: DeviceOptions["ports"];
  /** Breaks it everywhere until what it returns is called. */
  readonly patch?: () => () => void;
}
