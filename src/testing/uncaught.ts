/** Errors that reach nobody else, as a page's `error` event tells them. */

/** They are caught until the test has finished. */
export function catchUncaught(onTestFinished: (end: () => void) => void): readonly unknown[] {
  const caught: unknown[] = [];
  const before = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  process.on("uncaughtException", (error) => caught.push(error));
  onTestFinished(() => {
    process.removeAllListeners("uncaughtException");
    for (const listener of before) process.on("uncaughtException", listener);
  });
  return caught;
}
