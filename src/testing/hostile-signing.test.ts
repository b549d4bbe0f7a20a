/** Whole devices, of which every signature is looked at. */
import { expect, test } from "vitest";
import { domainTags, signedUnder } from "../core/domain-tags.ts";
import { WRITE } from "../core/store/power.ts";
import type { EnginePorts } from "../engine/ports.ts";
import type { Identity } from "../ports/keys.ts";
import { Cluster } from "./cluster.ts";
import { sayAt } from "./presence-pages.ts";

/** The tags of everything that these ports sign; what has none as it is. */
function watched(seen: Set<string>, ports: EnginePorts): EnginePorts {
  const watch = (identity: Identity): Identity => ({
    publicKey: identity.publicKey,
    sign: (message) => {
      const text = new TextDecoder("latin1").decode(message);
      seen.add(signedUnder.find((tag) => text.startsWith(tag)) ?? `no tag: ${text}`);
      return identity.sign(message);
    },
  });
  const { identity, keys, deriveIdentity } = ports;
  return {
    ...ports,
    identity: watch(identity),
    deriveIdentity: async (secret) => watch(await deriveIdentity(secret)),
    keys: {
      list: () => keys.list(),
      create: (name) => keys.create(name),
      add: (name, seed) => keys.add(name, seed),
      delete: (name) => keys.delete(name),
      identity: (name) => {
        const found = keys.identity(name);
        return found === undefined ? undefined : watch(found);
      },
    },
  };
}

test("[HOSTILE-1] everything that devices sign from the first meeting to a shared database begins with a tag", async () => {
  const cluster = new Cluster(1);
  const seen = new Set<string>();
  const ports = (given: EnginePorts): EnginePorts => watched(seen, given);
  const [ann, ben] = [await cluster.addDevice({ ports }), await cluster.addDevice({ ports })];
  const { id } = await cluster.settle(ann.instance.createDatabase("Board"));
  const ticket = await cluster.settle(ann.instance.share(id, { power: WRITE }));
  await cluster.settle(ben.instance.keys.create("work"));
  await cluster.settle(ben.instance.join(ticket, { key: "work" }));
  await cluster.settle(ben.instance.ready(id));
  await cluster.settle(ben.write(id, "row", { n: 1 }));
  await cluster.converge(id, [ann, ben]);
  sayAt(ben, id, 1, "here");
  await cluster.pass(1_000);
  await cluster.settle(ben.instance.close());
  const again = await cluster.restart(ben, { ports });
  await cluster.settle(again.write(id, "row", { n: 2 }));
  await cluster.converge(id, [ann, again]);
  // The relay's and the card's are the transport's: of those src/domain-tags.test.ts has the calls.
  const { entry, handshakeInitiator, handshakeResponder, join, presence, prove, redeem } = domainTags;
  const tags = [entry, handshakeInitiator, handshakeResponder, join, presence, prove, redeem];
  expect([...seen].sort()).toEqual(tags.sort());
});
