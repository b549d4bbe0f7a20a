/** Putting something else in the place of a method, a getter, or a part of a port, and putting it back. */
import { assert } from "../core/errors.ts";

type Methods<T> = { [Name in keyof T]: T[Name] extends (...args: never) => unknown ? Name : never }[keyof T];

/** Puts another method in the place of one; what it returns puts the first one back. */
export function replace<T extends object, Name extends Methods<T>>(
  target: T,
  name: Name,
  make: (original: T[Name]) => (this: T, ...args: Parameters<Extract<T[Name], (...args: never) => unknown>>) => unknown,
): () => void {
  const descriptor = Object.getOwnPropertyDescriptor(target, name);
  Object.defineProperty(target, name, { value: make(target[name]), configurable: true, writable: true });
  return () => {
    if (descriptor === undefined) Reflect.deleteProperty(target, name);
    else Object.defineProperty(target, name, descriptor);
  };
}

/** The same for a getter. */
export function replaceGetter<T extends object, Name extends keyof T>(
  target: T,
  name: Name,
  make: (original: (this: T) => T[Name]) => (this: T) => T[Name],
): () => void {
  const descriptor = Object.getOwnPropertyDescriptor(target, name);
  assert(descriptor?.get, `no getter ${String(name)}`);
  Object.defineProperty(target, name, { ...descriptor, get: make(descriptor.get) });
  return () => Object.defineProperty(target, name, descriptor);
}

/** A port with some methods of its own. */
export function withMethods<T extends object>(target: T, methods: Partial<T>): T {
  return new Proxy(target, {
    get: (_, name) => {
      const own = Reflect.get(methods, name) ?? Reflect.get(target, name);
      return typeof own === "function" ? own.bind(target) : own;
    },
  });
}
