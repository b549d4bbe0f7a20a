/**
 * Random lives of groups of devices: what happens is drawn from a seed, and what must be so is checked after every
 * step.
 *
 * [SIMULATION-9] Whatever happened, all honest devices that may read end with the same entries that count and the
 *   same state, nothing that was committed is lost but by who was lowered, nothing forged is anywhere, and everybody
 *   knows that everybody has everything.
 */
import type { DeviceOptions } from "./cluster.ts";
import { isAboutDocuments } from "./document-plan.ts";
import { Life } from "./life.ts";
import type { LifeAutomerge } from "./life-edits.ts";
import { drawPlan, type Plan, type PlanOptions } from "./plan.ts";

export interface SimulationOptions extends PlanOptions {
  readonly seed: number;
  /** What happens, with this seed for chance. Default: drawn from the seed. */
  readonly plan?: Omit<Plan, "seed">;
  /** Only these actions of the plan, by their numbers from 0. Default: all. */
  readonly keep?: readonly number[];
  /** What instances run on instead of what they would: to break one of them. */
  readonly ports?: DeviceOptions["ports"];
  /** All that `@automerge/automerge` exports, for documents in some lives. Default: what is to happen to documents does not. */
  readonly automerge?: LifeAutomerge;
}

export interface SimulationResult {
  readonly seed: number;
  readonly plan: Plan;
  /** Everything that was not as it should be; empty when the life went well. */
  readonly problems: readonly string[];
  /** How often what happened. */
  readonly tally: ReadonlyMap<string, number>;
  /** A fingerprint of all that happened: equal for lives that went alike. */
  readonly trace: string;
}

/** Lives one life. Never rejects because of what happens in it. */
export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  const { seed, keep, ports, automerge } = options;
  const documents = automerge === undefined ? {} : ({ documents: "some" } as const);
  const plan = options.plan === undefined ? drawPlan(seed, { ...documents, ...options }) : { ...options.plan, seed };
  const isWithDocuments = plan.actions.some(isAboutDocuments);
  const life = new Life(plan, { ports, automerge: isWithDocuments ? automerge : undefined });
  const actions = plan.actions.map((action, number) => ({ action, number }));
  await life.run(keep === undefined ? actions : actions.filter(({ number }) => keep.includes(number)));
  const { problems, tally, trace } = life;
  return { seed, plan, problems, tally, trace };
}
