import { expect, test } from "vitest";
import { applySettings, defaultSettings, parsePreset, presets, type SyncSettings } from "./settings.ts";

function refused(changes: unknown): Readonly<Record<string, unknown>> {
  try {
    applySettings(defaultSettings, changes as Partial<SyncSettings>);
  } catch (error) {
    const { code, details } = error as { code: string; details: Record<string, unknown> };
    return { code, ...details };
  }
  throw new Error(`${JSON.stringify(changes)} was taken`);
}

test("[TUNING-1] what is changed counts, everything else stays, and the base is not touched", () => {
  const before = { ...defaultSettings };
  const changed = applySettings(defaultSettings, { antiEntropyMs: 0, jitter: 0.25, sendBytesPerSecond: 65_536 });
  expect(changed).toEqual({ ...defaultSettings, antiEntropyMs: 0, jitter: 0.25, sendBytesPerSecond: 65_536 });
  expect(defaultSettings).toEqual(before);
  expect(applySettings(changed, {})).toEqual(changed);
  expect(applySettings(changed, { jitter: undefined } as unknown as Partial<SyncSettings>)).toEqual(changed);
});

test("[TUNING-1] the defaults and every preset are within their own ranges", () => {
  expect(applySettings(defaultSettings, defaultSettings)).toEqual(defaultSettings);
  for (const preset of Object.values(presets)) {
    expect(applySettings(defaultSettings, preset)).toEqual({ ...defaultSettings, ...preset });
  }
});

test("[TUNING-2] every field refuses what is no number of its range, by its name", () => {
  for (const field of Object.keys(defaultSettings)) {
    for (const value of [-1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, "5", null, true, {}, [5], 5n]) {
      expect(refused({ [field]: value })).toMatchObject({ code: "INPUT_INVALID", field });
    }
    if (field !== "jitter") expect(refused({ [field]: 1_500.5 })).toMatchObject({ field });
  }
  const bounds = {
    jitter: 0.51,
    batchEntries: 1_001,
    batchBytes: 262_145,
    attemptsMax: 0,
    queueRanges: 0,
    flushEntries: 0,
  };
  for (const [field, value] of Object.entries(bounds)) expect(refused({ [field]: value })).toMatchObject({ field });
});

test("[TUNING-2] a time or cap that may be off is off or not too low", () => {
  expect(refused({ antiEntropyMs: 99 })).toEqual({
    code: "INPUT_INVALID",
    field: "antiEntropyMs",
    got: "99",
    expected: "an integer 0 or 100 to 604800000",
  });
  expect(refused({ peerSendBytesPerSecond: 1_023 })).toMatchObject({ field: "peerSendBytesPerSecond" });
  for (const value of [0, 1_024]) {
    expect(applySettings(defaultSettings, { peerSendBytesPerSecond: value }).peerSendBytesPerSecond).toBe(value);
  }
});

test("[TUNING-2] what is unknown, and what holds no settings at all, is refused", () => {
  for (const field of ["antiEntropy", "constructor", "toString"]) {
    expect(refused({ [field]: 1 })).toMatchObject({ code: "INPUT_INVALID", field: "settings", got: `"${field}"` });
  }
  expect(refused(JSON.parse('{"__proto__": 1}'))).toMatchObject({ field: "settings" });
  for (const none of [null, undefined, 5, "lan", [], [1]]) {
    expect(refused(none)).toMatchObject({ code: "INPUT_INVALID", field: "settings" });
  }
});

test("[TUNING-3] a preset is known by its name, and by nothing else", () => {
  for (const name of ["interactive", "bulk", "lowBandwidth", "lan"] as const) expect(parsePreset(name)).toBe(name);
  for (const none of ["", "LAN", "toString", "__proto__", 5, null, undefined, ["lan"]]) {
    expect(() => parsePreset(none)).toThrow("INPUT_INVALID: field preset");
  }
});
