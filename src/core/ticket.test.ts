import { createHash } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeBase64Url } from "./base64url.ts";
import { entryIdFromHex, formatCid, publicKeyFromHex } from "./ids.ts";
import { ticketTextLengthMax } from "./limits.ts";
import { formatTicket, parseTicket, type Ticket } from "./ticket.ts";

function sha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update(bytes).digest());
}

const hex64 = fc.stringMatching(/^[0-9a-f]{64}$/);
const urls = fc
  .tuple(fc.constantFrom("ws", "wss"), fc.string({ unit: "grapheme", maxLength: 30 }), fc.string({ maxLength: 20 }))
  .map(([scheme, path, query]) => `${scheme}://relay.example/${path}?x=1&y=${query}#z`.replaceAll(/\s/g, ""));
const hints = fc.record(
  {
    address: fc.tuple(fc.constantFrom("memory", "ws", "http-2"), urls).map(([type, rest]) => `${type}:${rest}`),
    peer: hex64.map(publicKeyFromHex),
  },
  { requiredKeys: ["address"] },
);
const tickets: fc.Arbitrary<Ticket> = fc.record(
  {
    database: hex64.map(entryIdFromHex),
    secret: fc.uint8Array({ minLength: 32, maxLength: 32 }),
    relays: fc.array(urls, { maxLength: 4 }),
    peers: fc.array(hex64.map(publicKeyFromHex), { maxLength: 4 }),
    addresses: fc.array(hints, { maxLength: 4 }),
  },
  { requiredKeys: ["database", "relays", "peers", "addresses"] },
);

const exampleSecret = new Uint8Array(32).fill(0x5e);
const example: Ticket = {
  database: entryIdFromHex("db".repeat(32)),
  secret: exampleSecret,
  relays: ["wss://relay.example/path?x=1&y=2"],
  peers: [publicKeyFromHex("ee".repeat(32))],
  addresses: [],
};
const text = formatTicket(example, sha256);

/** The text with its checksum made good for what it says now, as another implementation would have written it. */
function withChecksum(parameters: readonly (readonly [string, string])[]): string {
  const covered = parameters.filter(([name]) => ["db", "in", "pr"].includes(name));
  const lines = covered.map(([name, value]) => `${name}=${encodeURIComponent(value)}\n`);
  const checksum = encodeBase64Url(sha256(Buffer.from(`tidemark/ticket/1\0${lines.join("")}`)).subarray(0, 6));
  const all = [...parameters, ["ck", checksum] as const];
  return `tidemark:?${all.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&")}`;
}

const database = ["db", formatCid(example.database)] as const;
const secret = ["in", encodeBase64Url(exampleSecret)] as const;

test("[TICKET-1] what is formatted parses to the same ticket, whatever characters its addresses hold", () => {
  fc.assert(
    fc.property(tickets, (ticket) => {
      expect(parseTicket(formatTicket(ticket, sha256), sha256)).toEqual({ ok: true, value: ticket });
    }),
  );
});

test("[TICKET-1] a ticket reads like this", () => {
  expect(text).toMatch(
    /^tidemark:\?db=bafyrei[a-z2-7]{52}&in=[\w-]{43}&pr=relay:wss:\/\/relay\.example\/path%3Fx%3D1%26y%3D2&pr=peer:(ee){32}&ck=[\w-]{8}$/,
  );
});

test("[TICKET-1] what cannot be a ticket is refused with INPUT_INVALID", () => {
  const unfit: readonly Partial<Ticket>[] = [
    { secret: new Uint8Array(31) },
    { relays: ["https://relay.example"] },
    { relays: ["wss://relay.example/a b"] },
    { relays: ["wss://relay.example/\ud800"] },
    { relays: ["wss://"] },
    { peers: Array.from({ length: 60 }, () => publicKeyFromHex("ee".repeat(32))) },
    { addresses: [{ address: "somewhere" }] },
    { addresses: [{ address: "memory:a b" }] },
    { addresses: [{ address: `${"ee".repeat(32)}@memory:x` }] },
  ];
  for (const part of unfit) {
    const format = () => formatTicket({ ...example, ...part }, sha256);
    expect(format).toThrowError(expect.objectContaining({ code: "INPUT_INVALID" }));
  }
});

test.each(["https://app.example/board#", "https://app.example/?a=b&db=c#", "#", "  \n"])(
  "[TICKET-2] a ticket behind %j is found",
  (before) => {
    expect(parseTicket(`${before}${text}\n`, sha256)).toEqual({ ok: true, value: example });
  },
);

