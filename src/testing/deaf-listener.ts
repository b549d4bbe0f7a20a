/** Who is told by an instance, and does nothing about it. Somebody has to hear of what goes wrong. */
import type { InstanceListener } from "../engine/instance-listener.ts";

export const deafListener: Omit<InstanceListener, "reported"> = {
  changed: () => {},
  statusChanged: () => {},
  progressed: () => {},
  requestsChanged: () => {},
  relayChanged: () => {},
  permissionsChanged: () => {},
  reloaded: () => {},
  peersChanged: () => {},
  jobChanged: () => {},
  logged: () => {},
  storageChanged: () => {},
};
