/** For apps with a `Repo` of automerge-repo: storage that notices damage, the authenticated peers of Tidemark as its network, and documents of Tidemark as its handles. */
export { openHandle } from "./automerge-repo/handle.ts";
export {
  type ChannelSource,
  type RepoChannel,
  TidemarkNetworkAdapter,
  type TidemarkNetworkOptions,
} from "./automerge-repo/network-adapter.ts";
export {
  type DamagedValue,
  TidemarkStorageAdapter,
  type TidemarkStorageOptions,
} from "./automerge-repo/storage-adapter.ts";
