/** Waits for the browser, and for no longer than so: a call of IndexedDB may never be answered while another tab is in the way. */

/** What `late` gives, or throws, when the call has not ended by then. Rejects as the call does. */
export async function inTime<T>(timeoutMs: number, call: Promise<T>, late: () => T): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const waiting = new Promise<"late">((resolve) => {
    timer = setTimeout(() => resolve("late"), timeoutMs);
  });
  try {
    const first = await Promise.race([call.then((value) => ({ value })), waiting]);
    return first === "late" ? late() : first.value;
  } finally {
    clearTimeout(timer);
  }
}
