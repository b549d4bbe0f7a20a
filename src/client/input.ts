/** What an app in plain JavaScript may hand in by mistake. All throw INPUT_INVALID with what was got and what was expected. */
import { invalid } from "../core/store/values.ts";

export function assertObject(value: unknown, field: string, expected: string): void {
  if (typeof value !== "object" || value === null) throw invalid(field, value, expected);
}

export function assertFunction(value: unknown, field: string): void {
  if (typeof value !== "function") throw invalid(field, value, "a function");
}

export function assertText(value: unknown, field: string, expected: string): void {
  if (typeof value !== "string") throw invalid(field, value, expected);
}
