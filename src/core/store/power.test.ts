import fc from "fast-check";
import { expect, test } from "vitest";
import {
  ADMIN,
  ADMIN_WEAKEST,
  isPower,
  NONE,
  OWNER,
  parsePermission,
  permissionName,
  READ,
  RELAY,
  WRITE,
} from "./power.ts";

test("[SETTINGS-6] permissions and powers name each other, the stronger with the lower number", () => {
  const names = ["owner", "admin", "write", "read", "relay", "none"];
  const powers = names.map(parsePermission);
  expect(powers).toEqual([OWNER, ADMIN, WRITE, READ, RELAY, NONE]);
  expect(powers).toEqual([...powers].sort((a, b) => a - b));
  expect(powers.map(permissionName)).toEqual(names);
  expect([ADMIN_WEAKEST, WRITE + 1, READ + 1, RELAY + 1].map(permissionName)).toEqual([
    "admin",
    "read",
    "relay",
    "none",
  ]);
});

test("[SETTINGS-6] anything else is no permission and no power", () => {
  for (const text of ["", "Admin", "__proto__", "constructor"])
    expect(() => parsePermission(text)).toThrow("INPUT_INVALID");
  for (const value of [-1, 1000, 1.5, Number.NaN, "1", undefined]) expect(isPower(value)).toBe(false);
  fc.assert(fc.property(fc.integer({ min: OWNER, max: NONE }), isPower));
});
