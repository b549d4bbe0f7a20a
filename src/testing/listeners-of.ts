/** Who listens to a signal: whoever is done with one leaves nothing on it, as an app may keep it for long. */
export function listenersOf(signal: AbortSignal): ReadonlySet<unknown> {
  const listening = new Set<unknown>();
  const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)];
  signal.addEventListener = ((type: string, listener: () => void, options?: AddEventListenerOptions) => {
    listening.add(listener);
    add(type, listener, options);
  }) as typeof add;
  signal.removeEventListener = ((type: string, listener: () => void) => {
    listening.delete(listener);
    remove(type, listener);
  }) as typeof remove;
  return listening;
}
