/** What a page of another tab reaches over its pair channel. */
import type { Client } from "./client.ts";
import { ClientCalls } from "./client-calls.ts";

export class ClientHost extends ClientCalls {
  readonly #client: Client;

  constructor(client: Client) {
    super();
    this.#client = client;
  }

  protected override run<T>(name: string, call: (client: Client) => T | Promise<T>): Promise<T> {
    return this.#client.run(name, call);
  }
}