test.each([
  ["another scheme", text.replace("tidemark:", "tidymark:"), "scheme"],
  ["no question mark", text.replace("?", ""), "scheme"],
  ["a link without a ticket", "https://app.example/board", "scheme"],
  ["a link with another fragment", "https://app.example/board#top", "scheme"],
  ["nothing", "", "scheme"],
  ["only the scheme", "tidemark:?", "db"],
  ["no database", withChecksum([secret]), "db"],
  ["two databases", withChecksum([database, database, secret]), "db"],
  ["an id that is none", withChecksum([["db", "bafyreix"], secret]), "db"],
  ["an id of another codec", withChecksum([["db", `bafkrei${database[1].slice(7)}`], secret]), "db"],
  ["two secrets", withChecksum([database, secret, secret]), "in"],
  ["an address without a type", withChecksum([database, secret, ["pr", "dial:somewhere"]]), "pr"],
  ["an address behind half a key", withChecksum([database, secret, ["pr", `dial:${"ee".repeat(31)}@memory:x`]]), "pr"],
  ["a short secret", withChecksum([database, ["in", secret[1].slice(0, 42)]]), "in"],
  ["a padded secret", withChecksum([database, ["in", `${secret[1]}=`]]), "in"],
  ["a relay that is no WebSocket URL", withChecksum([database, secret, ["pr", "relay:https://relay.example"]]), "pr"],
  ["a peer that is no key", withChecksum([database, secret, ["pr", `peer:${"EE".repeat(32)}`]]), "pr"],
  ["no checksum", text.replace(/&ck=.*/, ""), "ck"],
  ["a bad checksum", text.replace(/&ck=.*/, "&ck=AAAAAAAA"), "ck"],
  ["a broken percent sequence", text.replace("%3F", "%3"), "encoding"],
  ["bytes that are not UTF-8", text.replace("%3F", "%FF"), "encoding"],
  ["half a character", `${text}&x=\ud800`, "ticket"],
  ["too many characters", `${text}&x=${"y".repeat(ticketTextLengthMax)}`, "ticket"],
])("[TICKET-3] a text with %s is TICKET_MALFORMED and names what is wrong", (_, malformed, field) => {
  const parsed = parseTicket(malformed, sha256);
  expect(parsed).toMatchObject({ ok: false, failure: { code: "TICKET_MALFORMED", details: { field } } });
});

const anyCharacter = fc.oneof(
  fc.constantFrom(..."&=?#%:/- \n"),
  fc.stringMatching(/^[a-zA-Z0-9_-]$/),
  fc.string({ unit: "binary", minLength: 1, maxLength: 1 }),
);

test("[TICKET-4] one character replaced, inserted or removed gives a refusal or the same ticket", () => {
  const outcomes = { same: 0, refused: 0 };
  fc.assert(
    fc.property(
      tickets,
      fc.nat(),
      anyCharacter,
      fc.constantFrom(0, 1),
      fc.boolean(),
      (ticket, place, by, removed, inserts) => {
        const whole = formatTicket(ticket, sha256);
        const at = place % whole.length;
        const changed = whole.slice(0, at) + (inserts ? by : "") + whole.slice(at + removed);
        const parsed = parseTicket(changed, sha256);
        if (parsed.ok) expect(parsed.value).toEqual(ticket);
        else expect(parsed.failure.code).toBe("TICKET_MALFORMED");
        outcomes[parsed.ok ? "same" : "refused"]++;
      },
    ),
    { numRuns: 2_000 },
  );
  expect(outcomes.refused).toBeGreaterThan(1_000);
});

test("[TICKET-4] every single character is covered: no other character in its place changes what the ticket says", () => {
  for (let at = 0; at < text.length; at++) {
    for (const by of "aA1&=?#%:/") {
      const parsed = parseTicket(text.slice(0, at) + by + text.slice(at + 1), sha256);
      if (parsed.ok) expect(parsed.value).toEqual(example);
    }
  }
});

test("[TICKET-3] no failure holds a part of the secret", () => {
  const hidden = encodeBase64Url(Uint8Array.from({ length: 32 }, (_, i) => 7 * i));
  const whole = withChecksum([database, ["in", hidden], ["pr", "relay:wss://relay.example/"]]);
  for (let at = 0; at < whole.length; at++) {
    for (const by of ["", "&", "=", "#", "%", "x"]) {
      const parsed = parseTicket(whole.slice(0, at) + by + whole.slice(at + 1), sha256);
      const told = parsed.ok ? "" : JSON.stringify(parsed.failure);
      for (let i = 0; i + 8 <= hidden.length; i++) expect(told).not.toContain(hidden.slice(i, i + 8));
    }
  }
});

test("[TICKET-5] unknown parameters and unknown kinds of addresses are ignored", () => {
  const parsed = parseTicket(`${text}&utm_source=mail&later&=&`, sha256);
  expect(parsed).toEqual({ ok: true, value: example });
  const later = withChecksum([
    database,
    secret,
    ["pr", "pigeon:loft 7"],
    ["pr", "relay:wss://relay.example/"],
    ["zz", "1"],
  ]);
  expect(parseTicket(later, sha256)).toMatchObject({
    ok: true,
    value: { relays: ["wss://relay.example/"], peers: [] },
  });
});

test("[TICKET-6] a ticket without a secret names a database and how to reach it, and a secret taken out or put in is noticed", () => {
  const { secret: _secret, ...open } = example;
  const without = formatTicket(open, sha256);
  expect(without).not.toContain("in=");
  expect(parseTicket(without, sha256)).toEqual({ ok: true, value: open });
  const taken = text.replace(/&in=[\w-]+/, "");
  const put = without.replace("&pr=", `&in=${secret[1]}&pr=`);
  for (const changed of [taken, put])
    expect(parseTicket(changed, sha256)).toMatchObject({ ok: false, failure: { details: { field: "ck" } } });
});

test("[TICKET-7] an address that can be dialled is found with the key of whoever has to be there", () => {
  const peer = publicKeyFromHex("ee".repeat(32));
  const addresses = [{ address: "memory:a/b?c=d&e=f", peer }, { address: "memory:a/b?c=d&e=f" }, { address: "ws:x@y" }];
  const ticket = { ...example, addresses };
  expect(parseTicket(formatTicket(ticket, sha256), sha256)).toEqual({ ok: true, value: ticket });
});

test("[TICKET-3] no text makes the parser throw", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 100 }), fc.boolean(), (any, isTicket) => {
      expect(parseTicket(isTicket ? `tidemark:?${any}` : any, sha256).ok).toBe(false);
    }),
    { numRuns: 500 },
  );
});
