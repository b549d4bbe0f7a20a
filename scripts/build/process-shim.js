// What simple-peer's streams expect of Node's `process`: esbuild puts it wherever bundled code says `process`.
export const process = {
  env: {},
  nextTick: (action, ...values) => queueMicrotask(() => action(...values)),
};
