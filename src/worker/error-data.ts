/** Errors across the worker boundary: a `TidemarkError` arrives as one, with its code, its details and where it was thrown. */
import { type TransferHandler, transferHandlers } from "comlink";
import { asTidemarkError, type ErrorCode, TidemarkError } from "../core/errors.ts";
import type { ErrorData } from "./api.ts";

export function toErrorData(error: unknown): ErrorData {
  const known = asTidemarkError(error);
  const { stack } = error instanceof Error ? error : known;
  return { code: known.code, details: known.details, stack };
}

export function fromErrorData({ code, details, stack }: ErrorData): TidemarkError {
  const error = new TidemarkError(code as ErrorCode, details as TidemarkError["details"]);
  if (stack !== undefined) error.stack = `${error.stack ?? ""}\n  in the worker:\n${stack}`;
  return error;
}

interface Thrown {
  readonly value: unknown;
}

/** Replaces Comlink's way with errors, which keeps only the message, on the side that calls this. Both sides must. */
export function carryErrors(): void {
  const handler = transferHandlers.get("throw") as TransferHandler<Thrown, ErrorData> | undefined;
  if (handler === undefined) throw new Error("Tidemark bug: this Comlink has no handler for errors");
  transferHandlers.set("throw", {
    canHandle: handler.canHandle,
    serialize: ({ value }: Thrown) => [toErrorData(value), []],
    deserialize: (data: ErrorData): never => {
      throw fromErrorData(data);
    },
  } as TransferHandler<Thrown, ErrorData>);
}
