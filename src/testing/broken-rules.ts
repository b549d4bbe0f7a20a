/**
 * Each core rule of the design, and a way to break it: the simulation proves that it would notice.
 *
 * Nothing here touches the code that is tested: an instance gets a port that misbehaves, or a method is replaced and put back.
 */
import { brokenDurabilityRules } from "./broken-durability-rules.ts";
import { brokenEntryRules } from "./broken-entry-rules.ts";
import { brokenExchangeRules } from "./broken-exchange-rules.ts";
import { brokenPermissionRules } from "./broken-permission-rules.ts";
import type { BrokenRule } from "./broken-rule.ts";

export const brokenRules: readonly BrokenRule[] = [
  ...brokenEntryRules,
  ...brokenDurabilityRules,
  ...brokenPermissionRules,
  ...brokenExchangeRules,
];
