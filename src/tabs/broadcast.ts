/** Channels by the browser: BroadcastChannel reaches the tabs and workers of one origin, also of other builds. */
import type { Channels, TabChannel } from "../ports/tabs.ts";

/** Undefined where the browser has none. */
export function openBroadcast(): Channels | undefined {
  const isThere = (globalThis as { BroadcastChannel?: unknown }).BroadcastChannel !== undefined;
  return isThere ? { open } : undefined;
}

function open(name: string): TabChannel {
  const channel = new BroadcastChannel(name);
  let isOpen = true;
  return {
    post: (message) => {
      if (isOpen) channel.postMessage(message);
    },
    listen: (listener) => {
      channel.onmessage = ({ data }) => listener(data);
    },
    close: () => {
      isOpen = false;
      channel.onmessage = null;
      channel.close();
    },
  };
}
