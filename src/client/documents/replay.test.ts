import { expect, test } from "vitest";
import { mergedText, readFriends, type SharedKeystroke } from "../../../e2e/recordings.ts";
import { automerge, DocEngine, type DocPage } from "../../testing/doc-engine.ts";

/** The beginning of 26,078: they write at once from the start. */
const recorded: readonly SharedKeystroke[] = readFriends().txns.slice(0, 500);

/** One of the two, and what is known of which change is which keystroke. */
class Writer {
  readonly page: DocPage;
  readonly #heads: (readonly string[])[];
  readonly #start: readonly string[];
  #left: readonly number[];

  constructor(page: DocPage, agent: number, heads: (readonly string[])[]) {
    this.page = page;
    this.#heads = heads;
    this.#start = page.replica.heads;
    this.#left = [...recorded.keys()].filter((index) => recorded[index]?.agent === agent);
  }

  get isDone(): boolean {
    return this.#left.length === 0;
  }

  /** All for which what they stand on is here. Answers with how many that were. */
  write(): number {
    const count = this.#left.findIndex((index) => !this.#tryWrite(index));
    const written = count < 0 ? this.#left.length : count;
    this.#left = this.#left.slice(written);
    return written;
  }

  #tryWrite(index: number): boolean {
    const { parents, patches } = recorded[index] as SharedKeystroke;
    const before = parents.length === 0 ? this.#start : parents.flatMap((parent) => this.#heads[parent] ?? ["?"]);
    if (before.includes("?") || !this.page.replica.hasHeads(before)) return false;
    const made = this.page.replica.changeAt(before, (draft) => {
      for (const [position, deleted, inserted] of patches)
        automerge.splice(draft, ["text"], position, deleted, inserted);
    });
    this.#heads[index] = made ?? before;
    return true;
  }
}

test.each([false, true])(
  "[DOC-73] two recorded writers, each on exactly what was there, end with the recorded text; heard: %s",
  async (local) => {
    const engine = new DocEngine();
    const pages = [await engine.page("a", { local }).open(), await engine.page("b", { local }).open()];
    pages[0]?.change((draft) => Object.assign(draft, { text: "" }));
    await engine.settle();
    const heads: (readonly string[])[] = [];
    const writers = pages.map((page, agent) => new Writer(page, agent, heads));
    while (!writers.every(({ isDone }) => isDone)) {
      const written = writers.reduce((sum, writer) => sum + writer.write(), 0);
      expect(written).toBeGreaterThan(0);
      await engine.settle();
    }
    const text = mergedText(recorded);
    for (const { value, replica, problems } of pages) {
      expect(value).toEqual({ text });
      expect([...replica.heads].sort()).toEqual([...engine.state.heads()].sort());
      expect(problems).toEqual([]);
    }
  },
);
