/** What the build may set, from the environment or an .env file. */
interface ImportMetaEnv {
  /** The relay of visitors who name none, such as `wss://relay.example`. */
  readonly VITE_RELAY_URL?: string;
}

interface ImportMeta {
  readonly env: ImportMetaEnv;
}
