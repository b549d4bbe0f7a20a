import type { Database, PresenceMember } from "tidemark";
import { expect, test } from "vitest";
import type { People } from "./people.ts";
import type { Place, SharedText } from "./shared-text.ts";
import { TextPeople } from "./text-people.ts";
import type { Surroundings } from "./view.ts";

const place = (after: string): Place => ({ piece: "p", after });

/** Ben, in a text of which some letters have arrived. */
function openWithBen(letters: string[]): { readonly people: TextPeople; say(after: string): void } {
  let told: (members: readonly PresenceMember[]) => void = () => {};
  const presence = {
    subscribe: (listener: typeof told) => {
      told = listener;
      return () => {};
    },
  };
  const text = {
    value: "one\ntwo",
    indexOf: ({ after }: Place) => (letters.includes(after ?? "") ? letters.indexOf(after ?? "") + 1 : undefined),
  };
  const people = new TextPeople(
    {
      around: { announcer: { announce: () => {} } } as unknown as Surroundings,
      database: { presence } as unknown as Database,
      people: { self: "ada", nameOf: () => "Ben" } as unknown as People,
      text: text as unknown as SharedText,
      moved: () => {},
      goTo: () => {},
    },
    true,
  );
  const say = (after: string): void => {
    const state = { text: { anchor: { ...place(after) }, head: { ...place(after) } } };
    told([{ page: "00000001", key: "ben", isSelf: false, state } as unknown as PresenceMember]);
  };
  return { people, say };
}

test("who is behind a letter that has not arrived stays where they were until it has", () => {
  const letters = ["a", "b"];
  const { people, say } = openWithBen(letters);
  say("a");
  expect(people.carets()).toMatchObject([{ name: "Ben", head: 1 }]);
  say("c");
  expect(people.carets()).toMatchObject([{ head: 1 }]);
  letters.push("c");
  expect(people.carets()).toMatchObject([{ head: 3 }]);
});

test("who was never anywhere that is known has no caret, and no line", () => {
  const { people, say } = openWithBen([]);
  say("c");
  expect(people.carets()).toEqual([]);
  expect(people.element.querySelector("button")?.getAttribute("aria-label")).toBe("Ben");
});
