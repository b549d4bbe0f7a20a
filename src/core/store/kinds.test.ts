import { describe, expect, test } from "vitest";
import { TidemarkError } from "../errors.ts";
import { storeNameBytesMax } from "../limits.ts";
import { decodePart, kindOf, validateStoreName } from "./kinds.ts";
import { encodeSettings } from "./settings.ts";

const deletion = Uint8Array.of(0x81, 0x81, 0x61, 0x61);
const name = encodeSettings([{ type: "name", name: "T" }]);

function outcome(store: string, type: string, payload: Uint8Array): string {
  const result = decodePart({ name: store, type, payload });
  return result.ok ? result.value.type : result.failure.code;
}

describe("the parts of an entry", () => {
  test("[STORE-2] are read by the kind that their type names", () => {
    expect(outcome("notes", "table", deletion)).toBe("table");
    expect(outcome("notes", "kv", deletion)).toBe("kv");
    expect(outcome("_settings", "settings", name)).toBe("settings");
    expect(outcome("notes", "kv", Uint8Array.of(0x80))).toBe("ENTRY_PAYLOAD");
    expect(["table", "kv", "settings", "doc", "constructor"].map((type) => kindOf(type)?.type)).toEqual([
      "table",
      "kv",
      "settings",
      "doc",
      undefined,
    ]);
  });

  test("[STORE-10] reserved names are for settings alone, and settings have no other name", () => {
    expect(outcome("_settings", "table", deletion)).toBe("ENTRY_PAYLOAD");
    expect(outcome("_settings", "later", deletion)).toBe("ENTRY_PAYLOAD");
    expect(outcome("notes", "settings", name)).toBe("ENTRY_PAYLOAD");
    expect(outcome("_other", "table", deletion)).toBe("ENTRY_PAYLOAD");
    expect(outcome("_other", "later", deletion)).toBe("ENTRY_PAYLOAD");
  });

  test("[STORE-11] a part of an unknown type is accepted, whatever its payload", () => {
    expect(decodePart({ name: "notes", type: "scroll", payload: Uint8Array.of(0xff) })).toEqual({
      ok: true,
      value: { type: "unknown", name: "notes", storeType: "scroll" },
    });
    expect(outcome("__proto__", "unknown", deletion)).toBe("ENTRY_PAYLOAD");
    expect(outcome("constructor", "unknown", deletion)).toBe("unknown");
  });

  test("[STORE-7] a store has a name within the limit", () => {
    expect(outcome("", "table", deletion)).toBe("ENTRY_PAYLOAD");
    expect(outcome("é".repeat(storeNameBytesMax / 2), "table", deletion)).toBe("table");
    expect(outcome("é".repeat(storeNameBytesMax / 2 + 1), "table", deletion)).toBe("ENTRY_PAYLOAD");
    for (const bad of ["", "_settings", "_x", "\ud800", "x".repeat(storeNameBytesMax + 1), 7]) {
      expect(() => validateStoreName(bad)).toThrow(TidemarkError);
    }
    expect(validateStoreName("a.b")).toBe("a.b");
  });
});
