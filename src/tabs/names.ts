/** The names of the locks and channels of an instance. They are the same in every build, or builds would not meet. */

/** Whoever holds it leads. */
export function leaderLockName(instance: string): string {
  return `tidemark/${instance}`;
}

/** Held by whoever robs a leader that is silent, until it leads itself. */
export function stealLockName(instance: string): string {
  return `tidemark/${instance}/steal`;
}

/** A tab's page holds it while it is there and not in the back/forward cache. */
export function tabLockName(instance: string, tab: string): string {
  return `tidemark/${instance}/tab/${tab}`;
}

/** A tab's candidate holds it while it may lead. */
export function candidateLockName(instance: string, tab: string): string {
  return `tidemark/${instance}/candidate/${tab}`;
}

/** On it candidates find each other. */
export function tabsChannelName(instance: string): string {
  return `tidemark/${instance}/tabs`;
}

/** Between a follower's page and the leader's worker, for one lead. */
export function pairChannelName(instance: string, lead: string, tab: string): string {
  return `tidemark/${instance}/${lead}/${tab}`;
}

/** Where there are no Web Locks, whoever wants or holds one of the locks above says so here. */
export function askedLocksChannelName(instance: string): string {
  return `tidemark/${instance}/locks`;
}
