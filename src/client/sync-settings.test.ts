import fc from "fast-check";
import { expect, test } from "vitest";
import { defaultSettings, presets, type SyncSettings } from "../engine/settings.ts";
import { resolveSettings } from "./sync-settings.ts";

const invalid = expect.objectContaining({ code: "INPUT_INVALID" });

test("[CLIENT-17] a preset stands for all settings: its own, and the defaults for the others", () => {
  for (const preset of Object.keys(presets) as (keyof typeof presets)[]) {
    expect(resolveSettings(preset)).toEqual({ ...defaultSettings, ...presets[preset] });
    expect(resolveSettings({ preset, attemptsMax: 3 })).toEqual({
      ...defaultSettings,
      ...presets[preset],
      attemptsMax: 3,
    });
  }
  expect(resolveSettings({ flushAgeMs: 20 }), "without a preset the others stay as they are").toEqual({
    flushAgeMs: 20,
  });
});

test("[CLIENT-17] every setting may be its default, and none may be anything but a number within its bounds", () => {
  const names = Object.keys(defaultSettings) as (keyof SyncSettings)[];
  expect(resolveSettings(defaultSettings)).toEqual(defaultSettings);
  const wrong = fc.oneof(
    fc.double({ max: -1e-9, noNaN: true }),
    fc.constantFrom<unknown>(Number.NaN, Number.POSITIVE_INFINITY, "5", null, true, 0.75, 2 ** 60),
  );
  fc.assert(
    fc.property(fc.constantFrom(...names), wrong, (name, value) => {
      expect(() => resolveSettings({ [name]: value })).toThrow(invalid);
    }),
  );
});

test("[CLIENT-17] a setting or a preset that there is not is refused", () => {
  const wrong: readonly unknown[] = [
    { flushAge: 5 },
    { constructor: 5 },
    { preset: "fast" },
    "fast",
    "toString",
    null,
    5,
  ];
  for (const one of wrong) expect(() => resolveSettings(one as "lan")).toThrow(invalid);
  expect(() => resolveSettings({ batchEntries: 1_001 })).toThrow(invalid);
  expect(() => resolveSettings({ flushEntries: 0 })).toThrow(invalid);
});
