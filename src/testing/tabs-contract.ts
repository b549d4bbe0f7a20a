/** What locks and channels of tabs promise, to be run on each kind of them. See ports/tabs.ts. */
import { TidemarkError } from "../core/errors.ts";
import type { Channels, Locks } from "../ports/tabs.ts";

export interface TabsSubject {
  /** Two that are apart, as two tabs are. */
  readonly first: Locks;
  readonly second: Locks;
  /** Lets time pass until the promise is settled. */
  settle<T>(promise: Promise<T>): Promise<T>;
}

export interface ChannelsSubject {
  readonly first: Channels;
  readonly second: Channels;
  /** Lets time pass until it is so. */
  until(condition: () => boolean): Promise<void>;
}

export interface Check<Subject> {
  readonly name: string;
  /** Rejects when it is not so. */
  run(subject: Subject): Promise<void>;
}

function must(isSo: boolean, what: string): void {
  if (!isSo) throw new Error(`not so: ${what}`);
}

/** Whether it is settled once something later on the same way is. */
function watch<T>(promise: Promise<T>): { isSettled: boolean } {
  const state = { isSettled: false };
  const settled = (): void => {
    state.isSettled = true;
  };
  promise.then(settled, settled);
  return state;
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return await promise.then(
    () => "nothing",
    (error: unknown) => (error instanceof TidemarkError ? error.code : String(error)),
  );
}

export const locksContract: readonly Check<TabsSubject>[] = [
  {
    name: "is held by one at a time, and given in the order of the requests",
    async run({ first, second, settle }) {
      const order: string[] = [];
      const hold = await settle(first.request("a"));
      const waiting = second.request("a").then((release) => {
        order.push("second");
        return release;
      });
      // Another name is another lock, and shows that the request before it arrived.
      (await settle(second.request("b")))?.();
      const third = first.request("a").then((release) => {
        order.push("first");
        return release;
      });
      (await settle(first.request("c")))?.();
      must(order.length === 0, "who waits has nothing");
      hold?.();
      hold?.();
      (await settle(waiting))?.();
      (await settle(third))?.();
      must(order.join() === "second,first", `in order, got ${order.join()}`);
    },
  },
  {
    name: "is not waited for when only wanted if available",
    async run({ first, second, settle }) {
      const hold = await settle(first.request("a"));
      must((await settle(second.request("a", { ifAvailable: true }))) === undefined, "not available");
      hold?.();
      const free = await settle(second.request("a"));
      free?.();
      (await settle(second.request("b")))?.();
      const again = await settle(first.request("a", { ifAvailable: true }));
      must(again !== undefined, "available");
      again?.();
    },
  },
  {
    name: "is not waited for any more after an abort, and stays held if it was",
    async run({ first, second, settle }) {
      const holding = new AbortController();
      const hold = await settle(first.request("a", { signal: holding.signal }));
      holding.abort();
      const waiting = new AbortController();
      const request = second.request("a", { signal: waiting.signal });
      const code = codeOf(request);
      (await settle(second.request("b")))?.();
      must((await settle(second.request("a", { ifAvailable: true }))) === undefined, "still held");
      waiting.abort();
      must((await settle(code)) === "ABORTED", "aborted");
      must((await settle(codeOf(second.request("a", { signal: waiting.signal })))) === "ABORTED", "aborted before");
      hold?.();
      const free = await settle(second.request("a"));
      must(free !== undefined, "who gave up holds up nobody");
      free?.();
    },
  },
  {
    name: "can be stolen: who had it is told once, and letting go what was stolen changes nothing",
    async run({ first, second, settle }) {
      let lost = 0;
      let tell: () => void = () => {};
      const told = new Promise<void>((resolve) => {
        tell = resolve;
      });
      const counted = (): void => {
        lost++;
        tell();
      };
      const hold = await settle(first.request("a", { lost: counted }));
      const stolen = await settle(second.request("a", { steal: true }));
      await settle(told);
      const queued = first.request("a");
      const state = watch(queued);
      (await settle(first.request("c")))?.();
      hold?.();
      (await settle(first.request("d")))?.();
      must(!state.isSettled, "the thief has it");
      stolen?.();
      (await settle(queued))?.();
      must(lost === 1, `told once, got ${lost}`);
    },
  },
  {
    name: "tells nobody of a theft who had let it go",
    async run({ first, second, settle }) {
      let lost = 0;
      const hold = await settle(first.request("a", { lost: () => lost++ }));
      hold?.();
      const other = await settle(second.request("a"));
      const stolen = await settle(first.request("a", { steal: true }));
      (await settle(second.request("b")))?.();
      must(lost === 0, "not told");
      other?.();
      stolen?.();
    },
  },
];

export const channelsContract: readonly Check<ChannelsSubject>[] = [
  {
    name: "carries copies to everybody else, in order, once",
    async run({ first, second, until }) {
      const from = first.open("x");
      const one = second.open("x");
      const other = first.open("x");
      const elsewhere = second.open("y");
      const got: Record<string, unknown[]> = { from: [], one: [], other: [], elsewhere: [] };
      for (const [name, channel] of Object.entries({ from, one, other, elsewhere })) {
        channel.listen((message) => got[name]?.push(message));
      }
      // A channel may need a moment until everybody's messages reach it.
      await until(() => {
        if (got.one?.length === 0 || got.other?.length === 0) from.post("open");
        return (got.one?.length ?? 0) > 0 && (got.other?.length ?? 0) > 0;
      });
      const message = { bytes: Uint8Array.of(1, 2), number: 1 };
      from.post(message);
      message.number = 2;
      from.post(message);
      from.post("end");
      await until(() => got.one?.at(-1) === "end" && got.other?.at(-1) === "end");
      for (const name of ["one", "other"]) {
        const numbers = got[name]?.flatMap((item) => (item === "open" || item === "end" ? [] : [item]));
        must(
          JSON.stringify(numbers) === JSON.stringify([{ ...message, number: 1 }, message]),
          `${name} got both, as sent`,
        );
        must((numbers?.[0] as typeof message | undefined)?.bytes instanceof Uint8Array, "bytes stay bytes");
      }
      must(got.from?.length === 0 && got.elsewhere?.length === 0, "nobody else");
      for (const channel of [from, one, other, elsewhere]) channel.close();
    },
  },
  {
    name: "carries nothing once closed, and throws for what cannot be cloned",
    async run({ first, second, until }) {
      const from = first.open("x");
      const to = second.open("x");
      const left = second.open("x");
      const got: unknown[] = [];
      const missed: unknown[] = [];
      to.listen((message) => got.push(message));
      left.listen((message) => missed.push(message));
      left.close();
      left.close();
      await until(() => {
        if (got.length === 0) from.post("open");
        return got.length > 0;
      });
      let thrown: unknown;
      try {
        from.post(() => {});
      } catch (error) {
        thrown = error;
      }
      must(thrown instanceof Error, "what cannot be cloned is refused");
      from.post("end");
      from.close();
      from.post("after");
      await until(() => got.includes("end"));
      must(missed.length === 0 && !got.includes("after"), "closed");
      to.close();
    },
  },
];
