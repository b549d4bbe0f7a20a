/** How an app says how sync is to behave: a preset, single settings, or both. */
import {
  applySettings,
  defaultSettings,
  type Preset,
  parsePreset,
  presets,
  type SyncSettings,
} from "../engine/settings.ts";
import { assertObject, given } from "./input.ts";

/** Settings that are given count over those of the preset, and these over the defaults. */
export interface SyncChoice extends Partial<SyncSettings> {
  readonly preset?: Preset;
}

/** What is to be changed. A preset changes everything: what it does not name gets its default. Throws INPUT_INVALID. */
export function resolveSettings(choice: Preset | SyncChoice): Partial<SyncSettings> {
  if (typeof choice !== "string") assertObject(choice, "sync", "a preset or settings");
  const { preset, ...settings } = typeof choice === "string" ? { preset: choice } : choice;
  const base = preset === undefined ? {} : presets[parsePreset(preset)];
  const all = applySettings({ ...defaultSettings, ...base }, settings);
  return preset === undefined ? given(settings) : all;
}
